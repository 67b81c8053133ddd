//! [`LocalJobs`]: the registry behind a lock, around the engine that runs the jobs. The registry decides, this file
//! performs.

use crate::bells::{Bells, Listener};
use crate::clock::Clock;
use crate::compact::compact;
use crate::expiry::{self, Alarm};
use crate::ids;
use crate::interface::{Enqueued, Jobs, Order};
use crate::running;
use procpool_protocol::engine::{BoxFuture, Engine, Submission};
use procpool_protocol::outcome::{Finished, Refusal, Refused};
use procpool_protocol::{JobError, JobId, Payload};
use procpool_registry::{
    self as registry, Cancelled, Cursor, Decision, Effect, Event, Filter, ForeignCursor, Handled, Offer,
    Page, Record, Registry, ResultState, Resumed, Selection, Settings, SettingsError, Time, Trial, Usage,
};
use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::future::ready;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Jobs in the memory of this process, which a restart loses. Clones share them.
#[derive(Clone)]
pub struct LocalJobs(Arc<Inner>);

impl fmt::Debug for LocalJobs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("LocalJobs").field("usage", &self.0.lock().usage()).finish_non_exhaustive()
    }
}

/// The state that the clones share.
pub(crate) struct Inner {
    engine: Arc<dyn Engine>,
    registry: Mutex<Registry>,
    max_input_bytes: u64,
    max_result_bytes: u64,
    bells: Arc<Bells>,
    clock: Clock,
    alarm: Arc<Alarm>,
    /// The task that lets records expire runs.
    has_expiry: AtomicBool,
    /// The names of the pools that have run jobs. All records of a pool share its name.
    pools: Mutex<HashSet<Arc<str>>>,
    /// Held while a job with a key is offered and submitted: another request with the key sees it accepted, or
    /// not at all.
    submitting: Mutex<()>,
}

impl LocalJobs {
    /// Returns an empty registry around an engine.
    ///
    /// # Errors
    /// When the settings do not fit together.
    pub fn new(engine: Arc<dyn Engine>, settings: Settings) -> Result<Self, SettingsError> {
        Ok(Self(Arc::new(Inner {
            engine,
            registry: Mutex::new(Registry::new(settings, rand::random())?),
            max_input_bytes: settings.max_input_bytes,
            max_result_bytes: settings.max_result_bytes,
            bells: Arc::default(),
            clock: Clock::new(),
            alarm: Arc::default(),
            has_expiry: AtomicBool::new(false),
            pools: Mutex::default(),
            submitting: Mutex::default(),
        })))
    }
}

impl Inner {
    /// Calls the registry, and performs the effects.
    fn act<T>(&self, work: impl FnOnce(&mut Registry, Time) -> T) -> T {
        let mut registry = self.lock();
        let done = work(&mut registry, self.clock.now());
        let effects: Vec<_> = std::iter::from_fn(|| registry.poll_effect()).collect();
        let is_sooner = self.alarm.set(registry.poll_timeout());
        drop(registry);
        if is_sooner {
            self.alarm.ring();
        }
        for effect in effects {
            match effect {
                Effect::Changed(job) | Effect::Gone(job, _) => self.bells.ring(job),
                Effect::Cancel(job) => drop(self.engine.cancel(job)),
                // Large ones are freed here, without the lock.
                _ => {}
            }
        }
        done
    }

    pub(crate) fn handle(&self, job: JobId, event: Event) -> Handled {
        self.act(|registry, now| registry.handle(now, job, event))
    }

    /// Takes the outcome of a job.
    pub(crate) fn finish(&self, job: JobId, finished: Finished) {
        let finished = Arc::new(finished);
        // Before anybody sees that it has finished: the registry may not hold it.
        self.bells.leave(job, &finished);
        self.handle(job, Event::Finished(finished));
    }

    /// Lets records expire. Returns when to do so again.
    pub(crate) fn tick(&self) -> Option<Time> {
        self.act(|registry, now| {
            registry.tick(now);
            registry.poll_timeout()
        })
    }

    pub(crate) fn alarm(&self) -> &Alarm {
        &self.alarm
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    fn lock(&self) -> MutexGuard<'_, Registry> {
        lock(&self.registry)
    }

    /// Returns whether there can be room for an output.
    pub(crate) fn may_hold_result(&self, output: &Payload) -> bool {
        output.bytes.len() as u64 <= self.max_result_bytes
    }

    /// Returns the copy of a job's input for a rerun, if there can be room for it.
    async fn to_hold(&self, job: &Submission) -> Option<Arc<Submission>> {
        if job.input.bytes.len() as u64 > self.max_input_bytes {
            return None;
        }
        let mut copy = job.clone();
        copy.input = compact(&job.input).await;
        Some(Arc::new(copy))
    }

