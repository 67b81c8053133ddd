//! Where the executables are that take part: beside this one. And where the checkout is.

use crate::contestant::Result;
use procpool::Executable;
use std::path::{Path, PathBuf};

/// Returns the file of an executable of this workspace.
///
/// # Errors
/// When it is not there, with the command that builds it.
pub fn file(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let file = this.with_file_name(name);
    if file.exists() {
        Ok(file)
    } else {
        Err(format!("{} is missing; cargo xtask bench builds it", file.display()).into())
    }
}

/// Returns a file or folder of the checkout that this executable was built from.
pub fn checkout(path: &str) -> PathBuf {
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    bench.parent().unwrap_or(bench).join(path)
}

/// Returns a worker executable of this workspace.
///
/// # Errors
/// When it is not there.
pub fn worker(name: &str) -> Result<Executable> {
    Ok(Executable::path(file(name)?)?)
}
