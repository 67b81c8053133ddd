//! The first 16 bytes on a connection, outside every encoding, so that a mismatch is always readable.
//!
//! Both sides send the range of versions that they support, without waiting for the other. The version in use
//! is the greatest common one. If there is none, the connection ends.

use std::ops::RangeInclusive;

/// Length of a preamble, in bytes.
pub const PREAMBLE_LEN: usize = 16;

/// The first bytes of every connection.
pub const MAGIC: [u8; 8] = *b"PROCPOOL";

/// The versions that this crate supports.
pub const VERSIONS: RangeInclusive<u16> = 2..=2;

/// The offer of one side, or the agreement of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preamble {
    /// Lowest version.
    pub lowest: u16,
    /// Highest version.
    pub highest: u16,
    /// Optional features, a bit each. Version 2 defines none; unknown bits are not chosen.
    pub features: u32,
}

/// The bytes are not a preamble, or one with which this side cannot communicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PreambleError {
    /// The other side does not use procpool's protocol.
    #[error("the connection does not begin with procpool's preamble")]
    NotProcpool,
    /// There is no common version.
    #[error(
        "the other side speaks protocol version {} to {}, this side {} to {}",
        theirs.lowest, theirs.highest, VERSIONS.start(), VERSIONS.end()
    )]
    #[non_exhaustive]
    NoCommonVersion {
        /// The other side's offer.
        theirs: Preamble,
    },
}

impl Preamble {
    /// Returns the offer of this crate.
    pub fn ours() -> Self {
        Self { lowest: *VERSIONS.start(), highest: *VERSIONS.end(), features: 0 }
    }

    /// Returns the preamble as on the wire.
    pub fn to_bytes(self) -> [u8; PREAMBLE_LEN] {
        let mut out = [0; PREAMBLE_LEN];
        out[..8].copy_from_slice(&MAGIC);
        out[8..10].copy_from_slice(&self.lowest.to_le_bytes());
        out[10..12].copy_from_slice(&self.highest.to_le_bytes());
        out[12..16].copy_from_slice(&self.features.to_le_bytes());
        out
    }

    /// Reads a preamble.
    ///
    /// # Errors
    /// Returns [`PreambleError::NotProcpool`] when the magic is missing.
    pub fn from_bytes(bytes: &[u8; PREAMBLE_LEN]) -> Result<Self, PreambleError> {
        let [magic @ .., l0, l1, h0, h1, f0, f1, f2, f3] = *bytes;
        if magic != MAGIC {
            return Err(PreambleError::NotProcpool);
        }
        Ok(Self {
            lowest: u16::from_le_bytes([l0, l1]),
            highest: u16::from_le_bytes([h0, h1]),
            features: u32::from_le_bytes([f0, f1, f2, f3]),
        })
    }

    /// Returns the agreement between this side and the other: the greatest version that both support, and the
    /// features that both have.
    ///
    /// # Errors
    /// Returns [`PreambleError::NoCommonVersion`] when there is none.
    pub fn agree(theirs: Self) -> Result<Self, PreambleError> {
        let ours = Self::ours();
        let version = ours.highest.min(theirs.highest);
        if version < ours.lowest.max(theirs.lowest) {
            return Err(PreambleError::NoCommonVersion { theirs });
        }
        Ok(Self { lowest: version, highest: version, features: ours.features & theirs.features })
    }
}
