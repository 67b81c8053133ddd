//! Sends the large byte string of a typed value unchanged, separately from the rest of the value.
//!
//! The rest is the value's bincode, in which that string is empty, after the offset of the empty string as a
//! `u32`. Therefore encoding does not copy the string, and the receiver uses it as the [`Bytes`] of the
//! decoded value. Does not: know the wire; the rest is the [extra](crate::extras) of a job or its end, and a
//! part of a payload.

use crate::arena::MIN_SHARED;
use crate::codec::{self, Collected};
use crate::limits::MAX_REST;
use bytes::Bytes;
use std::cell::RefCell;

/// Minimum length of a byte string that is sent separately, in bytes. Shorter ones go through the socket, and
/// are copied there anyway.
pub(crate) const MIN_LENGTH: usize = MIN_SHARED;

thread_local! {
    /// The byte string that is being serialized.
    static OFFERED: RefCell<Option<Bytes>> = const { RefCell::new(None) };
    /// The string of the value that is being decoded, and the place of the empty one.
    static AWAITED: RefCell<Option<(usize, Bytes)>> = const { RefCell::new(None) };
}

/// Restores the earlier value of a thread's cell. A value may be encoded or decoded within another one, and
/// its code may panic.
struct Outer<T: Clone + 'static>(&'static std::thread::LocalKey<RefCell<Option<T>>>, Option<T>);

impl<T: Clone> Drop for Outer<T> {
    fn drop(&mut self) {
        self.0.replace(self.1.take());
    }
}

/// Runs `serialize`, which writes `string`. Meanwhile [`offered`] finds the string as a whole.
pub(crate) fn offering<T>(string: &Bytes, serialize: impl FnOnce() -> T) -> T {
    if string.len() < MIN_LENGTH {
        return serialize();
    }
    let _outer = Outer(&OFFERED, OFFERED.replace(Some(string.clone())));
    serialize()
}

/// Returns the byte string that is being serialized, if these are its bytes.
pub(crate) fn offered(bytes: &[u8]) -> Option<Bytes> {
    let is_it = |it: &&Bytes| it.as_ptr() == bytes.as_ptr() && it.len() == bytes.len();
    OFFERED.with_borrow(|offered| offered.as_ref().filter(is_it).cloned())
}

/// Returns the byte string that replaces this empty one, once.
pub(crate) fn awaited(empty: &[u8]) -> Option<Bytes> {
    let place = empty.as_ptr() as usize;
    AWAITED.with_borrow_mut(|awaited| awaited.take_if(|(it, _)| *it == place).map(|(_, string)| string))
}

/// Returns the encoding of a value whose string was omitted, if it is short enough for a header. `offset` is
/// the place after the length of the string, which is 0 there.
pub(crate) fn rest(encoded: &[u8], offset: usize) -> Option<Bytes> {
    let offset = u32::try_from(offset).ok()?.to_le_bytes();
    (offset.len() + encoded.len() <= MAX_REST).then(|| [&offset, encoded].concat().into())
}

/// The rest of a value, as it was received.
#[derive(Debug)]
pub(crate) struct Parts<'p> {
    encoded: &'p [u8],
    offset: usize,
    string: &'p Bytes,
}

impl<'p> Parts<'p> {
    /// Reads a rest. Returns `None` if it is not a valid rest.
    pub(crate) fn of(rest: &'p [u8], string: &'p Bytes) -> Option<Self> {
        let (offset, encoded) = rest.split_first_chunk()?;
        let offset = usize::try_from(u32::from_le_bytes(*offset)).ok()?;
        let is_empty_string = offset > 0 && *encoded.get(offset - 1)? == 0;
        is_empty_string.then_some(Self { encoded, offset, string })
    }

    /// Decodes the value without copying the string. Returns `None` if the type does not have a
    /// [`Bytes`](crate::Bytes) in that place, or cannot be decoded at all.
    pub(crate) fn decode<T, E>(&self, decode: impl FnOnce(&'p [u8]) -> Result<T, E>) -> Option<T> {
        let place = self.encoded[self.offset..].as_ptr() as usize;
        let _outer = Outer(&AWAITED, AWAITED.replace(Some((place, self.string.clone()))));
        let value = decode(self.encoded).ok()?;
        AWAITED.with_borrow(Option::is_none).then_some(value)
    }

    /// Returns the value in one piece, as it is encoded without a separate string.
    pub(crate) fn join(&self) -> Bytes {
        let (before, after) = self.encoded.split_at(self.offset);
        let length = codec::length(self.string.len());
        [&before[..self.offset - 1], &length, self.string, after].concat().into()
    }
}

/// Replaces the written length of a string by 0, because the string is omitted.
pub(crate) fn leave_out(collected: &mut Collected, string: Bytes) -> bool {
    let length = codec::length(string.len());
    let Some(end) = collected.bytes.len().checked_sub(length.len()) else { return false };
    if collected.bytes[end..] != length[..] {
        return false;
    }
    collected.bytes.truncate(end);
    collected.bytes.push(0);
    collected.apart = Some((end + 1, string));
    true
}
