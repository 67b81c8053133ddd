//! The coordinator's side of a worker's [page](procpool_protocol::page): created here, written by the worker,
//! and read when the worker takes long or is dead. Checks everything that it reads.

use crate::crash_record::{fault, snapshot};
use procpool_memory::page::PageReader;
use procpool_protocol::page::{BEGUN, ENDED, KEPT, LEN, MAGIC, MAGIC_AT, MARK, RECALLED, RING_LEN, places};
use procpool_protocol::{Exit, crash_record};
use procpool_stacks::Snapshot;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// The coordinator's side of a page.
#[derive(Debug)]
pub(crate) struct Page(PageReader);

impl Page {
    /// Creates a page for this worker, with room for the record of a crash if it may leave one.
    pub(crate) fn create(worker: &str, records_crash: bool) -> io::Result<Self> {
        let length = if records_crash { crash_record::PAGE_LEN } else { LEN };
        let page = PageReader::create(&format!("procpool-page {worker}"), length)?;
        page.write(MAGIC_AT, MAGIC)?;
        Ok(Self(page))
    }

    /// Returns whether the worker has mapped the page.
    pub(crate) fn is_kept(&self) -> bool {
        self.0.number(MARK).is_ok_and(|mark| mark == KEPT)
    }

    /// Returns the number of the job that the worker began last, or 0 if it began none.
    pub(crate) fn begun(&self) -> u64 {
        self.0.number(BEGUN).unwrap_or_default()
    }

    /// Withdraws the jobs up to number `last` that the worker has not begun. Requires that it has begun
    /// `first`, the first job that it has not answered. Returns the number of the last job that it has begun.
    /// Later ones will not be begun, not even by a worker that is stopped.
    ///
    /// Returns `None` if the worker has not begun `first`. Then nothing was withdrawn.
    pub(crate) fn recall(&self, first: u64, last: u64) -> Option<u64> {
        if self.begun() < first {
            return None;
        }
        // If the page cannot be written or read, no job was withdrawn.
        self.0.withdraw(RECALLED, BEGUN, last).ok()
    }

    /// Returns the output that the worker wrote after its first `sent` bytes, which it had not sent. Returns
    /// nothing if its numbers are inconsistent.
    pub(crate) fn unsent(&self, sent: u64) -> Vec<u8> {
        let length = self.0.number(ENDED).ok().and_then(|ended| ended.checked_sub(sent)).unwrap_or_default();
        let mut bytes = Vec::new();
        if length > RING_LEN {
            return bytes;
        }
        for (at, length) in places(sent, length) {
            let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
            if self.0.read(at, &mut piece).is_err() {
                return Vec::new();
            }
            bytes.extend(piece);
        }
        bytes
    }

    /// Returns the state of the thread whose crash ended the worker, if the worker recorded it.
    pub(crate) fn crash(&self, exit: Exit) -> Option<Snapshot> {
        snapshot(exit, |at, bytes| self.0.read(at, bytes).ok())
    }

    /// Returns the address of the access that ended the worker, if the worker recorded it.
    pub(crate) fn fault(&self, exit: Exit) -> Option<u64> {
        fault(exit, |at, bytes| self.0.read(at, bytes).ok())
    }
}

impl AsFd for Page {
    /// Returns the descriptor that the worker inherits, as number
    /// [`PAGE_FD`](procpool_protocol::birth::PAGE_FD).
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(page: &Page, at: u64, bytes: &[u8]) {
        page.0.write(at, bytes).unwrap();
    }

    #[test]
    fn what_was_ended_and_not_sent_is_found() {
        let page = Page::create("fib-1", false).unwrap();
        assert!(!page.is_kept() && page.begun() == 0 && page.unsent(0).is_empty());
        write(&page, MARK, &KEPT.to_le_bytes());
        write(&page, BEGUN, &7_u64.to_le_bytes());
        write(&page, ENDED, &(RING_LEN + 3).to_le_bytes());
        let [(last, _), (first, _)] = places(RING_LEN - 2, 5);
        write(&page, last, b"ab");
        write(&page, first, b"cde");
        assert!(page.is_kept() && page.begun() == 7);
        assert_eq!(page.unsent(RING_LEN - 2), b"abcde");
        assert!(page.unsent(RING_LEN + 3).is_empty());
    }

    #[test]
    fn jobs_are_asked_back_from_one_that_has_begun_something() {
        let page = Page::create("fib-1", false).unwrap();
        assert_eq!((page.recall(1, 5), page.0.number(RECALLED).unwrap()), (None, 0));
        write(&page, BEGUN, &2_u64.to_le_bytes());
        assert_eq!((page.recall(1, 5), page.0.number(RECALLED).unwrap()), (Some(2), 5));
    }

    #[test]
    fn nonsense_is_nothing() {
        let page = Page::create("fib-1", false).unwrap();
        for ended in [u64::MAX, RING_LEN + 1] {
            write(&page, ENDED, &ended.to_le_bytes());
            assert!(page.unsent(0).is_empty());
        }
        write(&page, ENDED, &3_u64.to_le_bytes());
        assert!(page.unsent(4).is_empty(), "more was sent than there is");
    }
}
