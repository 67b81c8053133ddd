//! A pool's lock and everything that takes it: submitters, sessions, the timer, the supervisor.
//!
//! The task that feeds an event performs its effects, so that a job costs no hop between tasks: a submitter
//! writes its job to the worker's socket itself, and the session that reads a result writes the next job.
//! Lock order: pool, then outbox. The clock is read inside the lock.

mod perform;
pub(super) mod tick;

use super::cache_aligned::CacheAligned;
use super::caller::untaken::Untaken;
use super::caller::waiting::Patient;
use super::event::JobTotals;
use super::news::News;
use super::stacks::{NamesCalls, Stacks};
use super::state::State;
use super::state::effects::Effects;
use super::state::fingerprint::Fingerprints;
use super::usage::LastUsage;
use crate::deaths::DeathLog;
use crate::job_times::CurrentTimes;
use crate::limits::PoolLimits;
use crate::recorder::Recorder;
use procpool_memory::buffers::Buffers;
use procpool_process::{Home, Recipe};
use procpool_protocol::JobId;
use procpool_protocol::outcome::{Refusal, Refused};
use procpool_scheduler::{Event, JobId as Key, Scheduler, Time, WorkerId};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};
use std::time::Instant;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};

/// The state that all parts of a pool share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) name: String,
    /// As the pool was started with them; some have changed since.
    pub(crate) limits: PoolLimits,
    pub(crate) times: CurrentTimes,
    /// The process whose children the workers are.
    pub(super) home: Home,
    epoch: Instant,
    state: CacheAligned<Mutex<State>>,
    pub(crate) fingerprints: Arc<Fingerprints>,
    pub(crate) buffers: Buffers,
    pub(crate) untaken: Untaken,
    pub(crate) news: News,
    pub(super) usage: LastUsage,
    /// Where deaths are remembered, if anywhere.
    pub(crate) deaths: OnceLock<Arc<DeathLog>>,
    /// To the supervisor. Unbounded, and yet bounded: one for each worker that may be starting.
    spawns: mpsc::UnboundedSender<(WorkerId, Arc<Recipe>)>,
    timer: Notify,
    /// Rings when the pool is resized or closed.
    pub(super) size_changed: Notify,
    /// Callers that wait for room in the queue.
    pub(super) patient: Patient,
    drained: watch::Sender<bool>,
    /// The pool's tasks have ended, and with them all that a drained pool still does: saving jobs, reporting deaths.
    over: watch::Sender<bool>,
    /// The pool's tasks ended with the runtime that drove them, and not because the pool was done.
    pub(super) has_runtime_ended: AtomicBool,
    pub(super) stacks: Arc<Stacks>,
    /// The directory in which failed jobs are saved. `None`: they are not saved.
    recorder: Option<Recorder>,
    /// The runtime that keeps the pool's time: callers may be on another, or on none.
    runtime: Handle,
    pub(super) this: Weak<Self>,
}

impl Core {
    pub(crate) fn new(
        recipe: Recipe,
        limits: PoolLimits,
        scheduler: Scheduler,
        spawns: mpsc::UnboundedSender<(WorkerId, Arc<Recipe>)>,
        recorder: Option<Recorder>,
        names: Option<Arc<dyn NamesCalls>>,
    ) -> Arc<Self> {
        let stacks = Stacks::new(names, &recipe.name);
        Arc::new_cyclic(|this| Self {
            name: recipe.name.clone(),
            home: Home::here(),
            epoch: Instant::now(),
            state: CacheAligned(Mutex::new(State::new(recipe, &limits, recorder.is_some(), scheduler))),
            buffers: Buffers::default(),
            untaken: Untaken::default(),
            news: News::default(),
            usage: LastUsage::default(),
            deaths: OnceLock::new(),
            fingerprints: Arc::default(),
            times: CurrentTimes::new(limits.times()),
            limits,
            spawns,
            timer: Notify::new(),
            size_changed: Notify::new(),
            patient: Patient::default(),
            drained: watch::Sender::new(false),
            over: watch::Sender::new(false),
            has_runtime_ended: AtomicBool::new(false),
            stacks: Arc::new(stacks),
            recorder,
            runtime: Handle::current(),
            this: this.clone(),
        })
    }

    /// Returns when the pool was started.
    pub(crate) fn born(&self) -> Instant {
        self.epoch
    }

    /// Returns the runtime that keeps the pool's time.
    pub(crate) fn runtime(&self) -> &Handle {
        &self.runtime
    }

