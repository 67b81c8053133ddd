//! [`JobRequest`]: one job with options of its own, before it is handed to its pool.

use super::handle::{self, JobHandle};
use super::pending::Pending;
use super::reported::Reported;
use crate::pool::raw::RawPool;
use crate::pool::state::events::Events;
use crate::pool::state::open_job::NewJob;
use crate::regions;
use procpool_protocol::engine::{ClientName, JobLimits, Priority};
use procpool_protocol::outcome::{Refusal, Refused};
use procpool_protocol::{Encoding, Job, JobError, Payload, TraceContext};
use std::sync::Arc;
use std::time::Duration;

/// A job that is not submitted yet, with options of its own. It keeps its pool alive.
///
/// ```no_run
/// # use procpool_coordinator::Pool;
/// # use procpool_protocol::JobError;
/// # use std::time::Duration;
/// # procpool_protocol::job!(Fib, "fib", u64 => u64);
/// # async fn example(pool: Pool<Fib>) -> Result<(), JobError> {
/// let f = pool.job(40).timeout(Duration::from_secs(2)).client("192.0.2.7").run().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a request does nothing until it is run or submitted"]
pub struct JobRequest<J: Job> {
    /// Keeps the pool alive, as a borrow would.
    pool: RawPool,
    input: J::Input,
    limits: JobLimits,
    idempotent: Option<bool>,
    client: Option<ClientName>,
    priority: Priority,
    tenant: Option<ClientName>,
    trace: Option<Arc<TraceContext>>,
    reports_usage: bool,
}

impl<J: Job> std::fmt::Debug for JobRequest<J> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("JobRequest").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl<J: Job> JobRequest<J> {
    pub(crate) fn new(pool: RawPool, input: J::Input) -> Self {
        Self {
            pool,
            input,
            limits: JobLimits::default(),
            idempotent: None,
            client: None,
            priority: Priority::Normal,
            tenant: None,
            trace: None,
            reports_usage: false,
        }
    }

