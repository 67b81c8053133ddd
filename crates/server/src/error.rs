//! Everything that can end the command, in the words in which a person reads it after `error: `.

use crate::config::ConfigError;
use crate::config::listen::Listen;
use crate::input::InputError;
use crate::logs::LogError;
use crate::remote::RemoteError;
use crate::replay_error::ReplayError;
use crate::token::TokenError;
use procpool_coordinator::PoolError;
use procpool_frontend::JobSettingsError;
use procpool_protocol::JobError;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// The command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Logging cannot be set up.
    #[error(transparent)]
    Logs(#[from] LogError),
    /// The address cannot be listened on.
    #[error("failed to listen on {address}: {reason}{}", way_out(address, reason))]
    Listen {
        /// The address.
        address: Listen,
        /// The system's error.
        reason: io::Error,
    },
    /// The orders socket cannot be had.
    #[error("failed to take orders at {}: {reason}", path.display())]
    Orders {
        /// The socket.
        path: PathBuf,
        /// The obstacle.
        reason: io::Error,
    },
    /// The settings of remembered jobs contradict each other.
    #[error(transparent)]
    Jobs(#[from] JobSettingsError),
    /// The store of durable jobs cannot be opened, or looked at.
    #[error(transparent)]
    Store(#[from] procpool_store::OpenError),
    /// The records of a store cannot be written.
    #[error(transparent)]
    Export(#[from] procpool_store::ExportError),
    /// The jobs of an earlier server cannot be decided about.
    #[error("the jobs in {} cannot be taken over: {reason}; see `procpool store check`", state_dir.display())]
    Recovery {
        /// The directory.
        state_dir: PathBuf,
        /// The obstacle.
        reason: procpool_jobs::OpenError,
    },
    /// A write to the store has failed.
    #[error(
        "the store of jobs in {} has failed: {reason}; no job is lost that was accepted, and the next start continues \
         from what is on disk",
        state_dir.display()
    )]
    StoreBroken {
        /// The directory.
        state_dir: PathBuf,
        /// The obstacle.
        reason: String,
    },
    /// A command about a store has no directory.
    #[error(
        "no state directory: {}; name the directory, or a configuration with a durable pool by --config",
        of.as_ref().map_or_else(|| "none was named".into(), |file| format!("{} has no durable pool", file.display()))
    )]
    NoStateDir {
        /// The configuration that has none.
        of: Option<PathBuf>,
    },
    /// The cluster cannot be used.
    #[error(transparent)]
    Cluster(#[from] procpool_nats::ClusterError),
    /// There is no cluster.
    #[error("{} has no cluster; add one: [cluster] with nats = \"nats://HOST:4222\"", of.display())]
    NoCluster {
        /// The configuration.
        of: PathBuf,
    },
    /// A pool does not start.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// No worker of a pool could be started where this command runs.
    #[error("workers of pool `{pool}` cannot be started here: {reason}")]
    Surroundings {
        /// The pool.
        pool: String,
        /// The operation that is forbidden, or the resource that is missing.
        reason: io::Error,
    },
    /// The frontend panicked.
    #[error("the HTTP frontend ended unexpectedly: {0}; this is a bug")]
    Frontend(tokio::task::JoinError),
    /// There is no such pool.
    #[error("there is no pool `{name}`; there are: {}", known.join(", "))]
    UnknownPool {
        /// The name that was asked for.
        name: String,
        /// The pools that there are.
        known: Vec<String>,
    },
    /// The input of `run` cannot be used.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The job of `replay` cannot be run again.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// The job of `run` has no output.
    #[error(transparent)]
    Job(#[from] JobError),
    /// A token cannot be made.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The output cannot be written.
    #[error("failed to write to standard output: {0}")]
    Output(io::Error),
    /// The conformance kit cannot report.
    #[error(transparent)]
    Conform(#[from] procpool_conform::report::RunError),
    /// The command against a running server did not end well.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// A manual page cannot be written.
    #[error("failed to write manual pages into {}: {reason}", directory.display())]
    Man {
        /// The directory.
        directory: PathBuf,
        /// The system's error.
        reason: io::Error,
    },
    /// The system gives no threads or timers.
    #[error("failed to start the runtime: {0}")]
    Runtime(io::Error),
    /// The parent process cannot be watched.
    #[error("failed to watch the process that started this one (--exit-with-parent): {0}")]
    Parent(io::Error),
    /// The system takes no signal handlers.
    #[error("failed to listen for signals: {0}")]
    Signals(io::Error),
}

impl Error {
    /// Returns the exit code of the command.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Remote(error) => ExitCode::from(error.exit_code()),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Returns the advice about an address that cannot be used.
fn way_out(address: &Listen, error: &io::Error) -> &'static str {
    if let Listen::Unix(_) = address {
        return "; name another socket with --listen, such as --listen unix:/run/user/1000/procpool.sock";
    }
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "; choose another with --listen, such as --listen 127.0.0.1:0 for any free port"
        }
        io::ErrorKind::PermissionDenied => {
            "; choose a port from 1024 on with --listen, or give this user the right"
        }
        io::ErrorKind::AddrNotAvailable => "; choose an address of this machine with --listen",
        _ => "",
    }
}
