//! The worker's side of the [page](procpool_protocol::page). Knows no frames, and no jobs but by number.

use procpool_protocol::page::{BEGUN, KEPT, LEN, MAGIC, MAGIC_AT, MARK, places};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The page, by the file behind it: a write that has returned is there whatever becomes of this process, and costs a
/// fraction of one to a socket.
#[derive(Debug)]
pub(crate) struct Page {
    file: File,
    begun: u64,
    ended: u64,
}

impl Page {
    /// Opens the file, and marks it as kept.
    pub(crate) fn open(path: &str) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        let mut magic = [0; MAGIC.len()];
        file.read_exact_at(&mut magic, MAGIC_AT)?;
        if magic != *MAGIC || file.metadata()?.len() < LEN {
            return Err(io::Error::other("this is no page"));
        }
        file.write_all_at(&KEPT.to_le_bytes(), MARK)?;
        Ok(Self { file, begun: 0, ended: 0 })
    }

    /// This job is about to begin, after so many bytes of output.
    pub(crate) fn begins(&mut self, sequence: u64) -> io::Result<()> {
        self.begun = sequence;
        self.tell()
    }

    /// So many bytes of output are in the ring or were sent.
    pub(crate) fn has_ended(&mut self, bytes: u64) {
        self.ended = bytes;
    }

    /// Writes down what was said since.
    pub(crate) fn tell(&self) -> io::Result<()> {
        let mut both = [0; 16];
        both[..8].copy_from_slice(&self.begun.to_le_bytes());
        both[8..].copy_from_slice(&self.ended.to_le_bytes());
        self.file.write_all_at(&both, BEGUN)
    }

    /// Puts output into the ring, whose first byte is number `from`.
    pub(crate) fn put(&self, from: u64, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        for (at, length) in places(from, bytes.len() as u64) {
            let (now, later) = rest.split_at(usize::try_from(length).unwrap_or(rest.len()).min(rest.len()));
            if !now.is_empty() {
                self.file.write_all_at(now, at)?;
            }
            rest = later;
        }
        Ok(())
    }
}
