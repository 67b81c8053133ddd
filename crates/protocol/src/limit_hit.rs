//! [`LimitHit`]: the limit that caused a worker's death. Does not: examine the evidence for it.

use serde::{Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// A limit that a worker process reached and died of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitHit {
    /// The process used more memory.
    #[non_exhaustive]
    Memory {
        /// The limit, in bytes.
        limit: u64,
        /// How its memory was counted.
        count: MemoryCount,
    },
    /// The process requested more address space.
    #[non_exhaustive]
    AddressSpace {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The process used too much processor time, all of its jobs together.
    #[non_exhaustive]
    Cpu {
        /// The limit, in whole seconds.
        limit: Duration,
    },
    /// The process tried to make a file larger.
    #[non_exhaustive]
    FileSize {
        /// The limit, in bytes.
        limit: u64,
    },
}

/// How the memory of a worker is counted against its limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MemoryCount {
    /// The kernel counts the worker and its children in a control group.
    Cgroup,
    /// The coordinator reads the resident memory of the worker's own process, again and again.
    Resident,
}

impl LimitHit {
    /// Returns the limit's name in reports that programs read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory { .. } => "memory",
            Self::AddressSpace { .. } => "address_space",
            Self::Cpu { .. } => "cpu",
            Self::FileSize { .. } => "file_size",
        }
    }
}

impl fmt::Display for LimitHit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Memory { limit, count } => write!(out, "memory limit of {} ({count})", size(limit)),
            Self::AddressSpace { limit } => write!(out, "address space limit of {}", size(limit)),
            Self::Cpu { limit } => write!(out, "CPU limit of {limit:?}"),
            Self::FileSize { limit } => write!(out, "file size limit of {}", size(limit)),
        }
    }
}

impl fmt::Display for MemoryCount {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Cgroup => "counted by its cgroup",
            Self::Resident => "counted by its resident memory",
        })
    }
}

impl Serialize for LimitHit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Returns a size in the largest unit of which it is a multiple.
pub fn size(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|&(_, unit)| bytes > 0 && bytes.is_multiple_of(unit)) {
        Some((name, unit)) => format!("{} {name}", bytes / unit),
        None => format!("{bytes} bytes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_told_in_round_units_without_losing_a_byte() {
        let memory = |limit| LimitHit::AddressSpace { limit }.to_string();
        assert_eq!(memory(256 << 20), "address space limit of 256 MiB");
        assert_eq!(memory(2 << 30), "address space limit of 2 GiB");
        assert_eq!(memory(1_000_000), "address space limit of 1000000 bytes");
        let counted = |count| LimitHit::Memory { limit: 1 << 30, count }.to_string();
        assert_eq!(counted(MemoryCount::Cgroup), "memory limit of 1 GiB (counted by its cgroup)");
        assert_eq!(counted(MemoryCount::Resident), "memory limit of 1 GiB (counted by its resident memory)");
        assert_eq!(LimitHit::Cpu { limit: Duration::from_secs(2) }.to_string(), "CPU limit of 2s");
        assert_eq!(LimitHit::FileSize { limit: 1024 }.to_string(), "file size limit of 1 KiB");
    }
}
