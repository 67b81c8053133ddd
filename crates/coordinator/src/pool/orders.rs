//! The orders of operators: other settings, a pause, a drain that ends, and one worker that is sent away.

use super::state::context::EventContext;
use super::{Pool, PoolEvent, RawPool, WorkerRange};
use crate::invalid::InvalidLimits;
use procpool_protocol::Job;
use procpool_protocol::engine::{PoolSettings, ReconfigureError, WorkerOrder};
use procpool_scheduler::{Event, Settings};
use std::sync::PoisonError;

impl<J: Job> Pool<J> {
    /// Changes the number of workers, and returns at once. A larger pool starts the workers that it lacks. A
    /// smaller one lets workers go as they become idle, one after the other: no job is disturbed.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) -> Result<(), Box<dyn std::error::Error>> {
    /// pool.resize(8..=16)?; // by day
    /// pool.resize(1..=2)?; // at night
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the maximum is zero, or the workers attach to the pool.
    pub fn resize(&self, workers: impl Into<WorkerRange>) -> Result<(), InvalidLimits> {
        self.raw.resize(workers)
    }

    /// Returns the settings of now that may change while the pool runs.
    pub fn settings(&self) -> PoolSettings {
        self.raw.settings()
    }

    /// Changes settings while the pool runs, all or none, and returns the new ones. Jobs and workers that are
    /// there stay: a smaller queue refuses jobs until it has emptied.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # use std::time::Duration;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn example(pool: Pool<Fib>) -> Result<(), Box<dyn std::error::Error>> {
    /// pool.reconfigure(|settings| {
    ///     settings.queue = 64;
    ///     settings.timeout = Some(Duration::from_secs(5));
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the new settings contradict each other, or the workers attach to the pool and other numbers of
    /// them are asked for.
    pub fn reconfigure(&self, change: impl FnOnce(&mut PoolSettings)) -> Result<PoolSettings, InvalidLimits> {
        self.raw.reconfigure(change)
    }

    /// Begins no further job until [`resume`](Self::resume). Jobs that have begun go on, and workers stay. The
    /// pool accepts jobs until its queue is full. They wait under their deadlines. [`drain`](Self::drain) and
    /// [`close`](Self::close) end the pause.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Pool;
    /// # procpool_protocol::job!(Fib, "fib", u64 => u64);
    /// # async fn mend_the_database() {}
    /// # async fn example(pool: Pool<Fib>) {
    /// pool.pause();
    /// mend_the_database().await;
    /// pool.resume();
    /// # }
    /// ```
    pub fn pause(&self) {
        self.raw.pause();
    }

    /// Accepts and begins jobs again after [`pause`](Self::pause) or [`drain`](Self::drain).
    pub fn resume(&self) {
        self.raw.resume();
    }

    /// Refuses further jobs until [`resume`](Self::resume). Jobs that were accepted go on, and workers stay.
    /// [`close`](Self::close) is the drain that does not end.
    pub fn drain(&self) {
        self.raw.drain();
    }

    /// Retires the worker of this name, as [`workers`](Self::workers) lists them. It gets no further job, and
    /// exits after those that it holds. Its replacement starts at once. Returns `false` if there is no such
    /// worker.
    pub fn retire_worker(&self, worker: &str) -> bool {
        self.raw.order_worker(worker, WorkerOrder::Retire)
    }

    /// Kills the worker of this name now. Its job ends as [`Crashed`](procpool_protocol::JobError::Crashed), in
    /// whose report [`ordered`](procpool_protocol::ExitReport::ordered) is set, or runs again where it may.
    /// Returns `false` if there is no such worker.
    pub fn kill_worker(&self, worker: &str) -> bool {
        self.raw.order_worker(worker, WorkerOrder::Kill)
    }
}

impl RawPool {
    /// Begins no further job until [`resume`](Self::resume); see [`Pool::pause`].
    pub fn pause(&self) {
        tracing::info!(pool = self.name(), "paused the pool");
        self.core().feed(Event::Pause);
        self.core().news.tell(|| PoolEvent::Paused);
    }

    /// Accepts and begins jobs again; see [`Pool::resume`].
    pub fn resume(&self) {
        tracing::info!(pool = self.name(), "resumed the pool");
        self.core().feed(Event::Resume);
        self.core().news.tell(|| PoolEvent::Resumed);
    }

    /// Refuses further jobs until [`resume`](Self::resume); see [`Pool::drain`].
    pub fn drain(&self) {
        tracing::info!(pool = self.name(), "drains the pool until it is resumed");
        self.core().feed(Event::Close);
        self.core().news.tell(|| PoolEvent::Draining);
    }

    /// Pauses or drains this pool if that one is paused or drains: it takes the other's place.
    pub(crate) fn treat_jobs_as(&self, other: &Self) {
        match other.core().act(|state, _, _| (state.scheduler.is_paused(), state.scheduler.is_closed())) {
            (true, _) => self.pause(),
            (_, true) => self.drain(),
            _ => {}
        }
    }

