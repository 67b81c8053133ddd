//! [`Record`]: everything that is known of a job, except its input, its result and its events.

use std::sync::Arc;

use procpool_protocol::engine::Priority;
use procpool_protocol::message::Progress;
use procpool_protocol::{JobId, OutcomeKind};

use crate::filter::is_dead;
use crate::key::{Fingerprint, Key, KeyText};
use crate::time::Time;

/// Number of bytes of every record, with its places in the indexes and the longest worker's name.
/// With the storage in memory, 64-bit Linux showed 990 bytes for each of 200,000 finished jobs.
pub(crate) const FIXED: u64 = 1088;

/// Number of bytes of a claim besides the text of its key. Measured in the same way: 90 bytes.
const CLAIM: u64 = 112;

/// Maximum length of a worker's name in a record, in bytes. A longer name is cut.
pub(crate) const LONGEST_WORKER: usize = 64;

/// Number of bytes of the largest record of a principal whose name has up to 255 bytes.
pub(crate) const LARGEST: u64 = FIXED + CLAIM + 2 * KeyText::MAX as u64;

/// A job as a record. Every change produces a new record with the next [`version`](Self::version).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Record {
    /// Its number in order of acceptance, from 1. Never used again.
    pub seq: u64,
    /// The public id.
    pub id: JobId,
    /// The pool that runs the job.
    pub pool: Arc<str>,
    /// The authenticated client, if any.
    pub principal: Option<Arc<str>>,
    /// The idempotency key that this record holds. `None` once the key is free.
    pub claim: Option<Claim>,
    /// The rank of the job among the waiting ones.
    pub priority: Priority,
    /// How far the job has progressed.
    pub state: State,
    /// Number of changes so far, from 1: the record's `ETag`.
    pub version: u64,
    /// Number of the last attempt, from 1. `0` before the first.
    pub attempt: u32,
    /// When the registry accepted the job.
    pub accepted: Time,
    /// When the last attempt began.
    pub started: Option<Time>,
    /// When the job ended.
    pub finished: Option<Time>,
    /// When the job's time is up.
    pub deadline: Option<Time>,
    /// No worker gets the job before. `None` once that time has come, or if there is none.
    pub due: Option<Time>,
    /// The last progress of the running attempt.
    pub progress: Option<Progress>,
    /// The worker of the last attempt.
    pub worker: Option<Arc<str>>,
    /// Whether the function may have had side effects. `false` is certain, `true` is not.
    pub may_have_run: bool,
    /// Whether a client has cancelled the job. The engine decides whether it ends as cancelled.
    pub is_cancelled: bool,
    /// The job of which this one is a repetition.
    pub rerun_of: Option<JobId>,
    /// The result: the outcome with its output or error.
    pub result: Body,
    /// The input, which a repetition of the job needs.
    pub input: Body,
    /// When result and input are dropped.
    pub bodies_expire: Option<Time>,
    /// When the key is free again.
    pub key_expires: Option<Time>,
    /// When the record of a finished job is dropped. When a job that waits in the registry's own queue ends, because its
    /// time is up.
    pub expires: Option<Time>,
}

/// An idempotency key that a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The key.
    pub key: Arc<Key>,
    /// The request that holds it.
    pub fingerprint: Fingerprint,
}

/// How far a job has progressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum State {
    /// The registry has a record, and the pool has not answered yet. Clients see
    /// [`Phase::Queued`].
    Accepted,
    /// The job waits in the pool, for its first attempt or for another.
    Queued,
    /// A worker has the job.
    Running,
    /// The job has its outcome. Nothing changes this state.
    Finished(OutcomeKind),
}

impl State {
    /// Returns the state as clients see it.
    #[must_use]
    pub const fn phase(self) -> Phase {
        match self {
            Self::Accepted | Self::Queued => Phase::Queued,
            Self::Running => Phase::Running,
            Self::Finished(_) => Phase::Finished,
        }
    }

    /// Returns the outcome of a finished job.
    #[must_use]
    pub const fn outcome(self) -> Option<OutcomeKind> {
        match self {
            Self::Finished(outcome) => Some(outcome),
            _ => None,
        }
    }

    /// Returns whether the job has its outcome.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Finished(_))
    }
}

/// The state of a job as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Phase {
    /// No worker has the job.
    Queued,
    /// A worker has the job.
    Running,
    /// The job has its outcome.
    Finished,
}

impl Phase {
    /// All phases, in order.
    pub const ALL: [Self; 3] = [Self::Queued, Self::Running, Self::Finished];

    /// Returns the phase as a word for programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Finished => "finished",
        }
    }
}

/// Whether the registry holds a job's input or result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// It has never been there: the job has no result yet, or no input was given.
    #[default]
    None,
    /// The registry holds it: its number of bytes.
    Held(u64),
    /// It has expired, or there was no room for it.
    Gone,
}

impl Body {
    /// Returns the number of bytes that the registry holds.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Held(bytes) => bytes,
            Self::None | Self::Gone => 0,
        }
    }

    /// Returns whether the registry holds it.
    #[must_use]
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Held(_))
    }
}

impl Record {
    /// Returns the first version of a job that was accepted at this time, with nothing else known of it. Storages build
    /// records from their parts with it, and set the other fields afterwards.
    #[must_use]
    pub fn new(seq: u64, id: JobId, pool: Arc<str>, accepted: Time) -> Self {
        Self {
            seq,
            id,
            pool,
            principal: None,
            claim: None,
            priority: Priority::default(),
            state: State::Accepted,
            version: 1,
            attempt: 0,
            accepted,
            started: None,
            finished: None,
            deadline: None,
            due: None,
            progress: None,
            worker: None,
            may_have_run: false,
            is_cancelled: false,
            rerun_of: None,
            result: Body::None,
            input: Body::None,
            bodies_expire: None,
            key_expires: None,
            expires: None,
        }
    }

    /// Returns the number of bytes that count against the bounds. Pools' names are shared and do
    /// not count. The number never grows during the life of a record.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let claim = self.claim.as_ref().map_or(0, |claim| CLAIM + claim.key.text.as_str().len() as u64);
        let principal = self.principal.as_deref().map_or(0, str::len) as u64;
        FIXED + claim + principal
    }

    /// Returns whether an idempotency key protects the record from eviction.
    #[must_use]
    pub fn is_protected(&self) -> bool {
        self.claim.is_some()
    }

    /// Returns whether this is a [dead letter](crate::is_dead) that no key protects.
    #[must_use]
    pub fn is_spare_dead(&self) -> bool {
        !self.is_protected() && self.state.outcome().is_some_and(is_dead)
    }

    /// Returns when the next part of the record expires.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Time> {
        let has_body = self.result.is_held() || self.input.is_held();
        let bodies = self.bodies_expire.filter(|_| has_body);
        let key = self.key_expires.filter(|_| self.is_protected());
        [bodies, key, self.expires].into_iter().flatten().min()
    }
}
