//! [`ClusterJobs`]: the jobs of a cluster behind the interface that a frontend uses.
//!
//! The cluster remembers the jobs, and any front finds each by its id. A front holds no state of a job: a look asks the
//! cluster. Only lists are of this front alone: they have the jobs that it has accepted, up to a bound.

mod accept;
mod ledger;
mod recent;
mod view;

use crate::front::{CancelAnswer, Front};
use crate::look::{JobState, Look, Unreachable};
use futures_util::StreamExt;
use futures_util::stream::{self, FuturesUnordered};
use ledger::Reading;
use procpool_jobs::{Enqueued, Health, Jobs, Order, ordered};
use procpool_protocol::engine::{BoxFuture, Submission};
use procpool_protocol::outcome::Finished;
use procpool_protocol::{JobError, JobId};
use procpool_registry::{
    Cancelled, Cursor, Filter, ForeignCursor, MAX_PAGE, Page, Record, ResultState, Resumed, Selection, Time,
    Trial,
};
use recent::{Recent, Row};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Time between two looks at a job that somebody watches.
const LOOK: Duration = Duration::from_secs(1);

/// Number of jobs that a list looks at together.
const AT_ONCE: usize = 32;

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
    /// The clock of the cluster, for schedules.
    leader: Mutex<Option<Reading>>,
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
        let (away, leader) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { front, recent, number, away, clock, leader }))
    }

    /// Returns the front.
    #[must_use]
    pub fn front(&self) -> &Front {
        &self.0.front
    }

    fn id(&self) -> JobId {
        ordered(self.now(), rand::random())
    }

    fn now(&self) -> Time {
        Time::ZERO + (self.0.clock)()
    }

    /// Returns a look at a job as the record that clients see.
    fn view(&self, id: JobId, pool: &Arc<str>, row: Option<&Row>, look: &Look) -> Record {
        view::record(id, pool, row, look, self.retain(pool), self.now())
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

    async fn record(&self, id: JobId) -> Option<(Arc<Record>, Look)> {
        let (pool, row, look) = self.find(id).await?;
        Some((Arc::new(self.view(id, &pool, row.as_ref(), &look)), look))
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
            let Some((record, look)) = self.record(job).await else { return ResultState::Unknown };
            let state = self.0.front.load(&record.pool, job, look.state).await;
            match self.set_away(state) {
                Some(JobState::Finished(finished)) => ResultState::Finished(record, Arc::new(*finished)),
                Some(_) => ResultState::Unfinished(record),
                None => ResultState::Unknown,
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

    /// The inputs of dead letters are held.
    fn input(&self, job: JobId) -> BoxFuture<'_, Option<Arc<Submission>>> {
        Box::pin(async move {
            let (pool, _, look) = self.find(job).await?;
            if !matches!(look.state, JobState::Finished(_)) {
                return None;
            }
            self.set_away(self.0.front.dead_input(&pool, job).await)?.map(Arc::new)
        })
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
