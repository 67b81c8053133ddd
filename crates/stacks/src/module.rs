//! The files of one snapshot, opened when a call is in them. A path comes from somebody who may be hostile:
//! only regular files are opened, and only the one that was mapped is used.

use crate::arch::Arch;
use crate::block_cache::{BlockCache, FileId};
use crate::elf::Elf;
use crate::frame_index::{self, Records};
use crate::mounts::Mounts;
use crate::snapshot::Mapping;
use std::fs::{File, Metadata, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

/// `O_NONBLOCK | O_NOCTTY`, on both architectures.
const CAREFULLY: i32 = 0o4000 | 0o400;

/// The words that finish “its file”.
pub(crate) const NOT_READABLE: &str = "cannot be read by this process";

/// `O_PATH`, on both architectures: finds the file without opening it, so that a pipe does not wait, and a device
/// does nothing.
pub(crate) const FIND: i32 = 0o10_000_000;

/// A file that can be read.
#[derive(Debug)]
pub(crate) struct Module {
    file: File,
    id: FileId,
    elf: Elf,
}

impl Module {
    /// Opens the file of a mapping, by `mounts` if its path may be invented.
    ///
    /// # Errors
    /// The words that finish “its file”.
    pub(crate) fn open(
        mapping: &Mapping,
        arch: Arch,
        cache: &BlockCache,
        mounts: Option<&Mounts>,
    ) -> Result<Self, &'static str> {
        if mapping.path.ends_with(" (deleted)") {
            return Err("was deleted or replaced since it was started");
        }
        if !mapping.path.starts_with('/') {
            return Err("is memory of the kernel or of the program");
        }
        let file = mounts.map_or_else(|| open(mapping), |mounts| mounts.open(mapping))?;
        let id = FileId::of(&file.metadata().map_err(|_| NOT_READABLE)?);
        let elf = Elf::read(arch, |at, length| cache.read(&file, id, at, length))?;
        Ok(Self { file, id, elf })
    }

    /// Returns the address that the file gives to the code at this position of it.
    pub(crate) fn address_of_code(&self, offset: u64) -> Option<u64> {
        self.elf.address_of_code(offset)
    }

    /// Returns the call frame information for an address, as the file counts.
    pub(crate) fn records(&self, address: u64, cache: &BlockCache) -> Result<Option<Records>, &'static str> {
        let read = |at, length| cache.read(&self.file, self.id, at, length);
        frame_index::find(&self.elf, address, read)
    }
}

fn open(mapping: &Mapping) -> Result<File, &'static str> {
    let found = OpenOptions::new().read(true).custom_flags(FIND).open(&mapping.path);
    reopen(&found.map_err(|_| NOT_READABLE)?, mapping)
}

/// Opens a file that was found, if it is the one that was mapped. Not by its path, which may lead to another one by now.
pub(crate) fn reopen(found: &File, mapping: &Mapping) -> Result<File, &'static str> {
    check(&found.metadata().map_err(|_| NOT_READABLE)?, mapping)?;
    let path = format!("/proc/self/fd/{}", found.as_raw_fd());
    OpenOptions::new().read(true).custom_flags(CAREFULLY).open(path).map_err(|_| NOT_READABLE)
}

/// Refuses what is not a regular file, or not the one that was mapped. Some file systems number their files
/// in another way than they tell the kernel. There the device differs too, and nothing can be said.
fn check(metadata: &Metadata, mapping: &Mapping) -> Result<(), &'static str> {
    if !metadata.is_file() {
        return Err("is not a regular file");
    }
    let is_other = device(metadata.dev()) == mapping.device && metadata.ino() != mapping.inode;
    if mapping.inode != 0 && is_other {
        return Err("was deleted or replaced since it was started");
    }
    Ok(())
}

/// Splits a device's number as Linux does.
pub(crate) fn device(number: u64) -> (u32, u32) {
    let major = (number >> 8) & 0xfff | (number >> 32) & !0xfff;
    let minor = number & 0xff | (number >> 12) & !0xff;
    (u32::try_from(major).unwrap_or_default(), u32::try_from(minor).unwrap_or_default())
}
