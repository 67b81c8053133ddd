//! Memory for large outputs, used again and again: pages that are there already cost a third of fresh ones.

use procpool_memory::arena::OutputArena;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Maximum number of unused buffers that a pool keeps. A caller drops one output before it gets the next, or
/// has larger costs than those of fresh pages.
const KEPT: usize = 2;

/// Time after which an unused buffer is freed.
const REST: Duration = Duration::from_secs(10);

/// The buffers of one pool.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers(Arc<Mutex<Vec<Spare>>>);

#[derive(Debug)]
struct Spare {
    bytes: Vec<u8>,
    since: Instant,
}

impl Buffers {
    /// Reads an output. The buffer comes back when the last clone is dropped.
    pub(crate) fn read(&self, arena: &OutputArena, offset: u64, length: usize) -> io::Result<bytes::Bytes> {
        let mut bytes = self.take(length);
        if let Some(missing) = length.checked_sub(bytes.len()) {
            bytes.resize(bytes.len() + missing, 0);
        }
        arena.read(offset, &mut bytes[..length])?;
        Ok(bytes::Bytes::from_owner(Filled { bytes, length, home: self.clone() }))
    }

    /// Lets go of what has rested.
    pub(crate) fn tidy(&self) {
        let rested: Vec<Spare> = {
            let mut spares = self.lock();
            let first = spares.partition_point(|spare| spare.since.elapsed() >= REST);
            spares.drain(..first).collect()
        };
        drop(rested);
    }

    /// Returns the latest buffer that is long enough, or else a new one: to lengthen another would copy bytes
    /// that nobody needs. A buffer of more than twice the length is kept for others, because a caller that
    /// keeps the output keeps all of the buffer.
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

/// Returns whether an output of `length` bytes may have a buffer of this size.
const fn fits(size: usize, length: usize) -> bool {
    length <= size && size / 2 <= length
}

/// An output in a buffer that is on loan.
struct Filled {
    bytes: Vec<u8>,
    length: usize,
    home: Buffers,
}

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        self.home.give(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_memory::output::{OutputReader, OutputWriter};

    #[test]
    fn a_buffer_comes_back_and_is_used_again() {
        let arena = OutputArena::Passed(OutputReader::create("test", 1 << 20).unwrap());
        let writer = OutputWriter::from_fd(&arena, 1 << 20).unwrap();
        writer.buffer(1 << 20).unwrap().fill(5);
        let buffers = Buffers::default();
        let first = buffers.read(&arena, 0, 1 << 20).unwrap();
        assert_eq!(first, vec![5; 1 << 20]);
        let address = first.as_ptr();
        let part = first.slice(..10);
        drop(first);
        assert!(buffers.lock().is_empty(), "a part of it is still there");
        drop(part);
        writer.buffer(1 << 20).unwrap().fill(6);
        const LESS: usize = 600 << 10;
        let second = buffers.read(&arena, 100, LESS).unwrap();
        assert_eq!((second.as_ptr(), &second[..]), (address, &[6; LESS][..]));
        assert!(buffers.read(&arena, 1 << 20, 1).is_err(), "beyond the end");
    }

    #[test]
    fn a_small_output_keeps_no_large_buffer() {
        let arena = OutputArena::Passed(OutputReader::create("test", 1 << 20).unwrap());
        let buffers = Buffers::default();
        drop(buffers.read(&arena, 0, 1 << 20).unwrap());
        let _kept = buffers.read(&arena, 0, 256 << 10).unwrap();
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
