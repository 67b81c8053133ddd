//! A program of which both the open file and a sealed copy are held. Workers run the file, which has a path,
//! while its bytes are those of the copy. Afterwards they run the copy.

use super::identity::Identity;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Number of bytes that are compared at a time.
const CHUNK: usize = 128 * 1024;

#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    file: File,
    copy: Arc<File>,
    /// The file's identity at the time of the copy.
    identity: Identity,
    /// The bytes were equal once, while a running process guarded the file. From then on its times suffice: a
    /// comparison at each start would take a third of a start.
    was_compared: AtomicBool,
    /// The file was found to differ from the copy. It is not inspected again.
    has_changed: AtomicBool,
}

/// The source from which a worker is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Run {
    File,
    Copy,
}

/// The result of starting the file itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    NotMade,
    /// `is_busy`: another process has the file open for writing.
    Failed {
        is_busy: bool,
    },
    /// The process lives, and the file can no longer be written to.
    Runs {
        has_same_bytes: bool,
    },
}

/// Chooses what the worker runs. `is_unchanged`: the kernel's metadata of the file is the same as at the
/// copy. A change in the same moment as the copy may leave it unchanged, so the first running process's bytes
/// are compared, too.
fn choose(is_unchanged: bool, attempt: Attempt) -> Run {
    match attempt {
        _ if !is_unchanged => Run::Copy,
        Attempt::Failed { is_busy: true } | Attempt::Runs { has_same_bytes: false } => Run::Copy,
        // A copy of the same bytes would fail in the same way.
        Attempt::Failed { is_busy: false } | Attempt::NotMade | Attempt::Runs { .. } => Run::File,
    }
}

impl Kept {
    /// Requires `copy` to be a copy of `file`.
    pub(super) fn new(path: PathBuf, file: File, identity: Identity, copy: Arc<File>) -> Self {
        let [was_compared, has_changed] = [false, false].map(AtomicBool::new);
        Self { path, file, copy, identity, was_compared, has_changed }
    }

    #[cfg(test)]
    pub(super) fn copy(&self) -> &Arc<File> {
        &self.copy
    }

    /// Starts the file by `spawn`, or the copy. `spawn` returns when its process runs the program. If a
    /// process runs something else, `discard` ends it.
    pub(super) fn start<P>(
        &self,
        spawn: impl Fn(&File) -> io::Result<P>,
        discard: impl FnOnce(P),
    ) -> io::Result<P> {
        if self.choose(Attempt::NotMade) == Run::Copy {
            return spawn(&self.copy);
        }
        let spawned = spawn(&self.file);
        let attempt = match &spawned {
            Ok(_) => Attempt::Runs { has_same_bytes: self.is_unchanged() && self.has_same_bytes() },
            Err(error) => Attempt::Failed { is_busy: error.kind() == ErrorKind::ExecutableFileBusy },
        };
        match (self.choose(attempt), spawned) {
            (Run::File, spawned) => return spawned,
            (Run::Copy, Ok(process)) => discard(process),
            (Run::Copy, Err(_)) => {}
        }
        spawn(&self.copy)
    }

    fn choose(&self, attempt: Attempt) -> Run {
        let run = choose(self.is_unchanged(), attempt);
        // A writer that has the file open may not have written yet.
        let is_lost = run == Run::Copy && attempt != Attempt::Failed { is_busy: true };
        if is_lost && !self.has_changed.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                executable = %self.path.display(),
                "the file of the worker executable has changed since it was pinned; until a reload, workers run the \
                 copy that was taken then: replace executables by renaming, then reload"
            );
        }
        run
    }

    fn is_unchanged(&self) -> bool {
        let now = || self.file.metadata().is_ok_and(|now| Identity::of(&now) == self.identity);
        !self.has_changed.load(Ordering::Relaxed) && now()
    }

    fn has_same_bytes(&self) -> bool {
        if self.was_compared.load(Ordering::Relaxed) {
            return true;
        }
        let is_same = has_same_beginning(&self.file, &self.copy, self.identity.size()).unwrap_or(false);
        self.was_compared.fetch_or(is_same, Ordering::Relaxed);
        is_same
    }
}

/// Returns whether the first `length` bytes are the same. Takes about a millisecond for four
/// megabytes.
fn has_same_beginning(a: &File, b: &File, length: u64) -> io::Result<bool> {
    let (mut ours, mut theirs) = (vec![0; CHUNK], vec![0; CHUNK]);
    let mut offset = 0;
    while offset < length {
        let size = usize::try_from(length - offset).unwrap_or(CHUNK).min(CHUNK);
        a.read_exact_at(&mut ours[..size], offset)?;
        b.read_exact_at(&mut theirs[..size], offset)?;
        if ours[..size] != theirs[..size] {
            return Ok(false);
        }
        offset += size as u64;
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
