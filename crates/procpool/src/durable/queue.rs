//! [`Queue`]: the durable jobs of one pool, with its types.

use super::error::{EnqueueError, OutcomeError};
use super::{Cancelled, InvalidKey, Record};
use crate::raw::{JobLimits, Payload, Submission};
use crate::{Encoding, Job, JobError, JobId, Priority};
use procpool_jobs::{DurableJobs, Jobs as _, Order, fingerprint};
use procpool_registry::{Decision, KeyText, ResultState, Wait};
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// The durable jobs of one pool. Clones share them.
pub struct Queue<J> {
    jobs: DurableJobs,
    pool: Arc<str>,
    types: PhantomData<fn(J) -> J>,
}

impl<J> Clone for Queue<J> {
    fn clone(&self) -> Self {
        Self { jobs: self.jobs.clone(), pool: self.pool.clone(), types: PhantomData }
    }
}

impl<J> fmt::Debug for Queue<J> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Queue").field("pool", &self.pool).finish_non_exhaustive()
    }
}

impl<J: Job> Queue<J> {
    pub(super) fn new(jobs: DurableJobs, pool: Arc<str>) -> Self {
        Self { jobs, pool, types: PhantomData }
    }

    /// Keeps a job until it has run. Returns once it is on disk.
    ///
    /// # Errors
    /// When the store or the pool refuses the job, or JSON cannot carry its input.
    pub async fn enqueue(&self, input: J::Input) -> Result<JobId, EnqueueError> {
        self.job(input).enqueue().await
    }

    /// Begins a job with options of its own.
    ///
    /// ```no_run
    /// # use procpool::durable::Queue;
    /// # use std::time::Duration;
    /// # procpool::job!(Invoice, "invoice", u64 => String);
    /// # async fn example(invoices: Queue<Invoice>) -> Result<(), Box<dyn std::error::Error>> {
    /// // Runs tomorrow, and once: the same key is the same job.
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let id = invoices.job(7).key("invoice-7")?.delay(day).enqueue().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn job(&self, input: J::Input) -> NewJob<J> {
        let limits = JobLimits::default();
        NewJob { queue: self.clone(), input, limits, priority: Priority::Normal, key: None, delay: None }
    }

    /// Waits until the job has ended, and returns its output. To be asked any number of times, also by a later process.
    ///
    /// # Errors
    /// When the job has no output, or is unknown.
    pub async fn outcome(&self, job: JobId) -> Result<J::Output, OutcomeError> {
        let mut seen = 0;
        loop {
            let Some(record) = self.jobs.changed(job, seen).await else {
                return Err(match self.jobs.job(job).await {
                    Some(_) => OutcomeError::Closed { job },
                    None => OutcomeError::Unknown { job },
                });
            };
            seen = record.version;
            let Some(outcome) = record.state.outcome() else { continue };
            return match self.jobs.result(job).await {
                ResultState::Finished(_, finished) => match &finished.result {
                    Ok(output) => Ok(output.decode().map_err(JobError::Output)?),
                    Err(error) => Err(JobError::clone(error).into()),
                },
                ResultState::Gone(_) => Err(OutcomeError::Gone { job, outcome }),
                _ => Err(OutcomeError::Unknown { job }),
            };
        }
    }

    /// Returns the record of a job, with its state. Returns `None` if there is none, or none any longer.
    pub async fn record(&self, job: JobId) -> Option<Arc<Record>> {
        self.jobs.job(job).await
    }

    /// Cancels a job. A waiting one ends at once, a running one is asked to stop.
    pub async fn cancel(&self, job: JobId) -> Cancelled {
        self.jobs.cancel(job).await
    }
}

/// A durable job before it is enqueued.
#[must_use = "a job that is not enqueued does not run"]
pub struct NewJob<J: Job> {
    queue: Queue<J>,
    input: J::Input,
    limits: JobLimits,
    priority: Priority,
    key: Option<KeyText>,
    delay: Option<Duration>,
}

impl<J: Job> fmt::Debug for NewJob<J> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = out.debug_struct("NewJob");
        out.field("queue", &self.queue).field("key", &self.key).field("delay", &self.delay);
        out.field("priority", &self.priority).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<J: Job> NewJob<J> {
    /// Gives the job a key: a job that has the same key and the same input is this one, for a day after it has ended.
    ///
    /// # Errors
    /// When the key is empty, longer than 255 bytes, or has characters other than visible ASCII.
    pub fn key(mut self, key: &str) -> Result<Self, InvalidKey> {
        self.key = Some(KeyText::parse(key.as_bytes())?);
        Ok(self)
    }

    /// Lets the job wait this long before it may run.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = Some(delay);
        self
    }

    /// Limits the time of the job from the moment at which it may run. The pool's `timeout` limits each attempt.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits = self.limits.timeout(timeout);
        self
    }

    /// Sets the rank of the job among the waiting ones.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Keeps the job until it has run. Returns its id once it is on disk, or the id of the job that has its key.
    ///
    /// # Errors
    /// When the store or the pool refuses the job, JSON cannot carry its input, or its key belongs to another input.
    pub async fn enqueue(self) -> Result<JobId, EnqueueError> {
        let input = Payload::encode(&self.input, Encoding::Json)?;
        let mut job = Submission::new(&*self.queue.pool, input, Encoding::Json);
        (job.limits, job.priority) = (self.limits, self.priority);
        let mut order = Order::new(job);
        (order.not_before, order.wait) = (self.delay, Wait::None);
        if let Some(key) = self.key {
            order.key = Some((key, fingerprint(&order.job).await));
        }
        let decision = self.queue.jobs.enqueue(order).await?.decision;
        let job = decision.record().id;
        match decision {
            Decision::Mismatch(_) => Err(EnqueueError::KeyTaken { job }),
            _ => Ok(job),
        }
    }
}
