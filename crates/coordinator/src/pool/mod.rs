//! [`Pool`]: typed jobs for many supervised worker processes.
//!
//! Three parts: `caller/` is the side of the callers, `workers/` the side of the processes that run jobs, and
//! `state/` the data that both change under the lock that `core` holds. The path of a job: `caller::request`
//! encodes it, `core` accepts it under the lock, and `state` asks the scheduler. After the lock is released,
//! `core` performs `state::effects`. `workers::frames` reads the result, and `caller::handle` decodes it.

mod builder;
mod cache_aligned;
mod caller;
mod config;
mod core;
mod described;
mod detail;
mod ended;
mod engine;
mod event;
mod news;
mod orders;
mod output;
mod own_runtime;
mod raw;
mod rounds;
mod sampling;
#[cfg(feature = "tower")]
mod service;
#[cfg(test)]
mod simulation;
mod size;
mod stacks;
mod state;
mod status;
mod submissions;
mod usage;
mod watched;
mod worker_range;
mod workers;

pub use builder::PoolBuilder;
pub use caller::canceller::Canceller;
pub use caller::handle::{JobEvent, JobHandle};
pub use caller::job_events::JobEvents;
pub use caller::map::Map;
pub use caller::reported::{Reported, RunReport};
pub use caller::request::JobRequest;
pub use config::{PoolConfig, PoolError, WorkerSource};
pub use event::{JobTotals, PoolEvent};
pub use news::PoolEvents;
pub use raw::{RawPool, ShutdownReport};
#[cfg(feature = "tower")]
pub use service::PoolService;
pub use size::WeakPool;
#[cfg(test)]
pub(crate) use stacks::MOST_NOTE;
pub(crate) use stacks::add as add_note;
pub use stacks::{CallNames, NamesCalls};
pub use worker_range::WorkerRange;

use procpool_process::{AttachSocket, Contract, ContractMismatch, EncodingMismatch, Executable, Needs};
use procpool_protocol::engine::{PoolStatus, PoolUsage, Quarantine, ReloadError, ReloadReport, WorkerStatus};
use procpool_protocol::outcome::Refused;
use procpool_protocol::{Job, JobError, JobId};
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

/// A pool of supervised worker processes that run `J`.
///
/// Clones share the pool. When the last clone is dropped, the pool kills its workers, and open jobs end as
/// [`JobError::ShutDown`]. That works outside of a runtime, too.
///
/// ```no_run
/// # use procpool_coordinator::{Executable, Pool};
/// # procpool_protocol::job!(Fib, "fib", u64 => u64);
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = Pool::<Fib>::builder(Executable::find("procpool-fib")?).workers(1..=4).start().await?;
/// let f: u64 = pool.run(40).await?;
/// # Ok(())
/// # }
/// ```
pub struct Pool<J> {
    raw: RawPool,
    job: PhantomData<fn() -> J>,
}

/// The workers of a pool do not meet the requirements of its typed view.
#[derive(Debug)]
pub(crate) enum NotThatJob {
    Contract(ContractMismatch),
    Encoding(EncodingMismatch),
}

impl From<ContractMismatch> for NotThatJob {
    fn from(mismatch: ContractMismatch) -> Self {
        Self::Contract(mismatch)
    }
}

impl From<EncodingMismatch> for NotThatJob {
    fn from(mismatch: EncodingMismatch) -> Self {
        Self::Encoding(mismatch)
    }
}

impl<J> Clone for Pool<J> {
    fn clone(&self) -> Self {
        Self { raw: self.raw.clone(), job: PhantomData }
    }
}

impl<J> std::fmt::Debug for Pool<J> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Pool").field("name", &self.raw.name()).finish_non_exhaustive()
    }
}

impl<J: Job> Pool<J> {
    /// Describes a pool of workers that `executable` starts.
    pub fn builder(executable: Executable) -> PoolBuilder<J> {
        PoolBuilder::new(executable)
    }

