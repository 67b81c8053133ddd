//! [`LimitHit`]: the limit that caused a worker's death. Does not: examine the evidence for it.

use serde::{Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// A limit that a worker process reached and died of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LimitHit {
    /// The process requested more memory.
    #[non_exhaustive]
    Memory {
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

impl LimitHit {
    /// Returns the limit's name in reports that programs read.
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory { .. } => "memory",
            Self::Cpu { .. } => "cpu",
            Self::FileSize { .. } => "file_size",
        }
    }
}

impl fmt::Display for LimitHit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Memory { limit } => write!(out, "memory limit of {}", size(limit)),
            Self::Cpu { limit } => write!(out, "CPU limit of {limit:?}"),
            Self::FileSize { limit } => write!(out, "file size limit of {}", size(limit)),
        }
    }
}

impl Serialize for LimitHit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Writes a size in the largest unit of which it is a multiple.
fn size(bytes: u64) -> String {
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
        let memory = |limit| LimitHit::Memory { limit }.to_string();
        assert_eq!(memory(256 << 20), "memory limit of 256 MiB");
        assert_eq!(memory(2 << 30), "memory limit of 2 GiB");
        assert_eq!(memory(1_000_000), "memory limit of 1000000 bytes");
        assert_eq!(LimitHit::Cpu { limit: Duration::from_secs(2) }.to_string(), "CPU limit of 2s");
        assert_eq!(LimitHit::FileSize { limit: 1024 }.to_string(), "file size limit of 1 KiB");
    }
}
