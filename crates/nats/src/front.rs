//! [`Front`]: accepts jobs into the queue of a cluster, and reads their outcomes.

use crate::cluster::{Cluster, ClusterError};
use crate::contracts::PoolContracts;
use crate::depot::READS;
use crate::end::End;
use crate::hint;
use crate::large::MAX_INLINE;
use crate::link::{Link, LinkError};
use crate::look::{AtLeader, JobState, Queued, Unreachable, finished, queued};
use crate::node_id::NodeId;
use crate::order::Order;
use crate::record::{Decided, Record};
use crate::settings::PoolSettings;
use crate::subjects::PoolNames;
use crate::waiting::{Listener, Waiting};
use crate::wall::{self, Wall};
use bytes::Bytes;
use futures_util::StreamExt;
use procpool_protocol::engine::Submission;
use procpool_protocol::outcome::Finished;
use procpool_protocol::{JobId, OutcomeKind};
use procpool_registry::Time;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Time between two looks at a record whose hint did not come.
const LOOK: Duration = Duration::from_secs(1);

/// Time for which an accept, a cancel or a look is tried again while the server is away.
const TRIES: Duration = Duration::from_secs(10);

/// Time for which an accept waits for the connection to come back, before anything is sent.
const AWAY: Duration = Duration::from_secs(2);

/// Accepts jobs for nodes, and reads their outcomes. Dropping it changes no job.
#[derive(Debug)]
pub struct Front {
    cluster: Cluster,
    id: NodeId,
    waiting: Arc<Waiting>,
    hints: JoinHandle<()>,
    contracts: PoolContracts,
    reads: Semaphore,
}

/// A job was not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EnqueueError {
    /// The cluster has no such pool.
    #[error("the cluster has no pool `{pool}`; there are: {}", known.join(", "))]
    #[non_exhaustive]
    UnknownPool {
        /// The name.
        pool: String,
        /// The existing pools.
        known: Vec<String>,
    },
    /// The queue is full.
    #[error("pool `{pool}` has no room in its queue ({reason}); try again later")]
    #[non_exhaustive]
    QueueFull {
        /// The pool.
        pool: String,
        /// Maximum number of jobs in it.
        limit: usize,
        /// The server's words.
        reason: String,
    },
    /// The input is too large.
    #[error("the pool takes inputs of up to {limit} bytes, this one has {size}")]
    #[non_exhaustive]
    PayloadTooLarge {
        /// Its size, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// Large inputs of unfinished jobs fill the room for them.
    #[error("pool `{pool}` has no room for large inputs in its {limit} bytes ({reason}); try again later")]
    #[non_exhaustive]
    LargeInputsFull {
        /// The pool.
        pool: String,
        /// The size of the room, in bytes.
        limit: u64,
        /// The server's words.
        reason: String,
    },
    /// The names of client, tenant, principal and trace are too large.
    #[error("the names and the trace of the job have {size} bytes, which is too large")]
    #[non_exhaustive]
    HeadTooLarge {
        /// Their size, in bytes.
        size: usize,
    },
    /// The server is away. The same job with the same id may be sent again.
    #[error("the cluster did not answer within {0:?}: it is not known whether it has accepted the job")]
    Unreachable(Duration),
    /// The server was away all the time. The job was not sent.
    #[error("the cluster has been away for {0:?}, and was not sent the job")]
    Away(Duration),
}

impl EnqueueError {
    /// Returns the error as a short word for programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::UnknownPool { .. } => "unknown_pool",
            Self::QueueFull { .. } => "queue_full",
            Self::LargeInputsFull { .. } => "large_inputs_full",
            Self::PayloadTooLarge { .. } | Self::HeadTooLarge { .. } => "payload_too_large",
            Self::Unreachable(_) | Self::Away(_) => "engine_unreachable",
        }
    }
}

/// The answer to a cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CancelAnswer {
    /// The outcome is `cancelled`, and durable. A worker that runs the job is killed within a renewal.
    Done,
    /// The job had its outcome.
    TooLate(OutcomeKind),
    /// The cluster has no such job.
    Unknown,
}

impl Front {
    /// Checks the streams of the cluster, and listens to hints. The label names this process in its streams.
    ///
    /// # Errors
    /// When the server does not answer, or the streams are not as configured.
    pub async fn start(cluster: Cluster, label: &str) -> Result<Self, ClusterError> {
        cluster.check().await?;
        let contracts = PoolContracts::follow(&cluster).await?;
        let id = NodeId::new(label, rand::random());
        let waiting = Arc::<Waiting>::default();
        let subject = cluster.0.namespace.hints(id.as_str());
        let client = &cluster.0.link.client;
        let subscribed = timeout(cluster.0.settings.patience, client.subscribe(subject)).await;
        let Ok(Ok(mut hints)) = subscribed else {
            return Err(LinkError::NoAnswer(cluster.0.settings.patience).into());
        };
        let wakes = waiting.clone();
        let hints = tokio::spawn(async move {
            while let Some(told) = hints.next().await {
                if let Some((job, record)) = hint::open(&told.payload) {
                    wakes.wake(job, record);
                }
            }
        });
        Ok(Self { cluster, id, waiting, hints, contracts, reads: Semaphore::new(READS) })
    }

