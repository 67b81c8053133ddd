//! Looks for obstacles to starting an executable: before a start, or after a failed one. Does not: start
//! anything.

use super::{Obstacle, obstructed};
use crate::program::elf::{self, Elf, Machine};
use crate::program::reach::{self, Access};
use crate::program::{binfmt, script};
use rustix::fs::{AtFlags, CWD, StatVfsMountFlags, accessat, fstatvfs};
use rustix::io::Errno;
use script::{HEAD, Script};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

/// Maximum depth of scripts whose interpreters are scripts, in the kernel.
const MAX_SCRIPTS: usize = 5;

/// Looks for an obstacle to starting the executable at `path` in `current_dir`. A script finds programs on
/// `search_path`. `None` means the directory or search path of this process. The error is the obstacle.
pub(crate) fn inspect(
    path: &Path,
    current_dir: Option<&Path>,
    search_path: Option<&OsStr>,
) -> Result<(), Obstacle> {
    let subject = Subject { current_dir, search_path, is_refused: false };
    subject.directory()?;
    subject.path(path, MAX_SCRIPTS)
}

/// Returns the error of a spawn together with its cause, if one is found. `file` is the started file, unless
/// it is the one at `path`.
pub(crate) fn of_spawn(
    path: &Path,
    current_dir: Option<&Path>,
    file: Option<&File>,
    error: io::Error,
) -> io::Error {
    let Some(reason) = Errno::from_io_error(&error) else { return error };
    let known = match reason {
        Errno::TXTBSY => Some(Obstacle::Busy),
        Errno::TOOBIG => Some(Obstacle::TooLong),
        Errno::AGAIN => Some(Obstacle::NoProcesses(reason)),
        Errno::NOMEM => Some(Obstacle::NoMemory(reason)),
        Errno::MFILE | Errno::NFILE => Some(Obstacle::NoDescriptors(reason)),
        _ => None,
    };
    let subject = Subject { current_dir, search_path: None, is_refused: reason == Errno::NOEXEC };
    let search = || {
        subject.directory()?;
        match file {
            Some(_) if !Path::new("/proc/self/fd").exists() => Err(Obstacle::NoProc),
            Some(file) => subject.file(file, path, MAX_SCRIPTS),
            None => subject.path(path, MAX_SCRIPTS),
        }
    };
    let fallback = || match reason {
        Errno::PERM | Errno::ACCESS => Some(Obstacle::NotPermitted(reason)),
        Errno::NOEXEC => Some(Obstacle::NoProgram),
        _ => None,
    };
    known.or_else(|| search().err()).or_else(fallback).map_or(error, obstructed)
}

/// The inspected file, and the path to it.
struct Subject<'a> {
    current_dir: Option<&'a Path>,
    search_path: Option<&'a OsStr>,
    /// The kernel has reported that it cannot run the file.
    is_refused: bool,
}

