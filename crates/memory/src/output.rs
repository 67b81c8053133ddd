//! An arena for outputs: a worker fills it, and the coordinator reads from it. The coordinator uses a system
//! call, so that the worker cannot harm it through the arena.

use crate::file::{self, SIZED};
use crate::map::{Lease, Written};
use bytes::Bytes;
use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The coordinator's side.
#[derive(Debug)]
pub struct OutputReader(File);

impl OutputReader {
    /// Creates an arena, called `name` in `/proc`.
    ///
    /// # Errors
    /// When the system cannot create one.
    pub fn create(name: &str, length: usize) -> io::Result<Self> {
        let file = file::create(name, length)?;
        file::seal(&file, SIZED)?;
        Ok(Self(file))
    }

    /// Copies the bytes at `offset` to `output`.
    ///
    /// # Errors
    /// When the range reaches beyond the end.
    pub fn read(&self, offset: u64, output: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(output, offset)
    }
}

impl AsFd for OutputReader {
    /// Returns the descriptor to pass to the worker.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// The worker's side. It leases one [`Buffer`] at a time.
#[derive(Debug)]
pub struct OutputWriter(Arc<Written>);

impl OutputWriter {
    /// Maps the arena behind a descriptor, which is not needed afterwards.
    ///
    /// # Errors
    /// When it is not memory of this length, in bytes, whose size is sealed, or it cannot be mapped.
    pub fn from_fd(file: impl AsFd, length: usize) -> io::Result<Self> {
        file::check(&file, length, SIZED)?;
        Ok(Self(Arc::new(Written::new(file, length)?)))
    }

    /// Returns the first `length` bytes for a job to fill. They may still contain an earlier output. Returns
    /// `None` if the arena is shorter, or the bytes are in use.
    pub fn buffer(&self, length: usize) -> Option<Buffer> {
        self.0.lease(length).map(|lease| Buffer(Inner::Leased(lease)))
    }

    /// Returns where these bytes begin in the arena, if they lie in it.
    pub fn offset_of(&self, bytes: &[u8]) -> Option<usize> {
        self.0.offset_of(bytes)
    }
}

/// Bytes that a job fills and returns. They lie in the arena if there is one, so that they need not be copied
/// there. Otherwise they are ordinary memory.
#[derive(Debug)]
pub struct Buffer(Inner);

#[derive(Debug)]
enum Inner {
    Leased(Lease),
    Owned(Vec<u8>),
}

impl Buffer {
    /// Returns ordinary memory, all zeros.
    pub fn owned(length: usize) -> Self {
        Self(Inner::Owned(vec![0; length]))
    }

    /// Returns the bytes, which can no longer be changed.
    pub fn freeze(self) -> Bytes {
        match self.0 {
            Inner::Leased(lease) => Bytes::from_owner(lease),
            Inner::Owned(bytes) => bytes.into(),
        }
    }
}

impl From<Buffer> for Bytes {
    fn from(buffer: Buffer) -> Self {
        buffer.freeze()
    }
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Inner::Leased(lease) => lease,
            Inner::Owned(bytes) => bytes,
        }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        match &mut self.0 {
            Inner::Leased(lease) => lease,
            Inner::Owned(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: usize = 1 << 20;

    fn both() -> (OutputWriter, OutputReader) {
        let reader = OutputReader::create("test", LENGTH).unwrap();
        (OutputWriter::from_fd(&reader, LENGTH).unwrap(), reader)
    }

    #[test]
    fn what_a_job_fills_in_place_is_read() {
        let (writer, reader) = both();
        let mut buffer = writer.buffer(1000).unwrap();
        buffer.fill(3);
        let bytes = buffer.freeze();
        assert_eq!(writer.offset_of(&bytes.slice(10..)), Some(10));
        let mut output = [0; 990];
        reader.read(10, &mut output).unwrap();
        assert_eq!(output, [3; 990]);
        assert!(reader.read((LENGTH - 989) as u64, &mut output).is_err(), "beyond the end");
    }

    #[test]
    fn one_holder_at_a_time() {
        let (writer, _reader) = both();
        let bytes = writer.buffer(1000).unwrap().freeze();
        let part = bytes.slice(..10);
        drop(bytes);
        assert!(writer.buffer(10).is_none(), "a part of it is still there");
        drop(part);
        assert!(writer.buffer(10).is_some() && writer.buffer(LENGTH + 1).is_none());
    }

    #[test]
    fn bytes_of_elsewhere_are_not_in_it() {
        let (writer, _reader) = both();
        assert_eq!(writer.offset_of(&Buffer::owned(10).freeze()), None);
        assert_eq!(writer.offset_of(&[]), None);
    }
}
