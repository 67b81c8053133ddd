//! The results of reading a server's configuration again.

use serde::Serialize;

/// The difference between two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ConfigReport {
    /// Whether the difference is in effect. Otherwise it was only asked for.
    pub applied: bool,
    /// New pools.
    pub added: Vec<String>,
    /// Pools that accept no further jobs, and end those that they have.
    pub removed: Vec<String>,
    /// Pools with other settings.
    pub changed: Vec<ChangedPool>,
    /// Pools as they were.
    pub unchanged: Vec<String>,
    /// Schedules that are new, changed or removed.
    pub schedules: Vec<String>,
    /// Settings that take effect only after a restart, such as `server.listen`. The server keeps the old ones.
    pub restart: Vec<String>,
}

/// A pool with other settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ChangedPool {
    /// Its name.
    pub pool: String,
    /// The settings that differ.
    pub settings: Vec<String>,
    /// Whether a new pool takes the place of the old one, which ends the jobs that it has. Otherwise the settings
    /// of the running pool change.
    pub replaced: bool,
}

impl ChangedPool {
    /// Returns a pool whose settings change while it runs.
    pub fn new(pool: impl Into<String>, settings: Vec<String>) -> Self {
        Self { pool: pool.into(), settings, replaced: false }
    }
}

/// The configuration could not be read again. The old one is in effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigReloadError {
    /// The server was started without a file that could be read again.
    #[error(
        "failed to reload the configuration: the server was started without a file; name one with --config"
    )]
    NoFile,
    /// The file, or something that it names, cannot be used.
    #[error("failed to reload the configuration, the old one is in effect: {reason}")]
    #[non_exhaustive]
    Invalid {
        /// The mistake, with its place in the file.
        reason: String,
    },
    /// A new pool does not start.
    #[error("failed to reload the configuration, the old one is in effect: {reason}")]
    #[non_exhaustive]
    Start {
        /// The pool, and how its first worker failed.
        reason: String,
    },
    /// The server is starting or shutting down.
    #[error("failed to reload the configuration: the server is starting or shutting down")]
    NotServing,
}

impl ConfigReloadError {
    /// Returns the error of a configuration that cannot be used.
    pub fn invalid(reason: impl Into<String>) -> Self {
        Self::Invalid { reason: reason.into() }
    }

    /// Returns the error of a pool that does not start.
    pub fn start(reason: impl Into<String>) -> Self {
        Self::Start { reason: reason.into() }
    }

    /// Returns the reason as a short word for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::NoFile => "no_file",
            Self::Invalid { .. } => "invalid",
            Self::Start { .. } => "start",
            Self::NotServing => "not_serving",
        }
    }
}
