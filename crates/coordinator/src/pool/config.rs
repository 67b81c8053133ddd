//! The configuration of a pool, and the reasons for which a pool cannot be created.

use super::stacks::CallNames;
use crate::deaths::DeathLog;
use crate::invalid::InvalidLimits;
use crate::limits::PoolLimits;
use crate::recorder::SaveError;
use procpool_process::{
    AttachPoint, AttachSocket, Contract, Executable, ExecutableError, Needs, Origin, StartError, WorkerData,
};
#[cfg(doc)]
use procpool_protocol::Payload;
use procpool_protocol::PayloadError;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// The source of a pool's workers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerSource {
    /// The pool starts processes of this executable.
    Spawned(Executable),
    /// Somebody else starts them, and they attach to this socket.
    Attached(AttachSocket),
}

impl WorkerSource {
    /// Returns the executable that the pool starts, if it starts any.
    pub fn executable(&self) -> Option<&Executable> {
        match self {
            Self::Spawned(executable) => Some(executable),
            Self::Attached(_) => None,
        }
    }

    /// Opens it for the pool of this name. Where workers attach, adapts the limits to that.
    pub(super) fn opened(
        &self,
        pool: &str,
        limits: &mut PoolLimits,
        starts_once: bool,
    ) -> Result<Origin, PoolError> {
        let name = || pool.to_owned();
        match self {
            Self::Spawned(executable) if starts_once => Ok(Origin::Spawned(executable.open()?)),
            Self::Spawned(executable) => Ok(Origin::Spawned(executable.pin()?)),
            Self::Attached(_) if limits.supervision.fork => {
                Err(PoolError::Limits { pool: name(), reason: InvalidLimits::ForkOfAttached })
            }
            Self::Attached(socket) => {
                // Every place is open from the start, and stays so.
                limits.min_workers = limits.max_workers;
                limits.supervision.idle_timeout = None;
                let point = AttachPoint::open(pool, socket);
                Ok(Origin::Attached(point.map_err(|reason| PoolError::Attach { pool: name(), reason })?))
            }
        }
    }
}

impl std::fmt::Display for WorkerSource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Spawned(executable) => write!(out, "{}", executable.as_path().display()),
            Self::Attached(socket) => write!(out, "attached at {}", socket.path().display()),
        }
    }
}

/// The configuration of a pool.
///
/// ```no_run
/// # use procpool_coordinator::{Executable, PoolConfig, PoolError, RawPool};
/// # async fn example() -> Result<(), PoolError> {
/// let mut config = PoolConfig::new("fib", Executable::find("procpool-fib")?);
/// config.limits.max_workers = 8;
/// config.limits.supervision.spares = 1;
/// let pool = RawPool::start(config).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolConfig {
    /// Its name, in logs, reports and addresses.
    pub name: String,
    /// The source of its workers.
    pub workers: WorkerSource,
    /// Its limits.
    pub limits: PoolLimits,
    /// Names of environment variables that its workers inherit, beside a short list.
    pub inherit_env: Vec<String>,
    /// Environment variables for its workers, beside those that are inherited.
    pub env: Vec<(OsString, OsString)>,
    /// The directory in which its workers start. `None`: the coordinator's own.
    pub current_dir: Option<PathBuf>,
    /// The data that its workers receive at their start: a [`Payload`] as it is, or a value in an encoding
    /// that the workers read.
    pub worker_data: WorkerData,
    /// The directory for the files of jobs that crashed, panicked, broke the protocol or timed out while they
    /// ran. `procpool replay` runs them again. `None`: no file is kept. The pool creates the directory with
    /// mode 0700 if it is missing. It rejects a directory of another user, or one in which others may write.
    /// The files hold the jobs' inputs and the pool's [`env`](Self::env).
    pub save_failed_jobs: Option<PathBuf>,
    /// Where deaths of its workers are remembered. `None`: nowhere; a [`Coordinator`](crate::Coordinator) replaces it
    /// by its own.
    pub deaths: Option<Arc<DeathLog>>,
    /// The name of the job that its workers serve. `None`: the only one that the executable has, or the one
    /// that [`expects`](Self::expects) names.
    pub job: Option<String>,
    /// The identity that its workers must have. `None`: any.
    pub expects: Option<Contract>,
    /// The pool starts one worker, at once, and no other after it: a copy of its executable would save
    /// nothing.
    pub(crate) starts_once: bool,
    /// The requirements of its typed callers, where they are known already.
    pub(crate) needs: Option<Needs>,
    /// The number of its next worker, if it takes the place of another pool.
    pub(crate) numbers: Option<Arc<AtomicU64>>,
    /// Names the calls of its workers' stacks. `None`: they are shown as positions in files.
    pub names: Option<CallNames>,
}

