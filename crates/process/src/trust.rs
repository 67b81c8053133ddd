//! Decides whether other users may replace the file at a path. If they may rename in any directory above it,
//! they can put another socket or file there. Knows owners, modes and links, but not the purpose of the path.
//!
//! Each part of a path is opened by the descriptor of the part before it, so the checked path is the real
//! one.

use rustix::fs::{FileType, Mode, OFlags, Stat, fstat, open, openat, readlinkat};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::DirBuilder;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Component, Path, PathBuf};

/// The bits that let group and others write, and the bit that prevents them from renaming files of other
/// users.
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// Maximum number of links in a path, as in the kernel.
const LINKS: usize = 40;

/// A directory is not suitable for files that other users must not replace.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// The directory itself is a link, which may be changed to another target.
    #[error("{} is a symbolic link; name the directory that it points to, {}", path.display(), to.display())]
    Link {
        /// The link.
        path: PathBuf,
        /// Its target.
        to: PathBuf,
    },
    /// A link in the path belongs to another user.
    #[error(
        "{} is a symbolic link of user {owner}, who is neither this user ({user}) nor root and may point it elsewhere; \
         use a path without it", path.display()
    )]
    ForeignLink {
        /// The link.
        path: PathBuf,
        /// The link's owner.
        owner: u32,
        /// The user that runs this process.
        user: u32,
    },
    /// A directory belongs to another user.
    #[error(
        "{} belongs to user {owner}, who is neither this user ({user}) nor root and may replace files in it; use a \
         directory of this user in one of this user's or root's", dir.display()
    )]
    Foreign {
        /// The directory, which may be a parent.
        dir: PathBuf,
        /// The directory's owner.
        owner: u32,
        /// The user that runs this process.
        user: u32,
    },
    /// Others may rename files in a directory.
    #[error(
        "others may replace files in {} (mode {mode:04o}); use a directory that only this user may write to, or `chmod \
         go-w {}`", dir.display(), dir.display()
    )]
    Open {
        /// The directory, which may be a parent.
        dir: PathBuf,
        /// The directory's mode.
        mode: u32,
    },
}

/// Creates a directory and its missing parents with this mode, if only this user and root may replace it.
///
/// # Errors
/// The system's error, or an error whose source is a [`Distrust`].
pub fn make_directory(dir: &Path, mode: u32) -> io::Result<()> {
    let dir = std::path::absolute(dir)?;
    let user = rustix::process::geteuid().as_raw();
    // Nothing is created in a place that is then rejected.
    check(&dir, user)?;
    DirBuilder::new().recursive(true).mode(mode).create(&dir)?;
    check(&dir, user)
}

/// Checks as much of an absolute path as exists.
fn check(dir: &Path, user: u32) -> io::Result<()> {
    let mut way = Way::to(dir)?;
    loop {
        match way.go_on(user) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// A path, of which the first part has been checked.
struct Way {
    at: OwnedFd,
    /// The path of the checked part, by the names that led there.
    behind: PathBuf,
    ahead: VecDeque<Part>,
    links: usize,
}

/// A name, and whether the requested path ends with it.
struct Part {
    name: OsString,
    is_last: bool,
}

impl Way {
    fn to(path: &Path) -> io::Result<Self> {
        let mut way = Self { at: root()?, behind: "/".into(), ahead: VecDeque::new(), links: 0 };
        way.put_ahead(path);
        if let Some(last) = way.ahead.back_mut() {
            last.is_last = true;
        }
        // The root is checked, too.
        way.ahead.push_front(Part { name: ".".into(), is_last: false });
        Ok(way)
    }

    fn put_ahead(&mut self, path: &Path) {
        for part in path.components().rev() {
            if let Component::Normal(_) | Component::ParentDir = part {
                self.ahead.push_front(Part { name: part.as_os_str().into(), is_last: false });
            }
        }
    }

    /// Checks the next part. Returns `false` at the end.
    fn go_on(&mut self, user: u32) -> io::Result<bool> {
        let Some(part) = self.ahead.pop_front() else { return Ok(false) };
        let how = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = openat(&self.at, &part.name, how, Mode::empty())?;
        let (found, path) = (fstat(&next)?, self.path_of(&part.name));
        match FileType::from_raw_mode(found.st_mode) {
            FileType::Symlink => self.follow(&next, path, &found, part.is_last, user)?,
            FileType::Directory => {
                judge(&path, &found, user).map_err(refused)?;
                (self.at, self.behind) = (next, path);
            }
            _ => return Err(Errno::NOTDIR.into()),
        }
        Ok(true)
    }

    fn follow(
        &mut self,
        link: &OwnedFd,
        path: PathBuf,
        found: &Stat,
        is_last: bool,
        user: u32,
    ) -> io::Result<()> {
        let to = PathBuf::from(OsString::from_vec(readlinkat(link, "", Vec::new())?.into_bytes()));
        let owner = found.st_uid;
        if owner != user && owner != 0 {
            return Err(refused(Distrust::ForeignLink { path, owner, user }));
        }
        if is_last {
            return Err(refused(Distrust::Link { path, to }));
        }
        self.links += 1;
        if self.links > LINKS {
            return Err(Errno::LOOP.into());
        }
        if to.is_absolute() {
            (self.at, self.behind) = (root()?, "/".into());
        }
        self.put_ahead(&to);
        Ok(())
    }

    fn path_of(&self, name: &OsStr) -> PathBuf {
        match name.as_encoded_bytes() {
            b"." => self.behind.clone(),
            b".." => self.behind.parent().unwrap_or(Path::new("/")).to_owned(),
            _ => self.behind.join(name),
        }
    }
}

fn root() -> io::Result<OwnedFd> {
    Ok(open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Checks one directory. Root may replace everything anyway. In a sticky directory such as `/tmp`, others may
/// add files, but not touch those of this user.
fn judge(dir: &Path, found: &Stat, user: u32) -> Result<(), Distrust> {
    let (owner, mode) = (found.st_uid, found.st_mode & 0o7777);
    if owner != user && owner != 0 {
        return Err(Distrust::Foreign { dir: dir.to_owned(), owner, user });
    }
    match mode & OTHERS_WRITE == 0 || mode & STICKY != 0 {
        true => Ok(()),
        false => Err(Distrust::Open { dir: dir.to_owned(), mode }),
    }
}

fn refused(reason: Distrust) -> io::Error {
    io::Error::new(io::ErrorKind::PermissionDenied, reason)
}

#[cfg(test)]
mod tests;
