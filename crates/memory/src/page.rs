//! Numbers and a ring of bytes that one process writes and another reads, even after the writer's death. Does
//! not: know their meaning; the user of a page defines its layout.
//!
//! The writer maps the file, so a write is a few stores without a system call. Stored bytes outlast the
//! process. The reader uses system calls, so the writer cannot harm it.

use crate::claim::{self, Word, after_writes};
use crate::file::{self, SIZED};
use crate::map::Map;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering, fence};

/// The reader's side, which creates the file.
#[derive(Debug)]
pub struct PageReader(File);

impl PageReader {
    /// Creates a page, called `name` in `/proc`.
    ///
    /// # Errors
    /// When the system cannot create one.
    pub fn create(name: &str, length: u64) -> io::Result<Self> {
        let file = file::create(name, usize::try_from(length).map_err(io::Error::other)?)?;
        file::seal(&file, SIZED)?;
        Ok(Self(file))
    }

    /// Writes bytes at `at`, where the writer does not write.
    ///
    /// # Errors
    /// When the range reaches beyond the end.
    pub fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        file::write_at(&self.0, bytes, at)
    }

    /// Reads the bytes at `at`.
    ///
    /// # Errors
    /// When the range reaches beyond the end.
    pub fn read(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(bytes, at)
    }

    /// Withdraws every number up to `last` that the writer has not [claimed](PageWriter::claim), by the limit
    /// at `limit_at`. Returns the last number that the writer has claimed, which stands at `claimed_at`. The
    /// writer will not claim the numbers after that one, up to `last`. All are little-endian.
    ///
    /// # Errors
    /// When a number reaches beyond the end.
    pub fn withdraw(&self, limit_at: u64, claimed_at: u64, last: u64) -> io::Result<u64> {
        let word = |at| FileWord { page: self, at };
        claim::withdraw(&word(limit_at), &word(claimed_at), last)
    }

    /// Returns the little-endian number at `at`.
    ///
    /// # Errors
    /// When the number reaches beyond the end.
    pub fn number(&self, at: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.read(at, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// A number in the file, accessed through the kernel, which copies on this thread. Only the fence orders the
/// accesses.
struct FileWord<'a> {
    page: &'a PageReader,
    at: u64,
}

impl Word for FileWord<'_> {
    type Error = io::Error;

    fn store(&self, number: u64, _: Ordering) -> io::Result<()> {
        self.page.write(self.at, &number.to_le_bytes())
    }

    fn load(&self, _: Ordering) -> io::Result<u64> {
        self.page.number(self.at)
    }

    fn fence(order: Ordering) {
        fence(order);
    }
}

impl AsFd for PageReader {
    /// Returns the descriptor to pass to the writer.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The writer's side. The first part of the file holds numbers, and the rest holds bytes.
#[derive(Debug)]
pub struct PageWriter {
    numbers: Map<AtomicU64>,
    /// Where the bytes begin.
    split: u64,
    bytes: Map<AtomicU8>,
}

impl PageWriter {
    /// Maps the file behind a descriptor, which is not needed afterwards, if `magic` stands at `at`. Numbers
    /// are written before `split`, which is divisible by eight, and bytes after it. All positions are in
    /// bytes.
    ///
    /// # Errors
    /// When it is not memory of this length or longer whose size is sealed, the magic is missing, or the file
    /// cannot be mapped.
    pub fn from_fd(file: impl AsFd, length: u64, split: u64, magic: &[u8], at: u64) -> io::Result<Self> {
        let size = |number: u64| usize::try_from(number).map_err(io::Error::other);
        check(&file, length)?;
        let mut found = vec![0; magic.len()];
        let read = rustix::io::pread(&file, &mut found, at)?;
        if read != magic.len() || found != magic {
            return Err(io::Error::other("the memory is no such page"));
        }
        let rest = length.checked_sub(split).filter(|_| split.is_multiple_of(8));
        let rest = rest.ok_or_else(|| io::Error::other("a page cannot be split there"))?;
        let numbers = Map::new(&file, 0, size(split)?)?;
        Ok(Self { numbers, split, bytes: Map::new(&file, split, size(rest)?)? })
    }

    /// Writes a little-endian number at `at`, which is divisible by eight. Everything written before becomes
    /// visible first. Does nothing in the part for bytes.
    pub fn set(&self, at: u64, number: u64) {
        if let Some(place) = self.number(at) {
            let Ok(()) = Word::store(place, number, Ordering::Release);
        }
    }

    /// Reads a little-endian number at `at`, which is divisible by eight, once everything that this thread
    /// has written is visible to all. Returns 0 in the part for bytes.
    pub fn number_after_writes(&self, at: u64) -> u64 {
        self.number(at).map_or(0, |place| {
            let Ok(number) = after_writes(place);
            number
        })
    }

