//! A worker that breaks the protocol on command: raw frames, no SDK.
//!
//! `misbehave HOW [MARKER]`. With a marker, only the process that makes that file does wrong, and those that
//! come after it work by the book, so that a test can see its pool recover. The kinds of misbehaviour are in
//! `start.rs` (before the worker is ready), `answers.rs` (with a job) and `kin.rs` (what it leaves behind).
//! `die_at=STAGE` dies by SIGKILL there, as if somebody had sent it.

mod answers;
mod kin;
mod start;
mod wire;

use rustix::process::{Signal, getpid, kill_process, set_parent_process_death_signal};
use std::fs::File;
use std::io;

/// The misbehaviour.
#[derive(Debug)]
pub(crate) struct Deed(String);

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let deed = Deed(args.next().unwrap_or_default());
    if kin::is_heir(&deed) {
        return kin::live(&deed);
    }
    // Some of them hang for ever; a test that is killed must not leave them behind.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let is_first = args.next().is_none_or(|marker| File::create_new(marker).is_ok());
    let deed = if is_first { deed } else { Deed("nothing".into()) };
    deed.die_at("spawn");
    let worker = start::start(&deed)?;
    answers::serve(&deed, worker)
}

impl Deed {
    /// Returns whether it is this one.
    pub(crate) fn is(&self, what: &str) -> bool {
        self.0 == what
    }

    /// Returns the text that follows `name=`.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.0.strip_prefix(name)?.strip_prefix('=')
    }

    /// Dies, if this is where it shall.
    pub(crate) fn die_at(&self, stage: &str) {
        if self.value("die_at") == Some(stage) {
            die();
        }
    }
}

impl std::fmt::Display for Deed {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

/// `kill -9` on oneself.
pub(crate) fn die() -> ! {
    let _ = kill_process(getpid(), Signal::KILL);
    hang()
}

/// Does nothing more until it is killed.
pub(crate) fn hang() -> ! {
    loop {
        std::thread::park();
    }
}
