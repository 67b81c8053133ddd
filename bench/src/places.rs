//! Where the executables are that take part: beside this one.

use crate::contestant::Result;
use procpool::Executable;
use std::path::PathBuf;

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

/// Returns a worker executable of this workspace.
///
/// # Errors
/// When it is not there.
pub fn worker(name: &str) -> Result<Executable> {
    Ok(Executable::path(file(name)?)?)
}
