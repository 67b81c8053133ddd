//! Memory that the kit shares with a worker, as a pool does: the page and arenas. All access is by system
//! call, except for an input that changes after its arena was sealed.

use super::mapping::Mapping;
use procpool_protocol::page;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::{pread, pwrite};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A file in memory.
#[derive(Debug)]
pub(crate) struct Memory(OwnedFd);

impl Memory {
    /// Creates one of this length, without seals.
    pub(crate) fn unsealed(length: u64) -> io::Result<Self> {
        let file = memfd_create("procpool-conform", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        ftruncate(&file, length)?;
        Ok(Self(file))
    }

    /// Creates a page, whose bytes 32 to 47 are `magic`.
    pub(crate) fn page(magic: &[u8; 16]) -> io::Result<Self> {
        let page = Self::unsealed(page::LEN)?;
        page.write(page::MAGIC_AT, magic)?;
        page.seal(false)?;
        Ok(page)
    }

    /// Creates an arena with the seals that a worker expects. `input` is written before.
    pub(crate) fn arena(length: u64, input: Option<&[u8]>) -> io::Result<Self> {
        let arena = Self::unsealed(length)?;
        if let Some(input) = input {
            arena.write(0, input)?;
        }
        arena.seal(input.is_some())?;
        Ok(arena)
    }

    /// Creates an arena for inputs, and the mapping by which it can be written later.
    pub(crate) fn changing_arena(length: usize, input: &[u8]) -> io::Result<(Self, Change)> {
        let arena = Self::unsealed(length as u64)?;
        let mapping = Mapping::new(&arena, length)?;
        mapping.write(input);
        arena.seal(true)?;
        Ok((arena, Change(mapping)))
    }

    fn seal(&self, is_input: bool) -> io::Result<()> {
        let mut seals = SealFlags::SHRINK | SealFlags::GROW;
        if is_input {
            seals |= SealFlags::FUTURE_WRITE;
        }
        Ok(fcntl_add_seals(&self.0, seals)?)
    }

    /// Changes its length.
    pub(crate) fn resize(&self, length: u64) -> io::Result<()> {
        Ok(ftruncate(&self.0, length)?)
    }

    /// Writes bytes.
    pub(crate) fn write(&self, mut at: u64, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let length = pwrite(&self.0, bytes, at)?;
            bytes = &bytes[length..];
            at += length as u64;
        }
        Ok(())
    }

    /// Reads `length` bytes.
    pub(crate) fn read(&self, mut at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        let mut rest = &mut bytes[..];
        while !rest.is_empty() {
            let length = pread(&self.0, &mut *rest, at)?;
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            rest = &mut rest[length..];
            at += length as u64;
        }
        Ok(bytes)
    }

    /// Reads a number of eight bytes.
    pub(crate) fn number(&self, at: u64) -> io::Result<u64> {
        let bytes: [u8; 8] = self.read(at, 8)?.try_into().map_err(|_| io::ErrorKind::UnexpectedEof)?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// Writes an arena whose seals let nobody else do that.
#[derive(Debug)]
pub(crate) struct Change(Mapping);

impl Change {
    /// Writes bytes at the beginning.
    pub(crate) fn write(&self, bytes: &[u8]) {
        self.0.write(bytes);
    }
}

impl AsFd for Memory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
