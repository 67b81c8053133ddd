//! Buffers for large payloads, used again and again: pages that are there already cost a third of fresh ones.
//! Does not: know what is in them.

use bytes::Bytes;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Maximum number of unused buffers that are kept. Users drop one payload before they get the next, or have
/// larger costs than those of fresh pages.
const KEPT: usize = 2;

/// Minimum size of a buffer that is kept, in bytes. The allocator itself keeps smaller blocks.
const LEAST: usize = 256 << 10;

/// Time after which an unused buffer is freed by [`tidy`](Buffers::tidy).
pub const REST: Duration = Duration::from_secs(10);

/// A number of buffers; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Buffers(Arc<Mutex<Vec<Spare>>>);

#[derive(Debug)]
struct Spare {
    bytes: Vec<u8>,
    since: Instant,
}

impl Buffers {
    /// Returns `length` bytes that `fill` has filled. It may find the bytes of an earlier payload there. The
    /// buffer comes back when the last clone is dropped.
    ///
    /// # Errors
    /// Those of `fill`.
    pub fn filled(&self, length: usize, fill: impl FnOnce(&mut [u8]) -> io::Result<()>) -> io::Result<Bytes> {
        let mut loan = Loan { bytes: self.take(length), length, home: self.clone() };
        if loan.bytes.len() < length {
            loan.bytes.resize(length, 0);
        }
        fill(&mut loan.bytes[..length])?;
        Ok(Bytes::from_owner(loan))
    }

    /// Begins a payload that arrives in pieces, and may have `announced` bytes in the end. An announcement
    /// alone allocates nothing.
    pub fn gather(&self, announced: usize) -> Gathering {
        Gathering(Loan { bytes: self.take(announced), length: 0, home: self.clone() })
    }

    /// Frees what has rested.
    pub fn tidy(&self) {
        let rested: Vec<Spare> = {
            let mut spares = self.lock();
            let first = spares.partition_point(|spare| spare.since.elapsed() >= REST);
            spares.drain(..first).collect()
        };
        drop(rested);
    }

    /// Returns the latest buffer that is long enough, or else a new one: to lengthen another would copy bytes
    /// that nobody needs. A buffer of more than twice the length is kept for others, because a user that
    /// keeps the payload keeps all of the buffer.
    fn take(&self, length: usize) -> Vec<u8> {
        let mut spares = self.lock();
        match spares.iter().rposition(|spare| fits(spare.bytes.len(), length)) {
            Some(at) => spares.remove(at).bytes,
            None => Vec::new(),
        }
    }

    fn give(&self, bytes: Vec<u8>) {
        let spare = Spare { bytes, since: Instant::now() };
        let oldest = {
            let mut spares = self.lock();
            spares.push(spare);
            if spares.len() > KEPT { Some(spares.remove(0)) } else { None }
        };
        drop(oldest);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Spare>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether a payload of `length` bytes may have a buffer of this size.
const fn fits(size: usize, length: usize) -> bool {
    length <= size && size / 2 <= length
}

/// A payload in a buffer that is on loan.
#[derive(Debug)]
struct Loan {
    bytes: Vec<u8>,
    length: usize,
    home: Buffers,
}

impl AsRef<[u8]> for Loan {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        if self.bytes.len() >= LEAST {
            self.home.give(std::mem::take(&mut self.bytes));
        }
    }
}

/// A payload that is not whole yet.
#[derive(Debug)]
pub struct Gathering(Loan);

impl Gathering {
    /// Returns the number of bytes so far.
    pub fn len(&self) -> usize {
        self.0.length
    }

    /// Returns whether nothing has arrived yet.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Adds a piece.
    pub fn extend(&mut self, piece: &[u8]) {
        let Loan { bytes, length, .. } = &mut self.0;
        let (over, behind) = piece.split_at(piece.len().min(bytes.len() - *length));
        bytes[*length..*length + over.len()].copy_from_slice(over);
        bytes.extend_from_slice(behind);
        *length += piece.len();
    }

    /// Returns the whole payload. The buffer comes back when the last clone is dropped.
    pub fn freeze(self) -> Bytes {
        Bytes::from_owner(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(buffers: &Buffers, length: usize, byte: u8) -> Bytes {
        let fill = |bytes: &mut [u8]| {
            bytes.fill(byte);
            Ok(())
        };
        buffers.filled(length, fill).unwrap()
    }

    #[test]
    fn a_buffer_comes_back_and_is_used_again() {
        let buffers = Buffers::default();
        let first = filled(&buffers, 1 << 20, 5);
        assert_eq!(first, vec![5; 1 << 20]);
        let address = first.as_ptr();
        let part = first.slice(..10);
        drop(first);
        assert!(buffers.lock().is_empty(), "a part of it is still there");
        drop(part);
        const LESS: usize = 600 << 10;
        let second = filled(&buffers, LESS, 6);
        assert_eq!((second.as_ptr(), &second[..]), (address, &[6; LESS][..]));
        assert!(buffers.filled(LESS, |_| Err(io::ErrorKind::UnexpectedEof.into())).is_err());
    }

    #[test]
    fn pieces_are_gathered_in_a_buffer_that_is_there() {
        let buffers = Buffers::default();
        let mut first = buffers.gather(1 << 40);
        assert_eq!(first.0.bytes.capacity(), 0, "an announcement allocates nothing");
        first.extend(&[1; LEAST]);
        first.extend(b"");
        first.extend(&[2; 1000]);
        assert_eq!((first.len(), first.is_empty()), (LEAST + 1000, false));
        assert_eq!(first.freeze(), [[1; LEAST].as_slice(), &[2; 1000]].concat());
        let mut second = buffers.gather(LEAST);
        let address = second.0.bytes.as_ptr();
        second.extend(&[3; LEAST]);
        second.extend(&[4; 1000]);
        let second = second.freeze();
        assert_eq!((second.as_ptr(), &second[LEAST..]), (address, &[4; 1000][..]));
        assert_eq!(&second[..LEAST], &[3; LEAST]);
        let mut longer = buffers.gather(LEAST);
        longer.extend(&[5; 10]);
        longer.extend(&[6; 10]);
        drop(second);
        drop(longer);
        assert_eq!(buffers.lock().len(), 1, "a small one is not kept");
    }

    #[test]
    fn a_small_payload_keeps_no_large_buffer() {
        let buffers = Buffers::default();
        drop(filled(&buffers, 1 << 20, 1));
        let _kept = filled(&buffers, 256 << 10, 1);
        let lengths: Vec<_> = buffers.lock().iter().map(|spare| spare.bytes.len()).collect();
        assert_eq!(lengths, [1 << 20], "that of the large one is still there");
    }

    #[test]
    fn few_are_kept() {
        let buffers = Buffers::default();
        (1..10).for_each(|length| buffers.give(vec![0; length]));
        let lengths: Vec<_> = buffers.lock().iter().map(|spare| spare.bytes.len()).collect();
        assert_eq!(lengths, [8, 9]);
        buffers.tidy();
        assert_eq!(buffers.lock().len(), 2, "they have not rested");
    }
}
