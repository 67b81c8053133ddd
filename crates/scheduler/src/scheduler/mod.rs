//! The pool: takes an event, lets each subject's rules act on it, and settles. Refuses to know the rules themselves;
//! they stand in the files beside this one.

mod jobs;
mod shutdown;
mod strength;
mod workers;

use std::collections::VecDeque;

use crate::fleet::Fleet;
use crate::id_map::IdMap;
use crate::queue::Queue;
use crate::restarts::Restarts;
use crate::timers::{Timer, Timers};
use crate::{Action, Config, ConfigError, Counters, Event, JobId, Time, WorkerId, WorkerState};
use jobs::Job;
use shutdown::Life;

/// The state of one pool.
///
/// A `Scheduler` takes [`Event`]s and gives [`Action`]s. It never asks for the time and never waits: the caller says
/// what time it is with each event, and comes back at the time that the scheduler names.
///
/// Its methods are of four classes:
///
/// - A. Getters that take `&self`: [`queued`](Self::queued), [`running`](Self::running), [`workers`](Self::workers),
///   [`counters`](Self::counters), [`is_backing_off`](Self::is_backing_off), [`is_draining`](Self::is_draining). They
///   may be called at any time, and no decision hangs on them.
/// - B. One handler, [`handle`](Self::handle), for all that happens, and for the passing of time
///   ([`Event::Tick`]).
/// - C. Mutators: none. What a user or an operator wants comes as an event too, so that a record of the events is
///   the whole story: the same configuration, seed and events always give the same actions.
/// - D. Polls, named `poll_*`, for what the caller is to do.
///
/// After each call of (B), and before the next one, drain (D) in this order:
///
/// 1. [`poll_action`](Self::poll_action) until it gives `None`; carry the actions out, or line them up, in the order
///    given. An action that is still undrained when the next event comes may name a worker which that event buried.
/// 2. [`poll_timeout`](Self::poll_timeout), once, and set the wake-up for [`Event::Tick`] to it.
///
/// A wake-up that turns out too early, or late, is harmless: a job whose deadline has passed unnoticed in the queue is
/// not assigned. Of two events that race, such as an answer and a deadline, the first one handled wins. So a caller
/// that was held up for long should first handle what has arrived meanwhile, and then tick: jobs that were answered in
/// time are not timed out, and no worker is killed that has given up its job.
///
/// # What it promises
///
/// - For each [`Event::Submit`] there is exactly one [`Action::Refuse`] or exactly one [`Action::Resolve`].
/// - A worker has at most one job, and gets none unless it is ready and idle. The longest-waiting job and the worker
///   which was busy last come first.
/// - A job is handed over at most as often as it has attempts: once, unless it may be repeated.
/// - No attempt extends a deadline.
/// - At most `max_workers` workers are in service, and at most as many again are retiring.
/// - At most `queue` jobs wait, plus those (at most `max_workers`) whose workers died before they had got all of them.
/// - Handling an event costs the same however many jobs and workers there are, but for the logarithm in the timers,
///   the burial of an idle worker (linear in the idle ones), and the rare events that are about all of them.
#[derive(Debug)]
pub struct Scheduler {
    config: Config,
    /// The time of the latest event; a caller whose clock went backwards does not take us along.
    now: Time,
    life: Life,
    /// Whether `min_workers` counts yet.
    awake: bool,
    /// Jobs that were accepted and have not been resolved.
    jobs: IdMap<JobId, Job>,
    /// Those of the jobs that wait.
    queue: Queue,
    fleet: Fleet,
    /// The largest strength so far, which tells a restart from growth.
    peak_strength: usize,
    restarts: Restarts,
    timers: Timers<Due>,
    drain_limit: Option<Timer>,
    actions: VecDeque<Action>,
    counters: Counters,
}

/// What a timer was armed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// The job is out of time.
    Job(JobId),
    /// The worker's grace or stop timeout is over.
    Worker(WorkerId),
    /// Workers may be started again.
    Backoff,
    /// The drain is to end now.
    DrainLimit,
}

