//! Byte strings of a typed value that use the memory of the received payload, instead of being copied out of
//! it.
//!
//! Serde gives a `Deserialize` a slice, but not the owner of its memory. Therefore the thread that decodes a
//! value remembers its payload, and a slice can become a part of it. Does not: know formats.

use crate::apart;
use bytes::Bytes;
use std::cell::RefCell;

/// Minimum length of a byte string that is not copied, in bytes. Such a string holds its whole payload in
/// memory; for a shorter one a copy is cheaper.
pub(crate) const MIN_LENGTH: usize = 64 * 1024;

thread_local! {
    /// The payload of the value that is being decoded.
    static SOURCE: RefCell<Bytes> = const { RefCell::new(Bytes::new()) };
}

/// Runs `decode`, in which slices of `source` may become parts of it.
pub(crate) fn of<T>(source: &Bytes, decode: impl FnOnce() -> T) -> T {
    struct Outer(Bytes);
    impl Drop for Outer {
        fn drop(&mut self) {
            SOURCE.replace(std::mem::take(&mut self.0));
        }
    }
    if source.len() < MIN_LENGTH {
        return decode();
    }
    // A value may be decoded within another one, and its code may panic.
    let _outer = Outer(SOURCE.replace(source.clone()));
    decode()
}

/// Returns these bytes as a part of the payload, if they are in it and long enough. Returns the separately
/// sent string, if they are its empty place.
pub(crate) fn taken(bytes: &[u8]) -> Bytes {
    if bytes.is_empty() {
        return apart::awaited(bytes).unwrap_or_default();
    }
    let part = || SOURCE.with_borrow(|source| is_part(bytes, source).then(|| source.slice_ref(bytes)));
    let part = if bytes.len() < MIN_LENGTH { None } else { part() };
    part.unwrap_or_else(|| Bytes::copy_from_slice(bytes))
}

fn is_part(bytes: &[u8], source: &[u8]) -> bool {
    let (bytes, source) = (bytes.as_ptr_range(), source.as_ptr_range());
    source.start <= bytes.start && bytes.end <= source.end
}