impl Subject<'_> {
    fn directory(&self) -> Result<(), Obstacle> {
        let Some(dir) = self.current_dir else { return Ok(()) };
        match std::fs::metadata(dir).map_err(|error| error.kind()) {
            Ok(found) if !found.is_dir() => Err(Obstacle::DirectoryIsNone(dir.into())),
            Ok(_) if accessat(CWD, dir, Access::EXEC_OK, AtFlags::EACCESS) == Err(Errno::ACCESS) => {
                Err(Obstacle::DirectoryForbidden(dir.into()))
            }
            Ok(_) => Ok(()),
            Err(io::ErrorKind::NotADirectory) => Err(Obstacle::DirectoryIsNone(dir.into())),
            Err(io::ErrorKind::PermissionDenied) => Err(Obstacle::DirectoryForbidden(dir.into())),
            Err(_) => Err(Obstacle::DirectoryMissing(dir.into())),
        }
    }

    fn path(&self, path: &Path, scripts: usize) -> Result<(), Obstacle> {
        let metadata = std::fs::metadata(path).map_err(|error| missing(path, &error))?;
        if !metadata.is_file() {
            return Err(Obstacle::NoFile);
        }
        match elf::open(path) {
            Ok(file) => self.file(&file, path, scripts),
            // The file may be executable but unreadable, so its contents cannot be inspected.
            Err(_) if metadata.permissions().mode() & 0o111 == 0 => Err(Obstacle::NotExecutable),
            Err(_) if accessat(CWD, path, Access::EXEC_OK, AtFlags::EACCESS) == Err(Errno::ACCESS) => {
                Err(Obstacle::Forbidden)
            }
            Err(_) => Ok(()),
        }
    }

    fn file(&self, file: &File, path: &Path, scripts: usize) -> Result<(), Obstacle> {
        executable(file)?;
        let mut head = [0; HEAD];
        let length = file.read_at(&mut head, 0).unwrap_or(0);
        let head = &head[..length];
        if binfmt::takes(path, head) {
            return Ok(());
        }
        match (Script::of(head), Elf::read(file)) {
            (Some(script), _) => self.script(&script, path, scripts),
            (None, Some(elf)) => self.elf(&elf, file),
            (None, None) => Err(Obstacle::NoProgram),
        }
    }

    fn script(&self, script: &Script<'_>, path: &Path, scripts: usize) -> Result<(), Obstacle> {
        let interpreter = script.interpreter;
        if interpreter.as_os_str().is_empty() {
            return Err(Obstacle::NoInterpreter);
        }
        if script.ends_in_cr {
            let last = script.argument.unwrap_or(interpreter.as_os_str());
            let looked_for = format!("{}\r", last.display());
            return Err(Obstacle::CarriageReturn { script: path.into(), looked_for });
        }
        let scripts = scripts.checked_sub(1).ok_or(Obstacle::TooManyScripts)?;
        // A relative interpreter path starts at the worker's working directory.
        let place = self.current_dir.map_or_else(|| interpreter.to_owned(), |dir| dir.join(interpreter));
        self.path(&place, scripts).map_err(|obstacle| obstacle.of_interpreter(interpreter))?;
        match script.by_env() {
            Some(name) if !self.is_on_path(name) => Err(Obstacle::NotOnPath(name.into())),
            _ => Ok(()),
        }
    }

    fn is_on_path(&self, name: &OsStr) -> bool {
        let own = std::env::var_os("PATH");
        let Some(places) = self.search_path.or(own.as_deref()) else { return true };
        std::env::split_paths(places).any(|place| {
            let place = self.current_dir.map_or_else(|| place.clone(), |dir| dir.join(&place));
            accessat(CWD, place.join(name), Access::EXEC_OK, AtFlags::EACCESS).is_ok()
        })
    }

    fn elf(&self, elf: &Elf, file: &File) -> Result<(), Obstacle> {
        if let Some(own) = Machine::own()
            && (!elf.machine.may_run_beside(&own) || self.is_refused && elf.machine != own)
        {
            return Err(Obstacle::OtherMachine { found: elf.machine, own });
        }
        let size = file.metadata().map_or(u64::MAX, |metadata| metadata.len());
        if elf.needs > size {
            return Err(Obstacle::Incomplete { size, needs: elf.needs });
        }
        let Some(loader) = &elf.loader else { return Ok(()) };
        let found = std::fs::metadata(loader).map_err(|error| missing(loader, &error));
        let found = found.and_then(|_| elf::open(loader).map_or(Ok(()), |file| executable(&file)));
        found.map_err(|obstacle| obstacle.of_loader(loader))
    }
}

/// Checks whether mode, access lists and mount let this process execute it.
fn executable(file: &File) -> Result<(), Obstacle> {
    if reach::may(file, Access::EXEC_OK) != Err(Errno::ACCESS) {
        return Ok(());
    }
    let mode = file.metadata().map_or(0o111, |metadata| metadata.permissions().mode());
    Err(if mode & 0o111 == 0 {
        Obstacle::NotExecutable
    } else if fstatvfs(file).is_ok_and(|found| found.f_flag.contains(StatVfsMountFlags::NOEXEC)) {
        Obstacle::NoExecMount
    } else {
        Obstacle::Forbidden
    })
}

/// Returns why there is nothing at `path`.
fn missing(path: &Path, error: &io::Error) -> Obstacle {
    match Errno::from_io_error(error) {
        Some(Errno::NOTDIR) => Obstacle::PathThroughFile,
        Some(Errno::LOOP) => Obstacle::Loop,
        Some(Errno::ACCESS) => Obstacle::PathForbidden,
        _ => std::fs::read_link(path).map_or(Obstacle::Missing, Obstacle::DanglingLink),
    }
}

#[cfg(test)]
mod tests;
