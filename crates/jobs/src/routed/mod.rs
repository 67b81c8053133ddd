//! [`RoutedJobs`]: two stores of jobs as one. The jobs of durable pools are in one of them, those of all other pools in
//! the other.

mod cursor;
mod merge;
mod pools;

pub use pools::DurablePools;

use crate::durable::Health;
use crate::ids;
use crate::interface::{Enqueued, Jobs, Order};
use cursor::{Position, made, parts};
use merge::{Rows, merge};
use procpool_protocol::engine::{BoxFuture, Submission};
use procpool_protocol::{JobError, JobId};
use procpool_registry::{
    Cancelled, Cursor, Filter, ForeignCursor, MAX_PAGE, Page, Record, ResultState, Resumed, Selection, Trial,
    Usage,
};
use std::fmt;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Jobs of durable pools in one store, of other pools in another.
///
/// A new job goes by its pool. A job that exists is where it is: by its id, and a pool that has become durable
/// since does not move it. Idempotency keys are those of their store. A pool that changes its store does not know the
/// keys of the jobs that it had before.
#[derive(Clone)]
pub struct RoutedJobs {
    durable: Arc<dyn Jobs>,
    memory: Arc<dyn Jobs>,
    pools: DurablePools,
    /// Distinguishes the cursors of this one from those of others.
    number: u64,
}

impl fmt::Debug for RoutedJobs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("RoutedJobs").field("pools", &self.pools).finish_non_exhaustive()
    }
}

/// A store, and where in it a page begins.
struct Side<'a> {
    jobs: &'a Arc<dyn Jobs>,
    /// The store's own number, and that of its newest job. `None` if it has no job.
    newest: Option<(u64, u64)>,
}

impl<'a> Side<'a> {
    /// Looks at the newest job.
    async fn of(jobs: &'a Arc<dyn Jobs>) -> Result<Side<'a>, ForeignCursor> {
        let page = jobs.list(Filter::default(), None, 1).await?;
        let newest = page.jobs.first().zip(page.next);
        Ok(Self { jobs, newest: newest.map(|(record, next)| (parts(next).0, record.seq)) })
    }

    /// Returns the number above that of the newest job.
    fn end(&self) -> u64 {
        self.newest.map_or(0, |(_, seq)| seq + 1)
    }

    fn cursor(&self, below: u64) -> Option<Cursor> {
        self.newest.map(|(number, _)| made(number, below))
    }
}

impl RoutedJobs {
    /// Returns two stores as one. `pools` are those whose jobs go to the durable one.
    pub fn new(durable: Arc<dyn Jobs>, memory: Arc<dyn Jobs>, pools: DurablePools) -> Self {
        Self { durable, memory, pools, number: rand::random() }
    }

    /// Returns the pools whose jobs are durable. They may change at any time.
    #[must_use]
    pub const fn pools(&self) -> &DurablePools {
        &self.pools
    }

    /// Returns both stores, the one first in which the job must be by its id.
    fn places(&self, job: JobId) -> [&Arc<dyn Jobs>; 2] {
        if ids::is_durable(job) { [&self.durable, &self.memory] } else { [&self.memory, &self.durable] }
    }

    /// Returns the store that has the job, or the one that would.
    async fn place(&self, job: JobId) -> &Arc<dyn Jobs> {
        let [first, second] = self.places(job);
        if first.job(job).await.is_none() && second.job(job).await.is_some() { second } else { first }
    }

