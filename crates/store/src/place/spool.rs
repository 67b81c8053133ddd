//! The directory `spool`: payloads that are too large for the database, one file each.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use procpool_protocol::JobId;

use super::directory::sync;

/// Number of bytes above which an input or a result is a file. The write-ahead log would write it twice.
pub(crate) const SPOOLED_ABOVE: usize = 64 << 10;

/// Which payload of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Input,
    Result,
}

impl Kind {
    pub(crate) const BOTH: [Self; 2] = [Self::Input, Self::Result];

    fn extension(self) -> &'static str {
        match self {
            Self::Input => "in",
            Self::Result => "out",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Spool {
    root: PathBuf,
}

impl Spool {
    pub(crate) fn of(directory: &Path) -> Self {
        Self { root: directory.join("spool") }
    }

    /// Returns the file of a payload. Ids may begin with the time, so that folders go by their end.
    pub(crate) fn path(&self, job: JobId, kind: Kind) -> PathBuf {
        let id = job.to_string();
        self.root.join(&id[id.len() - 2..]).join(format!("{id}.{}", kind.extension()))
    }

    /// Writes a payload. It is durable on return, and nothing refers to it yet.
    pub(crate) fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let folder = path.parent().unwrap_or(&self.root);
        if !folder.is_dir() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            sync(&self.root)?;
            self.root.parent().map_or(Ok(()), sync)?;
        }
        let new = path.with_extension("new");
        let write = || {
            let mut options = OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            file.write_all(bytes)?;
            file.sync_data()?;
            fs::rename(&new, path)?;
            sync(folder)
        };
        write().inspect_err(|_| drop(fs::remove_file(&new)))
    }

    /// Removes every file that is none of these, and returns those of them that are missing.
    pub(crate) fn sweep(&self, mut known: HashSet<PathBuf>) -> io::Result<HashSet<PathBuf>> {
        for file in self.files()? {
            if !known.remove(&file) {
                fs::remove_file(&file)?;
            }
        }
        Ok(known)
    }

    /// Returns every file.
    pub(crate) fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        let folders = match fs::read_dir(&self.root) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(files),
            folders => folders?,
        };
        for folder in folders {
            for file in fs::read_dir(folder?.path())? {
                files.push(file?.path());
            }
        }
        Ok(files)
    }
}