    /// Bounds the time in queue and the run together. Cut to the pool's `max_timeout`, which is 10 min by
    /// default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = Some(timeout);
        self
    }

    /// Bounds the run alone. Cut to the pool's `max_timeout`, which is 10 min by default.
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.limits.run_timeout = Some(timeout);
        self
    }

    /// Sets whether this job may be handed out again, up to the pool's `max_attempts`, after a worker died
    /// with it.
    pub fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = Some(idempotent);
        self
    }

    /// Names the client, by an address or a user's name. The pool counts the workers that each client's jobs
    /// kill, and refuses a client after [`client_deaths`](crate::Supervision::client_deaths) of them.
    pub fn client(mut self, client: &str) -> Self {
        self.client = Some(client.into());
        self
    }

    /// Sets the rank of this job among the waiting ones. A job that still waits for a queue slot has no rank.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # use procpool_protocol::{JobError, engine::Priority};
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) -> Result<(), JobError> {
    /// let f = pool.job(40).priority(Priority::Low).tenant("reports").run().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// Says which trace the job belongs to. Its worker is told of it, and its lines of log carry the trace's id.
    pub fn trace(mut self, trace: TraceContext) -> Self {
        self.trace = Some(Arc::new(trace));
        self
    }

    /// Names the tenant: tenants with waiting jobs of one priority take turns, one job each. So the ten thousand
    /// jobs of one tenant do not hold up another's one. All jobs without a tenant share turns.
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Asks for attempts, worker, processor time and peak memory, for [`JobHandle::reported`];
    /// [`run_reported`](Self::run_reported) asks by itself. Costs the worker some 15 µs.
    pub fn report_usage(mut self) -> Self {
        self.reports_usage = true;
        self
    }

    /// Runs the job as [`run`](Self::run) does, and returns a report of its resources beside its outcome.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # use procpool_protocol::JobError;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) -> Result<(), JobError> {
    /// let reported = pool.job(40).run_reported().await;
    /// let report = reported.report;
    /// println!("waited {:?}, ran {:?}, {:?} on a processor", report.wait, report.run, report.cpu_time);
    /// let f = reported.outcome?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run_reported(self) -> Reported<J::Output> {
        let (pool, job) = match self.report_usage().encode(None) {
            Ok(encoded) => encoded,
            Err(refused) => return Reported::refused(refused),
        };
        let core = pool.core();
        match core.submit_patiently(job).await {
            Ok(submitted) => Reported::of::<J>(Pending::new(&**core, submitted).await),
            Err(rejected) => Reported::refused(core.refused(rejected.reason)),
        }
    }

    /// Runs the job. Waits for a queue slot if necessary, within the job's deadline. Dropping the future
    /// cancels the job.
    ///
    /// # Errors
    /// Every [`JobError`], each with the known details.
    pub async fn run(self) -> Result<J::Output, JobError> {
        let (pool, job) = self.encode(None)?;
        let core = pool.core();
        let submitted = core.submit_patiently(job).await.map_err(|it| core.refused(it.reason))?;
        handle::decode::<J>(Pending::new(&**core, submitted).await)
    }

    /// Runs the job, unless the queue is full now.
    ///
    /// # Errors
    /// As [`run`](Self::run), and [`JobError::Refused`] at once when the queue is full.
    pub async fn try_run(self) -> Result<J::Output, JobError> {
        let (pool, job) = self.encode(None)?;
        let core = pool.core();
        let submitted = core.submit(job).map_err(|it| core.refused(it.reason))?;
        handle::decode::<J>(Pending::new(&**core, submitted).await)
    }

    /// Submits the job and returns its handle. Waits for a queue slot if necessary, within the job's
    /// deadline. Dropping the future submits nothing.
    ///
    /// # Errors
    /// When the pool does not accept the job, or its input cannot be encoded.
    pub async fn submit(self) -> Result<JobHandle<J>, Refused> {
        let events = Arc::<Events>::default();
        let (pool, job) = self.encode(Some(events.clone()))?;
        let core = pool.core();
        let submitted = core.submit_patiently(job).await.map_err(|it| core.refused(it.reason))?;
        Ok(JobHandle::new(core, submitted, events))
    }

    /// Submits the job and returns its handle at once, unless the queue is full now.
    ///
    /// # Errors
    /// When the pool does not accept the job now, or its input cannot be encoded.
    pub fn try_submit(self) -> Result<JobHandle<J>, Refused> {
        let events = Arc::<Events>::default();
        let (pool, job) = self.encode(Some(events.clone()))?;
        let core = pool.core();
        let submitted = core.submit(job).map_err(|it| core.refused(it.reason))?;
        Ok(JobHandle::new(core, submitted, events))
    }

    fn encode(self, events: Option<Arc<Events>>) -> Result<(RawPool, NewJob), Refused> {
        let Self { pool, input, limits, idempotent, client, priority, tenant, trace, reports_usage } = self;
        let (input, encoding) = pool.encoded::<J>(&input)?;
        let mut job = pool.new_job(input, encoding, limits, idempotent, events);
        job = NewJob { client, priority, tenant, trace, reports_usage, ..job };
        Ok((pool, job))
    }
}

impl RawPool {
    /// Returns this input in the encoding that the pool's workers read, and the encoding that is wanted for the output.
    pub(super) fn encoded<J: Job>(&self, input: &J::Input) -> Result<(Payload, Encoding), Refused> {
        // Bincode gives way to JSON where the workers read no bincode.
        let encoding = self.encodings().encoding(J::ENCODING);
        let input = regions::encode_input(input, encoding).map_err(|error| {
            let reason = Refusal::InputEncoding(error.to_string());
            self.core().count_refusal(&reason);
            self.core().refused(reason)
        })?;
        Ok((input, encoding))
    }
}
