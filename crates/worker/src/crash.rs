//! Whether this worker records how it crashes, for its coordinator.

use crate::os;
use procpool_memory::page::map_forever;
use procpool_protocol::crash_record::{RECORD, RECORD_LEN};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the author of the worker wants no handlers.
static IS_LEFT_ALONE: AtomicBool = AtomicBool::new(false);

/// Leaves the signals of a crash alone: SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS, SIGTRAP. Call it
/// before the worker serves. Reports of its crashes then have no stack.
///
/// Without this call, a worker handles those of them that have their default action. Its handler records the
/// registers, 64 KiB of the stack and the list of mapped files in memory that the coordinator reads after the
/// death. Then the signal has its effect. A handler that is there already stays, except for that of Rust's
/// standard library, which is called afterwards. A program that installs its handlers after the worker has
/// begun to serve needs no call either: its handlers replace this one.
///
/// The pool's setting `crash_stacks = false` does the same from the other side.
///
/// ```no_run
/// # use procpool_worker::{Job, serve};
/// # struct Double;
/// # impl Job for Double {
/// #     const NAME: &'static str = "double";
/// #     type Input = u64;
/// #     type Output = u64;
/// # }
/// fn main() -> std::process::ExitCode {
///     procpool_worker::disable_crash_stacks();
///     serve::<Double>(|n, _cx| Ok(2 * n))
/// }
/// ```
pub fn disable_crash_stacks() {
    IS_LEFT_ALONE.store(true, Ordering::Relaxed);
}

/// Records crashes in the page, if it has room for a record.
pub(crate) fn record_in(page: impl AsFd) {
    if IS_LEFT_ALONE.load(Ordering::Relaxed) {
        return;
    }
    if let Ok(cells) = map_forever(page, RECORD, RECORD_LEN) {
        os::record_crashes(cells);
    }
}
