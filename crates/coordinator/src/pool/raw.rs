//! A pool without types: encoded bytes in, encoded bytes out. The typed [`Pool`](super::Pool) and the HTTP
//! frontend both use it.

use super::PoolEvent;
use super::config::{PoolConfig, PoolError, WorkerSource};
use super::core::Core;
use super::state::effects::Effects;
use super::state::events::Events;
use super::state::generations::Reloading;
use super::state::open_job::NewJob;
use super::workers::supervisor;
use super::workers::worker_task::FirstStart;
use crate::invalid::InvalidLimits;
use crate::limits::PoolLimits;
use crate::recorder::Recorder;
use procpool_process::{
    Contract, EncodingAgreement, Recipe, StartError, opened, refuse_unnamed, refuse_unserved,
};
use procpool_protocol::engine::{
    Accepted, JobLimits, PoolSettings, PoolStatus, Priority, Quarantine, ReloadError, ReloadReport,
    WorkerStatus,
};
use procpool_protocol::handshake::Mode;
use procpool_protocol::{Encoding, JobError, JobId, Payload};
use procpool_scheduler::{ConfigError, Event, Scheduler};
use std::ops::Deref;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// A pool of supervised worker processes that passes encoded payloads on.
///
/// Clones share the pool. When the last clone is dropped, the pool kills its workers, and open jobs end as
/// shut down.
#[derive(Debug)]
pub struct RawPool {
    /// Each clone counts the jobs that keep it alive. Threads that share a count wait for its cache line, and each job
    /// would change a count of the whole pool twice.
    pub(super) owner: Arc<Lease>,
}

impl Clone for RawPool {
    fn clone(&self) -> Self {
        Self::of(self.owner.0.clone())
    }
}

/// The result of a pool's shutdown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// Jobs that got their outcome while the pool was draining.
    pub finished: u64,
    /// Jobs among them that were ended as shut down.
    pub shut_down: u64,
}

/// One clone's share in the pool.
#[derive(Debug)]
pub(super) struct Lease(pub(super) Arc<Owner>);

impl Deref for Lease {
    type Target = Owner;

    fn deref(&self) -> &Owner {
        &self.0
    }
}

/// Ends the pool when nobody has it any longer.
#[derive(Debug)]
pub(super) struct Owner {
    core: Arc<Core>,
    contract: Arc<OnceLock<Contract>>,
    pub(super) workers: WorkerSource,
    encodings: Arc<EncodingAgreement>,
    /// The settings with which the pool was configured. Held while they change.
    pub(super) configured: Mutex<PoolSettings>,
    /// Held from reading the file until the reload has its number, so that the reload that read the file last
    /// is the last.
    reloading: Mutex<()>,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.core.feed(Event::Stop);
    }
}

impl RawPool {
    /// Starts a pool and waits until one worker is ready. Needs a tokio runtime with time and I/O.
    ///
    /// # Errors
    /// When the configuration contradicts itself, or the first worker does not get ready. In the last case
    /// the error has the report of its death.
    pub async fn start(config: PoolConfig) -> Result<Self, PoolError> {
        let name = config.name.clone();
        let min_workers = config.limits.min_workers;
        let (first, outcome) = FirstStart::new();
        let pool = match &config.workers {
            WorkerSource::Spawned(executable) => {
                let (path, timeout) = (executable.as_path().to_owned(), config.limits.start_timeout);
                opened(&path, timeout, move || Self::assemble(config, false, first)).await??
            }
            WorkerSource::Attached(_) => Self::assemble(config, false, first)?,
        };
        if min_workers > 0 && pool.owner.workers.executable().is_some() {
            outcome.await.unwrap_or_else(|_| {
                let reason = std::io::Error::other("the runtime is shutting down");
                Err(StartError::prepare(name, reason))
            })?;
        }
        Ok(pool)
    }