    /// Returns the sides, and where in them a page begins.
    async fn sides(&self, from: Option<Cursor>) -> Result<([Side<'_>; 2], Position), ForeignCursor> {
        let (durable, memory) = tokio::join!(Side::of(&self.durable), Side::of(&self.memory));
        let (durable, memory) = (durable?, memory?);
        let newest = Position { durable: durable.end(), memory: memory.end() };
        let position = match from {
            None => newest,
            Some(cursor) => Position::of(cursor, self.number, newest).ok_or(ForeignCursor)?,
        };
        Ok(([durable, memory], position))
    }

    async fn page(&self, filter: Filter, from: Option<Cursor>, limit: usize) -> Result<Page, ForeignCursor> {
        let limit = limit.clamp(1, MAX_PAGE);
        let ([durable, memory], position) = self.sides(from).await?;
        let (ours, theirs) = tokio::join!(
            rows(&durable, &filter, position.durable, limit),
            rows(&memory, &filter, position.memory, limit)
        );
        let merged = merge(ours?, theirs?, limit, position);
        // A page can only be had from a registry.
        let mut page = self.memory.list(nothing(), None, 1).await?;
        page.next = merged.next.map(|position| position.cursor(self.number));
        page.jobs = merged.records;
        Ok(page)
    }

    /// Returns the unfinished jobs that match, and cancels them if that is the order.
    async fn select(
        &self,
        filter: Filter,
        from: Option<Cursor>,
        limit: usize,
        trial: Trial,
    ) -> Result<Selection, ForeignCursor> {
        let limit = limit.clamp(1, MAX_PAGE);
        let ([durable, memory], position) = self.sides(from).await?;
        let (ours, theirs) = tokio::join!(
            unfinished(&durable, &filter, position.durable, limit),
            unfinished(&memory, &filter, position.memory, limit)
        );
        let merged = merge(ours?, theirs?, limit, position);
        let jobs: Vec<_> = merged.records.iter().map(|record| record.id).collect();
        if trial == Trial::Order {
            self.cancel_all(&jobs).await;
        }
        let mut selection = self.memory.cancel_matching(nothing(), None, 1, Trial::DryRun).await?;
        selection.next = merged.next.map(|position| position.cursor(self.number));
        selection.jobs = jobs;
        Ok(selection)
    }

    /// Cancels all of these at once: a durable store does so in one group.
    async fn cancel_all(&self, jobs: &[JobId]) {
        let mut cancels = JoinSet::new();
        for &job in jobs {
            let all = self.clone();
            cancels.spawn(async move { all.cancel(job).await });
        }
        while cancels.join_next().await.is_some() {}
    }
}

/// Returns a filter that no job matches.
fn nothing() -> Filter {
    let mut filter = Filter::default();
    filter.pools = Some(Vec::new());
    filter
}

async fn rows(side: &Side<'_>, filter: &Filter, below: u64, limit: usize) -> Result<Rows, ForeignCursor> {
    let Some(from) = side.cursor(below) else { return Ok(Rows { records: Vec::new(), has_more: false }) };
    let page = side.jobs.list(filter.clone(), Some(from), limit).await?;
    Ok(Rows { has_more: page.next.is_some(), records: page.jobs })
}

/// The same for unfinished jobs, which no filter can name.
async fn unfinished(
    side: &Side<'_>,
    filter: &Filter,
    below: u64,
    limit: usize,
) -> Result<Rows, ForeignCursor> {
    let Some(from) = side.cursor(below) else { return Ok(Rows { records: Vec::new(), has_more: false }) };
    let found = side.jobs.cancel_matching(filter.clone(), Some(from), limit, Trial::DryRun).await?;
    let mut records = Vec::with_capacity(found.jobs.len());
    for job in found.jobs {
        // One that is gone by now has finished before.
        records.extend(side.jobs.job(job).await);
    }
    Ok(Rows { records, has_more: found.next.is_some() })
}

impl Jobs for RoutedJobs {
    fn enqueue(&self, order: Order) -> BoxFuture<'_, Result<Enqueued, JobError>> {
        let jobs = if self.pools.contains(&order.job.pool) { &self.durable } else { &self.memory };
        jobs.enqueue(order)
    }

    fn job(&self, job: JobId) -> BoxFuture<'_, Option<Arc<Record>>> {
        Box::pin(async move {
            let [first, second] = self.places(job);
            match first.job(job).await {
                None => second.job(job).await,
                record => record,
            }
        })
    }

    fn changed(&self, job: JobId, seen: u64) -> BoxFuture<'_, Option<Arc<Record>>> {
        Box::pin(async move { self.place(job).await.changed(job, seen).await })
    }

    fn result(&self, job: JobId) -> BoxFuture<'_, ResultState> {
        Box::pin(async move {
            let [first, second] = self.places(job);
            match first.result(job).await {
                ResultState::Unknown => second.result(job).await,
                result => result,
            }
        })
    }

    fn events(&self, job: JobId, seen: u64) -> BoxFuture<'_, Option<Resumed>> {
        Box::pin(async move { self.place(job).await.events(job, seen).await })
    }

    fn input(&self, job: JobId) -> BoxFuture<'_, Option<Arc<Submission>>> {
        Box::pin(async move { self.place(job).await.input(job).await })
    }

    fn list(
        &self,
        filter: Filter,
        from: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, ForeignCursor>> {
        Box::pin(self.page(filter, from, limit))
    }

    fn is_durable(&self, pool: &str) -> bool {
        self.pools.contains(pool)
    }

    fn usage(&self) -> (Usage, u64) {
        let ((mut sum, events), (memory, memory_events)) = (self.durable.usage(), self.memory.usage());
        sum.records += memory.records;
        sum.unfinished += memory.unfinished;
        sum.record_bytes += memory.record_bytes;
        sum.keys += memory.keys;
        sum.keyed_bytes += memory.keyed_bytes;
        sum.result_bytes += memory.result_bytes;
        sum.input_bytes += memory.input_bytes;
        (sum, events + memory_events)
    }

    fn away(&self, job: JobId) -> Option<String> {
        let [first, _] = self.places(job);
        first.away(job)
    }

    fn health(&self) -> Health {
        self.durable.health()
    }

    fn cancel(&self, job: JobId) -> BoxFuture<'_, Cancelled> {
        Box::pin(async move {
            let [first, second] = self.places(job);
            match first.cancel(job).await {
                Cancelled::Unknown => second.cancel(job).await,
                cancelled => cancelled,
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
        Box::pin(self.select(filter, from, limit, trial))
    }
}
