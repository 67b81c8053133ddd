//! Accepting a job: under its idempotency key, if it has one, and with an outcome for those who wait.

use super::ClusterJobs;
use super::recent::Row;
use crate::front::EnqueueError;
use crate::keys::{Claimed, KeyError, Taken};
use crate::look::{JobState, Look, Unreachable};
use crate::streams::MAX_KEYS;
use procpool_jobs::{Enqueued, Order, key_digest};
use procpool_protocol::engine::{Accepted, Submission};
use procpool_protocol::outcome::{Finished, Refusal, Refused, Timing};
use procpool_protocol::{JobError, JobId};
use procpool_registry::{Decision, Wait};
use std::sync::Arc;
use tokio::runtime::Handle;

/// A job of which nothing is known but that it was accepted.
const QUEUED: Look =
    Look { state: JobState::Queued, version: 1, attempt: 0, since: 0, due: 0, is_letter: false };

impl ClusterJobs {
    /// Runs a job that ends with its request: dropping the future before it is ready cancels the job.
    pub fn submit(&self, job: Submission) -> Accepted {
        let (id, jobs) = (self.id(), self.clone());
        Accepted::new(id, async move {
            let pool = job.pool.clone();
            let mut abandoned = Abandoned { jobs: Some(jobs.clone()), pool: pool.clone(), id };
            let result = match jobs.0.front.enqueue(id, job).await {
                Ok(()) => match jobs.outcome(&pool, id).await {
                    Some(finished) => finished,
                    None => Finished::new(id, Timing::default(), Err(Box::new(forgotten()))),
                },
                Err(error) => Finished::new(id, Timing::default(), Err(Box::new(refused(&pool, error)))),
            };
            abandoned.jobs = None;
            result
        })
    }

    pub(super) async fn accept(&self, order: Order) -> Result<Enqueued, JobError> {
        self.accept_as(self.id(), order).await
    }

    /// Accepts a job under this id, or under that of its key. A job of this id that the cluster has is accepted as well.
    pub(super) async fn accept_as(&self, mut id: JobId, order: Order) -> Result<Enqueued, JobError> {
        let Order { job, principal, key, wait, not_before, held, rerun_of, .. } = order;
        let (front, pool): (_, Arc<str>) = (&self.0.front, job.pool.as_str().into());
        front.pool(&pool).map_err(|error| refused(&pool, error))?;
        let (priority, delay) = (job.priority, not_before.unwrap_or_default());
        let (due, mut mine) = (self.now() + delay, None);
        if let Some((text, fingerprint)) = key {
            let digest = key_digest(principal.as_deref(), &text);
            let claimed = front.claim_key(&pool, &digest, &fingerprint, id, delay).await;
            match claimed.map_err(|error| no_key(&pool, error))? {
                Claimed::Mine(seq) => mine = Some((digest, fingerprint, seq)),
                Claimed::Half(of_another) => id = of_another,
                Claimed::Taken(id, taken) => {
                    let taken = self.loaded(&pool, id, taken).await?;
                    return Ok(self.taken(pool, id, taken, wait));
                }
            }
        }
        if let Err(error) = front.enqueue_later(id, job, delay).await {
            // It may be in the queue. Then the key leads to it.
            let is_known = !matches!(error, EnqueueError::Unreachable(_));
            if let Some((digest, fingerprint, seq)) = mine.filter(|_| is_known) {
                front.free_key(&pool, &digest, &fingerprint, seq).await;
            }
            return Err(refused(&pool, error));
        }
        drop(held);
        let row = Row { pool: pool.clone(), seq: 0, priority, principal, rerun_of };
        let row = self.recent().remember(id, row);
        let look = Look { due: if delay.is_zero() { 0 } else { due.as_nanos() }, ..QUEUED };
        let record = self.view(id, &pool, Some(&row), &look);
        Ok(self.enqueued(pool, Decision::Run(Arc::new(record))))
    }

    /// Reads the output of the job that has the key, if it is large.
    async fn loaded(&self, pool: &str, id: JobId, taken: Taken) -> Result<Taken, JobError> {
        let Taken::Known(look) = taken else { return Ok(taken) };
        let unreachable = |error: Unreachable| {
            let reason = Refusal::engine_unreachable(error.reason, false);
            JobError::from(Refused::new(pool, reason))
        };
        let state = self.0.front.load(pool, id, look.state).await.map_err(unreachable)?;
        Ok(Taken::Known(Look { state, ..look }))
    }

    /// Answers with the job that has the key.
    fn taken(&self, pool: Arc<str>, id: JobId, taken: Taken, wait: Wait) -> Enqueued {
        let record = |look: &Look| {
            let row = self.recent().row(id);
            self.view(id, &pool, row.as_ref(), look)
        };
        let decision = match taken {
            Taken::Other(look) => Decision::Mismatch(record(&look).into()),
            Taken::Known(look) => {
                let record = record(&look).into();
                match (look.state, wait) {
                    (JobState::Finished(finished), _) => Decision::Replay(record, Arc::new(*finished)),
                    (_, Wait::None) => Decision::Known(record),
                    (_, Wait::Limited) => Decision::Attach(record),
                    (_, Wait::Outcome) => Decision::Conflict(record),
                }
            }
            Taken::Expired => {
                let mut record = record(&QUEUED);
                record.may_have_run = true;
                Decision::Expired(record.into())
            }
        };
        self.enqueued(pool, decision)
    }

    fn enqueued(&self, pool: Arc<str>, decision: Decision) -> Enqueued {
        let (this, id) = (self.clone(), decision.record().id);
        Enqueued::new(decision, async move { this.outcome(&pool, id).await.map(Arc::new) })
    }
}

/// Returns the refusal of a job whose key was not written.
fn no_key(pool: &str, error: KeyError) -> JobError {
    let reason = match error {
        KeyError::Full => Refusal::key_store_full(MAX_KEYS),
        // The same request with the same key may follow.
        KeyError::Unreachable(reason) => Refusal::engine_unreachable(reason, false),
    };
    Refused::new(pool, reason).into()
}

/// Cancels a job whose request is gone.
struct Abandoned {
    jobs: Option<ClusterJobs>,
    pool: String,
    id: JobId,
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        let Some(jobs) = self.jobs.take() else { return };
        let (pool, id) = (std::mem::take(&mut self.pool), self.id);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = jobs.0.front.cancel(&pool, id).await {
                    tracing::warn!(job = %id, %error, "failed to cancel a job whose client is gone");
                }
            });
        }
    }
}

fn forgotten() -> JobError {
    JobError::protocol("the cluster no longer has the outcome of the job")
}

/// Returns the refusal of a job.
fn refused(pool: &str, error: EnqueueError) -> JobError {
    let said = error.to_string();
    let reason = match error {
        EnqueueError::UnknownPool { known, .. } => Refusal::unknown_pool(known),
        EnqueueError::QueueFull { limit, .. } => Refusal::queue_full(limit),
        EnqueueError::PayloadTooLarge { size, limit } => Refusal::input_too_large(size, limit),
        EnqueueError::LargeInputsFull { limit, .. } => Refusal::large_inputs_full(limit),
        EnqueueError::HeadTooLarge { size } => Refusal::input_too_large(size, crate::envelope::MAX_HEAD),
        EnqueueError::Unreachable(_) => Refusal::engine_unreachable(said, true),
        EnqueueError::Away(_) => Refusal::engine_unreachable(said, false),
    };
    Refused::new(pool, reason).into()
}
