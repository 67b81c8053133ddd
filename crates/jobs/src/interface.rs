//! [`Jobs`]: the interface between a frontend and the store of jobs.

use crate::durable::Health;
use procpool_protocol::engine::{BoxFuture, Submission};
use procpool_protocol::outcome::Finished;
use procpool_protocol::{JobError, JobId};
use procpool_registry::{
    Cancelled, Cursor, Filter, Fingerprint, ForeignCursor, KeyText, Page, Record, ResultState, Resumed,
    Selection, Trial, Usage, Wait,
};
use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A job that a client hands over.
#[derive(Clone)]
#[non_exhaustive]
pub struct Order {
    /// The job.
    pub job: Submission,
    /// The authenticated client, if any.
    pub principal: Option<Arc<str>>,
    /// The idempotency key, with the fingerprint of the request.
    pub key: Option<(KeyText, Fingerprint)>,
    /// How the client waits.
    pub wait: Wait,
    /// The job of which this one is a repetition.
    pub rerun_of: Option<JobId>,
    /// Time after which the job is to run, from now. `None` is at once.
    pub not_before: Option<Duration>,
    /// A note that a durable store keeps beside the jobs. It is written in the same step as the job, if this order runs a new
    /// one. Other stores ignore it; [`Enqueued::is_noted`] says which one this was.
    pub note: Option<JobNote>,
    /// Dropped when the job has ended or is durable, or when this order runs none.
    pub held: Option<Arc<dyn Any + Send + Sync>>,
}

impl fmt::Debug for Order {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { job, principal, key, wait, rerun_of, not_before, note: _, held: _ } = self;
        let mut out = out.debug_struct("Order");
        out.field("job", job).field("principal", principal).field("key", key);
        out.field("wait", wait).field("rerun_of", rerun_of);
        out.field("not_before", not_before).finish_non_exhaustive()
    }
}

impl Order {
    /// Returns an order without key and principal, whose client does not wait.
    pub fn new(job: Submission) -> Self {
        Self {
            job,
            principal: None,
            key: None,
            wait: Wait::None,
            rerun_of: None,
            not_before: None,
            note: None,
            held: None,
        }
    }
}

/// A note that becomes durable together with a job, or not at all.
#[derive(Clone)]
pub struct JobNote {
    /// Its name.
    pub name: String,
    content: Arc<dyn Fn(JobId) -> Vec<u8> + Send + Sync>,
}

impl JobNote {
    /// Returns a note of this name. `content` is asked with the id of the job, which nobody knows before, and again if the
    /// step has to be repeated.
    pub fn new(name: impl Into<String>, content: impl Fn(JobId) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self { name: name.into(), content: Arc::new(content) }
    }

    /// Returns the content for the job of this id.
    pub(crate) fn of(&self, job: JobId) -> Vec<u8> {
        (self.content)(job)
    }
}

impl fmt::Debug for JobNote {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("JobNote").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The answer to an [`Order`].
#[non_exhaustive]
pub struct Enqueued {
    /// The decision about the order, with the record of the job.
    pub decision: procpool_registry::Decision,
    /// The outcome of that job. `None` if nothing holds it any longer. Dropping the future changes nothing.
    pub outcome: BoxFuture<'static, Option<Arc<Finished>>>,
    /// Whether the [note](Order::note) of the order was written together with the job.
    pub is_noted: bool,
}

impl Enqueued {
    /// Returns an answer with the outcome of its job, by a store that keeps no note.
    pub fn new(
        decision: procpool_registry::Decision,
        outcome: impl Future<Output = Option<Arc<Finished>>> + Send + 'static,
    ) -> Self {
        Self { decision, outcome: Box::pin(outcome), is_noted: false }
    }
}

impl fmt::Debug for Enqueued {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Enqueued").field("decision", &self.decision).finish_non_exhaustive()
    }
}

