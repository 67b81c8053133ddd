//! Run CPU-heavy or crash-prone work in supervised worker processes beside an async service.
//!
//! Node's worker threads for Rust, with one change that matters: a worker is an OS process. It can be killed
//! at any instant, can segfault, leak or spin for ever, and the service that owns it keeps answering.
//!
//! - [`Pool`]: many supervised processes, typed jobs, deadlines that end in SIGKILL.
//! - [`Worker`]: one process, free messages both ways.
//! - [`run_once`]: one process, one job.
//! - [`Coordinator`]: several pools from a configuration, behind one listener and one shutdown.
//! - `Jobs` (feature `durable`): jobs that outlive the process, in a directory.
//! - `worker` (feature `worker`): the SDK for worker executables.
//!
//! A worker executable is a function and one line:
//!
//! ```no_run
//! # #[cfg(feature = "worker")] {
//! use procpool::job;
//! use procpool::worker::serve;
//!
//! job!(Fib, "fib", u64 => u64);
//!
//! fn fib(n: u64) -> u64 {
//!     if n <= 1 { n } else { fib(n - 1) + fib(n - 2) }
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     serve::<Fib>(|n, _| Ok(fib(n)))
//! }
//! # }
//! ```
//!
//! and a service uses it like this:
//!
//! ```no_run
//! # use procpool::{Executable, Pool, job};
//! # job!(Fib, "fib", u64 => u64);
//! # async fn service() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::<Fib>::builder(Executable::find("procpool-fib")?).workers(1..=4).start().await?;
//! assert_eq!(pool.run(40).await?, 102_334_155);
//! # Ok(())
//! # }
//! ```
//!
//! The crate's root has the items that a program needs daily. [`error`] has the types of errors and their
//! parts, [`status`] the reports of a pool, and [`raw`] the traits and types that pass encoded bytes on, for
//! frontends and engines.
//!
//! Pools and workers live on the tokio runtime in which they were started: deadlines and kills need it to
//! be driven, and everything ends when it does. A worker inherits no descriptor that this process has open.
//! Nothing process-wide is changed for that: children that the program starts itself keep what it gives them.
//!
//! Every accepted job has exactly one outcome. A worker's death fails at most the job it was running,
//! with a [`CrashReport`] that says what is known, and the pool is back to strength by itself. A job
//! that may not be repeated is handed to a worker at most once.

#![forbid(unsafe_code)]

#[cfg(feature = "durable")]
pub mod durable;
pub mod error;
#[cfg(any(test, doctest))]
mod guide;
pub mod raw;
pub mod status;

#[cfg(feature = "durable")]
pub use durable::Jobs;
#[cfg(feature = "tower")]
pub use procpool_coordinator::PoolService;
pub use procpool_coordinator::{
    AttachSocket, CallNames, Canceller, Coordinator, CoordinatorConfig, Executable, JobEvent, JobEvents,
    JobHandle, JobRequest, Map, Pool, PoolBuilder, PoolConfig, PoolError, PoolLimits, Reported, RunReport,
    Supervision, WeakPool, Worker, WorkerBuilder, WorkerEvent, WorkerLimits, WorkerRange, WorkerSource,
    run_once,
};
pub use procpool_memory::{RegionCell, SharedRegion};
pub use procpool_protocol::engine::Priority;
pub use procpool_protocol::{
    Bytes, Cancelled, CrashReport, Encoding, Failure, Job, JobError, JobId, OutcomeKind, PublicError, Schema,
    Streaming, TraceContext, job,
};

/// The SDK for worker executables.
#[cfg(feature = "worker")]
pub use procpool_worker as worker;
