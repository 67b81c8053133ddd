//! [`ClusterJobs`]: the jobs of a cluster behind the interface that a frontend uses.
//!
//! The cluster remembers the jobs, and any front finds each by its id. A front holds no state of a job: a look asks the
//! cluster. Only lists are of this front alone: they have the jobs that it has accepted, up to a bound.

mod recent;
mod view;

use crate::front::{CancelAnswer, EnqueueError, Front};
use crate::look::{JobState, Look, Unreachable};
use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use procpool_jobs::{Enqueued, Health, Jobs, Order, ordered};
use procpool_protocol::engine::{Accepted, BoxFuture, Submission};
use procpool_protocol::outcome::{Finished, Refusal, Refused, Timing};
use procpool_protocol::{JobError, JobId};
use procpool_registry::{
    Cancelled, Cursor, Decision, Filter, ForeignCursor, MAX_PAGE, Page, Record, ResultState, Resumed,
    Selection, Time, Trial,
};
use recent::{Recent, Row};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;

/// Time between two looks at a job that somebody watches.
const LOOK: Duration = Duration::from_secs(1);

/// Number of jobs that a list looks at together.
const AT_ONCE: usize = 32;

const KEYS: &str = "an Idempotency-Key is not held there; send the job without one";
const DELAYS: &str = "a job cannot wait for its time there; send it without `delay` and `run_at`";

/// The jobs of a cluster. Clones share them.
#[derive(Clone)]
pub struct ClusterJobs(Arc<Inner>);

struct Inner {
    front: Front,
    recent: Mutex<Recent>,
    /// Distinguishes the cursors of this one from those of others.
    number: u64,
    /// Why the last look failed, if it did.
    away: Mutex<Option<String>>,
    clock: fn() -> Duration,
}

impl fmt::Debug for ClusterJobs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("ClusterJobs").field("front", &self.0.front).finish_non_exhaustive()
    }
}

impl ClusterJobs {
    /// Returns the jobs that this front accepts and finds. The clock returns the time since 1970; ids begin with it.
    pub fn new(front: Front, clock: fn() -> Duration) -> Self {
        let (recent, number) = (Mutex::default(), rand::random());
        Self(Arc::new(Inner { front, recent, number, away: Mutex::default(), clock }))
    }

    /// Returns the front.
    #[must_use]
    pub fn front(&self) -> &Front {
        &self.0.front
    }

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

    fn id(&self) -> JobId {
        ordered(Time::ZERO + (self.0.clock)(), rand::random())
    }

    async fn accept(&self, order: Order) -> Result<Enqueued, JobError> {
        let Order { job, principal, key, not_before, held, rerun_of, .. } = order;
        let pool: Arc<str> = job.pool.as_str().into();
        let unable = |what| Err(Refused::new(&*pool, Refusal::not_supported(what)).into());
        match (key, not_before) {
            (Some(_), _) => return unable(KEYS),
            (_, Some(_)) => return unable(DELAYS),
            _ => {}
        }
        let (id, priority) = (self.id(), job.priority);
        self.0.front.enqueue(id, job).await.map_err(|error| refused(&pool, error))?;
        drop(held);
        let row =
            self.recent().remember(id, Row { pool: pool.clone(), seq: 0, priority, principal, rerun_of });
        let look = Look { state: JobState::Queued, version: 1, attempt: 0, since: 0 };
        let record = view::record(id, &pool, Some(&row), &look, self.retain(&pool));
        let this = self.clone();
        let outcome = async move { this.outcome(&pool, id).await.map(Arc::new) };
        Ok(Enqueued::new(Decision::Run(Arc::new(record)), outcome))
    }

    /// Waits for an outcome through outages of the servers. `None` if the cluster has no such job.
    async fn outcome(&self, pool: &str, id: JobId) -> Option<Finished> {
        loop {
            // An error comes after ten seconds of silence. Its caller has a timeout of its own.
            if let Ok(finished) = self.0.front.outcome(pool, id).await {
                return finished;
            }
        }
    }

