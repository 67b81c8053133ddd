//! [`LateJobs`]: the jobs of a server that is still opening its store or connecting to its cluster. It answers from the first
//! moment, and a large store takes a while.

use crate::durable::Health;
use crate::interface::{Enqueued, JobNote, Jobs, Order};
use crate::scheduled::{Ledger, Note, NoteOfJob, Notes};
use procpool_protocol::engine::{BoxFuture, Submission};
use procpool_protocol::outcome::{Refusal, Refused};
use procpool_protocol::{JobError, JobId};
use procpool_registry::{
    Cancelled, Cursor, Filter, ForeignCursor, Page, Record, ResultState, Resumed, Selection, Trial, Usage,
};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Refuses jobs and knows none until the jobs are there, and is these from then on. Clones share them.
#[derive(Clone, Default)]
pub struct LateJobs(Arc<OnceLock<Arrived>>);

struct Arrived {
    jobs: Arc<dyn Jobs>,
    notes: Arc<dyn Notes>,
}

impl fmt::Debug for LateJobs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("LateJobs").field("has_arrived", &self.get().is_some()).finish()
    }
}

impl LateJobs {
    /// Sets the jobs, and the notes of schedules that belong to them. Only the first call has an effect.
    pub fn arrive(&self, jobs: Arc<dyn Jobs>, notes: Arc<dyn Notes>) {
        // The first ones stay: there is only one start.
        let _ = self.0.set(Arrived { jobs, notes });
    }

    fn get(&self) -> Option<&Arc<dyn Jobs>> {
        self.0.get().map(|arrived| &arrived.jobs)
    }

    fn notes(&self) -> Option<&Arc<dyn Notes>> {
        self.0.get().map(|arrived| &arrived.notes)
    }
}

/// Asks the jobs, or returns what is said of none.
macro_rules! ask {
    ($late:ident.$ask:ident($($argument:expr),*), $else:expr) => {
        match $late.get() {
            Some(jobs) => jobs.$ask($($argument),*),
            None => Box::pin(async { $else }),
        }
    };
}

impl Jobs for LateJobs {
    fn enqueue(&self, order: Order) -> BoxFuture<'_, Result<Enqueued, JobError>> {
        match self.get() {
            Some(jobs) => jobs.enqueue(order),
            None => Box::pin(async { Err(Refused::new(order.job.pool, Refusal::Starting).into()) }),
        }
    }

    fn job(&self, job: JobId) -> BoxFuture<'_, Option<Arc<Record>>> {
        ask!(self.job(job), None)
    }

    fn changed(&self, job: JobId, seen: u64) -> BoxFuture<'_, Option<Arc<Record>>> {
        ask!(self.changed(job, seen), None)
    }

    fn result(&self, job: JobId) -> BoxFuture<'_, ResultState> {
        ask!(self.result(job), ResultState::Unknown)
    }

    fn events(&self, job: JobId, seen: u64) -> BoxFuture<'_, Option<Resumed>> {
        ask!(self.events(job, seen), None)
    }

    fn input(&self, job: JobId) -> BoxFuture<'_, Option<Arc<Submission>>> {
        ask!(self.input(job), None)
    }

    fn list(
        &self,
        filter: Filter,
        from: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, ForeignCursor>> {
        ask!(self.list(filter, from, limit), Ok(Page::new(Vec::new(), None)))
    }

    fn is_durable(&self, pool: &str) -> bool {
        self.get().is_some_and(|jobs| jobs.is_durable(pool))
    }

    fn usage(&self) -> (Usage, u64) {
        self.get().map(|jobs| jobs.usage()).unwrap_or_default()
    }

    fn away(&self, job: JobId) -> Option<String> {
        self.get()?.away(job)
    }

    fn health(&self) -> Health {
        self.get().map_or(Health::Ok, |jobs| jobs.health())
    }

    fn cancel(&self, job: JobId) -> BoxFuture<'_, Cancelled> {
        ask!(self.cancel(job), Cancelled::Unknown)
    }

    fn cancel_matching(
        &self,
        filter: Filter,
        from: Option<Cursor>,
        limit: usize,
        trial: Trial,
    ) -> BoxFuture<'_, Result<Selection, ForeignCursor>> {
        ask!(self.cancel_matching(filter, from, limit, trial), Ok(Selection::new(Vec::new(), None)))
    }
}

impl Notes for LateJobs {
    fn get(&self, schedule: &str) -> BoxFuture<'_, Option<Note>> {
        self.notes().map_or_else(|| Box::pin(async { None }) as BoxFuture<'_, _>, |notes| notes.get(schedule))
    }

    fn put(&self, schedule: &str, note: Note) -> BoxFuture<'_, bool> {
        let none = || Box::pin(async { false }) as BoxFuture<'_, _>;
        self.notes().map_or_else(none, |notes| notes.put(schedule, note))
    }

    fn beside(&self, schedule: &str, note: NoteOfJob) -> Option<JobNote> {
        self.notes()?.beside(schedule, note)
    }

    fn forget(&self, schedule: &str) -> BoxFuture<'_, ()> {
        self.notes().map_or_else(|| Box::pin(async {}) as BoxFuture<'_, _>, |notes| notes.forget(schedule))
    }

    fn ledger(&self, pool: &str) -> Option<Arc<dyn Ledger>> {
        self.notes()?.ledger(pool)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LocalJobs;
    use crate::scheduled::MemoryNotes;
    use procpool_protocol::engine::{Accepted, Engine};
    use procpool_protocol::outcome::{Finished, Timing};
    use procpool_protocol::{Encoding, Payload};
    use procpool_registry::Settings;

    struct Echo;

    impl Engine for Echo {
        fn submit(&self, job: Submission) -> Result<Accepted, JobError> {
            let id = JobId::from_bits(1);
            Ok(Accepted::new(id, async move { Finished::new(id, Timing::default(), Ok(job.input)) }))
        }

        fn cancel(&self, _: JobId) -> bool {
            false
        }
    }

    #[tokio::test]
    async fn jobs_are_refused_and_unknown_until_they_are_there() {
        let late = LateJobs::default();
        let order = || Order::new(Submission::new("fib", Payload::json("1"), Encoding::Json));
        let Err(JobError::Refused(refused)) = late.enqueue(order()).await else { panic!("it is too early") };
        assert_eq!(refused.reason, Refusal::Starting);
        let unknown = JobId::from_bits(7);
        assert!(late.job(unknown).await.is_none());
        assert!(matches!(late.cancel(unknown).await, Cancelled::Unknown));
        assert!(late.list(Filter::default(), None, 10).await.is_ok_and(|page| page.jobs.is_empty()));

        let jobs = LocalJobs::new(Arc::new(Echo), Settings::default()).unwrap();
        late.arrive(Arc::new(jobs.clone()), Arc::new(MemoryNotes::default()));
        let job = late.enqueue(order()).await.unwrap().decision.record().id;
        assert_eq!(jobs.job(job).await.unwrap().id, late.job(job).await.unwrap().id);
    }
}
