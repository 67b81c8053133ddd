//! Makes a relative path absolute, by the working directory's name that the user knows, including symbolic
//! links.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Returns `path` as an absolute path, without resolving any symbolic link.
///
/// A relative path starts at `$PWD` if that names the working directory, as it does in a process that a shell
/// has started. For example, a service starts inside `/srv/current`, a link to its newest release. It uses
/// that name, and a reload finds the release that the link names by then. Otherwise the path starts at the
/// directory that the system reports.
///
/// # Errors
/// When `path` is empty, or is relative and the working directory no longer exists.
///
/// ```
/// let absolute = procpool_process::absolute("./worker")?;
/// assert!(absolute.is_absolute() && absolute.ends_with("worker"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn absolute(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    absolute_from(std::env::var_os("PWD").map(PathBuf::from), path.as_ref())
}

fn absolute_from(pwd: Option<PathBuf>, path: &Path) -> io::Result<PathBuf> {
    let is_relative = path.is_relative() && !path.as_os_str().is_empty();
    match pwd.filter(|pwd| is_relative && names_working_directory(pwd)) {
        Some(pwd) => std::path::absolute(pwd.join(path)),
        None => std::path::absolute(path),
    }
}

/// The rule of POSIX for `pwd -L`.
fn names_working_directory(pwd: &Path) -> bool {
    let is_plain = pwd.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let inode = |path: &Path| std::fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    pwd.is_absolute() && is_plain && inode(pwd).is_some_and(|there| Some(there) == inode(Path::new(".")))
}

/// Returns the path of this process's executable. If it runs from a copy in memory, as a pool's workers may,
/// returns the path of the copied file.
///
/// # Errors
/// When the system does not report it.
pub fn own_path() -> io::Result<PathBuf> {
    Ok(original(&std::env::current_exe()?))
}

/// Returns the original of a copy in memory, whose path is the copy's name.
fn original(path: &Path) -> PathBuf {
    let name = path.as_os_str().as_bytes().strip_prefix(b"/memfd:");
    let name = name.and_then(|name| name.strip_suffix(b" (deleted)"));
    let original = name.map(|name| Path::new(OsStr::from_bytes(name)));
    original.filter(|original| original.is_absolute()).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_in_memory_is_called_by_its_original() {
        assert_eq!(original(Path::new("/memfd:/srv/a/worker (deleted)")), Path::new("/srv/a/worker"));
        for path in ["/srv/a/worker", "/srv/worker (deleted)", "/memfd:worker (deleted)"] {
            assert_eq!(original(Path::new(path)), Path::new(path));
        }
    }
    use std::os::unix::fs::symlink;

    #[test]
    fn a_relative_path_keeps_the_link_through_which_the_working_directory_was_entered() {
        let link = std::env::temp_dir().join(format!("procpool-current-{}", std::process::id()));
        let here = std::env::current_dir().unwrap();
        symlink(&here, &link).unwrap();
        let found = absolute_from(Some(link.clone()), Path::new("./a/../b")).unwrap();
        let elsewhere = absolute_from(Some("/".into()), Path::new("b")).unwrap();
        let dotted = absolute_from(Some(link.join("..").join(link.file_name().unwrap())), Path::new("b"));
        std::fs::remove_file(&link).unwrap();
        assert_eq!(found, link.join("a/../b"));
        assert_eq!(elsewhere, here.join("b"), "PWD is another directory");
        assert_eq!(dotted.unwrap(), here.join("b"), "PWD is not plain");
    }

    #[test]
    fn an_absolute_path_stays_and_none_is_an_error() {
        let pwd = || Some(std::env::current_dir().unwrap());
        assert_eq!(absolute_from(pwd(), Path::new("/bin/sh")).unwrap(), Path::new("/bin/sh"));
        assert!(absolute_from(pwd(), Path::new("")).is_err());
    }
}