    /// Cancels a job. `true` if it had no outcome yet.
    pub(crate) fn cancel(&self, id: JobId) -> bool {
        if !self.is_here() {
            return false;
        }
        let key = self.lock().key(id);
        key.is_some_and(|key| self.cancel_key(key))
    }

    /// Cancels a job. `true` if it had no outcome yet.
    pub(crate) fn cancel_key(&self, job: Key) -> bool {
        if !self.is_here() {
            return false;
        }
        self.act(|state, now, effects| {
            let is_open = state.is_open(job);
            state.handle(now, Event::Cancel { job }, effects);
            is_open
        })
    }

    /// Allows the worker of a job to send more chunks. `false` if the worker has left a lot of what it was
    /// allowed unread.
    pub(crate) fn grant(&self, job: Key, chunks: u32) -> bool {
        // A fork shares the connection with its parent, and must not write to it.
        if chunks == 0 || !self.is_here() {
            return true;
        }
        let Some(lines) = self.with(|state, _| state.grant(job, chunks)) else { return true };
        lines.flush_control();
        !lines.control.is_long()
    }

    /// Feeds an event about which nothing else is known.
    pub(crate) fn feed(&self, event: Event) {
        // A fork has no part in the pool: its end is not the pool's.
        if !self.is_here() {
            return;
        }
        let resizes = matches!(event, Event::Resize { .. } | Event::Drain { .. } | Event::Stop);
        self.act(|state, now, effects| state.handle(now, event, effects));
        if resizes {
            self.size_changed.notify_waiters();
        }
    }

    /// Kills everything, ends every job as shut down and forgets the workers. For a pool whose tasks are no
    /// longer driven.
    pub(crate) fn abandon(&self) {
        if !self.is_here() {
            return;
        }
        // A task that panics is dropped, too.
        if !std::thread::panicking() && !*self.drained.borrow() {
            self.has_runtime_ended.store(true, Ordering::Relaxed);
        }
        self.feed(Event::Stop);
        // While the runtime has a clock: those that wait for a slot poll it.
        self.patient.close();
        let slots = self.with(|state, _| std::mem::take(&mut state.slots));
        drop(slots);
        self.drained_out();
        self.news.end();
    }

    /// Runs `work` under the lock, with the time read inside of it.
    pub(crate) fn with<T>(&self, work: impl FnOnce(&mut State, Time) -> T) -> T {
        let mut state = self.lock();
        let now = self.time(Instant::now());
        let done = work(&mut state, now);
        self.fingerprints.want(state.scheduler.knows_poison());
        let breaker_turn = state.scheduler.breaker_turn();
        drop(state);
        self.news.breaker(breaker_turn);
        done
    }

    /// Runs `work` under the lock, and does what it left to be done.
    pub(crate) fn act<T>(&self, work: impl FnOnce(&mut State, Time, &mut Effects) -> T) -> T {
        let mut effects = Effects::default();
        let done = self.with(|state, now| work(state, now, &mut effects));
        self.perform(&mut effects);
        done
    }

    /// Notes that no job and no worker is left. Reports of deaths may still come, so the events go on.
    fn drained_out(&self) {
        self.drained.send_replace(true);
        self.count_jobs();
    }

    /// Tells those that listen how many jobs have ended.
    pub(crate) fn count_jobs(&self) {
        if self.news.is_heard() {
            let totals = self.with(|state, _| (state.stats.jobs(), state.stats.refusals()));
            self.news.jobs(JobTotals::new(totals.0, totals.1));
        }
    }

    /// Tells when no job and no worker is left.
    pub(crate) fn drained(&self) -> watch::Receiver<bool> {
        self.drained.subscribe()
    }

    /// Records that the pool's tasks have ended.
    pub(crate) fn is_over(&self) {
        self.over.send_replace(true);
    }

    /// Tells when the pool's tasks have ended, shortly after it is drained.
    pub(crate) fn over(&self) -> watch::Receiver<bool> {
        self.over.subscribe()
    }

    /// Returns whether this process is the one that started the pool, and no fork of it.
    pub(crate) fn is_here(&self) -> bool {
        self.home.is_here()
    }

    /// Returns the error of a caller whose job was not accepted.
    pub(crate) fn refused(&self, reason: Refusal) -> Refused {
        Refused::new(&self.name, reason)
    }

    fn time(&self, instant: Instant) -> Time {
        let nanos = instant.saturating_duration_since(self.epoch).as_nanos();
        Time::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        loop {
            match self.state.lock() {
                Ok(state) => return state,
                Err(poisoned) => self.break_off(poisoned.into_inner()),
            }
        }
    }