impl Scheduler {
    /// A pool without workers, at [`Time::ZERO`]. It starts its first ones on [`Event::Start`], or when jobs need
    /// them. `seed` decides the jitter and nothing else.
    ///
    /// # Errors
    /// If `config` makes no sense ([`Config::validate`]).
    pub fn new(config: Config, seed: u64) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            config,
            now: Time::ZERO,
            life: Life::Open,
            awake: false,
            jobs: IdMap::default(),
            queue: Queue::new(),
            fleet: Fleet::default(),
            peak_strength: 0,
            restarts: Restarts::new(config.backoff, config.max_workers, seed),
            timers: Timers::new(),
            drain_limit: None,
            actions: VecDeque::new(),
            counters: Counters::default(),
        })
    }

    /// Takes in one event that happened at `now`.
    ///
    /// Times should not decrease from call to call; an earlier one counts as the latest seen so far.
    pub fn handle(&mut self, now: Time, event: Event) {
        self.now = self.now.max(now);
        match event {
            Event::Start => self.start(),
            Event::Submit { job, timeout, run_timeout, attempts } => {
                self.submit(job, timeout, run_timeout, attempts);
            }
            Event::Cancel { job } => self.cancel(job),
            Event::Committed { job } => self.commit(job),
            Event::Ready { worker } => self.ready(worker),
            Event::Done { worker, job, health } => self.done(worker, job, health),
            Event::Died { worker, handed_over } => self.died(worker, handed_over),
            Event::Violated { worker } => self.violated(worker),
            Event::HungUp { worker } => self.hung_up(worker),
            Event::Kill { worker } => self.operator_kills(worker),
            Event::Tick => self.tick(),
            Event::Drain { limit } => self.drain(limit),
            Event::Stop => self.stop(),
        }
        self.settle();
    }

    /// The next thing to do, if there is one.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Event::Tick`] is due next, if ever. Right after a tick it is later than that tick.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Whether a job that is submitted now is decided at once, one way or the other for good: accepted, or refused
    /// because the pool drains. If not, it is refused until a worker or a place in the queue comes free.
    #[must_use]
    pub fn takes_jobs(&self) -> bool {
        self.is_draining() || self.has_room()
    }

    /// Jobs that wait.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len()
    }

    /// Jobs that a worker has and that have not ended.
    #[must_use]
    pub fn running(&self) -> usize {
        self.jobs.len() - self.queue.len()
    }

    /// All workers that have been started and have not died, in no particular order, each with the job that it was
    /// given and has not answered. That job may have been resolved already, by a cancel or a deadline.
    pub fn workers(&self) -> impl Iterator<Item = (WorkerId, WorkerState, Option<JobId>)> + '_ {
        self.fleet.iter()
    }

    /// Totals since the beginning.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Until when no worker is started, because workers kept dying before they finished a job.
    #[must_use]
    pub fn is_backing_off(&self) -> Option<Time> {
        self.restarts.until()
    }

    /// Whether the pool has stopped taking jobs, for good.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.life != Life::Open
    }

    /// Lets every timer ring that is due, with those for this same instant that this arms, such as a grace of zero.
    /// None is left over by settling: a tick frees no worker, and so assigns and retires nothing.
    fn tick(&mut self) {
        while let Some(due) = self.timers.pop_due(self.now) {
            self.ring(due);
        }
    }

    fn ring(&mut self, due: Due) {
        match due {
            Due::Job(job) => self.job_is_due(job),
            Due::Worker(worker) => self.worker_is_due(worker),
            Due::Backoff => self.restarts.resume(),
            Due::DrainLimit => self.stop(),
        }
    }

    /// What holds after every event: no job waits while a worker is idle, no worker is missing that may be started,
    /// and a drain goes on as far as it can.
    fn settle(&mut self) {
        self.dispatch();
        self.recruit(0);
        if self.is_draining() {
            self.wind_down();
        }
    }

    fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }
}