/// Runs jobs that outlive their requests, and remembers them.
///
/// Every operation is a future, because a durable or a remote store has to wait. [`LocalJobs`](crate::LocalJobs)
/// waits only where the name says so.
pub trait Jobs: Send + Sync + 'static {
    /// Decides about a job, and submits it if it is new.
    ///
    /// # Errors
    /// [`JobError::Refused`], by the pool or because the registry has no room.
    fn enqueue(&self, order: Order) -> BoxFuture<'_, Result<Enqueued, JobError>>;

    /// Returns the record of a job.
    fn job(&self, job: JobId) -> BoxFuture<'_, Option<Arc<Record>>>;

    /// Waits until the record has another version than `seen`, and returns it. Returns `None` if there is no such
    /// job.
    fn changed(&self, job: JobId, seen: u64) -> BoxFuture<'_, Option<Arc<Record>>>;

    /// Returns the result of a job.
    fn result(&self, job: JobId) -> BoxFuture<'_, ResultState>;

    /// Waits until the job has events after the one with number `seen`, or none will follow, and returns them.
    /// Returns `None` if there is no such job.
    fn events(&self, job: JobId, seen: u64) -> BoxFuture<'_, Option<Resumed>>;

    /// Returns the input of a job, if it is held, so that the job can run again.
    fn input(&self, job: JobId) -> BoxFuture<'_, Option<Arc<Submission>>>;

    /// Returns the jobs that match, the newest first, page by page.
    fn list(
        &self,
        filter: Filter,
        from: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, ForeignCursor>>;

    /// Returns whether the jobs of this pool outlive the process. The default says no.
    fn is_durable(&self, pool: &str) -> bool {
        let _ = pool;
        false
    }

    /// Returns what is remembered, and the number of bytes of all events. The default counts nothing.
    fn usage(&self) -> (Usage, u64) {
        (Usage::default(), 0)
    }

    /// Returns why nothing can be said about a job at the moment, or `None` if the store that would have it answers. By
    /// default it does.
    fn away(&self, job: JobId) -> Option<String> {
        let _ = job;
        None
    }

    /// Returns whether jobs are accepted. By default they are.
    fn health(&self) -> Health {
        Health::Ok
    }

    /// Cancels a job that was enqueued.
    fn cancel(&self, job: JobId) -> BoxFuture<'_, Cancelled>;

    /// Cancels the unfinished jobs that match, or only returns them, page by page.
    fn cancel_matching(
        &self,
        filter: Filter,
        from: Option<Cursor>,
        limit: usize,
        trial: Trial,
    ) -> BoxFuture<'_, Result<Selection, ForeignCursor>>;

    /// Sends the finished jobs that match again, each as a new job of this client, or only returns them, page by page.
    /// Dead letters are the usual ones: [`Filter::dead`].
    fn rerun_matching(
        &self,
        filter: Filter,
        from: Option<Cursor>,
        limit: usize,
        trial: Trial,
        principal: Option<Arc<str>>,
    ) -> BoxFuture<'_, Result<Reruns, ForeignCursor>> {
        Box::pin(async move {
            let page = self.list(filter, from, limit).await?;
            let mut jobs = Vec::new();
            for record in page.jobs.iter().filter(|record| record.state.is_finished()) {
                let again = match trial {
                    Trial::DryRun => None,
                    Trial::Order => Some(rerun(self, record.id, principal.clone()).await),
                };
                jobs.push((record.id, again));
            }
            Ok(Reruns { jobs, next: page.next })
        })
    }
}

/// The jobs of a rerun by filter.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reruns {
    /// The finished jobs, the newest first, each with its new job, or why there is none. `None` in a dry run.
    pub jobs: Vec<(JobId, Option<Result<JobId, JobError>>)>,
    /// Where the order continues, or `None` if it is complete.
    pub next: Option<Cursor>,
}

async fn rerun<J: Jobs + ?Sized>(
    jobs: &J,
    job: JobId,
    principal: Option<Arc<str>>,
) -> Result<JobId, JobError> {
    const GONE: &str = "the input of the job is no longer held";
    let input = jobs.input(job).await.ok_or_else(|| JobError::bad_input(GONE))?;
    let mut order = Order::new((*input).clone());
    (order.principal, order.rerun_of) = (principal, Some(job));
    Ok(jobs.enqueue(order).await?.decision.record().id)
}
