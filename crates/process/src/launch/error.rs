//! Why a worker did not start.

use crate::agreement::EncodingMismatch;
use crate::contract::ContractMismatch;
use procpool_protocol::{ExitReport, Failure};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A worker did not start. Its process, if there was one, is dead and reaped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The system does not spawn the process.
    #[error("failed to spawn {}: {reason}", path.display())]
    #[non_exhaustive]
    Spawn {
        /// The executable.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// The worker ended before it was ready.
    #[error("failed to start a worker of `{pool}`: {report}{hint}")]
    #[non_exhaustive]
    Died {
        /// The pool.
        pool: String,
        /// How the worker ended.
        report: Box<ExitReport>,
        /// A hint derived from the report: empty, or the rest of the sentence.
        hint: String,
    },
    /// The worker made no progress within the timeout and was killed.
    #[error("failed to start a worker of `{pool}`: it was killed for not being {step} within {timeout:?}")]
    #[non_exhaustive]
    TimedOut {
        /// The pool.
        pool: String,
        /// The state that the worker should have reached.
        step: &'static str,
        /// The timeout.
        timeout: Duration,
        /// How the process ended, with its last lines, if there was one.
        report: Option<Box<ExitReport>>,
    },
    /// The worker serves another job or version.
    #[error("failed to start a worker of `{pool}`: {mismatch}")]
    #[non_exhaustive]
    Contract {
        /// The pool.
        pool: String,
        /// The expected and the actual contract.
        mismatch: Box<ContractMismatch>,
    },
    /// The worker serves another job than the one that the pool names.
    #[error(
        "failed to start a worker of `{pool}`: the pool names job `{wanted}`, and the executable has only job `{found}`: \
         name that one, or none"
    )]
    #[non_exhaustive]
    OtherJob {
        /// The pool.
        pool: String,
        /// The job that the pool names.
        wanted: String,
        /// The job of the worker.
        found: String,
    },
    /// The worker does not read the encoding that the pool would send.
    #[error("failed to start a worker of `{pool}`: {mismatch}")]
    #[non_exhaustive]
    Encoding {
        /// The pool.
        pool: String,
        /// The encoding that the pool would send, and those that the worker reads.
        mismatch: Box<EncodingMismatch>,
    },
    /// The worker did not follow the protocol.
    #[error("failed to start a worker of `{pool}`: {violation}")]
    #[non_exhaustive]
    Protocol {
        /// The pool.
        pool: String,
        /// The violation.
        violation: String,
        /// How the process ended, with its last lines, if there was one.
        report: Option<Box<ExitReport>>,
    },
    /// The worker's own initialisation failed.
    #[error("failed to start a worker of `{pool}`: its initialisation failed: {failure}")]
    #[non_exhaustive]
    Init {
        /// The pool.
        pool: String,
        /// The worker's failure.
        failure: Failure,
        /// How the process ended, with its last lines, if there was one.
        report: Option<Box<ExitReport>>,
    },
    /// The pool forks its workers, and its executable cannot do that.
    #[non_exhaustive]
    #[error(
        "failed to start a worker of `{pool}`: the pool has `fork = true`, and this worker cannot fork: its SDK does not \
         say `forks` in its hello; set `fork = false`"
    )]
    CannotFork {
        /// The pool.
        pool: String,
    },
    /// The template from which workers are forked has forked none.
    #[non_exhaustive]
    #[error("failed to start a worker of `{pool}`: its template has not forked one: {failure}")]
    Fork {
        /// The pool.
        pool: String,
        /// The reason.
        failure: Failure,
    },
    /// The system does not open or start the executable in time.
    #[error(
        "the system did not start {} within {timeout:?}: a network file system or a scanner may hold it up",
        path.display()
    )]
    #[non_exhaustive]
    Hangs {
        /// The executable.
        path: PathBuf,
        /// The timeout.
        timeout: Duration,
    },
    /// The pool withdrew the start before the worker was ready.
    #[error("pool `{pool}` no longer needs the worker that it was starting")]
    #[non_exhaustive]
    Withdrawn {
        /// The pool.
        pool: String,
    },
    /// This process is itself a worker that has not begun to serve, so each start would start further
    /// workers.
    #[error("failed to start workers of `{pool}`: {advice}")]
    #[non_exhaustive]
    Unserved {
        /// The pool.
        pool: String,
        /// The missing line, and where it belongs.
        advice: String,
    },
    /// This program is its own worker for several jobs, and nobody says for which one it is started.
    #[error(
        "failed to start workers of `{pool}`: this program calls `serve_if_spawned` for several jobs ({jobs}), and \
         `{first}` would serve because it comes first: name the job, with {place}"
    )]
    #[non_exhaustive]
    Unnamed {
        /// The pool.
        pool: String,
        /// The jobs, in the order of the calls.
        jobs: String,
        /// The job that would serve.
        first: String,
        /// The place for the name.
        place: &'static str,
    },
    /// The coordinator's own side cannot be set up.
    #[error("failed to prepare for workers of `{pool}`: {reason}")]
    #[non_exhaustive]
    Prepare {
        /// The pool.
        pool: String,
        /// The system's error.
        reason: io::Error,
    },
}

impl StartError {
    /// Returns how the process ended that did not get ready, if there was one and that is known.
    pub fn report(&self) -> Option<&ExitReport> {
        match self {
            Self::Died { report, .. } => Some(report),
            Self::TimedOut { report, .. } | Self::Protocol { report, .. } | Self::Init { report, .. } => {
                report.as_deref()
            }
            _ => None,
        }
    }

    /// Returns [`Prepare`](Self::Prepare): the side of the pool's coordinator cannot be set up.
    pub fn prepare(pool: impl Into<String>, reason: io::Error) -> Self {
        Self::Prepare { pool: pool.into(), reason }
    }
}
