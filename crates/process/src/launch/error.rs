//! Why a worker did not come up.

use crate::agreement::EncodingMismatch;
use crate::contract::ContractMismatch;
use procpool_protocol::{ExitReport, Failure};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// A worker did not come up. Its process, if there was one, is dead and reaped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The system does not spawn it.
    #[error("failed to spawn {}: {reason}", path.display())]
    Spawn {
        /// The executable.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// It ended before it was ready.
    #[error("failed to start a worker of `{pool}`: {report}{hint}")]
    Died {
        /// The pool.
        pool: String,
        /// How it ended.
        report: Box<ExitReport>,
        /// A hint from that: empty, or the rest of the sentence.
        hint: String,
    },
    /// It did nothing for too long and was killed.
    #[error("failed to start a worker of `{pool}`: it was killed for not being {step} within {timeout:?}")]
    TimedOut {
        /// The pool.
        pool: String,
        /// The state that it should have reached.
        step: &'static str,
        /// The bound.
        timeout: Duration,
    },
    /// It is a worker of another job or version.
    #[error("failed to start a worker of `{pool}`: {mismatch}")]
    Contract {
        /// The pool.
        pool: String,
        /// The expected and the actual contract.
        mismatch: Box<ContractMismatch>,
    },
    /// It is a worker of another job than the one that the pool names.
    #[error(
        "failed to start a worker of `{pool}`: the pool names job `{wanted}`, and the executable has only job `{found}`: \
         name that one, or none"
    )]
    OtherJob {
        /// The pool.
        pool: String,
        /// The job that the pool names.
        wanted: String,
        /// The job of the worker.
        found: String,
    },
    /// It does not read the encoding that it would be sent.
    #[error("failed to start a worker of `{pool}`: {mismatch}")]
    Encoding {
        /// The pool.
        pool: String,
        /// The encoding that it would be sent, and those that it reads.
        mismatch: Box<EncodingMismatch>,
    },
    /// It spoke something else than the protocol.
    #[error("failed to start a worker of `{pool}`: {violation}")]
    Protocol {
        /// The pool.
        pool: String,
        /// The violation.
        violation: String,
    },
    /// Its own initialisation failed.
    #[error("failed to start a worker of `{pool}`: its initialisation failed: {failure}")]
    Init {
        /// The pool.
        pool: String,
        /// Its failure.
        failure: Failure,
    },
    /// The system does not open or start the executable in time.
    #[error(
        "the system did not start {} within {timeout:?}: a network file system or a scanner may hold it up",
        path.display()
    )]
    Hangs {
        /// The executable.
        path: PathBuf,
        /// The bound.
        timeout: Duration,
    },
    /// The pool took the place back before a worker had come up.
    #[error("pool `{pool}` no longer needs the worker that it was starting")]
    Withdrawn {
        /// The pool.
        pool: String,
    },
    /// This process is itself a worker that has not begun to serve: a fork bomb in the making.
    #[error("failed to start workers of `{pool}`: {advice}")]
    Unserved {
        /// The pool.
        pool: String,
        /// The missing line, and its place.
        advice: String,
    },
    /// The coordinator's own side cannot be set up.
    #[error("failed to prepare for workers of `{pool}`: {reason}")]
    Prepare {
        /// The pool.
        pool: String,
        /// What the system says.
        reason: io::Error,
    },
}
