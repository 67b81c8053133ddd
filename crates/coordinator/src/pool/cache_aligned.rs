//! [`CacheAligned`]: a value on cache lines of its own.

use std::ops::Deref;

/// Keeps a value that changes all the time from the cache lines of values that other threads only read. Two lines wide:
/// x86 processors fetch lines in pairs.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct CacheAligned<T>(pub(super) T);

impl<T> Deref for CacheAligned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}
