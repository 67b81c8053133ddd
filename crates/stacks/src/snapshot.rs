//! The state of a process from which its stacks are found: registers, pieces of stack memory, and what is mapped where.

/// Maximum number of bytes of stack memory that are kept of one thread.
pub const MOST_STACK: usize = 256 * 1024;

/// The state of a process at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The threads. The first one is that of the job, or the one that received the fatal signal.
    pub threads: Vec<ThreadSnapshot>,
    /// The mapped files, in the order of their addresses.
    pub mappings: Vec<Mapping>,
}

/// The state of a thread.
#[derive(Clone, Debug, Default)]
pub struct ThreadSnapshot {
    /// The number of the thread, as its kernel counts.
    pub id: u32,
    /// The name of the thread.
    pub name: String,
    /// The registers that unwinding begins with.
    pub registers: Registers,
    /// A copy of its stack memory, at most [`MOST_STACK`] bytes.
    pub stack: Vec<u8>,
    /// The address of the first byte of `stack`.
    pub stack_start: u64,
}

/// The registers that unwinding begins with. On x86-64 `rip`, `rsp`, `rbp`; on aarch64 `pc`, `sp`, `x29`, `x30`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// The instruction pointer.
    pub ip: u64,
    /// The stack pointer.
    pub sp: u64,
    /// The frame pointer.
    pub fp: u64,
    /// The link register; 0 where there is none.
    pub lr: u64,
}

/// A part of a file that is mapped executable or readable, as `/proc/PID/maps` lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// The address of its first byte.
    pub start: u64,
    /// The address after its last byte.
    pub end: u64,
    /// The position in the file of its first byte.
    pub offset: u64,
    /// Whether its bytes may be executed.
    pub executable: bool,
    /// The major and minor number of the file's device; zero where they are not known.
    pub device: (u32, u32),
    /// The number of the file on its device; 0 where it is not known.
    pub inode: u64,
    /// The path as the kernel wrote it; empty for memory without a file.
    pub path: String,
}
