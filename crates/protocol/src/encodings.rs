//! [`Encodings`]: the encodings of payloads that one side reads and writes.

use crate::payload::Encoding;
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use std::fmt;

/// A set of encodings. In JSON it is a list of words: `["bincode", "json", "raw"]`. A reader
/// ignores words that it does not know.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Encodings(u8);

/// Every encoding of a payload, with its word.
const WORDS: [(Encoding, &str); 3] =
    [(Encoding::Bincode, "bincode"), (Encoding::Json, "json"), (Encoding::Bytes, "raw")];

impl Encodings {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// All encodings. A worker that names none has all.
    pub const ALL: Self = Self::NONE.with(Encoding::Bincode).with(Encoding::Json).with(Encoding::Bytes);

    /// Returns the same set with `encoding` added. [`Encoding::None`] is in every set.
    #[must_use]
    pub const fn with(self, encoding: Encoding) -> Self {
        match encoding {
            Encoding::None => self,
            other => Self(self.0 | 1 << other as u8),
        }
    }

    /// Returns the members of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Returns whether `encoding` is in the set.
    pub fn has(self, encoding: Encoding) -> bool {
        self.with(encoding) == self
    }

    /// Returns whether the set has all encodings.
    pub fn is_all(&self) -> bool {
        *self == Self::ALL
    }

    fn members(self) -> impl Iterator<Item = (Encoding, &'static str)> {
        WORDS.into_iter().filter(move |&(encoding, _)| self.has(encoding))
    }
}

impl Default for Encodings {
    fn default() -> Self {
        Self::ALL
    }
}

impl FromIterator<Encoding> for Encodings {
    fn from_iter<I: IntoIterator<Item = Encoding>>(encodings: I) -> Self {
        encodings.into_iter().fold(Self::NONE, Self::with)
    }
}

/// Writes the names for a sentence: `bincode, JSON and raw bytes`.
impl fmt::Display for Encodings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.members().map(|(encoding, _)| encoding.name()).collect();
        match names.split_last() {
            None => out.write_str("no encoding"),
            Some((last, [])) => out.write_str(last),
            Some((last, others)) => write!(out, "{} and {last}", others.join(", ")),
        }
    }
}

impl fmt::Debug for Encodings {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_set().entries(self.members().map(|(_, word)| word)).finish()
    }
}

impl Serialize for Encodings {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.members().map(|(_, word)| word))
    }
}

impl<'de> Deserialize<'de> for Encodings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let named = Vec::<String>::deserialize(deserializer)?;
        Ok(WORDS
            .into_iter()
            .filter(|(_, word)| named.iter().any(|it| it == word))
            .map(|(it, _)| it)
            .collect())
    }
}