    fn recent(&self) -> MutexGuard<'_, Recent> {
        self.0.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_away<T>(&self, answer: Result<T, Unreachable>) -> Option<T> {
        let mut away = self.0.away.lock().unwrap_or_else(PoisonError::into_inner);
        *away = answer.as_ref().err().map(|error| error.reason.clone());
        answer.ok()
    }

    fn retain(&self, pool: &str) -> Duration {
        self.0.front.pool(pool).map(|(pool, _)| pool.retain).unwrap_or_default()
    }

    /// Finds a job, in the pool that accepted it here, or in any.
    async fn find(&self, id: JobId) -> Option<(Arc<str>, Option<Row>, Look)> {
        if !procpool_jobs::is_durable(id) {
            return None;
        }
        let row = self.recent().row(id);
        if let Some(row) = row {
            let look = self.set_away(self.0.front.look(&row.pool, id).await)?;
            return (!matches!(look.state, JobState::Unknown)).then(|| (row.pool.clone(), Some(row), look));
        }
        let pools: Vec<Arc<str>> =
            self.0.front.cluster().settings().pools.iter().map(|pool| pool.name.as_str().into()).collect();
        let looks = pools.into_iter().map(|pool| async move {
            let look = self.0.front.look(&pool, id).await;
            (pool, look)
        });
        let mut looks: FuturesUnordered<_> = looks.collect();
        let (mut failed, mut found) = (None, None);
        while let Some((pool, look)) = looks.next().await {
            match look {
                Ok(look) if !matches!(look.state, JobState::Unknown) => {
                    found = Some((pool, None, look));
                    break;
                }
                Ok(_) => {}
                Err(error) => failed = Some(error),
            }
        }
        self.set_away(match (failed, &found) {
            (Some(error), None) => Err(error),
            _ => Ok(()),
        });
        found
    }

    async fn record(&self, id: JobId) -> Option<(Arc<Record>, Option<Finished>)> {
        let (pool, row, look) = self.find(id).await?;
        let record = Arc::new(view::record(id, &pool, row.as_ref(), &look, self.retain(&pool)));
        let finished = match look.state {
            JobState::Finished(finished) => Some(*finished),
            _ => None,
        };
        Some((record, finished))
    }

    /// Returns the jobs of this front that match, the newest first.
    async fn page(
        &self,
        keep: impl Fn(&Record) -> bool,
        from: Option<Cursor>,
        limit: usize,
    ) -> Result<(Vec<Arc<Record>>, Option<Cursor>), ForeignCursor> {
        let limit = limit.clamp(1, MAX_PAGE);
        let mut below = match from {
            None => u64::MAX,
            Some(cursor) => cursor.below(self.0.number).ok_or(ForeignCursor)?,
        };
        let mut found = Vec::new();
        loop {
            let ids = self.recent().below(below, AT_ONCE);
            let Some(&(last, _)) = ids.last() else { return Ok((found, None)) };
            let looks = stream::iter(ids).map(|(seq, id)| async move { (seq, self.record(id).await) });
            let looked: Vec<_> = looks.buffered(AT_ONCE).collect().await;
            for (seq, job) in looked {
                found.extend(job.map(|(record, _)| record).filter(|record| keep(record)));
                if found.len() == limit {
                    return Ok((found, Some(Cursor::new(self.0.number, seq))));
                }
            }
            below = last;
        }
    }
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
        EnqueueError::HeadTooLarge { size } => Refusal::input_too_large(size, crate::envelope::MAX_HEAD),
        EnqueueError::Unreachable(_) => Refusal::engine_unreachable(said, true),
        EnqueueError::Away(_) => Refusal::engine_unreachable(said, false),
    };
    Refused::new(pool, reason).into()
}