    /// Accepts a job under this id. Ready when it is as durable as the queue is. The id is random, and is sent again
    /// with the same job where the first answer was lost: the job runs as one.
    ///
    /// # Errors
    /// The reason for which the job is not accepted.
    pub async fn enqueue(&self, id: JobId, job: Submission) -> Result<(), EnqueueError> {
        self.enqueue_later(id, job, Duration::ZERO).await
    }

    /// Accepts a job as [`enqueue`](Self::enqueue) does, which starts after this time at the earliest. The time counts from
    /// the moment at which the server stores the job, by the server's clock, and its timeout from its end.
    ///
    /// # Errors
    /// The reason for which the job is not accepted.
    pub async fn enqueue_later(
        &self,
        id: JobId,
        job: Submission,
        delay: Duration,
    ) -> Result<(), EnqueueError> {
        let (pool, names) = self.pool(&job.pool)?;
        let mut terms = pool.terms;
        terms.timeout =
            job.limits.timeout.or(pool.timeout).map_or(terms.timeout, |asked| asked.min(terms.timeout));
        if let Some(retry) = &mut terms.retry {
            retry.whole = job.limits.timeout.is_some();
        }
        let priority = job.priority;
        let hints = self.cluster.0.namespace.hints(self.id.as_str());
        let mut order = Order::of(job, terms, Some(hints));
        order.contract = self.contracts.of(names);
        order.delay = Duration::from_millis(wall::whole(delay));
        let (size, limit) = (order.input.bytes.len(), usize::try_from(pool.largest()).unwrap_or(usize::MAX));
        if size > limit {
            return Err(EnqueueError::PayloadTooLarge { size, limit });
        }
        let (link, subject, start) = (self.link(), names.job(priority, id), Instant::now());
        let mut pause = self.cluster.0.settings.timings.pause;
        // A message that waits in the client for the connection would be sent later, when nobody knows of it.
        while !link.is_up() {
            if start.elapsed() >= AWAY {
                return Err(EnqueueError::Away(AWAY));
            }
            sleep(pause).await;
        }
        let mut unsent = None;
        if size > MAX_INLINE {
            let stored = self.store_input((pool, names), id, order).await?;
            (order, unsent) = (stored.0, Some(stored.1));
        }
        let body = order.seal().map_err(|error| EnqueueError::HeadTooLarge { size: error.length })?;
        self.waiting.expect(id);
        if let Some(unsent) = &mut unsent {
            unsent.sent();
        }
        let start = Instant::now();
        let mut may_be_there = false;
        loop {
            match link.publish(subject.clone(), Some(0), None, body.clone()).await {
                Ok(_) => return Ok(()),
                // An earlier try was stored after all.
                Err(error) if error.is_conflict() => return Ok(()),
                Err(error) if error.is_full() && !may_be_there => {
                    if let Some(unsent) = &mut unsent {
                        unsent.refused();
                    }
                    return Err(EnqueueError::QueueFull {
                        pool: pool.name.clone(),
                        limit: usize::try_from(pool.queue).unwrap_or(usize::MAX),
                        reason: error.to_string(),
                    });
                }
                Err(error) => {
                    may_be_there = true;
                    tracing::debug!(%id, %error, "tries to accept a job again");
                }
            }
            // It may have been stored, run and left the queue. Then the same again would run it again.
            sleep(pause).await;
            pause = (pause * 2).min(LOOK);
            if let Ok(Some(_)) = link.last(&names.records(), &names.record(id)).await {
                return Ok(());
            }
            if start.elapsed() >= TRIES {
                return Err(EnqueueError::Unreachable(TRIES));
            }
        }
    }

    /// Returns the cluster.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Waits until a job has an outcome, if this front has accepted it, for at most this time.
    pub async fn hint(&self, id: JobId, patience: Duration) {
        let listener = Listener::new(&self.waiting, id);
        let _ = timeout(patience, listener.notify.notified()).await;
    }

