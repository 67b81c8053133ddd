//! Arenas: memory that a coordinator shares with one worker, so that a large payload need not go through a
//! socket. This module names arenas and places in them. Their contents are bytes.

use serde::{Deserialize, Serialize};

/// Minimum length of a payload that goes through an arena, in bytes: 256 KiB. A shorter one goes
/// through a socket in about the time that the two sides need to agree on a place.
pub const MIN_SHARED: usize = 256 * 1024;

/// The payloads that an arena is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Jobs' inputs: the coordinator writes, the worker reads.
    Input,
    /// Jobs' outputs: the worker writes, the coordinator reads.
    Output,
}

/// How a worker receives its arenas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TakesArenas {
    /// The worker receives their descriptors over the control connection, as the attachment of a [`Share`].
    Received,
    /// The worker [inherits](crate::birth) them.
    Born,
}

/// Header of [`Kind::Share`](crate::frame::Kind::Share); the frame's sequence number is the arena's. Its
/// memory is the frame's attachment, or the arena that the worker inherited. Without a length, the worker
/// drops its arena in this direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    /// The payloads that the arena is used for.
    pub direction: Direction,
    /// The arena's length, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// Whether the worker inherited the arena.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub born: bool,
}

/// Header of [`Kind::Shared`](crate::frame::Kind::Shared); the frame's sequence number is the arena's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// Whether the worker can use the arena.
    pub accepted: bool,
}

/// The place of a payload in an arena. A frame contains it instead of the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The arena's number.
    pub arena: u64,
    /// The offset of the payload in the arena, in bytes.
    pub offset: u64,
    /// The payload's length, in bytes.
    pub length: u64,
}

impl Place {
    /// Length of a place on the wire, in bytes.
    pub const LEN: usize = 24;

    /// Returns the place as a frame contains it: three little-endian numbers.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut out = [0; Self::LEN];
        for (at, number) in [self.arena, self.offset, self.length].into_iter().enumerate() {
            out[8 * at..][..8].copy_from_slice(&number.to_le_bytes());
        }
        out
    }

    /// Reads a place. Returns `None` if `bytes` has another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.try_into().ok()?;
        let [arena, offset, length] = [0, 8, 16].map(|at| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(number)
        });
        Some(Self { arena, offset, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_three_numbers() {
        let place = Place { arena: 3, offset: 0x1_0000_0000, length: 7 };
        let bytes = place.to_bytes();
        assert_eq!(bytes.len(), Place::LEN);
        assert_eq!((bytes[0], bytes[12], bytes[16]), (3, 1, 7));
        assert_eq!(Place::from_bytes(&bytes), Some(place));
        assert_eq!(Place::from_bytes(&bytes[1..]), None);
    }
}
