//! [`Offer`]: a job that a client submits, and the [`Decision`] about it.

use std::sync::Arc;

use procpool_protocol::JobId;
use procpool_protocol::engine::{Priority, Submission};
use procpool_protocol::outcome::Finished;

use crate::key::{Fingerprint, KeyText};
use crate::record::Record;
use crate::time::Time;

/// A job that a client submits.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Offer {
    /// The job's id, if it runs as new: one that no job has.
    pub id: JobId,
    /// The pool. Its name is shared between the pool's jobs.
    pub pool: Arc<str>,
    /// The authenticated client, if any.
    pub principal: Option<Arc<str>>,
    /// The idempotency key, with the fingerprint of the request.
    pub key: Option<(KeyText, Fingerprint)>,
    /// The input with its limits, if the job may run again, by a new offer with
    /// [`rerun_of`](Self::rerun_of).
    pub input: Option<Arc<Submission>>,
    /// The rank of the job among the waiting ones.
    pub priority: Priority,
    /// When the job's time is up.
    pub deadline: Option<Time>,
    /// No worker gets the job before. Only a registry that [holds the queue](crate::Registry::durable) obeys it.
    pub not_before: Option<Time>,
    /// How the client waits.
    pub wait: Wait,
    /// The job of which this one is a repetition.
    pub rerun_of: Option<JobId>,
}

impl Offer {
    /// Returns a job of normal priority without key, input, deadline and principal, whose client waits for no
    /// outcome.
    pub fn new(id: JobId, pool: impl Into<Arc<str>>) -> Self {
        Self {
            id,
            pool: pool.into(),
            principal: None,
            key: None,
            input: None,
            priority: Priority::Normal,
            deadline: None,
            not_before: None,
            wait: Wait::None,
            rerun_of: None,
        }
    }
}

/// How a client waits for the outcome. It decides about an unfinished job with the same key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: `Prefer: respond-async`.
    #[default]
    None,
    /// For a limited time: `Prefer: wait=10`, with or without `respond-async`.
    Limited,
    /// Until it comes: a synchronous request.
    Outcome,
}

/// The answer to an offer.
///
/// Without a key it always runs. With a key, the table of idempotency keys decides:
///
/// | record of the key | same fingerprint | other fingerprint |
/// | --- | --- | --- |
/// | none, or its job cannot have run | [`Run`](Self::Run) | [`Run`](Self::Run) |
/// | unfinished | [`Conflict`](Self::Conflict), [`Attach`](Self::Attach) or [`Known`](Self::Known), by [`Wait`] | [`Mismatch`](Self::Mismatch) |
/// | finished | [`Replay`](Self::Replay) | [`Mismatch`](Self::Mismatch) |
/// | finished, and its result is gone | [`Expired`](Self::Expired) | [`Mismatch`](Self::Mismatch) |
#[derive(Clone, Debug)]
#[must_use]
pub enum Decision {
    /// The job is new. Submit it to its pool, and report [`Event::Queued`](crate::Event::Queued) or
    /// [`Event::Refused`](crate::Event::Refused).
    Run(Arc<Record>),
    /// The key's job is unfinished. Answer with it as if this request had started it (202).
    Known(Arc<Record>),
    /// The key's job is unfinished. Wait for its outcome for as long as the client does.
    Attach(Arc<Record>),
    /// The key's job is unfinished, and the client would wait without limit (409).
    Conflict(Arc<Record>),
    /// The key's job has finished. Answer with its result, marked as a repetition.
    Replay(Arc<Record>, Arc<Finished>),
    /// The key's job has finished, and its result is gone (410). It does not run again.
    Expired(Arc<Record>),
    /// The key belongs to another request (422).
    Mismatch(Arc<Record>),
}

impl Decision {
    /// Returns the record of the job: the new one or that of the key.
    #[must_use]
    pub fn record(&self) -> &Arc<Record> {
        match self {
            Self::Run(record)
            | Self::Known(record)
            | Self::Attach(record)
            | Self::Conflict(record)
            | Self::Replay(record, _)
            | Self::Expired(record)
            | Self::Mismatch(record) => record,
        }
    }
}

/// Why the registry does not accept a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The records that idempotency keys protect fill their share.
    #[error(
        "the registry holds the keys of {keys} jobs and takes no further job with a key until one expires; send \
         the job without a key, or try again later"
    )]
    #[non_exhaustive]
    KeyStoreFull {
        /// Number of keys that the registry holds.
        keys: usize,
    },
    /// The records that must not be evicted fill the registry.
    #[error(
        "the registry holds {records} jobs that are unfinished or have a key, and has no room; try again later"
    )]
    #[non_exhaustive]
    Full {
        /// Number of records that the registry holds.
        records: usize,
    },
    /// The inputs of unfinished jobs leave no room for this one.
    #[error("the registry has no room for another input of {bytes} bytes; try again later")]
    #[non_exhaustive]
    NoRoomForInput {
        /// The size of the input, in bytes.
        bytes: u64,
    },
    /// The offered id belongs to another job.
    #[error("the registry already has a job {0}; offer each job under an id of its own")]
    IdTaken(JobId),
}

impl Refused {
    /// Returns the reason as a short word for programs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::KeyStoreFull { .. } => "key_store_full",
            Self::Full { .. } | Self::NoRoomForInput { .. } => "registry_full",
            Self::IdTaken(_) => "id_taken",
        }
    }
}
