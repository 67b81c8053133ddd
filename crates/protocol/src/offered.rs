//! The answer to a job that may wait for room in the queue: accepted, or waiting.

use crate::engine::{Accepted, BoxFuture};
use crate::outcome::JobError;
use std::fmt;

/// A job that its pool has accepted, or will accept once its queue has room.
pub enum Offered {
    /// The queue had room.
    Accepted(Accepted),
    /// The job waits for room. Dropping the future gives the job up, and the pool never sees it.
    Waiting(BoxFuture<'static, Result<Accepted, JobError>>),
}

impl fmt::Debug for Offered {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accepted(accepted) => out.debug_tuple("Accepted").field(accepted).finish(),
            Self::Waiting(_) => out.write_str("Waiting(..)"),
        }
    }
}
