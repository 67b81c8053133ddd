//! The differences between processors: the numbers of registers in call frame information, and where a call
//! leaves the address to return to.

use gimli::Register;

/// A processor's architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arch {
    X86_64,
    Aarch64,
}

impl Arch {
    /// The architecture of this program, and therefore of the workers. `None` where stacks are not known.
    pub(crate) const NATIVE: Option<Self> = if cfg!(target_arch = "x86_64") {
        Some(Self::X86_64)
    } else if cfg!(target_arch = "aarch64") {
        Some(Self::Aarch64)
    } else {
        None
    };

    /// The number by which ELF files name it.
    pub(crate) fn elf_machine(self) -> u16 {
        match self {
            Self::X86_64 => 62,
            Self::Aarch64 => 183,
        }
    }

    pub(crate) fn sp(self) -> Register {
        Register(if self == Self::X86_64 { 7 } else { 31 })
    }

    pub(crate) fn fp(self) -> Register {
        Register(if self == Self::X86_64 { 6 } else { 29 })
    }

    /// The column of the return address. On aarch64 it is the link register.
    pub(crate) fn ra(self) -> Register {
        Register(if self == Self::X86_64 { 16 } else { 30 })
    }

    /// Whether a call leaves its return address in a register instead of on the stack.
    pub(crate) fn has_link_register(self) -> bool {
        self == Self::Aarch64
    }

    /// Removes the signature that pointer authentication adds to a return address.
    pub(crate) fn plain(self, address: u64) -> u64 {
        match self {
            Self::X86_64 => address,
            Self::Aarch64 => address & ((1 << 48) - 1),
        }
    }
}
