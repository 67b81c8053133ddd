//! Why a command against a running server did not end well, and its exit code.

use crate::cli::remote::Form;
use crate::input::InputError;
use procpool_client::address::InvalidAddress;
use procpool_client::{ClientError, Ending};
use procpool_protocol::printable::printable_json;
use std::io;
use std::path::PathBuf;

/// The exit code of a program whose output nobody reads any longer, as SIGPIPE would have ended it.
const BROKEN_PIPE: u8 = 141;

/// The command did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RemoteError {
    /// There is no good answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The server answered with a problem, and a program reads it.
    #[error("{document}")]
    Document {
        /// The problem, on one line.
        document: String,
        /// How the command ends.
        ending: Ending,
    },
    /// Only a profile has this form.
    #[error("`-o folded`, `-o firefox` and `-o svg` are forms of `procpool worker profile`")]
    FormOfProfiles,
    /// The environment names no server.
    #[error("failed to read PROCPOOL_SERVER: {0}")]
    Address(InvalidAddress),
    /// Nobody is trusted to certify a server.
    #[error("failed to find the certificates that this system trusts; name a file with --ca-file")]
    NoAuthorities,
    /// The file with the token or the key cannot be read.
    #[error("failed to read the secret in {}: {reason}", path.display())]
    SecretFile {
        /// The file.
        path: PathBuf,
        /// The system's error, or the obstacle.
        reason: io::Error,
    },
    /// Others may read the token or the key.
    #[error("others may read the secret in {}; `chmod 600 {}` makes it yours alone", path.display(), path.display())]
    OpenSecret {
        /// The file.
        path: PathBuf,
    },
    /// There is no token where one must be.
    #[error("{0} holds no token: a token is one word of visible ASCII characters")]
    NoToken(String),
    /// The input of a job is not JSON.
    #[error(transparent)]
    Input(#[from] InputError),
    /// The file with the input cannot be read.
    #[error("failed to read {name}: {reason}")]
    File {
        /// Its name, or standard input.
        name: String,
        /// The system's error.
        reason: io::Error,
    },
    /// The name of the file cannot be part of keys.
    #[error("{name} cannot be resumed under its own name: {reason}; name a --key-prefix")]
    Resume {
        /// The file.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// The server or the pool is not healthy.
    #[error(transparent)]
    Unhealthy(ClientError),
    /// The job has not ended.
    #[error("job {id} has not ended; `procpool job watch {id}` follows it")]
    Unfinished {
        /// The job.
        id: String,
    },
    /// The answers of a batch broke off.
    #[error("{reason}; {answered} lines have their answers{}", if *.resumable { "; the same command goes on from there" } else { "; with --resumable, the same command would go on from there" })]
    BatchBroke {
        /// The error of the connection.
        reason: ClientError,
        /// Number of answers before that.
        answered: u64,
        /// Whether lines have keys.
        resumable: bool,
    },
    /// There is no terminal to show anything on.
    #[cfg(feature = "top")]
    #[error(
        "`procpool top` needs a terminal; `procpool pool list` and `procpool worker list --watch` print the same"
    )]
    NoTerminal,
    /// The terminal cannot be used.
    #[cfg(feature = "top")]
    #[error("failed to use the terminal: {0}")]
    Terminal(io::Error),
    /// The server has ended its stream.
    #[cfg(feature = "top")]
    #[error("{server} {}", if *.drained { "drains, and shows nothing more" } else { "has ended the stream of its events" })]
    Gone {
        /// The server.
        server: procpool_client::Address,
        /// Whether it has said so.
        drained: bool,
    },
    /// The output cannot be written.
    #[error("failed to write to standard output: {0}")]
    Output(io::Error),
    /// Nobody reads the output any longer.
    #[error("standard output was closed")]
    ReaderGone,
}

impl From<InvalidAddress> for RemoteError {
    fn from(reason: InvalidAddress) -> Self {
        Self::Address(reason)
    }
}

impl RemoteError {
    /// Returns the error of a write to standard output.
    pub(super) fn of_output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::Output(error),
        }
    }

    /// Returns the same error, or the document of its problem where a program reads it.
    pub(crate) fn in_form(self, form: Form) -> Self {
        match self {
            Self::Client(ClientError::Problem(problem)) if matches!(form, Form::Json | Form::Jsonl) => {
                // A line break in it stands between two tokens.
                let document = String::from_utf8_lossy(&problem.document).replace(['\n', '\r'], " ");
                Self::Document { document: printable_json(&document).into_owned(), ending: problem.ending() }
            }
            error => error,
        }
    }

    /// Returns the exit code of the command.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Client(error) | Self::BatchBroke { reason: error, .. } => error.ending().code(),
            Self::Document { ending, .. } => ending.code(),
            Self::Unfinished { .. } => Ending::TimedOut.code(),
            Self::Output(_) | Self::Unhealthy(_) => Ending::Failed.code(),
            #[cfg(feature = "top")]
            Self::Gone { .. } => Ending::NoServer.code(),
            #[cfg(feature = "top")]
            Self::Terminal(_) => Ending::Failed.code(),
            Self::ReaderGone => BROKEN_PIPE,
            _ => Ending::Usage.code(),
        }
    }
}
