//! [`Pinned`]: an executable whose bytes stay the same after a pool started or was reloaded, as far as the
//! kind of file allows.

use super::copy::{self, NoCopy};
use super::guard;
use super::identity::Identity;
use super::kept::Kept;
use super::scripts::Scripts;
use super::{Executable, ExecutableError};
use crate::cause::{self, Obstacle};
use crate::program::binfmt;
use crate::program::elf::{self, Elf, Machine};
use crate::program::reach::{self, Access};
use crate::program::script::{HEAD, Script};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Once};

/// An executable that is held open.
#[derive(Clone, Debug)]
pub struct Pinned {
    executable: Executable,
    identity: Identity,
    hold: Hold,
    scripts: Arc<Scripts>,
}

/// How far the bytes stay the same.
#[derive(Clone, Debug)]
enum Hold {
    /// Not at all: each start runs the file at the executable's path, because its interpreter needs the name.
    Path,
    /// Until another process writes into this file. A write is noticed.
    Inode(Arc<File>),
    /// Permanently: a sealed copy, or the file that runs as this process.
    Bytes(Arc<File>),
    /// Permanently: the file while its bytes are those of a sealed copy, and then the copy.
    Both(Arc<Kept>),
}

impl Executable {
    /// Opens the file and pins its bytes, so that later spawns run the current bytes. Blocks for at most the
    /// time of reading the file.
    ///
    /// # Errors
    /// When the file cannot be used, or is incomplete.
    pub fn pin(&self) -> Result<Pinned, ExecutableError> {
        self.pin_by(copy::shared)
    }

    /// Opens the file for a process that is spawned at once: nothing is copied.
    ///
    /// # Errors
    /// As [`pin`](Self::pin).
    pub fn open(&self) -> Result<Pinned, ExecutableError> {
        let Candidate { file, identity, .. } = match self.candidate()? {
            Ok(candidate) => candidate,
            Err(identity) => return Ok(self.pinned(identity, Hold::Path)),
        };
        Ok(self.pinned(identity, Hold::Inode(Arc::new(file))))
    }

    fn pin_by(
        &self,
        copy: impl FnOnce(&File, Identity, &Path) -> Result<Arc<File>, NoCopy>,
    ) -> Result<Pinned, ExecutableError> {
        let candidate = match self.candidate()? {
            Ok(candidate) => candidate,
            Err(identity) => return Ok(self.pinned(identity, Hold::Path)),
        };
        let identity = candidate.identity;
        if candidate.runs_as_this_process() {
            return Ok(self.pinned(identity, Hold::Bytes(Arc::new(candidate.file))));
        }
        if candidate.is_best_left_alone() {
            return Ok(self.pinned(identity, Hold::Inode(Arc::new(candidate.file))));
        }
        let file = candidate.file;
        let hold = match copy(&file, identity, &self.path) {
            Ok(copy) if guard::holds(&file) => {
                Hold::Both(Arc::new(Kept::new(self.path.clone(), file, identity, copy)))
            }
            Ok(copy) => Hold::Bytes(copy),
            Err(NoCopy::Changed) => return Err(self.unusable(cause::obstructed(Obstacle::Changing))),
            Err(reason) => {
                warn_once(&self.path, &reason);
                Hold::Inode(Arc::new(file))
            }
        };
        Ok(self.pinned(identity, hold))
    }

    /// Returns the open file, or only its identity if it is started by its path.
    fn candidate(&self) -> Result<Result<Candidate, Identity>, ExecutableError> {
        let unusable = |error| self.unusable(error);
        let file = match elf::open(&self.path) {
            Ok(file) => file,
            // A file that is executable and not readable cannot be distinguished from a script.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let metadata = std::fs::metadata(&self.path).map_err(unusable)?;
                return Ok(Err(Identity::of(&metadata)));
            }
            Err(error) => return Err(unusable(error)),
        };
        let metadata = file.metadata().map_err(unusable)?;
        super::check_kind(&metadata).map_err(unusable)?;
        // The kernel cannot check this later: a copy would be executable, and would lie elsewhere.
        if let Err(error) = reach::may(&file, Access::EXEC_OK) {
            let error = cause::of_spawn(&self.path, None, Some(&file), error.into());
            return Err(unusable(error));
        }
        let identity = Identity::of(&metadata);
        let Some(elf) = native(&file, &self.path).map_err(unusable)? else {
            return Ok(Err(identity));
        };
        if elf.needs > metadata.len() {
            let obstacle = Obstacle::Incomplete { size: metadata.len(), needs: elf.needs };
            return Err(unusable(cause::obstructed(obstacle)));
        }
        Ok(Ok(Candidate { file, metadata, identity, elf }))
    }

    fn unusable(&self, reason: io::Error) -> ExecutableError {
        ExecutableError::Unusable { path: self.path.clone(), reason }
    }

    fn pinned(&self, identity: Identity, hold: Hold) -> Pinned {
        Pinned { executable: self.clone(), identity, hold, scripts: Arc::default() }
    }
}