    /// Sends the worker of this name away; see [`Pool::retire_worker`] and [`Pool::kill_worker`].
    pub fn order_worker(&self, worker: &str, order: WorkerOrder) -> bool {
        let core = self.core();
        // A fork shares the workers with its parent, and must leave them alone.
        if !core.is_here() {
            return false;
        }
        let is_known = core.act(|state, now, effects| {
            let Some(worker) = state.worker(worker) else { return false };
            let event = match order {
                WorkerOrder::Retire => Event::Retire { worker },
                WorkerOrder::Kill => Event::Kill { worker },
            };
            state.handle(now, event, effects);
            true
        });
        if is_known {
            tracing::info!(pool = core.name, worker, order = order.name(), "sends a worker away");
        }
        is_known
    }

    /// Changes the number of workers; see [`Pool::resize`].
    ///
    /// # Errors
    /// When the maximum is zero, or the workers attach to the pool.
    pub fn resize(&self, workers: impl Into<WorkerRange>) -> Result<(), InvalidLimits> {
        if self.owner.workers.executable().is_none() {
            return Err(InvalidLimits::Attached);
        }
        let workers = workers.into();
        let change = |settings: &mut PoolSettings| {
            (settings.min_workers, settings.max_workers) = (workers.min(), workers.max());
        };
        self.reconfigure(change).map(drop)
    }

    /// Returns the settings of now; see [`Pool::settings`].
    pub fn settings(&self) -> PoolSettings {
        let core = self.core();
        let mut limits = core.limits.clone();
        if core.is_here() {
            let ((min, max), settings) =
                core.with(|state, _| (state.scheduler.size(), state.scheduler.settings()));
            let Settings { queue, queue_bytes, spares, idle_timeout, grace, stop_timeout, admission } =
                settings;
            limits.admission = admission;
            (limits.min_workers, limits.max_workers) = (min, max);
            (limits.queue, limits.queue_bytes) = (queue, queue_bytes);
            (limits.supervision.spares, limits.supervision.idle_timeout) = (spares, idle_timeout);
            (limits.grace, limits.stop_timeout) = (grace, stop_timeout);
        }
        let times = core.times.get();
        (limits.timeout, limits.run_timeout) = (times.timeout, times.run_timeout);
        limits.max_timeout = times.max;
        limits.settings()
    }

    /// Returns the settings with which the pool was configured. Changes while it ran are not in them.
    pub fn configured(&self) -> PoolSettings {
        *self.owner.configured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes settings while the pool runs; see [`Pool::reconfigure`].
    ///
    /// # Errors
    /// When the new settings contradict each other, or cannot change where workers attach to the pool.
    pub fn reconfigure(&self, change: impl FnOnce(&mut PoolSettings)) -> Result<PoolSettings, InvalidLimits> {
        let _one_at_a_time = self.owner.configured.lock().unwrap_or_else(PoisonError::into_inner);
        let mut settings = self.settings();
        change(&mut settings);
        self.apply(&settings)?;
        Ok(settings)
    }

    /// Configures the pool anew. A change by an operator stays, unless that setting is configured otherwise
    /// than before. The settings were checked with the rest of a configuration.
    pub(crate) fn configure(&self, to: &PoolSettings) {
        let mut configured = self.owner.configured.lock().unwrap_or_else(PoisonError::into_inner);
        let rebased = self.settings().rebased(&configured, to);
        *configured = *to;
        // The operator's changes may not fit the others any longer.
        if self.apply(&rebased).is_err()
            && let Err(error) = self.apply(to)
        {
            tracing::error!(pool = self.name(), %error, "failed to apply checked settings");
        }
    }

    /// Changes the settings from those that the caller knows to others.
    ///
    /// # Errors
    /// When they have changed meanwhile, and as [`reconfigure`](Self::reconfigure).
    pub(crate) fn reconfigure_from(
        &self,
        from: &PoolSettings,
        to: &PoolSettings,
    ) -> Result<(), ReconfigureError> {
        let _one_at_a_time = self.owner.configured.lock().unwrap_or_else(PoisonError::into_inner);
        if self.settings() != *from {
            return Err(ReconfigureError::changed(self.name()));
        }
        self.apply(to).map_err(|reason| ReconfigureError::invalid(self.name(), reason))
    }

    fn apply(&self, settings: &PoolSettings) -> Result<(), InvalidLimits> {
        let core = self.core();
        let before = self.settings();
        let mut limits = core.limits.clone();
        limits.apply(settings);
        limits.check()?;
        let of_workers = |it: &PoolSettings| (it.min_workers, it.max_workers, it.spares, it.idle_timeout);
        if self.owner.workers.executable().is_none() && of_workers(settings) != of_workers(&before) {
            return Err(InvalidLimits::Attached);
        }
        // The number of workers of a fork is its parent's.
        if !core.is_here() || *settings == before {
            return Ok(());
        }
        let (min, max) = (limits.min_workers, limits.max_workers);
        let events = [
            Event::Resize { min, max },
            Event::Reconfigure { settings: limits.of_scheduler(false).settings() },
        ];
        core.act(|state, now, effects| state.handle_all(now, events, EventContext::default(), effects));
        core.times.set(limits.times());
        core.size_changed.notify_waiters();
        tracing::info!(pool = core.name, ?settings, "changed settings");
        core.news.tell(|| PoolEvent::Reconfigured(*settings));
        Ok(())
    }
}
