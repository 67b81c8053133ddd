//! A worker that crashes in C. `crashes own-handler` has a handler of its own for SIGSEGV, and `crashes quiet`
//! wants no records of its crashes.

use procpool::worker::{disable_crash_stacks, serve};
use procpool_tests::crashes::{Crash, crash, install_own_handler};
use std::process::ExitCode;

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some("own-handler") => install_own_handler(),
        Some("quiet") => disable_crash_stacks(),
        _ => {}
    }
    serve::<Crash>(|way, _cx| Ok(crash(way)))
}