    /// Describes a pool of workers that somebody else starts, and that attach to `socket`. Settings that
    /// are for spawned workers have no effect.
    ///
    /// ```no_run
    /// # use procpool_coordinator::{AttachSocket, Pool};
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// // A service manager starts two processes `WORKER --attach /run/procpool/fib.sock`.
    /// let socket = AttachSocket::at("/run/procpool/fib.sock");
    /// let pool = Pool::<Fib>::attached(socket).workers(2).start().await?;
    /// println!("{}", pool.run(40).await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn attached(socket: AttachSocket) -> PoolBuilder<J> {
        PoolBuilder::attached(socket)
    }

    /// Returns a typed view of a pool, if its workers serve that job and read its encoding.
    pub(crate) fn of(raw: RawPool) -> Result<Self, NotThatJob> {
        let ours = Contract::of::<J>();
        ours.check(raw.contract().get_or_init(|| ours.clone()))?;
        raw.encodings().add(Needs::of::<J>())?;
        Ok(Self::assume(raw))
    }

    pub(crate) fn assume(raw: RawPool) -> Self {
        Self { raw, job: PhantomData }
    }

    /// Starts a job with options of its own. The request ends in `run`, `try_run`, `submit` or `try_submit`.
    pub fn job(&self, input: J::Input) -> JobRequest<J> {
        JobRequest::new(self.raw.lend(), input)
    }

    /// Runs a job. Waits for a queue slot if necessary, within the job's deadline.
    ///
    /// The future borrows nothing, and can be spawned. It keeps the pool alive. Dropping it cancels
    /// the job.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) -> Result<(), Box<dyn std::error::Error>> {
    /// let (one, other) = (tokio::spawn(pool.run(39)), tokio::spawn(pool.run(40)));
    /// println!("{} {}", one.await??, other.await??);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Every [`JobError`], each with the known details.
    pub fn run(
        &self,
        input: J::Input,
    ) -> impl Future<Output = Result<J::Output, JobError>> + Send + 'static + use<J> {
        self.job(input).run()
    }

    /// Runs a job, unless the queue is full now. The future is like that of [`run`](Self::run).
    ///
    /// # Errors
    /// As [`run`](Self::run), and [`JobError::Refused`] at once when the queue is full.
    pub fn try_run(
        &self,
        input: J::Input,
    ) -> impl Future<Output = Result<J::Output, JobError>> + Send + 'static + use<J> {
        self.job(input).try_run()
    }

    /// Submits a job and returns its handle. Waits for a queue slot if necessary, within the job's deadline.
    /// Dropping the future submits nothing.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # use procpool_protocol::JobError;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) -> Result<(), JobError> {
    /// let mut jobs = Vec::new();
    /// for n in 30..40 {
    ///     jobs.push(pool.submit(n).await?);
    /// }
    /// for job in jobs {
    ///     println!("{}: {}", job.id(), job.await?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the pool does not accept the job, or its input cannot be encoded.
    pub fn submit(
        &self,
        input: J::Input,
    ) -> impl Future<Output = Result<JobHandle<J>, Refused>> + Send + 'static + use<J> {
        self.job(input).submit()
    }

    /// Submits a job and returns its handle at once, unless the queue is full now.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # use procpool_protocol::JobError;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) -> Result<(), JobError> {
    /// match pool.try_submit(40) {
    ///     Ok(job) => println!("{}", job.await?),
    ///     Err(refused) if refused.reason.is_full_queue() => println!("busy, try again later"),
    ///     Err(refused) => return Err(refused.into()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the pool does not accept the job now, or its input cannot be encoded.
    pub fn try_submit(&self, input: J::Input) -> Result<JobHandle<J>, Refused> {
        self.job(input).try_submit()
    }

    /// Runs a job for each input and returns their outcomes as a stream, in the order of the inputs.
    ///
    /// The stream takes inputs as it returns outcomes, so that neither a million inputs nor a slow reader
    /// fills the memory. [`Map`] has options for the number of jobs under way, and for the order of outcomes.
    /// A job may wait in the queue for any time, and the pool's `timeout` bounds its run. The stream keeps
    /// the pool alive. Dropping it cancels open jobs.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # use procpool_protocol::JobError;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) -> Result<(), JobError> {
    /// let mut outputs = pool.map([30, 31, 32]);
    /// while let Some(output) = outputs.next().await {
    ///     println!("{}", output?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn map<I>(&self, inputs: I) -> Map<J, I::IntoIter>
    where
        I: IntoIterator<Item = J::Input>,
    {
        Map::new(self.clone(), inputs.into_iter())
    }

    /// Cancels a job by its id. Returns `true` if it had no outcome yet. In this case its outcome is
    /// [`JobError::Cancelled`]. The pool asks a running job to stop, and kills its worker if it does not stop
    /// within the grace.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # use procpool_protocol::outcome::InvalidJobId;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example() {
    /// /// Answers `DELETE /jobs/{id}`.
    /// fn delete(pool: &Pool<Fib>, id: &str) -> Result<bool, InvalidJobId> {
    ///     Ok(pool.cancel(id.parse()?))
    /// }
    /// # }
    /// ```
    pub fn cancel(&self, job: JobId) -> bool {
        self.raw.cancel(job)
    }

    /// Accepts no further jobs, lets accepted jobs finish for up to `drain`, ends the rest as shut down, and
    /// returns when every worker has exited.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # use std::time::Duration;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) {
    /// let report = pool.shutdown(Duration::from_secs(10)).await;
    /// println!("{} jobs ended, {} of them cut off", report.finished, report.shut_down);
    /// # }
    /// ```
    pub async fn shutdown(&self, drain: Duration) -> ShutdownReport {
        self.raw.shutdown(drain).await
    }

    /// Puts the executable that the pool's file name now stands for into service, without failing a job. The
    /// pool tries one worker. Once that is ready, it replaces all others, one at a time and between two jobs,
    /// and then this returns. Dropping the future stops nothing. If several reloads overlap, the last one
    /// wins.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) {
    /// match pool.reload().await {
    ///     Ok(report) => println!("all workers are of generation {}", report.generation),
    ///     Err(error) => eprintln!("{error}"),
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the file cannot be used, or its first worker does not get ready: nothing has changed. Or when a
    /// later reload or a shutdown came before the end.
    pub async fn reload(&self) -> Result<ReloadReport, ReloadError> {
        self.raw.reload().await
    }

    /// Returns the pool's status at this moment.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) {
    /// let status = pool.status();
    /// println!("{} jobs wait, {} run", status.queued, status.running);
    /// println!("{} workers are idle, {} died so far", status.workers.idle, status.deaths);
    /// # }
    /// ```
    pub fn status(&self) -> PoolStatus {
        self.raw.status()
    }

    /// Returns the pool's workers at this moment.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) {
    /// for worker in pool.workers() {
    ///     println!("{} (pid {:?}) has done {} jobs", worker.id, worker.pid, worker.jobs_done);
    /// }
    /// # }
    /// ```
    pub fn workers(&self) -> Vec<WorkerStatus> {
        self.raw.workers()
    }

    /// Returns what the workers use of memory and processor time, at most 250 ms ago. The system is asked when somebody
    /// asks for it, on a thread of the runtime's blocking pool.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) {
    /// let usage = pool.usage().await;
    /// println!("{} bytes, {:?} on processors", usage.resident_bytes, usage.cpu_time);
    /// # }
    /// ```
    pub async fn usage(&self) -> Arc<PoolUsage> {
        self.raw.usage().await
    }

    /// Returns the payloads that have killed workers lately, those that are no longer run first, and the
    /// clients whose jobs did.
    pub fn quarantine(&self) -> Quarantine {
        self.raw.quarantine()
    }

    /// Clears the record of the payload or client with this [fingerprint](Quarantine), or all records: the
    /// pool runs their jobs again. Returns the number of cleared records.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) {
    /// for payload in pool.quarantine().payloads {
    ///     println!("{} killed {} workers", payload.fingerprint, payload.deaths);
    ///     pool.clear_quarantine(Some(&payload.fingerprint));
    /// }
    /// # }
    /// ```
    pub fn clear_quarantine(&self, fingerprint: Option<&str>) -> usize {
        self.raw.clear_quarantine(fingerprint)
    }

    /// Returns the same pool without its types.
    pub fn raw(&self) -> &RawPool {
        &self.raw
    }
}
