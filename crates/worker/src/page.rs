//! The worker's side of the [page](procpool_protocol::page). Does not: know frames, or jobs other than by
//! number.

use procpool_memory::page::PageWriter;
use procpool_protocol::page::{BEGUN, ENDED, KEPT, LEN, MAGIC, MAGIC_AT, MARK, RECALLED, RING, places};
use std::io;
use std::os::fd::AsFd;

/// The page, in mapped memory. Stored numbers outlast this process, and a store costs no system call.
#[derive(Debug)]
pub(crate) struct Page(PageWriter);

impl Page {
    /// Maps the memory behind a descriptor, and marks it as in use.
    pub(crate) fn from_fd(file: impl AsFd) -> io::Result<Self> {
        let page = PageWriter::from_fd(file, LEN, RING, MAGIC, MAGIC_AT)?;
        page.set(MARK, KEPT);
        Ok(Self(page))
    }

    /// Records that this job is about to begin, and that `last` was the one before. Returns `false` if the
    /// job was withdrawn and must be skipped. The coordinator may have seen it as begun.
    pub(crate) fn begins(&self, sequence: u64, last: u64) -> bool {
        self.0.claim(BEGUN, RECALLED, sequence, last)
    }

    /// Returns whether this job was withdrawn.
    pub(crate) fn is_recalled(&self, sequence: u64) -> bool {
        sequence <= self.0.number_after_writes(RECALLED)
    }

    /// Records the number of bytes of output that are in the ring or were sent.
    pub(crate) fn has_ended(&self, bytes: u64) {
        self.0.set(ENDED, bytes);
    }

    /// Writes output to the ring. Its first byte has the number `from`.
    pub(crate) fn put(&self, from: u64, bytes: &[u8]) {
        let mut rest = bytes;
        for (at, length) in places(from, bytes.len() as u64) {
            let (now, later) = rest.split_at(usize::try_from(length).unwrap_or(rest.len()).min(rest.len()));
            self.0.put(at, now);
            rest = later;
        }
    }
}
