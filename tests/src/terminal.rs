//! A terminal for a server, which a test can close as a person closes a window.

use crate::binaries::binary;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::sync::{Arc, Mutex, PoisonError};
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

    /// Gives the terminal a size, in characters.
    ///
    /// # Panics
    /// When the terminal takes none.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.side, size).expect("a size");
    }

    /// Presses keys.
    ///
    /// # Panics
    /// When nobody can read them any longer.
    pub fn type_in(&self, keys: &str) {
        let written = rustix::io::write(&self.side, keys.as_bytes()).expect("a terminal");
        assert_eq!(written, keys.len());
    }

    /// Returns whether the terminal shows what is typed, and hands it on by lines, as a shell wants it.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn is_cooked(&self) -> bool {
        let modes = tcgetattr(&self.side).expect("a terminal").local_modes;
        modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Reads what is written to the terminal, on a thread of its own, as long as somebody has its other side.
    ///
    /// # Panics
    /// When there are no descriptors left.
    pub fn watched(&self) -> Watched {
        let written = Watched::default();
        let (side, into) = (self.side.try_clone().expect("a descriptor"), written.0.clone());
        // Before somebody opens the other side, a read fails as after its end.
        let name = ptsname(&self.side, Vec::new()).expect("the terminal's name");
        let other =
            open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).expect("it opens");
        std::thread::spawn(move || {
            let _other = other;
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = rustix::io::read(&side, &mut buffer) {
                into.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(&buffer[..length]);
            }
        });
        written
    }
}

/// The bytes that were written to a terminal so far.
#[derive(Clone, Debug, Default)]
pub struct Watched(Arc<Mutex<Vec<u8>>>);

impl Watched {
    /// Returns them as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}