    /// Waits for the outcome of a job. Dropping the future changes nothing. Returns `None` for a job that the cluster
    /// does not have.
    ///
    /// # Errors
    /// When the cluster did not answer for 10 s.
    pub async fn outcome(&self, pool: &str, id: JobId) -> Result<Option<Finished>, Unreachable> {
        let listener = Listener::new(&self.waiting, id);
        let hint = listener.notify.notified();
        if self.waiting.is_expected(id) {
            // It has just been accepted, and its node tells of its end.
            let _ = timeout(LOOK, hint).await;
        }
        let mut answered = Instant::now();
        loop {
            let hint = listener.notify.notified();
            let state = match self.waiting.take(id).map(|body| Record::open(&body)) {
                Some(Ok(Record::Decided(decided))) => Ok(finished(id, decided.end, decided.output)),
                _ => self.state(pool, id).await,
            };
            let state = match state {
                Ok(state) => self.load(pool, id, state).await,
                Err(error) => Err(error),
            };
            match state {
                Ok(JobState::Finished(finished)) => {
                    // Who asks again need not wait for a hint that was lost.
                    self.waiting.wake(id, None);
                    return Ok(Some(*finished));
                }
                Ok(JobState::Unknown) => return Ok(None),
                Ok(_) => answered = Instant::now(),
                Err(error) if answered.elapsed() >= TRIES => return Err(error),
                Err(_) => {}
            }
            let _ = timeout(LOOK, hint).await;
        }
    }

    /// Cancels a job: its outcome is `cancelled`, unless it has another one already.
    ///
    /// # Errors
    /// When the cluster did not answer for 10 s.
    pub async fn cancel(&self, pool: &str, id: JobId) -> Result<CancelAnswer, Unreachable> {
        let Ok((settings, names)) = self.pool(pool) else { return Ok(CancelAnswer::Unknown) };
        let start = Instant::now();
        loop {
            match self.try_cancel(settings, names, id).await {
                Ok(Some(answer)) => return Ok(answer),
                Ok(None) if start.elapsed() < TRIES => {}
                Err(_) if start.elapsed() < TRIES => {}
                Ok(None) => return Err(Unreachable { reason: "the record changes all the time".into() }),
                Err(error) => return Err(error),
            }
            sleep(self.cluster.0.settings.timings.pause).await;
        }
    }

    async fn try_cancel(
        &self,
        pool: &PoolSettings,
        names: &PoolNames,
        id: JobId,
    ) -> Result<Option<CancelAnswer>, Unreachable> {
        let queued = queued(self.link(), names, id).await?;
        let (expect, attempt, node, wait) = match self.record(names, id).await? {
            Some((_, Record::Decided(decided))) => {
                let kind = match decided.end.into_outcome(id, Bytes::new()) {
                    Ok(_) => OutcomeKind::Ok,
                    Err(error) => error.kind(),
                };
                return Ok(Some(CancelAnswer::TooLate(kind)));
            }
            None if queued.is_none() => match self.at_leader(names, id).await? {
                AtLeader::Nothing => return Ok(Some(CancelAnswer::Unknown)),
                AtLeader::Queued | AtLeader::Record => return Ok(None),
            },
            None => (0, 0, None, queued.as_ref().map_or(Ok(Duration::ZERO), Queued::delay)?),
            Some((stored, Record::Released(released))) => {
                let wait = Wall(stored.time).until(released.due.unwrap_or_default(), Time::ZERO);
                (stored.seq, released.attempt.saturating_sub(1), None, wait)
            }
            Some((stored, Record::Claimed(claim))) => {
                (stored.seq, claim.attempt, Some(claim.node), Duration::ZERO)
            }
        };
        // The record has to outlive the message, which may stay in the queue until its time has come.
        let retain = pool.retain.saturating_add(wait);
        let end = End::Cancelled { ran: attempt > 0 };
        let record = Record::Decided(Decided { by: self.id.clone(), attempt, end, output: Bytes::new() });
        let body = record.seal().map_err(|error| Unreachable { reason: error.to_string() })?;
        match self.link().publish(names.record(id), Some(expect), Some(retain), body).await {
            Ok(_) => {
                match (node, queued) {
                    (Some(node), _) => {
                        let subject = self.cluster.0.namespace.control(node.as_str());
                        self.link().tell(subject, format!("look {id}").into()).await;
                    }
                    // No node has it, and none may look for long. Else, the next delivery removes it.
                    (None, Some(queued)) => {
                        let removed = self.link().remove(&names.queue(), queued.seq).await;
                        if removed.is_ok() && queued.is_large() {
                            self.discard_input(names, id).await;
                        }
                    }
                    (None, None) => {}
                }
                self.waiting.wake(id, None);
                Ok(Some(CancelAnswer::Done))
            }
            Err(error) if error.is_conflict() => Ok(None),
            Err(error) => Err(Unreachable { reason: error.to_string() }),
        }
    }

    pub(crate) fn pool(&self, name: &str) -> Result<(&PoolSettings, &PoolNames), EnqueueError> {
        let pools = &self.cluster.0.pools;
        pools.get(name).map(|(pool, names)| (pool, names)).ok_or_else(|| EnqueueError::UnknownPool {
            pool: name.to_owned(),
            known: pools.keys().cloned().collect(),
        })
    }

    /// Returns the permits for reading large payloads.
    pub(crate) fn reads(&self) -> &Semaphore {
        &self.reads
    }

    pub(crate) fn link(&self) -> &Link {
        &self.cluster.0.link
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.hints.abort();
    }
}
