//! The state of a process from which its stacks are found: registers, pieces of stack memory, and what is mapped where.

/// Maximum number of bytes of stack memory that are kept of one thread.
pub const MOST_STACK: usize = 256 * 1024;

/// The state of a process at one moment.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Snapshot {
    /// The threads. The first one is that of the job, or the one that received the fatal signal.
    pub threads: Vec<ThreadSnapshot>,
    /// The mapped files, in the order of their addresses.
    pub mappings: Vec<Mapping>,
    /// Whether the kernel itself has listed `mappings`. Otherwise somebody may have invented the paths: a file is
    /// used only if it has the number that its mapping says, and is on a local disk. `false` by default.
    pub is_confirmed: bool,
    /// Why something is missing. `None` if nothing is.
    pub note: Option<String>,
}

impl Snapshot {
    /// Returns the state of these threads, with mappings that nobody confirms.
    pub fn new(threads: Vec<ThreadSnapshot>, mappings: Vec<Mapping>) -> Self {
        Self { threads, mappings, is_confirmed: false, note: None }
    }

    /// States that the kernel itself has listed the mappings.
    #[must_use]
    pub fn confirmed(mut self) -> Self {
        self.is_confirmed = true;
        self
    }
}

/// The state of a thread.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
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

impl ThreadSnapshot {
    /// Returns the state of a thread without a name.
    pub fn new(id: u32, registers: Registers, stack: Vec<u8>, stack_start: u64) -> Self {
        Self { id, name: String::new(), registers, stack, stack_start }
    }
}

/// The registers that unwinding begins with. On x86-64 `rip`, `rsp`, `rbp`; on aarch64 `pc`, `sp`, `x29`, `x30`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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

impl Registers {
    /// Returns registers with these values.
    pub fn new(ip: u64, sp: u64, fp: u64, lr: u64) -> Self {
        Self { ip, sp, fp, lr }
    }
}

/// A part of a file that is mapped executable or readable, as `/proc/PID/maps` lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
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

impl Mapping {
    /// Returns an executable mapping of the beginning of a file, whose number is not known.
    pub fn new(start: u64, end: u64, path: impl Into<String>) -> Self {
        Self { start, end, executable: true, path: path.into(), ..Self::default() }
    }
}
