//! The pool: takes an event, lets each subject's rules act on it, and settles. The rules themselves are in
//! the files beside this one.

mod ahead;
mod fresh;
mod job;
mod jobs;
mod poison;
mod renewal;
mod rollout;
mod shunning;
mod shutdown;
mod strength;
mod workers;

use std::collections::VecDeque;

use crate::cause::{Cause, Deaths};
use crate::clients::{Clients, SuspectClient};
use crate::fleet::Fleet;
use crate::id_map::IdMap;
use crate::phase::Phase;
use crate::quarantine::{Quarantine, Suspect};
use crate::queue::Queue;
use crate::random::SplitMix64;
use crate::restarts::Restarts;
use crate::timers::{Timer, Timers};
use crate::{Action, Config, ConfigError, Counters, Event, Generation, JobId, Time, WorkerId, WorkerState};
use ahead::Pace;
use job::Job;
use rollout::Rollout;
use shutdown::Life;

/// The state of one pool.
///
/// A `Scheduler` takes [`Event`]s and returns [`Action`]s. It never asks for the time and never waits: the caller
/// passes the time with each event, and comes back at the time that the scheduler names.
///
/// Its methods are of four classes:
///
/// - A. Getters that take `&self`, from [`room`](Self::room) to [`is_draining`](Self::is_draining). They may be called
///   at any time, and no decision depends on them.
/// - B. One handler, [`handle`](Self::handle), for all that happens, and for the passing of time
///   ([`Event::Tick`]).
/// - C. Mutators: none. The wishes of users and operators come as events too, so that a record of the events is
///   the whole story: the same configuration, seed and events always give the same actions.
/// - D. Polls, named `poll_*`, for the tasks of the caller.
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
/// # Promises
///
/// - For each [`Event::Submit`] there is exactly one [`Action::Refuse`] or exactly one [`Action::Resolve`].
/// - A worker runs one job at a time, and gets none unless it is ready. The longest-waiting job and the worker that was busy
///   last come first. Only a worker that takes jobs ahead has more than one, at most `ahead` more, and only while jobs are
///   small, no worker is idle and none will be started. The jobs that it has not begun go to others when it dies, or when the
///   job that it runs takes long. Its jobs have at most 128 KiB together, unless it has only one.
/// - A job is handed over at most as often as it has attempts: once, unless it may be repeated.
/// - No attempt extends a deadline.
/// - At most `max_workers` workers are in service, one more while one of them is being replaced, and at most as many as
///   `max_workers` are retiring. A worker that is replaced goes only when its replacement is ready, and between two jobs.
/// - For each [`Event::Reload`] there is exactly one [`Action::Reloaded`]. Until its first worker is ready, no other worker
///   is started from the new generation or goes because of it.
/// - While the breaker is open, one worker at a time is on trial, and jobs are refused unless a worker is there.
/// - A job whose payload is in quarantine is given to no worker, whenever it was submitted.
/// - A payload that has killed is run as the first job of a worker, so that nothing left behind by an earlier job is held
///   against it. It lets others pass while no such worker is there, unless none can be had or no further job may wait for one.
///   It goes into quarantine only if it has killed a worker as its first job, or has killed twice as many as are enough.
/// - Jobs of a client whose jobs have killed their maximum of workers within a window are refused until that ends. Those
///   that wait and have not been run are given back, and none is retried.
/// - At most `queue` jobs wait, plus those whose workers died before they had got all of them or begun them: at most
///   `max_workers` and one, each with those that it had ahead. Those that wait have at most `queue_bytes`, unless it is one
///   job, plus the bytes of those that came back. Jobs that wait aside because their payloads have killed take no room from
///   these. They have the same bounds to themselves, but for one that may always wait: further ones are refused, or run in any
///   worker if they were accepted before their payload killed. One whose worker died comes back to the queue, and is set apart
///   again at its turn, which comes next.
/// - The cost of an event does not depend on the number of jobs and workers. Exceptions are the logarithm in the timers,
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
    /// Those that wait beside the queue, for a worker that has run nothing.
    aside: Queue,
    fleet: Fleet,
    /// The maximum strength so far, which distinguishes a restart from growth.
    peak_strength: usize,
    restarts: Restarts,
    quarantine: Quarantine,
    clients: Clients,
    rollout: Rollout,
    /// The worker that was started, beyond what is needed, so that another one can go.
    replacement: Option<WorkerId>,
    /// The last worker that was started while the breaker was open.
    on_trial: Option<WorkerId>,
    timers: Timers<Due>,
    drain_limit: Option<Timer>,
    idle_timer: Option<Timer>,
    /// Rings when a payload that has killed is forgotten.
    memory_timer: Option<Timer>,
    /// Rings when the pool checks whether jobs ahead wait for long.
    ahead_timer: Option<Timer>,
    /// Workers that may be sent a job ahead. The one that had the last job ahead is at the back.
    on_offer: VecDeque<WorkerId>,
    /// Workers that have jobs ahead, or had some when the timer last rang.
    with_ahead: Vec<WorkerId>,
    pace: Pace,
    random: SplitMix64,
    actions: VecDeque<Action>,
    counters: Counters,
    deaths: Deaths,
}

