//! Everything that keeps an answer from a client, in the words of a person, and with its exit code.

use crate::address::Address;
use crate::advice;
use crate::ending::Ending;
use crate::problem::Problem;
use std::io;
use std::time::Duration;

/// There is no good answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens there.
    #[error("failed to connect to {server}: {reason}{}", advice::no_server(server))]
    #[non_exhaustive]
    Connect {
        /// The server.
        server: Address,
        /// The system's error.
        reason: io::Error,
    },
    /// No connection by TLS can be made.
    #[error(
        "failed to agree with {server} on TLS: {reason}; --ca-file names whom to trust, and --cert-file shows who you are"
    )]
    #[non_exhaustive]
    Untrusted {
        /// The server.
        server: Address,
        /// The error of TLS.
        reason: io::Error,
    },
    /// The server did not answer in time.
    #[error("{server} did not answer within {}{}", humantime::format_duration(*limit), advice::no_server(server))]
    #[non_exhaustive]
    Silent {
        /// The server.
        server: Address,
        /// The time that it had.
        limit: Duration,
    },
    /// The connection ended before the answer did.
    #[error(
        "the connection to {server} broke before the answer was complete: {reason}; what was sent may have run"
    )]
    #[non_exhaustive]
    Broken {
        /// The server.
        server: Address,
        /// The error of the connection.
        reason: String,
    },
    /// The body of the request cannot be read.
    #[error("failed to read the input: {0}")]
    Source(io::Error),
    /// The server answered with a problem.
    #[error("{}{}", .0.detail, advice::after(.0, None))]
    Problem(Box<Problem>),
    /// Something else answered.
    #[error("what answers at {server} is no procpool server: {status}{}", advice::no_server(server))]
    #[non_exhaustive]
    Foreign {
        /// The server.
        server: Address,
        /// The status of the answer.
        status: http::StatusCode,
    },
    /// The answer is not what the request asked for.
    #[error(
        "failed to read the answer of {server}: {reason}; is the server of the same version as this command?"
    )]
    #[non_exhaustive]
    Unreadable {
        /// The server.
        server: Address,
        /// The obstacle.
        reason: String,
    },
}

impl ClientError {
    /// Returns the same error about this pool, which a problem need not name.
    #[must_use]
    pub fn about(mut self, pool: &str) -> Self {
        if let Self::Problem(problem) = &mut self {
            problem.pool.get_or_insert_with(|| pool.into());
        }
        self
    }

    /// Returns how the command ends.
    #[must_use]
    pub fn ending(&self) -> Ending {
        match self {
            Self::Connect { .. }
            | Self::Untrusted { .. }
            | Self::Silent { .. }
            | Self::Broken { .. }
            | Self::Foreign { .. } => Ending::NoServer,
            Self::Source(_) => Ending::Usage,
            Self::Problem(problem) => problem.ending(),
            Self::Unreadable { .. } => Ending::Failed,
        }
    }
}
