//! Decides whether to trust a saved job. It names a program with arguments and environment, so anybody who
//! can write it chooses what this user runs. Does not: know the file's content, only owners and modes.
//!
//! The file is judged after it was opened, so that nobody can exchange it in between. The worker opens the
//! path again, and takes from there only the job's input, which it does not trust anyway. An attacker who can
//! exchange a directory higher up, which is not judged, gains only that input.

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The bits by which group and others may write, and the one by which they may not touch the files of others.
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Why a file is not to be believed. Reads after “failed to trust the saved job FILE, …: ”, and before “, or replay
/// it with --trust”.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Distrust {
    /// The user who made the link chose the file.
    #[error("it is a symbolic link; name the file that it points to")]
    Link,
    /// Nobody knows who writes to the other end of a pipe.
    #[error("it is no regular file; copy what comes from it to a file")]
    NoFile,
    /// Its owner may have written anything.
    #[error("it belongs to user {owner}, and you are user {user}; become that user")]
    Foreign {
        /// Whose it is.
        owner: u32,
        /// Who runs this.
        user: u32,
    },
    /// Its owner may not be the last who has written to it.
    #[error("others than its owner may write to it (mode {mode:04o}); look at where it comes from, then `chmod go-w {}`", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The owner of its directory may exchange it.
    #[error("its directory {} belongs to user {owner}, who is neither you (user {user}) nor root; move it to a directory of your own", dir.display())]
    ForeignDir {
        /// The directory.
        dir: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who runs this.
        user: u32,
    },
    /// Anybody may exchange it.
    #[error("others than its owner may write to its directory {} (mode {mode:04o}); `chmod go-w {}`", dir.display(), dir.display())]
    OpenDir {
        /// The directory.
        dir: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

/// Opens a file that nobody but `user` can have written.
///
/// # Errors
/// The system's error, or the reason for which the file is not trusted.
pub(crate) fn open(path: &Path, user: u32) -> io::Result<Result<File, Distrust>> {
    let place = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = path.file_name() else { return Ok(Err(Distrust::NoFile)) };
    let dir = openat(CWD, place, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    // Not to wait for the other end of a pipe; a regular file does not mind.
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match openat(&dir, name, how, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::LOOP) => return Ok(Err(Distrust::Link)),
        Err(error) => return Err(error.into()),
    };
    let dir = File::from(dir).metadata()?;
    Ok(judge_file(path, &file.metadata()?, user).and_then(|()| judge_dir(place, &dir, user)).map(|()| file))
}

fn judge_file(path: &Path, found: &Metadata, user: u32) -> Result<(), Distrust> {
    match (found.uid(), found.mode() & 0o7777) {
        _ if !found.is_file() => Err(Distrust::NoFile),
        (owner, _) if owner != user => Err(Distrust::Foreign { owner, user }),
        (_, mode) if mode & OTHERS_WRITE != 0 => Err(Distrust::Open { path: path.to_owned(), mode }),
        _ => Ok(()),
    }
}

/// Judges the directory. Root may exchange every file anyway. In a sticky directory such as `/tmp`, others
/// may add files, but not touch this user's file.
fn judge_dir(dir: &Path, found: &Metadata, user: u32) -> Result<(), Distrust> {
    let (owner, mode) = (found.uid(), found.mode() & 0o7777);
    let dir = || dir.to_owned();
    if owner != user && owner != 0 {
        return Err(Distrust::ForeignDir { dir: dir(), owner, user });
    }
    match mode & OTHERS_WRITE == 0 || mode & STICKY != 0 {
        true => Ok(()),
        false => Err(Distrust::OpenDir { dir: dir(), mode }),
    }
}

#[cfg(test)]
mod tests;