impl Jobs for ClusterJobs {
    fn enqueue(&self, order: Order) -> BoxFuture<'_, Result<Enqueued, JobError>> {
        // A client that hangs up does not leave a job of which nobody knows whether it was sent.
        let this = self.clone();
        Box::pin(async move {
            let accepted = tokio::spawn(async move { this.accept(order).await });
            accepted.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
        })
    }

    fn job(&self, job: JobId) -> BoxFuture<'_, Option<Arc<Record>>> {
        Box::pin(async move { Some(self.record(job).await?.0) })
    }

    fn changed(&self, job: JobId, seen: u64) -> BoxFuture<'_, Option<Arc<Record>>> {
        Box::pin(async move {
            loop {
                match self.record(job).await {
                    Some((record, _)) if record.version != seen => return Some(record),
                    None if self.away(job).is_none() => return None,
                    _ => self.0.front.hint(job, LOOK).await,
                }
            }
        })
    }

    fn result(&self, job: JobId) -> BoxFuture<'_, ResultState> {
        Box::pin(async move {
            match self.record(job).await {
                None => ResultState::Unknown,
                Some((record, Some(finished))) => ResultState::Finished(record, Arc::new(finished)),
                Some((record, None)) => ResultState::Unfinished(record),
            }
        })
    }

    /// Every event is the whole state: the cluster tells no others.
    fn events(&self, job: JobId, seen: u64) -> BoxFuture<'_, Option<Resumed>> {
        Box::pin(async move {
            let record = self.job(job).await?;
            if record.version == seen && record.state.is_finished() {
                return Some(Resumed::Ended);
            }
            let record = self.changed(job, seen).await?;
            let version = record.version;
            Some(Resumed::Reset(record, version))
        })
    }

    /// No input is held after its job has left the queue.
    fn input(&self, _: JobId) -> BoxFuture<'_, Option<Arc<Submission>>> {
        Box::pin(async { None })
    }

    fn list(
        &self,
        filter: Filter,
        from: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, ForeignCursor>> {
        Box::pin(async move {
            let (jobs, next) = self.page(|record| filter.matches(record), from, limit).await?;
            Ok(Page::new(jobs, next))
        })
    }

    fn is_durable(&self, pool: &str) -> bool {
        self.0.front.pool(pool).is_ok()
    }

    fn away(&self, _: JobId) -> Option<String> {
        self.0.away.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn health(&self) -> Health {
        let cluster = self.0.front.cluster();
        match cluster.is_connected() {
            true => Health::Ok,
            false => Health::Away(format!("no connection to {}", cluster.settings().servers)),
        }
    }

    fn cancel(&self, job: JobId) -> BoxFuture<'_, Cancelled> {
        Box::pin(async move {
            let Some((pool, ..)) = self.find(job).await else { return Cancelled::Unknown };
            match self.set_away(self.0.front.cancel(&pool, job).await) {
                Some(CancelAnswer::Done) => Cancelled::Requested,
                Some(CancelAnswer::TooLate(outcome)) => Cancelled::TooLate(outcome),
                Some(CancelAnswer::Unknown) | None => Cancelled::Unknown,
            }
        })
    }

    fn cancel_matching(
        &self,
        filter: Filter,
        from: Option<Cursor>,
        limit: usize,
        trial: Trial,
    ) -> BoxFuture<'_, Result<Selection, ForeignCursor>> {
        Box::pin(async move {
            let keep = |record: &Record| !record.state.is_finished() && filter.matches(record);
            let (records, next) = self.page(keep, from, limit).await?;
            let jobs: Vec<JobId> = records.iter().map(|record| record.id).collect();
            if trial == Trial::Order {
                stream::iter(&jobs)
                    .for_each_concurrent(AT_ONCE, |&job| async move {
                        self.cancel(job).await;
                    })
                    .await;
            }
            Ok(Selection::new(jobs, next))
        })
    }
}
