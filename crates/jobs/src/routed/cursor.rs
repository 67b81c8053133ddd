//! A cursor that holds a position in two lists. It fits into a [`Cursor`], which has 64 bits for a position: each
//! side gets 32 of them, and its newest job tells the rest.

use procpool_registry::Cursor;

/// Number of bits of a position that a cursor holds.
const BITS: u32 = 32;

/// Where both lists continue: with the newest job below these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) durable: u64,
    pub(super) memory: u64,
}

impl Position {
    /// Returns the cursor of this position.
    pub(super) fn cursor(self, number: u64) -> Cursor {
        made(number, low(self.memory) << BITS | low(self.durable))
    }

    /// Returns the position of a cursor, or `None` if another registry has returned it. A number that lies 2³¹ jobs
    /// or more from the newest one is taken for another: by then its job has long been forgotten.
    pub(super) fn of(cursor: Cursor, number: u64, newest: Position) -> Option<Self> {
        let (of, below) = parts(cursor);
        let position = Self {
            durable: nearest(low(below), newest.durable),
            memory: nearest(below >> BITS, newest.memory),
        };
        (of == number).then_some(position)
    }
}

/// Returns a cursor with these two numbers, by its text: the parts of a [`Cursor`] are its registry's own.
pub(super) fn made(number: u64, below: u64) -> Cursor {
    let text = format!("{number:016x}-{below:x}");
    text.parse().unwrap_or_else(|error| unreachable!("{text}: {error}"))
}

/// Returns the numbers of a cursor.
pub(super) fn parts(cursor: Cursor) -> (u64, u64) {
    let text = cursor.to_string();
    let number = |part: &str| u64::from_str_radix(part, 16).unwrap_or_default();
    text.split_once('-').map_or((0, 0), |(registry, below)| (number(registry), number(below)))
}

fn low(number: u64) -> u64 {
    number & ((1 << BITS) - 1)
}

/// Returns the number with these low bits that is nearest to `anchor`.
fn nearest(low_bits: u64, anchor: u64) -> u64 {
    let same = anchor >> BITS << BITS | low_bits;
    let half = 1 << (BITS - 1);
    if same.abs_diff(anchor) <= half {
        same
    } else if same > anchor {
        same.checked_sub(1 << BITS).unwrap_or(same)
    } else {
        same.checked_add(1 << BITS).unwrap_or(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_position_survives_its_cursor(
            number: u64, durable: u64, memory: u64, since in 0..1_u64 << 31, gone in 0..1_u64 << 31,
        ) {
            // Jobs have come since, and others were forgotten.
            let newest = Position { durable: durable.saturating_add(since), memory: memory.saturating_sub(gone) };
            let position = Position { durable, memory };
            let cursor = position.cursor(number).to_string().parse().unwrap();
            prop_assert_eq!(Position::of(cursor, number, newest), Some(position));
            prop_assert_eq!(Position::of(cursor, number.wrapping_add(1), newest), None);
        }
    }
}