/// A program for this machine.
struct Candidate {
    file: File,
    metadata: Metadata,
    identity: Identity,
    elf: Elf,
}

impl Candidate {
    /// Returns whether the file runs as this process: the kernel refuses all writes to a running program.
    fn runs_as_this_process(&self) -> bool {
        let own = std::fs::metadata("/proc/self/exe").map(|own| Identity::of(&own));
        own.is_ok_and(|own| own.is_same_inode(&self.identity))
    }

    /// Returns whether a copy would break it, or is not needed.
    fn is_best_left_alone(&self) -> bool {
        let is_bound_to_its_file = self.elf.uses_origin || self.has_privileges();
        is_bound_to_its_file || !reach::is_writable(&self.file, &self.metadata)
    }

    /// Returns whether the program runs with more rights than its caller. A copy would not have these rights.
    fn has_privileges(&self) -> bool {
        let has_capabilities =
            rustix::fs::fgetxattr(&self.file, "security.capability", &mut [0_u8; 64]).is_ok();
        has_capabilities || self.metadata.permissions().mode() & 0o6000 != 0
    }
}

/// Returns the file as a program that the kernel itself runs, or `None` if an interpreter receives its name.
fn native(file: &File, path: &Path) -> io::Result<Option<Elf>> {
    let mut head = [0; HEAD];
    let length = file.read_at(&mut head, 0)?;
    let head = &head[..length];
    if Script::of(head).is_some() || binfmt::takes(path, head) {
        return Ok(None);
    }
    Ok(Elf::read(file).filter(|elf| Some(elf.machine) == Machine::own()))
}

fn warn_once(path: &Path, reason: &NoCopy) {
    static WARNED: Once = Once::new();
    WARNED.call_once(|| {
        tracing::warn!(
            executable = %path.display(),
            %reason,
            "worker executables are held open without a copy of their bytes: replace them by renaming only"
        );
    });
}

impl Pinned {
    /// Returns the executable from which it was pinned, with the arguments.
    pub fn executable(&self) -> &Executable {
        &self.executable
    }

    /// Returns whether the very same file is pinned, with the same contents.
    pub fn is_same_file(&self, other: &Self) -> bool {
        self.identity.has_same_contents(&other.identity)
    }

    /// Logs once if a worker that starts in `directory` now runs another script than the first one.
    pub(crate) fn look_at_scripts(&self, directory: Option<&Path>) {
        self.scripts.look(&self.executable, matches!(self.hold, Hold::Path), directory);
    }

    /// Starts it by `spawn`, which receives this open file, or `None` for the file at the executable's path.
    /// `spawn` returns when its process runs the program. If a process runs another program, `discard` ends
    /// it.
    pub(crate) fn start<P>(
        &self,
        spawn: impl Fn(Option<&File>) -> io::Result<P>,
        discard: impl FnOnce(P),
    ) -> io::Result<P> {
        match &self.hold {
            Hold::Path => spawn(None),
            Hold::Bytes(file) => spawn(Some(file)),
            Hold::Inode(file) => {
                self.verify(file)?;
                spawn(Some(file))
            }
            Hold::Both(kept) => kept.start(|file| spawn(Some(file)), discard),
        }
    }

    /// Fails if the file was changed after it was pinned: its old bytes exist nowhere else.
    fn verify(&self, file: &File) -> io::Result<()> {
        let now = Identity::of(&file.metadata()?);
        if now.has_same_contents(&self.identity) {
            Ok(())
        } else {
            Err(cause::obstructed(Obstacle::Overwritten))
        }
    }
}

#[cfg(test)]
mod tests;