/// What a timer was armed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// The job is out of time.
    Job(JobId),
    /// The worker's grace or stop timeout is over.
    Worker(WorkerId),
    /// The worker has lived for long enough.
    Lifetime(WorkerId),
    /// There may have been no failure since the total of failures was this.
    Lull { failures: u64 },
    /// A worker may have been idle for too long.
    Idle,
    /// Workers may be started again.
    Backoff,
    /// Jobs may have waited for long behind others that they were sent after.
    Ahead,
    /// A payload may be old enough to be forgotten.
    Memory,
    /// The drain ends now.
    DrainLimit,
}

impl Scheduler {
    /// Returns a pool without workers, at [`Time::ZERO`]. It starts its first ones on
    /// [`Event::Start`], or when jobs need them. `seed` decides the jitter and nothing else.
    ///
    /// # Errors If `config` makes no sense ([`Config::validate`]).
    pub fn new(config: Config, seed: u64) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            config,
            now: Time::ZERO,
            life: Life::Open,
            awake: false,
            jobs: IdMap::default(),
            queue: Queue::new(),
            aside: Queue::new(),
            fleet: Fleet::default(),
            peak_strength: 0,
            restarts: Restarts::new(config.backoff, config.breaker, config.max_workers, seed),
            quarantine: Quarantine::new(config.poison),
            clients: Clients::new(config.client_deaths),
            rollout: Rollout::default(),
            replacement: None,
            on_trial: None,
            timers: Timers::new(),
            drain_limit: None,
            idle_timer: None,
            memory_timer: None,
            ahead_timer: None,
            on_offer: VecDeque::new(),
            with_ahead: Vec::new(),
            pace: Pace::default(),
            random: SplitMix64::new(seed ^ 0x5ca1_ab1e),
            actions: VecDeque::new(),
            counters: Counters::default(),
            deaths: Deaths::default(),
        })
    }

    /// Takes in one event that happened at `now`.
    ///
    /// Times should not decrease from call to call; an earlier one counts as the latest seen so far.
    pub fn handle(&mut self, now: Time, event: Event) {
        self.now = self.now.max(now);
        match event {
            Event::Start => self.start(),
            Event::Submit { job, terms } => self.submit(job, terms),
            Event::Identified { job, fingerprint } => self.identified(job, fingerprint),
            Event::Cancel { job } => self.cancel(job),
            Event::Committed { job } => self.commit(job),
            Event::Ready { worker, takes_ahead } => self.ready(worker, takes_ahead),
            Event::Recalled { worker, keeps } => self.recalled(worker, keeps),
            Event::Unbegun { worker } => self.unbegun(worker),
            Event::PassedOver { worker, job } => self.passed_over(worker, job),
            Event::Done { worker, job, health } => self.done(worker, job, health),
            Event::Died { worker, begun, death, fingerprint } => {
                self.died(worker, begun, death, fingerprint);
            }
            Event::Violated { worker } => self.violated(worker),
            Event::HungUp { worker } => self.hung_up(worker),
            Event::Stalled { worker, has_begun } => self.stalled(worker, has_begun),
            Event::Outgrown { worker } => self.outgrown(worker),
            Event::Reload { generation } => self.reload(generation),
            Event::Resize { min, max } => self.resize(min, max),
            Event::Pardon { payload } => self.pardon(payload),
            Event::PardonClient { client } => self.clients.pardon(client),
            Event::Kill { worker } => self.operator_kills(worker),
            Event::Tick => self.tick(),
            Event::Drain { limit } => self.drain(limit),
            Event::Stop => self.stop(),
        }
        self.settle();
    }

    /// Returns the next thing to do, if there is one.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns when [`Event::Tick`] is due next, if ever. Right after a tick it is later than that tick.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Returns the length of the largest payload for which the pool decides now, for good: it accepts the
    /// job, or refuses it because it drains or the breaker is open. Returns `None` if every job is refused
    /// until a worker or a place in the queue comes free.
    #[must_use]
    pub fn room(&self) -> Option<usize> {
        if self.is_draining() || self.is_out_of_service() {
            return Some(usize::MAX);
        }
        self.has_room().then(|| self.free_bytes()).flatten()
    }

    /// Returns the total of bytes of the payloads of all jobs that wait.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.queue.bytes() + self.aside.bytes()
    }

    /// Returns the number of jobs that wait.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.queue.len() + self.aside.len()
    }

    /// Returns the number of jobs that wait beside the queue for a worker that has run nothing: their
    /// payloads have killed.
    #[must_use]
    pub fn set_apart(&self) -> usize {
        self.aside.len()
    }

    /// Returns the total of bytes of the payloads of the jobs that wait beside the queue.
    #[must_use]
    pub fn set_apart_bytes(&self) -> usize {
        self.aside.bytes()
    }

    /// Returns the number of jobs that a worker holds and that have not ended.
    #[must_use]
    pub fn running(&self) -> usize {
        self.jobs.len() - self.queued()
    }

    /// Returns all workers that have been started and have not died, in no particular order, each with the job that
    /// it was given and has not answered. That job may have been resolved already, by a cancel or a deadline.
    pub fn workers(&self) -> impl Iterator<Item = (WorkerId, WorkerState, Option<JobId>)> + '_ {
        self.fleet.iter()
    }

    /// Returns the totals since the beginning.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Returns the number of workers gone for this reason.
    #[must_use]
    pub fn gone(&self, cause: Cause) -> u64 {
        self.deaths.of(cause)
    }

    /// Returns why the pool killed this worker or asked it to exit, or `None` if it did not.
    #[must_use]
    pub fn reason(&self, worker: WorkerId) -> Option<Cause> {
        self.fleet.phase(worker).and_then(Phase::reason)
    }

    /// Returns the time until which no worker is started, because workers kept dying before they finished a
    /// job.
    #[must_use]
    pub fn is_backing_off(&self) -> Option<Time> {
        self.restarts.until()
    }

    /// Returns whether the breaker is open: workers are started one at a time, on trial, and no job waits for
    /// them.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.restarts.is_open()
    }

    /// Returns whether any payload has killed a worker lately, so that a job's fingerprint is worth knowing.
    #[must_use]
    pub fn knows_poison(&self) -> bool {
        !self.quarantine.is_empty()
    }

    /// Returns the payloads that have killed workers lately, as of `now`, in no particular order.
    pub fn suspects(&self, now: Time) -> impl Iterator<Item = Suspect> + '_ {
        self.quarantine.suspects(now)
    }

    /// Returns the clients whose jobs have killed workers lately, as of `now`, in no particular order.
    pub fn suspect_clients(&self, now: Time) -> impl Iterator<Item = SuspectClient> + '_ {
        self.clients.suspects(now)
    }

    /// Returns the generation that workers are started from.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.rollout.current()
    }

    /// Returns whether another generation is being tried or given to all workers.
    #[must_use]
    pub fn is_reloading(&self) -> bool {
        self.rollout.is_under_way()
    }

    /// Returns whether the pool has stopped taking jobs, for good.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.life != Life::Open
    }

    /// Lets every timer ring that is due, with those for this same instant that this arms, such as a grace of
    /// zero. A timer may free a worker, and settling that may arm one more.
    fn tick(&mut self) {
        while self.timers.next().is_some_and(|at| at <= self.now) {
            while let Some(due) = self.timers.pop_due(self.now) {
                self.ring(due);
            }
            self.settle();
        }
    }

    fn ring(&mut self, due: Due) {
        match due {
            Due::Job(job) => self.job_is_due(job),
            Due::Worker(worker) => self.worker_is_due(worker),
            Due::Lifetime(worker) => self.lifetime_is_over(worker),
            Due::Idle => self.idle_is_over(),
            Due::Lull { failures } => self.lull_is_over(failures),
            Due::Backoff => self.backoff_is_over(),
            Due::Memory => self.memory_is_over(),
            Due::Ahead => self.patience_is_over(),
            Due::DrainLimit => self.stop(),
        }
    }

    /// Settles the pool after every event. No job waits while a worker is idle, unless it waits for
    /// its identification or is set apart. No worker is missing that may be started. A replacement,
    /// a reload or a drain goes on as far as it can.
    fn settle(&mut self) {
        self.relieve();
        self.finish_rolling();
        self.shrink();
        self.dispatch();
        if self.is_draining() {
            self.recruit(0);
            return self.wind_down();
        }
        self.send_canary();
        self.recruit(0);
        self.freshen();
        self.renew();
        self.watch_idleness();
    }

    fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }
}
