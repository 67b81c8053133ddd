//! [`Cursor`]: where a list continues.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// Where a list continues. Valid only for the registry that returned it, while that one lives.
///
/// ```
/// use procpool_registry::Cursor;
///
/// assert!("yesterday".parse::<Cursor>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The registry's own number.
    pub(crate) registry: u64,
    /// The list continues with the newest job below this number.
    pub(crate) below: u64,
}

impl Cursor {
    /// Returns the cursor of a store with this number, whose list continues below this job.
    #[must_use]
    pub const fn new(store: u64, below: u64) -> Self {
        Self { registry: store, below }
    }

    /// Returns the number of the job below which the list continues, or `None` if another store has returned the cursor.
    #[must_use]
    pub const fn below(self, store: u64) -> Option<u64> {
        if self.registry == store { Some(self.below) } else { None }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}-{:x}", self.registry, self.below)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let (registry, below) = text.split_once('-').ok_or(InvalidCursor)?;
        // `from_str_radix` also takes a sign.
        let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
        if registry.len() != 16 || !is_hex(registry) || !is_hex(below) {
            return Err(InvalidCursor);
        }
        let number = |part| u64::from_str_radix(part, 16).map_err(|_: ParseIntError| InvalidCursor);
        Ok(Self { registry: number(registry)?, below: number(below)? })
    }
}

/// The text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one that this server has returned; start again without a cursor")]
pub struct InvalidCursor;

/// The cursor comes from another server, or from an earlier start of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the cursor comes from another server or from an earlier start of this one; start again without a cursor"
)]
pub struct ForeignCursor;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_text() {
        for cursor in [Cursor { registry: 0, below: 1 }, Cursor { registry: u64::MAX, below: u64::MAX }] {
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
    }

    #[test]
    fn other_texts_are_no_cursors() {
        let registry = "0123456789abcdef";
        for text in [
            "",
            "-",
            "1-1",
            registry,
            &format!("{registry}-"),
            &format!("{registry}-+1"),
            &format!("{registry}-x"),
        ] {
            assert_eq!(text.parse::<Cursor>(), Err(InvalidCursor), "{text:?}");
        }
    }
}
