//! The job of the worker `crashes`, which crashes in C. The functions are in `bin/crashes/crash.c`.
#![allow(unsafe_code)]

use procpool::Job;
use serde::{Deserialize, Serialize};
use std::ffi::c_int;

/// Crashes in this way.
#[derive(Debug)]
pub struct Crash;

impl Job for Crash {
    const NAME: &'static str = "crash";
    type Input = Way;
    type Output = String;
}

/// A way to crash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Does not crash.
    Not,
    /// Writes to a null pointer.
    Null,
    /// Calls `abort`.
    Abort,
    /// Fills its stack.
    Stack,
    /// Executes an instruction that is none.
    Trap,
    /// Calls a null pointer.
    Call,
    /// Crashes, and once more while that is recorded.
    Twice,
    /// Crashes on a thread that it has started in C.
    Thread,
    /// Crashes in a child process, then aborts itself.
    Child,
    /// Is killed by SIGKILL.
    Killed,
    /// Does not crash, and never ends: it is in the function `spin_forever`.
    Spin,
    /// Does not crash, and waits for ever in a system call that nothing interrupts but a kill.
    Stuck,
}

/// The functions in C.
pub const SOURCE: &str = include_str!("bin/crashes/crash.c");

unsafe extern "C" {
    safe fn crash_calls_writer();
    safe fn crash_aborts();
    safe fn crash_fills_stack(depth: c_int) -> c_int;
    safe fn crash_traps();
    safe fn crash_calls_nothing();
    safe fn crash_twice();
    safe fn crash_on_a_thread();
    safe fn crash_after_a_child();
    safe fn crash_own_handler();
    safe fn crash_never();
    safe fn crash_is_stuck();
}

/// Crashes in this way, if it is one.
pub fn crash(way: Way) -> String {
    match way {
        Way::Not => {}
        Way::Null => crash_calls_writer(),
        Way::Abort => crash_aborts(),
        Way::Stack => drop(crash_fills_stack(0)),
        Way::Trap => crash_traps(),
        Way::Call => crash_calls_nothing(),
        Way::Twice => crash_twice(),
        Way::Thread => crash_on_a_thread(),
        Way::Child => crash_after_a_child(),
        Way::Spin => crash_never(),
        Way::Stuck => crash_is_stuck(),
        Way::Killed => {
            let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        }
    }
    "well".into()
}

/// Installs a handler of the program's own for SIGSEGV, which exits with 41.
pub fn install_own_handler() {
    crash_own_handler();
}

/// Returns whether the worker has the lines of the source in C. A profile without debug information strips them.
///
/// # Panics
/// When the worker cannot be read.
pub fn has_lines() -> bool {
    has_lines_of("crashes")
}

/// Returns whether an executable of this workspace has the lines of its sources.
///
/// # Panics
/// When it cannot be read.
pub fn has_lines_of(executable: &str) -> bool {
    let name = b"\0.debug_line\0";
    let file = std::fs::read(crate::binaries::binary(executable)).expect("the worker is there");
    file.windows(name.len()).any(|window| window == name)
}
