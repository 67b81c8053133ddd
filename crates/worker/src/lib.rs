//! The SDK of a procpool worker: an executable that is a function plus one line.
//!
//! A worker is an ordinary program. A coordinator spawns it, sends it jobs over a Unix socket, and kills it
//! when it hangs. The coordinator is `procpool serve`, `procpool run`, or a service that uses the `procpool`
//! library. Therefore the worker may run anything, for any time, and may fail in any way. It is built,
//! shipped and replaced independently.
//!
//! ```no_run
//! use procpool_worker::{Job, serve};
//!
//! struct Fib;
//! impl Job for Fib {
//!     const NAME: &'static str = "fib";
//!     type Input = u64;
//!     type Output = u64;
//! }
//!
//! fn fib(n: u64) -> u64 {
//!     if n <= 1 { n } else { fib(n - 1) + fib(n - 2) }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     serve::<Fib>(|n, _cx| Ok(fib(n)))
//! }
//! ```
//!
//! [`serve`] runs a function, [`serve_with`] a function with state that is loaded once, and [`messages`] a
//! free conversation. [`serve_if_spawned`] lets a service be its own worker, and [`Jobs`] has several jobs in
//! one executable. The function's [`Context`] provides the deadline and the cancellation. It accepts progress
//! and, for a [`Streaming`] job, chunks.
//!
//! # The process
//! - Jobs run on the thread that called `serve`, one after the other. A second thread, the guard, reads
//!   cancels and notices the coordinator's death. It then kills the process at once, even while a job runs.
//!   If the coordinator made the process the leader of a process group, the guard kills the group, too.
//! - An idle worker is blocked in the kernel and uses no processor time.
//! - Standard output and standard error belong to the job's code, and the coordinator logs them line by line.
//!   [`Context::log`] writes records with a level and a job. The SDK itself writes only to standard error,
//!   and only when the worker ends in an error.
//! - A spawned worker survives SIGTERM, SIGINT and SIGHUP, which stop a whole service: its coordinator
//!   decides about the job. A handler of the program's own is not replaced, and programs that a job starts
//!   have the default actions. An attached worker finishes its job and exits with 0; a second signal ends it
//!   at once.
//! - A worker records how it crashes, so that its coordinator can report the stack: see
//!   [`disable_crash_stacks`]. Exit status and messages are as without that.
//! - A panic is caught and reported, with the job's outcome `panicked`. Then the worker exits, because its
//!   state may be broken, and the coordinator starts another. (With `panic = "abort"` it is a crash.)
//!
//! # Started by hand
//! `--describe` prints job, contract version and schemas as JSON. `--version` and `--help` print the version
//! and the help. Any other start explains how to start the worker. If a coordinator spawned the worker with
//! arguments, all but `--describe` are left to the worker's author.
//!
//! # Attached
//! `--attach SOCKET`, as the last two arguments, connects to a pool that starts no workers itself. The token
//! is read from the file `SOCKET.token`, or from the file that `PROCPOOL_TOKEN_FILE` names. The worker then
//! serves as a spawned one does.
//!
//! # A saved job
//! `--replay FILE`, as the last arguments, runs a job that a pool has saved (`save_failed_jobs`) in this very
//! process. It has no coordinator, guard or second thread, so that a debugger sees one ordinary program. The
//! state is created from the saved worker data, the function runs, and the process prints the outcome. An
//! output that is JSON or raw bytes is printed on standard output, and progress and chunks on standard error.
//! No deadline is enforced, and [`Context::remaining`] returns `None`. A crash is a crash. Earlier arguments
//! are the pool's own, and an author who reads arguments must accept these as well.
//!
//! An earlier job may have caused the failure. `--replay FILE --history` first runs the earlier jobs that the
//! file holds (`save_history`), in the same process. Several files are run one after the other in one
//! process. The exit code is that of the last job, and a panic ends the run.
//!
//! # Exit codes
//! | code | meaning |
//! | --- | --- |
//! | 0 | no work was left |
//! | 1 | the initialisation failed, the function given to [`messages`] returned an error, or a saved job did not end with an output |
//! | 2 | started by hand, or with a saved job that this worker cannot run |
//! | 3 | the coordinator is gone |
//! | 4 | the handshake or attaching failed, or the coordinator refused this worker |
//! | 5 | the coordinator broke the protocol |
//! | 101 | the function panicked |
//!
//! # Platform
//! Linux is tested. All code that depends on the platform is in the module `os`.

#![deny(unsafe_code)]

mod arenas;
mod arguments;
mod attached;
mod batch;
mod board;
mod cancel;
mod context;
mod conversation;
mod crash;
mod ending;
mod entry;
mod frames;
mod guard;
mod handshake;
mod identity;
mod jobs;
mod loading;
mod offers;
mod os;
mod outlet;
mod page;
mod panics;
mod port;
mod received;
mod regions;
mod replay;
mod session;
mod spawned;
mod startup;
mod template;
#[cfg(test)]
mod tests;
mod transcript;
mod usage;
mod workbench;

pub use cancel::CancelFlag;
pub use context::Context;
pub use crash::disable_crash_stacks;
pub use entry::{is_worker, messages, serve, serve_if_spawned, serve_if_spawned_with, serve_with};
pub use offers::Jobs;
pub use port::{Messages, ParentPort, PostError};
pub use procpool_memory::output::Buffer;
pub use procpool_memory::{RegionCell, SharedRegion};
pub use procpool_protocol::extras::InvalidContentType;
pub use procpool_protocol::log::LogLevel as Level;
pub use procpool_protocol::{
    Bytes, Cancelled, Encoding, Failure, Job, JobId, PayloadError, Schema, Streaming, TraceContext, job,
};
pub use startup::{Startup, WorkerDataError};
