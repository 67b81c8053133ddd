//! The file `reserve`: space with which accepted jobs can end when the disk is full.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

/// Size of the file, in bytes.
const SIZE: u64 = 32 << 20;

/// Space that stays free beside a new reserve, in bytes. Otherwise the next jobs would spend it at once.
const MARGIN: u64 = 16 << 20;

#[derive(Debug)]
pub(crate) struct Reserve {
    path: PathBuf,
    is_held: bool,
}

impl Reserve {
    /// Finds the reserve of a directory, or makes it if there is space.
    pub(crate) fn of(directory: &Path) -> Self {
        let path = directory.join(super::RESERVE);
        // Holes would be no space.
        let is_held = fs::metadata(&path).is_ok_and(|it| it.len() == SIZE && it.blocks() * 512 >= SIZE);
        let mut reserve = Self { path, is_held };
        reserve.refill();
        reserve
    }

    /// Frees the space.
    pub(crate) fn spend(&mut self) {
        if fs::remove_file(&self.path).is_ok() {
            self.is_held = false;
        }
    }

    /// Makes the reserve again if there is space, and returns whether there is one.
    pub(crate) fn refill(&mut self) -> bool {
        if !self.is_held && self.has_space() {
            self.is_held = self.allocate().is_ok();
            if !self.is_held {
                let _ = fs::remove_file(&self.path);
            }
        }
        self.is_held
    }

    fn has_space(&self) -> bool {
        let directory = self.path.parent().unwrap_or(Path::new("."));
        statvfs(directory).is_ok_and(|it| it.f_bavail.saturating_mul(it.f_frsize) >= SIZE + MARGIN)
    }

    fn allocate(&self) -> io::Result<()> {
        let file = File::create(&self.path)?;
        fallocate(&file, FallocateFlags::empty(), 0, SIZE)?;
        file.sync_all()
    }
}
