//! An agreement between two sides that race for numbered items, by two words of memory and without waiting.
//!
//! One side claims the next number, and the other side withdraws all numbers up to a limit. Each writes its
//! own word, then reads the other's. A full fence between the two ensures that at least one side sees the
//! other's write, so no number is both claimed and withdrawn. If both see it, the claim gives way.
//!
//! Generic over the words, so that a model checker can try every order in which the accesses become visible.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// A number that both sides access.
pub(crate) trait Word {
    /// Why it cannot be accessed.
    type Error;

    /// Writes it.
    fn store(&self, number: u64, order: Ordering) -> Result<(), Self::Error>;

    /// Reads it.
    fn load(&self, order: Ordering) -> Result<u64, Self::Error>;

    /// A fence between accesses of this thread to such words.
    fn fence(order: Ordering);
}

/// Claims `number`, where `before` is the claim until then. Returns `false` if it is withdrawn. Then `before`
/// stands there again, but the other side may have seen the claim and must be notified.
pub(crate) fn claim<W: Word>(claimed: &W, limit: &W, number: u64, before: u64) -> Result<bool, W::Error> {
    claimed.store(number, Ordering::Release)?;
    let is_mine = number > after_writes(limit)?;
    if !is_mine {
        claimed.store(before, Ordering::Release)?;
    }
    Ok(is_mine)
}

/// Withdraws every number up to `last` that is not claimed, and returns the last claimed number. The numbers
/// after that one, up to `last`, will not be claimed.
pub(crate) fn withdraw<W: Word>(limit: &W, claimed: &W, last: u64) -> Result<u64, W::Error> {
    limit.store(last, Ordering::Release)?;
    after_writes(claimed)
}

/// Reads a word after everything that this thread has written is visible to all.
pub(crate) fn after_writes<W: Word>(word: &W) -> Result<u64, W::Error> {
    W::fence(Ordering::SeqCst);
    word.load(Ordering::Acquire)
}

/// Little-endian on every machine.
impl Word for AtomicU64 {
    type Error = Infallible;

    fn store(&self, number: u64, order: Ordering) -> Result<(), Infallible> {
        self.store(number.to_le(), order);
        Ok(())
    }

    fn load(&self, order: Ordering) -> Result<u64, Infallible> {
        Ok(u64::from_le(self.load(order)))
    }

    fn fence(order: Ordering) {
        fence(order);
    }
}

#[cfg(test)]
mod tests;
