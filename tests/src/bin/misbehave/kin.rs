//! Processes that a worker starts and leaves its things to: its token, its connections, or only its pipes.
//!
//! An heir ends by itself after a while, so that a test that fails leaves nobody behind for long.

use crate::Deed;
use crate::start::told_off;
use crate::wire::Wire;
use procpool_protocol::handshake::Connection;
use procpool_protocol::preamble::Preamble;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, getpgid, getppid, setsid, test_kill_process};
use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long an heir lives.
const LIFE: Duration = Duration::from_secs(60);

/// Whether this process is one.
pub(crate) fn is_heir(deed: &Deed) -> bool {
    deed.value("heir").is_some()
}

/// What heirs do.
pub(crate) fn live(deed: &Deed) -> io::Result<()> {
    match deed.value("heir") {
        Some("borrow_token") => borrow(),
        Some("borrow_token_late") => {
            let parent = getppid();
            setsid()?;
            while parent.is_some_and(|parent| test_kill_process(parent).is_ok()) {
                std::thread::yield_now();
            }
            borrow()
        }
        Some("emigrate") => {
            setsid()?;
            linger();
            Ok(())
        }
        _ => {
            linger();
            Ok(())
        }
    }
}

fn linger() {
    // sleep: an heir does nothing but live.
    std::thread::sleep(LIFE);
}

/// Uses a token that was given to another process.
fn borrow() -> io::Result<()> {
    let mut token = String::new();
    io::stdin().read_line(&mut token)?;
    told_off(Wire::connect(Connection::Jobs, token.trim(), Preamble::ours())?)
}

/// Gives the token to another process.
pub(crate) fn lend(token: &str, heir: &str) -> io::Result<Child> {
    let mut lent = start(heir, Stdio::piped())?;
    if let Some(mut stdin) = lent.stdin.take() {
        stdin.write_all(format!("{token}\n").as_bytes())?;
    }
    Ok(lent)
}

/// Waits until an heir is out of the reach of those who kill this process's group.
pub(crate) fn see_off(heir: &Child) -> io::Result<()> {
    let heir = Pid::from_child(heir);
    while getpgid(Some(heir))? != heir {
        std::thread::yield_now();
    }
    Ok(())
}

/// Has another process hold these connections open, too; gives its id.
pub(crate) fn share(wires: [&Wire; 2], heir: &str) -> io::Result<u32> {
    for wire in wires {
        fcntl_setfd(&wire.stream, FdFlags::empty())?;
    }
    start(heir, Stdio::null()).map(|heir| heir.id())
}

fn start(heir: &str, stdin: Stdio) -> io::Result<Child> {
    Command::new(std::env::current_exe()?).arg(heir).stdin(stdin).spawn()
}
