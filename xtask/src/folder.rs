//! Folders that a task makes: one that is gone afterwards, and copies of others.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::error::Error;

/// A folder outside the workspace, empty at first and gone when this is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// Makes one for `purpose`, which is part of its name.
    pub(crate) fn new(purpose: &str) -> Result<Self, Error> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("{purpose}-{}-{number}", process::id()));
        fs::create_dir(&path).map_err(Error::file("create", &path))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("xtask: failed to remove {}: {error}", self.0.display());
        }
    }
}

/// Makes `folder`, and removes what was in it.
pub(crate) fn empty(folder: &Path) -> Result<(), Error> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(Error::file("empty", folder))?;
    }
    fs::create_dir_all(folder).map_err(Error::file("create", folder))
}

/// Copies a file into `folder`, or a folder with all that is in it except for Python's caches. Permissions stay: an executable
/// stays one.
pub(crate) fn copy(from: &Path, folder: &Path) -> Result<(), Error> {
    let target = from.file_name().map_or_else(|| folder.to_owned(), |name| folder.join(name));
    if !from.is_dir() {
        return fs::copy(from, &target).map_err(Error::file("copy", from)).map(drop);
    }
    if from.ends_with("__pycache__") {
        return Ok(());
    }
    fs::create_dir_all(&target).map_err(Error::file("create", &target))?;
    for entry in fs::read_dir(from).map_err(Error::file("list", from))? {
        copy(&entry.map_err(Error::file("list", from))?.path(), &target)?;
    }
    Ok(())
}

/// Returns the names of the files in `folder` that end so, in order.
pub(crate) fn names(folder: &Path, ending: &str) -> Result<Vec<String>, Error> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::file("list", folder))? {
        names.push(entry.map_err(Error::file("list", folder))?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| name.ends_with(ending));
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_copied_without_what_python_compiles() {
        let place = Folder::new("xtask-copy").unwrap();
        let from = place.path().join("from");
        fs::create_dir_all(from.join("a/__pycache__")).unwrap();
        for file in ["one.py", "a/two.py", "a/__pycache__/two.pyc"] {
            fs::write(from.join(file), file).unwrap();
        }
        let to = place.path().join("to");
        empty(&to).unwrap();
        copy(&from, &to).unwrap();
        assert_eq!(names(&to.join("from"), "").unwrap(), ["a", "one.py"]);
        assert_eq!(names(&to.join("from/a"), "").unwrap(), ["two.py"]);
        assert_eq!(names(&to.join("from"), ".py").unwrap(), ["one.py"]);
        empty(&to).unwrap();
        assert!(names(&to, "").unwrap().is_empty());
    }

    #[test]
    fn a_folder_is_gone_with_its_owner() {
        let place = Folder::new("xtask-gone").unwrap();
        let path = place.path().to_owned();
        assert!(path.is_dir());
        drop(place);
        assert!(!path.exists());
    }
}