    /// Claims `number` at `claimed_at`, where `before` stands, unless the reader has
    /// [withdrawn](PageReader::withdraw) it by the limit at `limit_at`. Returns `false` if it has. Then
    /// `before` stands there again, but the reader may have seen the claim and must be notified. Both
    /// positions are divisible by eight and in the part for numbers.
    pub fn claim(&self, claimed_at: u64, limit_at: u64, number: u64, before: u64) -> bool {
        let words = self.number(claimed_at).zip(self.number(limit_at));
        words.is_some_and(|(claimed, limit)| {
            let Ok(is_mine) = claim::claim(claimed, limit, number, before);
            is_mine
        })
    }

    fn number(&self, at: u64) -> Option<&AtomicU64> {
        self.numbers.cells().get(usize::try_from(at / 8).ok()?)
    }

    /// Writes as many of the bytes as fit. Does nothing in the part for numbers.
    pub fn put(&self, at: u64, bytes: &[u8]) {
        let from = at.checked_sub(self.split).and_then(|from| usize::try_from(from).ok());
        let cells = from.and_then(|from| self.bytes.cells().get(from..)).unwrap_or_default();
        for (place, &byte) in cells.iter().zip(bytes) {
            place.store(byte, Ordering::Relaxed);
        }
    }
}

/// Maps a part of a page for as long as this process lives, for a writer that must not fail: a handler of a
/// signal. Nobody else in this process may have mapped that part.
///
/// # Errors
/// When it is not memory of this length whose size is sealed, or the file cannot be mapped.
pub fn map_forever(file: impl AsFd, at: u64, length: u64) -> io::Result<&'static [AtomicU8]> {
    let end = at.checked_add(length).ok_or(io::ErrorKind::InvalidInput)?;
    check(&file, end)?;
    let map = Map::new(&file, at, usize::try_from(length).map_err(io::Error::other)?)?;
    Ok(Box::leak(Box::new(map)).cells())
}

/// Checks that a descriptor is memory of at least this length whose size is sealed.
fn check(file: impl AsFd, length: u64) -> io::Result<()> {
    let found = file::sealed_length(&file, SIZED);
    match found {
        Some(found) if found >= length => Ok(()),
        Some(found) => {
            Err(io::Error::other(format!("the memory has {found} bytes, and {length} are needed")))
        }
        None => Err(io::Error::other("the descriptor is no sealed memory")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_also_when_the_writer_is_gone() {
        let reader = PageReader::create("test", 8192).unwrap();
        reader.write(64, b"magic").unwrap();
        let open = |length, split, magic: &[u8]| PageWriter::from_fd(&reader, length, split, magic, 64);
        assert!(open(8192, 4096, b"mugic").is_err());
        assert!(open(12288, 4096, b"magic").is_err());
        assert!(open(8192, 4097, b"magic").is_err() && open(8192, 8200, b"magic").is_err());
        let writer = open(8192, 4096, b"magic").unwrap();
        writer.put(8190, b"abcde");
        writer.put(24, b"numbers");
        writer.set(16, 7);
        for elsewhere in [4096, 1 << 40] {
            writer.set(elsewhere, 7);
        }
        reader.write(40, &9_u64.to_le_bytes()).unwrap();
        assert_eq!([40, 16, 4096].map(|at| writer.number_after_writes(at)), [9, 7, 0]);
        assert!(writer.claim(16, 40, 10, 7) && reader.withdraw(40, 16, 12).unwrap() == 10);
        assert!(!writer.claim(16, 40, 12, 10) && writer.claim(16, 40, 13, 10));
        assert!(!writer.claim(4096, 40, 14, 13) && reader.withdraw(8192, 16, 1).is_err());
        writer.set(16, 7);
        drop(writer);
        assert_eq!([16, 24, 4096].map(|at| reader.number(at).unwrap()), [7, 0, 0]);
        let mut bytes = [0; 2];
        reader.read(8190, &mut bytes).unwrap();
        assert_eq!(&bytes, b"ab");
        assert!(reader.number(8190).is_err());
    }

    #[test]
    fn a_longer_page_is_one_too_and_its_end_is_mapped_for_itself() {
        let reader = PageReader::create("test", 16384).unwrap();
        reader.write(64, b"magic").unwrap();
        let writer = PageWriter::from_fd(&reader, 8192, 4096, b"magic", 64).unwrap();
        writer.put(8190, b"abcde");
        let end = map_forever(&reader, 8192, 8192).unwrap();
        assert_eq!(end.len(), 8192);
        end[8191].store(7, Ordering::Relaxed);
        assert_eq!(reader.number(8192).unwrap(), 0);
        assert_eq!(reader.number(16376).unwrap().to_le_bytes()[7], 7);
        assert!(map_forever(&reader, 8192, 8193).is_err() && map_forever(&reader, u64::MAX, 2).is_err());
        assert!(map_forever(File::open("/dev/null").unwrap(), 0, 8192).is_err());
    }
}