    /// Starts a pool without a worker. The pool starts the first worker for the first job.
    ///
    /// # Errors
    /// When the configuration contradicts itself.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start_lazy(config: PoolConfig) -> Result<Self, PoolError> {
        let (first, _) = FirstStart::new();
        Self::assemble(config, true, first)
    }

    fn assemble(config: PoolConfig, lazy: bool, first: Arc<FirstStart>) -> Result<Self, PoolError> {
        let PoolConfig {
            name,
            workers,
            mut limits,
            inherit_env,
            env,
            current_dir,
            worker_data,
            save_failed_jobs,
            deaths,
            job,
            expects,
            starts_once,
            needs,
            numbers,
            names,
        } = config;
        refuse_unserved(&name)?;
        if let (WorkerSource::Spawned(executable), None, None) = (&workers, &job, &expects) {
            refuse_unnamed(&name, executable, "`PoolConfig::job`, or by the type of the pool")?;
        }
        limits.check().map_err(|reason| PoolError::Limits { pool: name.clone(), reason })?;
        let origin = workers.opened(&name, &mut limits, starts_once)?;
        let limit = limits.max_payload;
        let worker_data = worker_data.within(limit as usize);
        let worker_data =
            worker_data.map_err(|size| PoolError::LargeWorkerData { pool: name.clone(), size, limit })?;
        let scheduler = Scheduler::new(limits.of_scheduler(lazy), rand::random()).map_err(|error| {
            let reason = match error {
                ConfigError::NoWorkers => InvalidLimits::Workers { min: limits.min_workers, max: 0 },
                ConfigError::MinAboveMax { min, max } => InvalidLimits::Workers { min, max },
            };
            PoolError::Limits { pool: name.clone(), reason }
        })?;
        let encodings = Arc::new(EncodingAgreement::new(needs));
        let contract = Arc::new(expects.map_or_else(OnceLock::new, OnceLock::from));
        let recipe = Recipe {
            name: name.clone(),
            origin,
            templates: limits.supervision.fork.then(Arc::default),
            inherit_env,
            env,
            current_dir,
            sends_ahead: !limits.supervision.process_per_job,
            crash_stacks: limits.supervision.crash_stacks,
            limits: if limits.supervision.process_per_job {
                limits.worker
            } else {
                limits.worker.replaced_in_time()
            },
            mode: Mode::Jobs,
            job,
            expects: contract.clone(),
            takes_arenas: Arc::default(),
            worker_data,
            encodings: encodings.clone(),
            max_payload: limits.max_payload,
            step_timeout: limits.start_timeout,
        };
        if limits.save_history > 0 && save_failed_jobs.is_none() {
            return Err(PoolError::Limits { pool: name, reason: InvalidLimits::HistoryAlone });
        }
        let recorder =
            save_failed_jobs.map(|dir| Recorder::start(&dir, limits.saved_jobs, &recipe, deaths.clone()));
        let recorder = recorder
            .transpose()
            .map_err(|reason| PoolError::SaveFailedJobs { pool: name.clone(), reason })?;
        let (spawns, requests) = mpsc::unbounded_channel();
        let core = Core::new(recipe, limits, scheduler, spawns, recorder, names.map(|names| names.0));
        if let Some(deaths) = deaths {
            // It is new, and has none yet.
            let _ = core.deaths.set(deaths);
        }
        if let Some(numbers) = numbers {
            core.with(|state, _| state.numbers = numbers);
        }
        tokio::spawn(supervisor::supervise(core.clone(), requests, first));
        let configured = Mutex::new(core.limits.settings());
        let owner = Owner { core, contract, workers, encodings, configured, reloading: Mutex::default() };
        let pool = Self::of(Arc::new(owner));
        pool.core().feed(Event::Start);
        Ok(pool)
    }

    /// Returns a handle with a count of its own.
    pub(super) fn of(owner: Arc<Owner>) -> Self {
        Self { owner: Arc::new(Lease(owner)) }
    }

    /// Returns a handle for a job, which shares this one's count.
    pub(super) fn lend(&self) -> Self {
        Self { owner: self.owner.clone() }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.owner.core
    }

    /// Returns the identity of the workers. It is known once the first has said hello, or a caller has typed
    /// the pool. From then on every worker must have this identity.
    pub(crate) fn contract(&self) -> &OnceLock<Contract> {
        &self.owner.contract
    }

    /// Returns the encodings that the pool's workers and their callers agree on.
    pub(crate) fn encodings(&self) -> &EncodingAgreement {
        &self.owner.encodings
    }

    /// Returns the pool's name.
    pub fn name(&self) -> &str {
        &self.core().name
    }

    /// Returns the limits that the pool was started with. [`settings`](Self::settings) has those that have
    /// changed since.
    pub fn limits(&self) -> &PoolLimits {
        &self.core().limits
    }

    /// Offers a job, which the pool accepts or refuses at once. Dropping [`Accepted::outcome`] cancels it.
    ///
    /// # Errors
    /// [`JobError::Refused`].
    pub fn submit(&self, input: Payload, reply: Encoding, limits: JobLimits) -> Result<Accepted, JobError> {
        self.submit_job(self.new_job(input, reply, limits, None, None))
    }

    /// Creates a job with the parts that the pool adds. `idempotent` is the job type's own statement.
    pub(crate) fn new_job(
        &self,
        input: Payload,
        reply: Encoding,
        limits: JobLimits,
        idempotent: Option<bool>,
        events: Option<Arc<Events>>,
    ) -> NewJob {
        let pool = self.limits();
        let repeatable = idempotent.or(pool.idempotent).unwrap_or(false);
        let attempts = if repeatable { pool.max_attempts } else { 1 };
        NewJob {
            input,
            reply,
            limits: self.core().times.get().of_job(limits),
            attempts,
            reports_usage: false,
            batch: None,
            client: None,
            priority: Priority::Normal,
            tenant: None,
            trace: None,
            events,
        }
    }

    /// Cancels a job by its id. Returns `true` if it had no outcome yet. In this case its outcome is
    /// [`JobError::Cancelled`]. The pool asks a running job to stop, and kills its worker if it does not stop
    /// within the grace.
    pub fn cancel(&self, job: JobId) -> bool {
        self.core().cancel(job)
    }

    /// Accepts no further jobs, lets accepted jobs finish for up to `drain`, ends the rest as shut down, and
    /// returns when every worker has exited. A second call may only shorten the time.
    pub async fn shutdown(&self, drain: Duration) -> ShutdownReport {
        let core = self.core();
        if !core.is_here() {
            // Its parent's to shut down.
            return ShutdownReport::default();
        }
        let mut drained = core.drained();
        let count = || core.with(|state, _| (state.stats.outcomes(), state.stats.shut_down()));
        let before = count();
        core.feed(Event::Drain { limit: Some(drain) });
        // The sender lives in the core, which is alive here.
        let _ = drained.wait_for(|drained| *drained).await;
        let after = count();
        ShutdownReport { finished: after.0 - before.0, shut_down: after.1 - before.1 }
    }

    /// Puts the executable that the pool's file name now stands for into service, without failing a job. The
    /// pool tries one worker. Once that is ready, it replaces all others, one at a time and between two jobs,
    /// and then this returns. Dropping the future stops nothing. If several reloads overlap, the last one
    /// wins.
    ///
    /// # Errors
    /// When the file cannot be used, or its first worker does not get ready: nothing has changed. Or when a
    /// later reload or a shutdown came before the end.
    pub async fn reload(&self) -> Result<ReloadReport, ReloadError> {
        let core = self.core();
        if !core.is_here() {
            return Err(ReloadError::forked(core.name.clone()));
        }
        let (caller, ended) = oneshot::channel();
        // Reading the file may take its time, and a network disk more than that.
        let pool = self.clone();
        let begun = core.runtime().spawn_blocking(move || pool.begin_reload(caller)).await;
        begun
            .unwrap_or_else(|_| Err(ReloadError::shut_down(core.name.clone())))
            .map_err(|error| core.why_not_reloaded(error))
            .inspect_err(|error| {
                tracing::error!("{error}");
                core.news.tell(|| PoolEvent::reload_failed(error));
                core.with(|state, _| state.stats.reloads.failed += 1);
            })?;
        // Every reload has its end; this is for a pool that was torn down by a panic.
        let ended = ended.await.unwrap_or_else(|_| Err(ReloadError::shut_down(core.name.clone())));
        ended.map_err(|error| core.why_not_reloaded(error))
    }

    fn begin_reload(&self, caller: Reloading) -> Result<(), ReloadError> {
        let core = self.core();
        let order = self.owner.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        let unusable = |reason: String| ReloadError::executable(core.name.clone(), reason);
        let executable = self.owner.workers.executable().ok_or_else(|| {
            unusable("its workers attach to it; have them replaced where they are started".into())
        })?;
        let pinned = executable.pin().map_err(|error| unusable(error.to_string()))?;
        let mut effects = Effects::default();
        core.with(|state, now| state.reload(now, pinned, caller, &mut effects));
        drop(order);
        core.perform(&mut effects);
        Ok(())
    }

    /// Returns the pool's status at this moment. In a fork of the process that started it only the name is
    /// known.
    pub fn status(&self) -> PoolStatus {
        let core = self.core();
        if !core.is_here() {
            return PoolStatus::new(&core.name, self.owner.workers.to_string());
        }
        super::status::pool(core, &self.owner.workers)
    }

    /// Returns the payloads that have killed workers lately, those that are no longer run first, and the
    /// clients whose jobs did.
    pub fn quarantine(&self) -> Quarantine {
        let core = self.core();
        if core.is_here() { core.with(|state, now| state.quarantine(now)) } else { Quarantine::default() }
    }

    /// Clears the record of the payload or client with this [fingerprint](Quarantine), or all records: the
    /// pool runs their jobs again. Returns the number of cleared records.
    pub fn clear_quarantine(&self, fingerprint: Option<&str>) -> usize {
        let core = self.core();
        if !core.is_here() {
            return 0;
        }
        let cleared = core.act(|state, now, effects| state.clear_quarantine(now, fingerprint, effects));
        tracing::info!(pool = core.name, fingerprint, cleared, "cleared the quarantine");
        cleared
    }

    /// Returns the pool's workers at this moment. A fork has none.
    pub fn workers(&self) -> Vec<WorkerStatus> {
        if self.core().is_here() { super::status::workers(self.core()) } else { Vec::new() }
    }
}