impl PoolConfig {
    /// Creates a pool with default limits, whose workers `executable` starts.
    pub fn new(name: impl Into<String>, executable: Executable) -> Self {
        Self {
            name: name.into(),
            workers: WorkerSource::Spawned(executable),
            limits: PoolLimits::default(),
            inherit_env: Vec::new(),
            env: Vec::new(),
            current_dir: None,
            worker_data: WorkerData::default(),
            save_failed_jobs: None,
            deaths: None,
            job: None,
            expects: None,
            starts_once: false,
            needs: None,
            numbers: None,
            names: None,
        }
    }

    /// Returns whether a running pool of this configuration can have the `other` one: they differ at most in
    /// [`PoolLimits::settings`].
    pub fn can_become(&self, other: &Self) -> bool {
        let mut limits = self.limits.clone();
        limits.apply(&other.limits.settings());
        let of_workers = |it: &Self| {
            let limits = &it.limits;
            (
                limits.min_workers,
                limits.max_workers,
                limits.supervision.spares,
                limits.supervision.idle_timeout,
            )
        };
        let is_attached = self.workers.executable().is_none();
        limits == other.limits
            && !(is_attached && of_workers(self) != of_workers(other))
            && self.is_but_for_limits(other)
    }

    /// Returns whether both are the same configuration.
    pub fn is_same(&self, other: &Self) -> bool {
        self.limits == other.limits && self.is_but_for_limits(other)
    }

    fn is_but_for_limits(&self, other: &Self) -> bool {
        let Self { name, workers, limits: _, inherit_env, env, current_dir, .. } = self;
        let Self { worker_data, save_failed_jobs, job, expects, .. } = self;
        (name, workers, inherit_env, env) == (&other.name, &other.workers, &other.inherit_env, &other.env)
            && (current_dir, worker_data) == (&other.current_dir, &other.worker_data)
            && (save_failed_jobs, job, expects) == (&other.save_failed_jobs, &other.job, &other.expects)
    }

    /// Creates a pool with default limits for workers that somebody else starts, and that attach to `socket`.
    /// The pool waits for `max_workers` of them.
    pub fn attached(name: impl Into<String>, socket: AttachSocket) -> Self {
        let workers = WorkerSource::Attached(socket);
        Self { workers, ..Self::new(name, Executable::current()) }
    }
}

/// A pool cannot be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PoolError {
    /// Its limits contradict each other.
    #[error("failed to start pool `{pool}`: {reason}")]
    #[non_exhaustive]
    Limits {
        /// The pool.
        pool: String,
        /// The contradiction, and the way out.
        reason: InvalidLimits,
    },
    /// Another pool has that name.
    #[error("failed to start pool `{pool}`: there are two of that name")]
    #[non_exhaustive]
    Duplicate {
        /// The pool.
        pool: String,
    },
    /// Its executable cannot be used.
    #[error(transparent)]
    Executable(#[from] ExecutableError),
    /// Its first worker did not get ready.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Its worker data is larger than a payload may be.
    #[error(
        "failed to start pool `{pool}`: worker data of {size} bytes exceeds max_payload, which is {limit}"
    )]
    #[non_exhaustive]
    LargeWorkerData {
        /// The pool.
        pool: String,
        /// Its size, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: u32,
    },
    /// Its workers cannot attach there.
    #[error("failed to start pool `{pool}`: {reason}")]
    #[non_exhaustive]
    Attach {
        /// The pool.
        pool: String,
        /// The reason.
        reason: io::Error,
    },
    /// Its failed jobs cannot be saved in that directory, or in that number.
    #[error("failed to start pool `{pool}`: {reason}")]
    #[non_exhaustive]
    SaveFailedJobs {
        /// The pool.
        pool: String,
        /// The reason.
        reason: SaveError,
    },
    /// Its worker data does not encode.
    #[error("failed to start pool `{pool}`: {reason}")]
    #[non_exhaustive]
    WorkerData {
        /// The pool.
        pool: String,
        /// The reason.
        reason: PayloadError,
    },
}
