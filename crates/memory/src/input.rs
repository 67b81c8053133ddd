//! An arena for inputs: the coordinator copies one in, and its worker reads it in place.
//!
//! Only the coordinator can write to it, and only through the mapping that it made before it sealed the file.
//! It writes only while no job's input lies in the arena. The protocol ensures that: a worker whose code
//! holds an input after its job says so.

use crate::file::{self, WRITTEN_BY_ITS_MAKER};
use crate::map::{Read, Written};
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};

/// The coordinator's side.
#[derive(Debug)]
pub struct InputWriter {
    file: File,
    map: Arc<Written>,
}

impl InputWriter {
    /// Creates an arena, called `name` in `/proc`.
    ///
    /// # Errors
    /// When the system cannot create one, or `length` is zero.
    pub fn create(name: &str, length: usize) -> io::Result<Self> {
        let file = file::create(name, length)?;
        let map = Arc::new(Written::new(&file, length)?);
        file::seal(&file, WRITTEN_BY_ITS_MAKER)?;
        Ok(Self { file, map })
    }

    /// Copies an input to the beginning. Returns `false` if it does not fit, or another thread uses the
    /// arena.
    pub fn write(&self, input: &[u8]) -> bool {
        let lease = self.map.lease(input.len());
        lease.map(|mut lease| lease.copy_from_slice(input)).is_some()
    }
}

impl AsFd for InputWriter {
    /// Returns the descriptor to pass to the worker.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// The worker's side.
#[derive(Debug)]
pub struct InputReader(Read);

impl InputReader {
    /// Maps the arena behind a descriptor, which is not needed afterwards.
    ///
    /// # Errors
    /// When it is not memory of this length, in bytes, that is sealed against every writer but its creator.
    /// Also when it cannot be mapped.
    pub fn from_fd(file: impl AsFd, length: usize) -> io::Result<Self> {
        file::check(&file, length, WRITTEN_BY_ITS_MAKER)?;
        Read::new(file, length).map(Self)
    }

    /// Returns the input of `length` bytes at the beginning of the arena, in place. Returns `None`
    /// if the arena is shorter.
    pub fn input(self: &Arc<Self>, length: usize) -> Option<Bytes> {
        let in_place = || Bytes::from_owner(InPlace { arena: self.clone(), length });
        (length <= self.0.len()).then(in_place)
    }

    /// Returns whether these bytes lie in it.
    pub fn holds(&self, bytes: &[u8]) -> bool {
        self.0.holds(bytes)
    }

    /// Returns whether any code holds an input, or a part of one.
    pub fn is_held(self: &Arc<Self>) -> bool {
        // The caller holds one reference. All clones of an input share one more.
        let is_held = Arc::strong_count(self) > 1;
        // All reads by the last holder happen before the coordinator writes here again.
        fence(Ordering::Acquire);
        is_held
    }
}

struct InPlace {
    arena: Arc<InputReader>,
    length: usize,
}

impl AsRef<[u8]> for InPlace {
    fn as_ref(&self) -> &[u8] {
        self.arena.0.bytes(self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    const LENGTH: usize = 1 << 20;

    fn both() -> (InputWriter, Arc<InputReader>) {
        let writer = InputWriter::create("test", LENGTH).unwrap();
        let reader = InputReader::from_fd(&writer, LENGTH).unwrap();
        (writer, Arc::new(reader))
    }

    #[test]
    fn what_is_written_is_read_in_place() {
        let (writer, reader) = both();
        assert!(writer.write(b"first"));
        let input = reader.input(5).unwrap();
        assert_eq!(&input[..], b"first");
        drop(input);
        assert!(writer.write(&[7; LENGTH]));
        assert_eq!(reader.input(LENGTH).unwrap(), vec![7; LENGTH]);
        assert!(!writer.write(&[7; LENGTH + 1]) && reader.input(LENGTH + 1).is_none());
    }

    #[test]
    fn nobody_else_can_write_to_it() {
        let (writer, _reader) = both();
        let file = File::from(writer.as_fd().try_clone_to_owned().unwrap());
        assert!(file.write_all_at(b"x", 0).is_err());
        assert!(Written::new(&file, LENGTH).is_err(), "a mapping that can be written to");
    }

    #[test]
    fn who_holds_on_to_an_input_is_noticed() {
        let (_writer, reader) = both();
        assert!(!reader.is_held());
        let input = reader.input(100).unwrap();
        let part = input.slice(10..20);
        drop(input);
        assert!(reader.is_held() && reader.holds(&part) && !reader.holds(b"elsewhere"));
        drop(part);
        assert!(!reader.is_held());
    }
}
