//! The results of a reload, which puts a new generation of a worker executable into service.

use serde::Serialize;

/// All workers of the pool belong to the new generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReloadReport {
    /// The pool.
    pub pool: String,
    /// The number of the generation, counted from 0 at the pool's start.
    pub generation: u64,
    /// Whether the executable is the very same file as before, with the same contents, so that no worker was
    /// replaced. In JSON only if it is `true`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub same_file: bool,
}

impl ReloadReport {
    /// Returns the report of a pool whose workers belong to this generation, and to another file than before.
    pub fn new(pool: impl Into<String>, generation: u64) -> Self {
        Self { pool: pool.into(), generation, same_file: false }
    }
}

/// Some of the pool's workers do not belong to the requested generation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The new executable cannot be used. Nothing has changed.
    #[error("failed to reload pool `{pool}`: {reason}; its workers are those from before")]
    #[non_exhaustive]
    Executable {
        /// The pool.
        pool: String,
        /// The problem with the file.
        reason: String,
    },
    /// The first worker of the new generation did not become ready. Nothing has changed.
    #[error("failed to reload pool `{pool}`: {reason}; its workers are those from before")]
    #[non_exhaustive]
    Canary {
        /// The pool.
        pool: String,
        /// How the worker failed.
        reason: String,
    },
    /// A later reload has replaced this one.
    #[error("the reload of pool `{pool}` gave way to a later one")]
    #[non_exhaustive]
    Superseded {
        /// The pool.
        pool: String,
    },
    /// This process is a fork of the one that started the pool.
    #[error("failed to reload pool `{pool}`: it belongs to the process that this one was forked from")]
    #[non_exhaustive]
    Forked {
        /// The pool.
        pool: String,
    },
    /// The runtime that the pool was started on has ended, and its workers with it.
    #[error(
        "failed to reload pool `{pool}`: the runtime on which it was started has ended; start the pool on one that \
         outlives all that use it"
    )]
    #[non_exhaustive]
    RuntimeEnded {
        /// The pool.
        pool: String,
    },
    /// The pool was shut down meanwhile.
    #[error("failed to reload pool `{pool}`: it is shutting down")]
    #[non_exhaustive]
    ShutDown {
        /// The pool.
        pool: String,
    },
}

impl ReloadError {
    /// Returns the reason as a short word for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Executable { .. } => "executable",
            Self::Canary { .. } => "canary",
            Self::Superseded { .. } => "superseded",
            Self::Forked { .. } => "forked",
            Self::RuntimeEnded { .. } => "runtime_ended",
            Self::ShutDown { .. } => "shutting_down",
        }
    }
}
