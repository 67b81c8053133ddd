//! An arena that a worker inherits, because the worker cannot receive a descriptor later. It begins empty and
//! grows. Because it grows, both sides use system calls instead of a mapping.

use crate::file;
use crate::growth;
use rustix::fs::{FallocateFlags, SealFlags, fallocate, fstat};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The coordinator's side.
#[derive(Debug)]
pub struct BornArena {
    file: File,
    /// Its memory may be freed, unless it is used first.
    is_resting: AtomicBool,
    /// Held while its length or its memory changes.
    changing: Mutex<()>,
}

impl BornArena {
    /// Creates an empty arena, called `name` in `/proc`.
    ///
    /// # Errors
    /// When the system cannot create one.
    pub fn create(name: &str) -> io::Result<Self> {
        let file = file::create(name, 0)?;
        // A worker that lengthens the file wastes its own memory. A worker that could seal it would prevent
        // its coordinator from writing.
        file::seal(&file, SealFlags::SHRINK)?;
        Ok(Self { file, is_resting: AtomicBool::new(false), changing: Mutex::default() })
    }

    /// Makes it at least `length` bytes long, and marks it as in use.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn grow(&self, length: usize) -> io::Result<()> {
        let _changing = self.lock();
        self.is_resting.store(false, Ordering::Relaxed);
        if self.len()? < length as u64 {
            return file::lengthen(&self.file, length as u64);
        }
        // The worker may have made it longer, and may have another limit. A write that cannot succeed must
        // not be promised.
        growth::check(length as u64)
    }

    /// Writes to the beginning.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        file::write_at(&self.file, bytes, 0)
    }

    /// Copies the bytes at `offset` to `output`.
    ///
    /// # Errors
    /// When the range reaches beyond the end.
    pub fn read(&self, offset: u64, output: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(output, offset)
    }

    /// Marks its contents as no longer needed, so that [`give_back`](Self::give_back) may free them. Does not
    /// wait.
    pub fn rest(&self) {
        self.is_resting.store(true, Ordering::Relaxed);
    }

    /// Frees its memory, unless it was used after [`rest`](Self::rest). Its length stays, and it then
    /// contains zeros. Waits for the system, which may take some time.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn give_back(&self) -> io::Result<()> {
        let _changing = self.lock();
        let length = self.len()?;
        if self.is_resting.swap(false, Ordering::Relaxed) && length > 0 {
            fallocate(&self.file, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, 0, length)?;
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        u64::try_from(fstat(&self.file)?.st_size).map_err(io::Error::other)
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for BornArena {
    /// Returns the descriptor that the worker inherits.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the worker's side of the arena.
    fn theirs(arena: &BornArena) -> File {
        arena.as_fd().try_clone_to_owned().unwrap().into()
    }

    fn memory(arena: &BornArena) -> u64 {
        u64::try_from(fstat(&arena.file).unwrap().st_blocks).unwrap() * 512
    }

    #[test]
    fn both_sides_read_what_the_other_wrote() {
        let arena = BornArena::create("test").unwrap();
        let worker = theirs(&arena);
        arena.grow(8192).unwrap();
        arena.grow(100).unwrap();
        arena.write(b"input").unwrap();
        let mut bytes = [0; 5];
        worker.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"input");
        worker.write_all_at(b"output", 8186).unwrap();
        arena.read(8187, &mut bytes).unwrap();
        assert_eq!(&bytes, b"utput");
        assert!(arena.read(8188, &mut bytes).is_err(), "beyond the end");
    }

    #[test]
    fn the_worker_cannot_pull_it_away_or_seal_it() {
        let arena = BornArena::create("test").unwrap();
        arena.grow(8192).unwrap();
        let worker = theirs(&arena);
        assert!(worker.set_len(100).is_err());
        assert!(rustix::fs::fcntl_add_seals(&worker, SealFlags::WRITE).is_err());
    }

    #[test]
    fn what_rests_is_given_back_unless_it_was_taken_into_use() {
        let arena = BornArena::create("test").unwrap();
        arena.grow(1 << 20).unwrap();
        arena.write(&[7; 1 << 20]).unwrap();
        arena.give_back().unwrap();
        assert_eq!(memory(&arena), 1 << 20, "it does not rest");
        arena.rest();
        arena.grow(1 << 20).unwrap();
        arena.give_back().unwrap();
        assert_eq!(memory(&arena), 1 << 20, "it is in use again");
        arena.rest();
        arena.give_back().unwrap();
        assert_eq!(memory(&arena), 0);
        let mut bytes = [7; 1];
        arena.read((1 << 20) - 1, &mut bytes).unwrap();
        assert_eq!(bytes, [0]);
    }
}
