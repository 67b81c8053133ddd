//! How far a job is: reads its record, and whether the queue has it.

use crate::end::End;
use crate::envelope::Unreadable;
use crate::front::Front;
use crate::large::Reference;
use crate::link::{Link, Stored};
use crate::node_id::NodeId;
use crate::order::Order;
use crate::record::{Decided, Record};
use crate::subjects::PoolNames;
use bytes::Bytes;
use procpool_protocol::outcome::{Finished, Timing};
use procpool_protocol::{Encoding, JobId};
use std::time::Duration;
use tokio::time::sleep;

/// How often copies are asked again that do not have the record which their leader has, and the time between.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);
const BEHIND: &str = "the copies of the record are behind";

/// The knowledge of the leaders about a job.
pub(crate) enum AtLeader {
    Nothing,
    Queued,
    Record,
}

/// The cluster did not answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cluster did not answer: {reason}")]
#[non_exhaustive]
pub struct Unreachable {
    /// The problem.
    pub reason: String,
}

/// How far a job is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum JobState {
    /// The cluster has no such job, or has forgotten it.
    Unknown,
    /// No node has the job.
    Queued,
    /// A node has it.
    #[non_exhaustive]
    Running {
        /// The node.
        node: NodeId,
        /// The number of the attempt.
        attempt: u32,
    },
    /// It has its outcome.
    Finished(Box<Finished>),
    /// It has ended well, with an output that is too large for the record: [`Front::load`] reads it.
    #[non_exhaustive]
    Large {
        /// The encoding of the output.
        encoding: Encoding,
        /// The place of the output.
        output: Reference,
    },
}

/// A look at a job.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Look {
    /// How far it is.
    pub state: JobState,
    /// Grows with each change of the state. `1` for a job without a record.
    pub version: u64,
    /// Number of the last attempt. `0` before the first.
    pub attempt: u32,
    /// When the server stored this state, in nanoseconds since 1970 by its clock. `0` for a job without a record.
    pub since: u64,
    /// When it may start first, in nanoseconds since 1970 by the server's clock. `0` if it need not wait.
    pub due: u64,
    /// Whether the record is gone, and a dead letter tells of the job.
    pub is_letter: bool,
}

impl Front {
    /// Returns how far a job is. A copy of the record may be a moment old.
    ///
    /// # Errors
    /// When the cluster did not answer.
    pub async fn state(&self, pool: &str, id: JobId) -> Result<JobState, Unreachable> {
        Ok(self.look(pool, id).await?.state)
    }

    /// Returns how far a job is, and since when. A copy of the record may be a moment old.
    ///
    /// # Errors
    /// When the cluster did not answer.
    pub async fn look(&self, pool: &str, id: JobId) -> Result<Look, Unreachable> {
        let mut look =
            Look { state: JobState::Unknown, version: 0, attempt: 0, since: 0, due: 0, is_letter: false };
        let Ok((_, names)) = self.pool(pool) else { return Ok(look) };
        let mut record = self.record(names, id).await?;
        if record.is_none() {
            if let Some(queued) = queued(self.link(), names, id).await? {
                (look.state, look.version, look.due) = (JobState::Queued, 1, queued.due());
                return Ok(look);
            }
            // It may have left the queue in between.
            record = self.record(names, id).await?;
        }
        for _ in 0..TRIES {
            if record.is_some() {
                break;
            }
            match self.at_leader(names, id).await? {
                AtLeader::Nothing => {
                    if let Some((letter, time, seq)) = self.letter(pool, id).await? {
                        let Decided { end, attempt, .. } = letter.decided;
                        look.state = finished(id, end, Bytes::new());
                        (look.version, look.since, look.attempt, look.is_letter) =
                            (seq + 1, time, attempt, true);
                    }
                    return Ok(look);
                }
                AtLeader::Queued => {
                    (look.state, look.version) = (JobState::Queued, 1);
                    return Ok(look);
                }
                AtLeader::Record => sleep(PAUSE).await,
            }
            record = self.record(names, id).await?;
        }
        let Some((stored, record)) = record else { return Err(Unreachable { reason: BEHIND.into() }) };
        (look.version, look.since) = (stored.seq + 1, stored.time);
        (look.attempt, look.state) = match record {
            Record::Claimed(claim) => {
                (claim.attempt, JobState::Running { node: claim.node, attempt: claim.attempt })
            }
            Record::Released(released) => {
                look.due = released.due.map_or(0, |due| due.saturating_mul(1_000_000));
                (released.attempt.saturating_sub(1), JobState::Queued)
            }
            Record::Decided(Decided { end, output, attempt, .. }) => (attempt, finished(id, end, output)),
        };
        Ok(look)
    }

