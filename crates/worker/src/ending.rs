//! How a worker process ends: the reasons, what each prints on standard error, and its exit code.

use procpool_protocol::codec::CodecError;
use procpool_protocol::decoder::FrameError;
use procpool_protocol::frame::Kind;
use procpool_protocol::handshake::Mode;
use procpool_protocol::preamble::PreambleError;
use procpool_protocol::printable::printable;
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

/// The worker was started by hand.
pub(crate) const BY_HAND: u8 = 2;

/// A worker's regular end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The jobs connection has ended and all of its jobs are done.
    Finished,
    /// The worker ended a conversation before the coordinator did.
    Left,
    /// The function failed before the first job, or a free conversation ended in an error.
    Failed,
    /// The function panicked, and its state may be broken.
    Panicked,
}

/// A worker's irregular end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    #[error("the coordinator is gone")]
    Orphaned,
    #[error("failed to ask the system for a signal when the parent dies: {0}")]
    DeathSignal(io::Error),
    #[error("failed to shake hands with the coordinator: {0}")]
    Handshake(io::Error),
    #[error("failed to shake hands with the coordinator: it did not answer within {0:?}")]
    Silence(Duration),
    #[error("failed to shake hands with the coordinator: it closed the connection")]
    HungUp,
    #[error("failed to shake hands with the coordinator: {0}")]
    Preamble(PreambleError),
    #[error("the coordinator refused this worker ({reason}): {detail}")]
    Refused { reason: String, detail: String },
    #[error("the coordinator wants a worker for {wanted:?}; this one can be used for {offered:?}")]
    WrongMode { wanted: Mode, offered: &'static [Mode] },
    #[error("{0}")]
    NoJob(String),
    #[error(
        "the descriptors 3 and 4 are no connections to a coordinator any more; serve before anything else \
         takes them"
    )]
    Taken,
    #[error("failed to read the token of {}: {}: {reason}", socket.display(), file.display())]
    Token { socket: PathBuf, file: PathBuf, reason: io::Error },
    #[error("failed to attach at {}: {reason}", path.display())]
    Attach { path: PathBuf, reason: io::Error },
    #[error("failed to start the guard thread: {0}")]
    Guard(io::Error),
    #[error("the coordinator broke the protocol: {0}")]
    Frame(FrameError),
    #[error("the coordinator broke the protocol: {0}")]
    Codec(CodecError),
    #[error("the coordinator broke the protocol: it sent {got:?} where {expected} was expected")]
    Unexpected { got: Kind, expected: &'static str },
    #[error(
        "the coordinator broke the protocol: job {sequence} came after job {newest}, but sequence numbers rise"
    )]
    OutOfOrder { sequence: u64, newest: u64 },
    #[error(
        "the coordinator broke the protocol: the input of job {sequence} lies in no arena of this worker"
    )]
    NoInput { sequence: u64 },
    #[error("failed to send to the coordinator: {0}")]
    Send(CodecError),
}

impl From<PreambleError> for WorkerError {
    fn from(error: PreambleError) -> Self {
        Self::Preamble(error)
    }
}

impl From<FrameError> for WorkerError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<CodecError> for WorkerError {
    fn from(error: CodecError) -> Self {
        Self::Codec(error)
    }
}

impl Ending {
    fn exit_code(self) -> u8 {
        match self {
            Self::Finished | Self::Left => 0,
            Self::Failed => 1,
            // The exit code of a Rust program whose main thread panics.
            Self::Panicked => 101,
        }
    }
}

impl WorkerError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Orphaned => 3,
            Self::Frame(_)
            | Self::Codec(_)
            | Self::Unexpected { .. }
            | Self::OutOfOrder { .. }
            | Self::Send(_) => 5,
            _ => 4,
        }
    }

    /// Writes the reason of the worker's end to standard error, unless it has no reader.
    pub(crate) fn print(&self) {
        if !matches!(self, Self::Orphaned) {
            complain(&self.to_string());
        }
    }

    /// Prints the reason, and ends the process without waiting for the thread that runs the jobs.
    pub(crate) fn exit(&self) -> ! {
        self.print();
        std::process::exit(self.exit_code().into())
    }
}

/// Prints the messages and returns the exit code.
pub(crate) fn conclude(end: Result<Ending, WorkerError>) -> u8 {
    match end {
        Ok(ending) => ending.exit_code(),
        Err(error) => {
            error.print();
            error.exit_code()
        }
    }
}

/// Writes one line to standard error, which the coordinator includes in its report.
pub(crate) fn complain(line: &str) {
    // Standard error may be closed; the exit code still reports the end.
    let _ = writeln!(io::stderr(), "procpool-worker: {}", printable(line));
}
