//! The one thing that a task asks of the operating system itself: to become another program.

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