    /// Closes a pool that a panic under the lock has left half changed.
    #[cold]
    fn break_off(&self, mut state: MutexGuard<'_, State>) {
        let broken_off = state.break_off();
        self.state.clear_poison();
        drop(state);
        broken_off.end();
        self.drained.send_replace(true);
        // Last: what logs are written to is not ours, and may fail in ways of its own.
        tracing::error!(
            pool = self.name,
            "the pool met a bug of its own and is shut down; its jobs end as such"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pool::PoolEvent;
    use crate::pool::simulation::recipe::recipe;
    use crate::pool::state::events::Events;
    use crate::pool::state::open_job::NewJob;
    use crate::pool::workers::{supervisor::supervise, worker_task::FirstStart};
    use procpool_protocol::Payload;
    use procpool_scheduler::Config;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::task::Poll;
    use tokio::sync::oneshot;

    fn job() -> NewJob {
        NewJob::of(Payload::json("7"))
    }

    #[tokio::test]
    async fn a_panic_under_the_lock_shuts_the_pool_down_and_leaves_nobody_waiting() {
        let scheduler = Scheduler::new(Config::default(), 1).unwrap();
        let (spawns, _starts) = mpsc::unbounded_channel();
        let core = Core::new(recipe(), PoolLimits::default(), scheduler, spawns, None, None);
        core.feed(Event::Start);
        let events = Arc::new(Events::default());
        let open = core.submit(NewJob { events: Some(events.clone()), ..job() }).unwrap();
        let (caller, reloaded) = oneshot::channel();
        let pinned = recipe().origin.pinned().unwrap().clone();
        core.act(|state, now, effects| state.reload(now, pinned, caller, effects));
        catch_unwind(AssertUnwindSafe(|| core.with(|_, _| panic!("a bug")))).unwrap_err();

        let refused = core.submit(job()).unwrap_err();
        assert_eq!(refused.reason, Refusal::ShuttingDown);
        open.outcome.await.unwrap_err();
        let end = std::future::poll_fn(|context| events.poll_next(context)).await;
        assert!(end.is_none(), "its reader does not wait for ever");
        reloaded.await.unwrap_err();
        assert!(*core.drained().borrow(), "and the supervisor ends");
    }

    #[tokio::test]
    async fn a_report_that_comes_after_the_last_worker_is_gone_is_heard() {
        let (spawns, starts) = mpsc::unbounded_channel();
        let scheduler = Scheduler::new(Config::default(), 1).unwrap();
        let core = Core::new(recipe(), PoolLimits::default(), scheduler, spawns, None, None);
        let supervisor = supervise(core.clone(), starts, FirstStart::new().0);
        let mut events = core.news.listen();
        core.feed(Event::Stop);
        assert!(*core.drained().borrow());
        assert!(matches!(events.next().await, Some(PoolEvent::Jobs(_))), "the drain counts the jobs");
        {
            let mut next = std::pin::pin!(events.next());
            let early = std::future::poll_fn(|context| Poll::Ready(next.as_mut().poll(context))).await;
            assert!(early.is_pending(), "{early:?}");
            core.news.tell(|| PoolEvent::Paused);
            assert!(matches!(next.await, Some(PoolEvent::Paused)));
        }
        supervisor.await;
        assert!(events.next().await.is_none(), "the end of the supervisor is that of the events");
    }

    #[tokio::test]
    async fn a_pool_with_a_bug_kills_and_wakes_nobody_under_its_lock() {
        let config = Config { min_workers: 2, max_workers: 2, ..Config::default() };
        let (spawns, _starts) = mpsc::unbounded_channel();
        let scheduler = Scheduler::new(config, 1).unwrap();
        let core = Core::new(recipe(), PoolLimits::default(), scheduler, spawns, None, None);
        core.feed(Event::Start);
        let mut open = core.submit(job()).unwrap();
        let (switches, broken_off) = core.with(|state, _| {
            let switches: Vec<_> = state.slots.values().map(|slot| slot.kill_switch.clone()).collect();
            (switches, state.break_off())
        });
        assert!(switches.len() >= 2 && !switches.iter().any(|switch| switch.was_used()));
        assert!(open.outcome.try_recv().is_err_and(|it| it == oneshot::error::TryRecvError::Empty));
        broken_off.end();
        assert!(switches.iter().all(|switch| switch.was_used()));
        open.outcome.await.unwrap_err();
    }
}
