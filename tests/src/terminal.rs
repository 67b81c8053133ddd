//! A terminal for a server, which a test can close as a person closes a window.

use crate::binaries::binary;
use rustix::fd::OwnedFd;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tokio::process::Command;

/// The person's side of a terminal. Dropping it closes the terminal, which hangs up on the server.
#[derive(Debug)]
pub struct Terminal {
    side: OwnedFd,
}

impl Terminal {
    /// Opens one.
    ///
    /// # Panics
    /// When the system gives none.
    pub fn open() -> Self {
        let side =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&side).and_then(|()| unlockpt(&side)).expect("the terminal's other side");
        Self { side }
    }

    /// Returns a command that takes the arguments of `procpool`. The server runs in the terminal's
    /// foreground; what `shell` says may redirect its streams or wrap it.
    ///
    /// # Panics
    /// When the terminal has no name.
    pub fn command(&self, shell: &str) -> Command {
        let name = ptsname(&self.side, Vec::new()).expect("the terminal's name");
        let name = name.into_string().expect("a name of ASCII letters");
        let mut command = Command::new("/bin/sh");
        // `setsid` makes its standard input the terminal of the new session.
        let script = format!("exec setsid --ctty /bin/sh -c '{shell}' \"$0\" \"$@\" < {name}");
        command.args(["-c", &script]).arg(binary("procpool"));
        command
    }
}
