//! Numbers and a ring of bytes that one process writes and another one reads, also after the writer's death. Knows no meaning
//! of them; the layout is whoever's who uses it.
//!
//! The writer has the file mapped, so that a write is a few stores and no system call, and what was stored is there
//! whatever becomes of the process. The reader reads with system calls, and so cannot be harmed.

use crate::file::{self, SIZED};
use crate::map::Map;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

/// The reader's side, which makes the file.
#[derive(Debug)]
pub struct PageReader(File);

impl PageReader {
    /// A fresh one, called `name` in `/proc`.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn create(name: &str, length: u64) -> io::Result<Self> {
        let file = file::create(name, usize::try_from(length).map_err(io::Error::other)?)?;
        file::seal(&file, SIZED)?;
        Ok(Self(file))
    }

    /// The file name under which the writer finds it.
    pub fn path(&self) -> String {
        file::path(&self.0)
    }

    /// Writes before there is a writer.
    ///
    /// # Errors
    /// When it reaches beyond the end.
    pub fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, at)
    }

    /// Reads.
    ///
    /// # Errors
    /// When it reaches beyond the end.
    pub fn read(&self, at: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.0.read_exact_at(bytes, at)
    }

    /// The little-endian number at `at`.
    ///
    /// # Errors
    /// When it reaches beyond the end.
    pub fn number(&self, at: u64) -> io::Result<u64> {
        let mut bytes = [0; 8];
        self.read(at, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// The writer's side.
#[derive(Debug)]
pub struct PageWriter(Map);

impl PageWriter {
    /// Maps the file behind a path, if `magic` stands at `at`.
    ///
    /// # Errors
    /// When there is none of this length, its size is not sealed, something else stands there, or it cannot be mapped.
    pub fn open(path: &str, length: u64, magic: &[u8], at: u64) -> io::Result<Self> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let file = file::open(path, true, length, SIZED)?;
        let mut found = vec![0; magic.len()];
        file.read_exact_at(&mut found, at)?;
        if found != magic {
            return Err(io::Error::other(format!("{path} is another file")));
        }
        Map::new(&file, length).map(Self)
    }

    /// Writes a little-endian number at `at`, which is divisible by eight, after all that was written before.
    pub fn set(&self, at: u64, number: u64) {
        if let Some(place) = self.place(at) {
            place.store(number.to_le(), Ordering::Release);
        }
    }

    /// Writes bytes, as far as there is room.
    pub fn put(&self, at: u64, bytes: &[u8]) {
        let from = usize::try_from(at).unwrap_or(usize::MAX);
        for (place, &byte) in self.0.bytes().iter().skip(from).zip(bytes) {
            place.store(byte, Ordering::Relaxed);
        }
    }

    fn place(&self, at: u64) -> Option<&AtomicU64> {
        self.0.long_words().get(usize::try_from(at / 8).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_also_when_the_writer_is_gone() {
        let reader = PageReader::create("test", 8192).unwrap();
        reader.write(64, b"magic").unwrap();
        assert!(PageWriter::open(&reader.path(), 8192, b"mugic", 64).is_err());
        assert!(PageWriter::open(&reader.path(), 4096, b"magic", 64).is_err());
        let writer = PageWriter::open(&reader.path(), 8192, b"magic", 64).unwrap();
        writer.put(8190, b"abcde");
        writer.set(16, 7);
        writer.set(1 << 40, 7);
        drop(writer);
        assert_eq!((reader.number(16).unwrap(), reader.number(24).unwrap()), (7, 0));
        let mut bytes = [0; 2];
        reader.read(8190, &mut bytes).unwrap();
        assert_eq!(&bytes, b"ab");
        assert!(reader.number(8190).is_err());
    }
}