    fn enqueue(self: &Arc<Self>, order: Order, input: Option<Arc<Submission>>) -> Result<Enqueued, JobError> {
        if !self.has_expiry.swap(true, Ordering::Relaxed) {
            tokio::spawn(expiry::run(Arc::downgrade(self), self.alarm.clone()));
        }
        let _submitting = order.key.is_some().then(|| lock(&self.submitting));
        let Order { job, principal, key, wait, rerun_of, not_before, held, note: _ } = order;
        if not_before.is_some() {
            return Err(Refused::new(job.pool, Refusal::NotDurable).into());
        }
        let mut offer = Offer::new(ids::in_memory(), self.pool(&job.pool));
        (offer.principal, offer.key, offer.wait, offer.rerun_of) = (principal, key, wait, rerun_of);
        offer.priority = job.priority;
        offer.deadline = self.engine.limits_of(&job).timeout.map(|timeout| self.clock.now() + timeout);
        offer.input = input;
        let decision = self.act(|registry, now| registry.offer(now, offer));
        let decision = decision.map_err(|refused| no_room(&job.pool, refused))?;
        let record = decision.record().clone();
        let listener = self.bells.listen(record.id);
        if matches!(decision, Decision::Run(_)) {
            self.submit(&record, job, held)?;
        }
        Ok(Enqueued::new(decision, outcome(self.clone(), listener)))
    }

    fn pool(&self, name: &str) -> Arc<str> {
        lock(&self.pools).get(name).cloned().unwrap_or_else(|| name.into())
    }

    fn submit(
        self: &Arc<Self>,
        record: &Record,
        job: Submission,
        held: Option<Arc<dyn Any + Send + Sync>>,
    ) -> Result<(), JobError> {
        let asked = job.limits;
        match self.engine.submit_watched(record.id, job) {
            Ok(watched) => {
                // Its pool exists: clients cannot fill the set with names of their own.
                lock(&self.pools).insert(record.pool.clone());
                self.handle(record.id, Event::Queued);
                let running = running::run(self.clone(), record.id, watched, asked);
                tokio::spawn(async move {
                    running.await;
                    drop(held);
                });
                Ok(())
            }
            Err(refused) => {
                self.handle(record.id, Event::Refused);
                Err(refused)
            }
        }
    }
}

/// Returns the outcome of a job once it is there.
async fn outcome(inner: Arc<Inner>, listener: Listener) -> Option<Arc<Finished>> {
    let bell = &listener.bell;
    loop {
        let rung = bell.rings.notified();
        let result = inner.lock().result(inner.clock.now(), listener.job);
        match result {
            ResultState::Unfinished(_) => rung.await,
            ResultState::Finished(_, finished) => return Some(finished),
            _ => return bell.outcome.get().cloned(),
        }
    }
}

pub(crate) fn no_room(pool: &str, refused: registry::Refused) -> JobError {
    let reason = match refused {
        registry::Refused::KeyStoreFull { keys, .. } => Refusal::key_store_full(keys),
        registry::Refused::Full { records, .. } => Refusal::registry_full(records),
        registry::Refused::NoRoomForInput { .. } => Refusal::StoreFull,
        // The id has 128 random bits: this never happens.
        _ => Refusal::registry_full(0),
    };
    Refused::new(pool, reason).into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Jobs for LocalJobs {
    fn enqueue(&self, order: Order) -> BoxFuture<'_, Result<Enqueued, JobError>> {
        Box::pin(async move {
            let input = self.0.to_hold(&order.job).await;
            self.0.enqueue(order, input)
        })
    }

    fn job(&self, job: JobId) -> BoxFuture<'_, Option<Arc<Record>>> {
        Box::pin(ready(self.0.lock().job(job)))
    }

    fn changed(&self, job: JobId, seen: u64) -> BoxFuture<'_, Option<Arc<Record>>> {
        Box::pin(async move {
            let listener = self.0.bells.listen(job);
            loop {
                let rung = listener.bell.rings.notified();
                let record = self.0.lock().job(job)?;
                if record.version != seen {
                    return Some(record);
                }
                rung.await;
            }
        })
    }

    fn result(&self, job: JobId) -> BoxFuture<'_, ResultState> {
        Box::pin(ready(self.0.lock().result(self.0.clock.now(), job)))
    }

    fn events(&self, job: JobId, seen: u64) -> BoxFuture<'_, Option<Resumed>> {
        Box::pin(async move {
            let listener = self.0.bells.listen(job);
            loop {
                let rung = listener.bell.rings.notified();
                match self.0.lock().events(job, seen)? {
                    Resumed::Next(events) if events.is_empty() => {}
                    resumed => return Some(resumed),
                }
                rung.await;
            }
        })
    }

    fn input(&self, job: JobId) -> BoxFuture<'_, Option<Arc<Submission>>> {
        Box::pin(ready(self.0.lock().input(self.0.clock.now(), job)))
    }

    fn list(
        &self,
        filter: Filter,
        from: Option<Cursor>,
        limit: usize,
    ) -> BoxFuture<'_, Result<Page, ForeignCursor>> {
        Box::pin(ready(self.0.lock().list(&filter, from, limit)))
    }

    fn usage(&self) -> (Usage, u64) {
        let registry = self.0.lock();
        (registry.usage(), registry.event_bytes())
    }

    fn cancel(&self, job: JobId) -> BoxFuture<'_, Cancelled> {
        Box::pin(ready(self.0.act(|registry, now| registry.cancel(now, job))))
    }

    fn cancel_matching(
        &self,
        filter: Filter,
        from: Option<Cursor>,
        limit: usize,
        trial: Trial,
    ) -> BoxFuture<'_, Result<Selection, ForeignCursor>> {
        let cancel =
            |registry: &mut Registry, now| registry.cancel_matching(now, &filter, from, limit, trial);
        Box::pin(ready(self.0.act(cancel)))
    }
}
