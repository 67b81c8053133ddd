//! The requests of a task to the operating system itself: to become another program, and to link one.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::error::Error;

const NOT_STARTED: &str = "it was built a moment ago; was it moved away?";

/// Makes this process the server, so that its signals and its exit code are the server's.
#[cfg(unix)]
pub(crate) fn become_program(mut command: Command) -> Result<(), Error> {
    use std::os::unix::process::CommandExt;

    let source = command.exec();
    Err(Error::start(&command, NOT_STARTED)(source))
}

/// Runs the server and exits as it did. Untested: Ctrl-C reaches both, as they share a console.
#[cfg(not(unix))]
pub(crate) fn become_program(mut command: Command) -> Result<(), Error> {
    let status = command.status().map_err(Error::start(&command, NOT_STARTED))?;
    std::process::exit(status.code().unwrap_or(1));
}

/// Gives a program a second name, under which it finds the files beside its first one.
#[cfg(unix)]
pub(crate) fn link(program: &Path, name: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(program, name)
}

/// Gives a program a second name. Untested: no packages with executables are made for such systems.
#[cfg(not(unix))]
pub(crate) fn link(program: &Path, name: &Path) -> io::Result<()> {
    std::fs::hard_link(program, name)
}
