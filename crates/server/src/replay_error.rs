//! Why a saved job cannot be run again, and what to do about it.

use crate::trust::Distrust;
use procpool_protocol::recording::RecordingError;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// A saved job cannot be run again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// The file cannot be read, or is none.
    #[error("failed to read the saved job {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: RecordingError,
    },
    /// Somebody else may have chosen the program.
    #[error("failed to trust the saved job {}, which names the program to run: {reason}, or replay it with --trust", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// The fault, and the way out.
        reason: Distrust,
    },
    /// Several jobs, and no process can be the worker of all.
    #[error("failed to run {} and {} in one process: their workers were started from different executables, or with different arguments, env or current_dir; replay one at a time", path.display(), other.display())]
    Unlike {
        /// The first file.
        path: PathBuf,
        /// One that was saved from another worker.
        other: PathBuf,
    },
    /// There are no limits in the file.
    #[error(
        "failed to hold the job to limits: its worker had none that are saved (address_space_limit, cpu_limit, open_files_limit, file_size_limit); replay it without --limits"
    )]
    NoLimits,
    /// The system does not allow it.
    #[error(
        "failed to hold the job to {key} = {value}: {reason}; raise your own limit (`ulimit -H`), or replay it without --limits"
    )]
    Limit {
        /// The limit's key.
        key: &'static str,
        /// The value that the file asks for.
        value: u64,
        /// The system's error.
        reason: io::Error,
    },
    /// The executable or directory of the saved job is no longer there.
    #[error("failed to use the {what} that the job was saved from, {}: {reason}; put it back, or have another build run the job: WORKER --replay {}", path.display(), file.display())]
    Gone {
        /// The worker executable, or its directory.
        what: &'static str,
        /// Where it was.
        path: PathBuf,
        /// The system's error.
        reason: io::Error,
        /// The saved job.
        file: PathBuf,
    },
    /// The program cannot be started.
    #[error("failed to start `{}`: {reason}{}", program.display(), if *is_wrapped { "; --wrap begins with a program, by path or on PATH" } else { "" })]
    Start {
        /// The program.
        program: OsString,
        /// Whether it was named by `--wrap`.
        is_wrapped: bool,
        /// The system's error.
        reason: io::Error,
    },
}