    /// Returns what the leaders have of a job of which the copies have nothing: a copy may be behind. One copy is that of
    /// the leader.
    pub(crate) async fn at_leader(&self, names: &PoolNames, id: JobId) -> Result<AtLeader, Unreachable> {
        if self.cluster().settings().replicas == 1 {
            return Ok(AtLeader::Nothing);
        }
        let has = async |stream: String, subject: String| {
            let has = self.link().leader_has(&stream, &subject).await;
            has.map_err(|error| Unreachable { reason: error.to_string() })
        };
        // In this order: a job leaves the queue after its outcome is recorded.
        Ok(if has(names.queue(), names.any_job(id)).await? {
            AtLeader::Queued
        } else if has(names.records(), names.record(id)).await? {
            AtLeader::Record
        } else {
            AtLeader::Nothing
        })
    }

    pub(crate) async fn record(
        &self,
        names: &PoolNames,
        id: JobId,
    ) -> Result<Option<(Stored, Record)>, Unreachable> {
        let stored = self.link().last(&names.records(), &names.record(id)).await;
        let unreachable = |reason: String| Unreachable { reason };
        let Some(stored) = stored.map_err(|error| unreachable(error.to_string()))? else { return Ok(None) };
        let record = Record::open(&stored.body).map_err(|error| unreachable(error.to_string()))?;
        Ok(Some((stored, record)))
    }
}

pub(crate) fn finished(id: JobId, end: End, output: Bytes) -> JobState {
    if let End::Ok { encoding, large: Some(output) } = end {
        return JobState::Large {
            encoding: Encoding::from_wire(encoding).unwrap_or(Encoding::Bytes),
            output,
        };
    }
    JobState::Finished(Box::new(Finished::new(id, Timing::default(), end.into_outcome(id, output))))
}

/// A job as the queue has it.
pub(crate) struct Queued {
    /// The sequence of its message.
    pub(crate) seq: u64,
    /// When the server stored it, in nanoseconds since 1970.
    time: u64,
    order: Result<Order, Unreadable>,
}

impl Queued {
    /// Returns the time for which it waits after its acceptance.
    ///
    /// # Errors
    /// When a newer build wrote the job.
    pub(crate) fn delay(&self) -> Result<Duration, Unreachable> {
        let order = self.order.as_ref();
        order.map(|order| order.delay).map_err(|error| Unreachable { reason: error.to_string() })
    }

    /// Returns whether its input is stored elsewhere.
    pub(crate) fn is_large(&self) -> bool {
        self.order.as_ref().is_ok_and(|order| order.large.is_some())
    }

    /// Returns when it may start first, in nanoseconds since 1970. `0` if it need not wait.
    fn due(&self) -> u64 {
        let order = self.order.as_ref().ok().filter(|order| !order.delay.is_zero());
        order.map_or(0, |order| order.due(self.time).saturating_mul(1_000_000))
    }
}

/// Returns a job that the queue has, under any priority, as some copy has it.
pub(crate) async fn queued(link: &Link, names: &PoolNames, id: JobId) -> Result<Option<Queued>, Unreachable> {
    let stored = link.last_of(&names.queue(), &names.any_job(id)).await;
    let stored = stored.map_err(|error| Unreachable { reason: error.to_string() })?;
    let queued = |it: Stored| Queued { seq: it.seq, time: it.time, order: Order::open(&it.body) };
    Ok(stored.map(queued))
}
