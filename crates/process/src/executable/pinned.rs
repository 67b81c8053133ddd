//! [`Pinned`]: an executable whose bytes stay what they were when a pool started or was reloaded,
//! as far as the kind of file allows.

use super::copy::{self, NoCopy};
use super::elf::{self, Elf, Machine};
use super::identity::Identity;
use super::reach::{self, Access};
use super::script::{HEAD, Script};
use super::{Executable, ExecutableError, binfmt};
use crate::cause::{self, Obstacle};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, Once};

/// What the spawner starts.
#[derive(Clone, Debug)]
pub(crate) enum Program {
    /// Whatever is at the executable's path at the time: the interpreter needs the name.
    Path,
    /// This very file, whatever its name comes to mean.
    File(Arc<File>),
}

/// An executable that is held on to.
#[derive(Clone, Debug)]
pub struct Pinned {
    executable: Executable,
    program: Program,
    identity: Identity,
    hold: Hold,
}

/// How far the bytes are held on to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// Not at all.
    Path,
    /// As long as nobody writes into the file, which is noticed.
    Inode,
    /// For good: a sealed copy, or the file that runs as this process.
    Bytes,
}

impl Executable {
    /// Opens the file and holds on to its bytes, so that what is spawned later is what is there
    /// now. Blocks for the time of reading the file, at most.
    ///
    /// # Errors
    /// When the file cannot be used, or is not all there.
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
            Err(identity) => return Ok(self.by_path(identity)),
        };
        Ok(self.by_file(Arc::new(file), identity, Hold::Inode))
    }

    fn pin_by(
        &self,
        copy: impl FnOnce(&File, Identity, &Path) -> Result<Arc<File>, NoCopy>,
    ) -> Result<Pinned, ExecutableError> {
        let candidate = match self.candidate()? {
            Ok(candidate) => candidate,
            Err(identity) => return Ok(self.by_path(identity)),
        };
        let Candidate { file, identity, .. } = &candidate;
        let (file, hold) = match candidate.hold() {
            Some(hold) => (Arc::new(candidate.file), hold),
            None => match copy(file, *identity, &self.path) {
                Ok(copy) => (copy, Hold::Bytes),
                Err(NoCopy::Changed) => return Err(self.unusable(cause::obstructed(Obstacle::Changing))),
                Err(reason) => {
                    warn_once(&self.path, &reason);
                    (Arc::new(candidate.file), Hold::Inode)
                }
            },
        };
        Ok(self.by_file(file, candidate.identity, hold))
    }

    /// The open file, or only what it is, where it goes by its path.
    fn candidate(&self) -> Result<Result<Candidate, Identity>, ExecutableError> {
        let unusable = |error| self.unusable(error);
        let file = match elf::open(&self.path) {
            Ok(file) => file,
            // What may be executed and not read cannot be told from a script.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let metadata = std::fs::metadata(&self.path).map_err(unusable)?;
                return Ok(Err(Identity::of(&metadata)));
            }
            Err(error) => return Err(unusable(error)),
        };
        let metadata = file.metadata().map_err(unusable)?;
        super::check_kind(&metadata).map_err(unusable)?;
        // Not left to the kernel: a copy of it would be executable, and would lie elsewhere.
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

    fn unusable(&self, source: io::Error) -> ExecutableError {
        ExecutableError::Unusable { path: self.path.clone(), source }
    }

    fn by_path(&self, identity: Identity) -> Pinned {
        Pinned { executable: self.clone(), program: Program::Path, identity, hold: Hold::Path }
    }

    fn by_file(&self, file: Arc<File>, identity: Identity, hold: Hold) -> Pinned {
        Pinned { executable: self.clone(), program: Program::File(file), identity, hold }
    }
}

/// A program of this machine.
struct Candidate {
    file: File,
    metadata: Metadata,
    identity: Identity,
    elf: Elf,
}

impl Candidate {
    /// How the file itself is held on to; `None` where a copy serves better.
    fn hold(&self) -> Option<Hold> {
        let own = || std::fs::metadata("/proc/self/exe").map(|own| Identity::of(&own));
        // The kernel lets nobody write to what runs.
        if own().is_ok_and(|own| own.is_same_inode(&self.identity)) {
            return Some(Hold::Bytes);
        }
        let is_bound_to_its_file = self.elf.uses_origin || self.has_privileges();
        let is_held = is_bound_to_its_file || !reach::is_writable(&self.file, &self.metadata);
        is_held.then_some(Hold::Inode)
    }

    /// Whether it runs with more rights than its caller, which a copy would not have.
    fn has_privileges(&self) -> bool {
        let has_capabilities =
            rustix::fs::fgetxattr(&self.file, "security.capability", &mut [0_u8; 64]).is_ok();
        has_capabilities || self.metadata.permissions().mode() & 0o6000 != 0
    }
}

/// The file as a program that the kernel itself runs; `None` where an interpreter is given its
/// name.
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
    /// What it was pinned from, with the arguments.
    pub fn executable(&self) -> &Executable {
        &self.executable
    }

    /// Whether the very same file was pinned, with the same contents.
    pub fn is_same_file(&self, other: &Self) -> bool {
        self.identity.has_same_contents(&other.identity)
    }

    /// What to start.
    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    /// Fails if somebody has written into the file since, and its bytes are not held.
    pub(crate) fn verify(&self) -> io::Result<()> {
        let (Program::File(file), Hold::Inode) = (&self.program, self.hold) else { return Ok(()) };
        let now = Identity::of(&file.metadata()?);
        if now.has_same_contents(&self.identity) {
            Ok(())
        } else {
            Err(cause::obstructed(Obstacle::Overwritten))
        }
    }

    /// What hindered a spawn.
    pub(crate) fn explain(&self, current_dir: Option<&Path>, error: io::Error) -> io::Error {
        let file = match &self.program {
            Program::File(file) => Some(&**file),
            Program::Path => None,
        };
        cause::of_spawn(&self.executable.path, current_dir, file, error)
    }
}

#[cfg(test)]
mod tests;
