//! Processes that a worker starts and leaves its connections to.
//!
//! An heir ends by itself after a while, so that a test that fails leaves nobody behind for long.

use crate::Deed;
use crate::wire::Wire;
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, getpgid, setsid};
use std::io;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long an heir lives.
const LIFE: Duration = Duration::from_secs(60);

/// Returns whether this process is one.
pub(crate) fn is_heir(deed: &Deed) -> bool {
    deed.value("heir").is_some()
}

/// The behaviour of heirs.
pub(crate) fn live(deed: &Deed) -> io::Result<()> {
    if deed.value("heir") == Some("emigrate") {
        setsid()?;
    }
    // sleep: an heir does nothing but live.
    std::thread::sleep(LIFE);
    Ok(())
}

/// Has another process hold these connections open, too, under the same numbers; gives its id.
pub(crate) fn share(wires: [&Wire; 2], heir: &str) -> io::Result<u32> {
    for wire in wires {
        fcntl_setfd(&wire.stream, FdFlags::empty())?;
    }
    let child = Command::new("/proc/self/exe").arg(heir).stdin(Stdio::null()).spawn()?;
    if heir == "heir=emigrate" {
        see_off(&child)?;
    }
    Ok(child.id())
}

/// Waits until an heir is out of the reach of those who kill this process's group.
fn see_off(heir: &Child) -> io::Result<()> {
    let heir = Pid::from_child(heir);
    while getpgid(Some(heir))? != heir {
        std::thread::yield_now();
    }
    Ok(())
}
