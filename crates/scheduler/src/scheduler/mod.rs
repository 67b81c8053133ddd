//! The pool: takes an event, applies the rules for it, and settles. The submodules contain the rules.

mod admission;
mod ahead;
mod fresh;
mod getters;
mod job;
mod jobs;
mod orders;
mod poison;
mod renewal;
mod rollout;
mod shunning;
mod shutdown;
mod strength;
mod workers;

use std::collections::VecDeque;

use crate::cause::Deaths;
use crate::clients::Clients;
use crate::fleet::Fleet;
use crate::id_map::IdMap;
use crate::quarantine::Quarantine;
use crate::queue::Queue;
use crate::random::SplitMix64;
use crate::restarts::Restarts;
use crate::run_times::RunTimes;
use crate::timers::{Timer, Timers};
use crate::{Action, Config, ConfigError, Counters, Event, JobId, Time, WorkerId};
use ahead::Pace;
use job::Job;
use orders::Mode;
use rollout::Rollout;
use shutdown::Life;

/// The state of one pool.
///
/// A `Scheduler` takes [`Event`]s and returns [`Action`]s. It never reads a clock and never waits. The caller
/// passes the time with each event, and returns at the time that the scheduler names.
///
/// Its methods belong to four classes:
///
/// - A. Getters that take `&self`, from [`room`](Self::room) to [`is_draining`](Self::is_draining). They may
///   be called at any time, and no decision depends on them.
/// - B. One handler, [`handle`](Self::handle), for all events and for the passage of time ([`Event::Tick`]).
/// - C. Mutators: none. Requests by users and operators are events, too, so a record of the events is
///   complete. The same configuration, seed and events always produce the same actions.
/// - D. Polls, named `poll_*`, for the caller's tasks.
///
/// After each call of (B), and before the next one, drain (D) in this order:
///
/// 1. Call [`poll_action`](Self::poll_action) until it returns `None`. Carry out the actions, or queue them,
///    in this order. An action left undrained until the next event may name a worker that this event removed.
/// 2. Call [`poll_timeout`](Self::poll_timeout) once, and set the wake-up for [`Event::Tick`] to it.
///
/// An early or late wake-up is harmless: the pool does not assign a job whose deadline has passed in the
/// queue. Of two racing events, such as an answer and a deadline, the first one handled wins. So a caller
/// that was delayed should first handle all events that have arrived, and then tick. Jobs answered in time
/// then do not time out, and workers that gave up their jobs are not killed.
///
/// # Promises
///
/// - For each [`Event::Submit`] there is exactly one [`Action::Refuse`] or exactly one [`Action::Resolve`].
/// - A worker runs one job at a time, and gets none before it is ready. The worker that was busy last goes
///   first. Only workers that take jobs ahead hold more than one. They hold
///   at most `ahead` more, while jobs are short and no worker is idle or will be started. Other workers get
///   the jobs that a worker has not begun when it dies, or when its current job takes long. The jobs of a
///   worker have at most 128 KiB together, unless it has only one.
/// - Jobs of a higher [`Priority`](crate::Priority) go first, except that each eighth turn belongs to the
///   priority whose oldest job has waited longest. Within a priority the [tenants](crate::Tenant) take turns,
///   and the jobs of one tenant go in the order of their arrival. A job that comes back is the next of its
///   priority. With `k` tenants waiting, each has one of `k` turns of the priority, and one more for each
///   job that comes back.
/// - A paused pool assigns no job, and starts no worker for one. Idle workers then make no room in the
///   queue. A closed pool accepts no job. A drain or a stop ends both.
/// - A worker that an operator retires gets no further job. A pool that becomes smaller kills no busy worker.
/// - With [`admission`](Config::admission), a job is refused that would not end before its deadline. If all jobs
///   run for the same time, no job is refused that would have been in time.
/// - The pool hands over a job at most once per attempt: once, unless it may be repeated.
/// - No attempt extends a deadline.
/// - At most `max_workers` workers are in service, plus one during a replacement. At most `max_workers` more
///   are retiring. A replaced worker goes only when its replacement is ready, and between two jobs.
/// - For each [`Event::Reload`] there is exactly one [`Action::Reloaded`]. Until its first worker is ready,
///   no other worker is started from the new generation or goes because of it.
/// - While the breaker is open, one worker at a time is on trial. Jobs are refused if no worker is available.
/// - The pool assigns no job whose payload is in quarantine, whenever the job was submitted.
/// - A payload that has killed runs as the first job of a worker, so that no effect of an earlier job counts
///   against it. It lets other jobs pass while no such worker is available, unless none can be started or no
///   further job may wait aside. It enters quarantine only after killing a worker as its first job, or after
///   killing twice the required number.
/// - The pool refuses the jobs of a client whose jobs have killed the maximum number of workers, until the
///   window ends. It gives back waiting jobs that have not run, and retries none.
/// - At most `queue` jobs wait, plus those that came back because their workers died before they had received
///   or begun them. Up to `max_workers` + 1 workers may each return one, with those held ahead. Waiting jobs
///   have at most `queue_bytes`, unless it is one job, plus the bytes of those that came back. Jobs that wait
///   aside have the same limits separately, except that one may always wait. Further ones are refused, or run
///   in any worker if they were accepted before their payload killed. A job aside whose worker died returns
///   to the queue and is set aside again at its turn, which is next.
/// - The cost of an event does not depend on the number of jobs and workers. Exceptions are the logarithm in
///   the timers, the removal of an idle worker (linear in the idle ones), and rare events about all of them.
#[derive(Debug)]
pub struct Scheduler {
    config: Config,
    /// The time of the latest event. It never goes backwards, even if the caller's clock does.
    now: Time,
    life: Life,
    /// Whether `min_workers` applies yet.
    awake: bool,
    mode: Mode,
    /// Jobs that were accepted and have not been resolved.
    jobs: IdMap<JobId, Job>,
    /// The jobs that wait.
    queue: Queue,
    /// The jobs that wait aside for a worker that has run no job.
    aside: Queue,
    fleet: Fleet,
    /// The maximum strength so far, which distinguishes a restart from growth.
    peak_strength: usize,
    restarts: Restarts,
    quarantine: Quarantine,
    clients: Clients,
    rollout: Rollout,
    /// The surplus worker that was started so that another one can go.
    replacement: Option<WorkerId>,
    /// The last worker that was started while the breaker was open.
    on_trial: Option<WorkerId>,
    timers: Timers<Due>,
    drain_limit: Option<Timer>,
    idle_timer: Option<Timer>,
    /// Rings when the pool forgets a payload that has killed.
    memory_timer: Option<Timer>,
    /// Rings when the pool checks whether jobs ahead have waited too long.
    ahead_timer: Option<Timer>,
    /// Workers that may get a job ahead. The worker that got the last one is at the back.
    on_offer: VecDeque<WorkerId>,
    /// Workers that have jobs ahead, or had some when the timer last rang.
    with_ahead: Vec<WorkerId>,
    pace: Pace,
    run_times: RunTimes,
    random: SplitMix64,
    actions: VecDeque<Action>,
    counters: Counters,
    deaths: Deaths,
}

/// The purpose of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    /// The job has exceeded its time.
    Job(JobId),
    /// The worker's grace or stop timeout has ended.
    Worker(WorkerId),
    /// The worker has reached its maximum lifetime.
    Lifetime(WorkerId),
    /// If the total number of failures is still `failures`, there has been no failure for a while.
    Lull { failures: u64 },
    /// A worker may have reached the idle timeout.
    Idle,
    /// The backoff has ended: the pool may start workers again.
    Backoff,
    /// Jobs held ahead may have waited too long.
    Ahead,
    /// The pool may forget a payload.
    Memory,
    /// The drain has reached its limit.
    DrainLimit,
}

impl Scheduler {
    /// Returns a pool without workers, at [`Time::ZERO`]. It starts the first ones on [`Event::Start`], or
    /// when jobs need them. `seed` affects only the jitter.
    ///
    /// # Errors
    /// Returns an error if `config` is invalid ([`Config::validate`]).
    pub fn new(config: Config, seed: u64) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            config,
            now: Time::ZERO,
            life: Life::Open,
            awake: false,
            mode: Mode::Running,
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
            run_times: RunTimes::default(),
            random: SplitMix64::new(seed ^ 0x5ca1_ab1e),
            actions: VecDeque::new(),
            counters: Counters::default(),
            deaths: Deaths::default(),
        })
    }

    /// Handles one event that happened at `now`.
    ///
    /// Times should not decrease from call to call. An earlier time counts as the latest one so far.
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
            Event::Reconfigure { settings } => self.reconfigure(settings),
            Event::Pause => self.enter_mode(Mode::Paused),
            Event::Close => self.enter_mode(Mode::Closed),
            Event::Resume => self.enter_mode(Mode::Running),
            Event::Pardon { payload } => self.pardon(payload),
            Event::PardonClient { client } => self.clients.pardon(client),
            Event::Retire { worker } => self.operator_retires(worker),
            Event::Kill { worker } => self.operator_kills(worker),
            Event::Tick => self.tick(),
            Event::Drain { limit } => self.drain(limit),
            Event::Stop => self.stop(),
        }
        self.settle();
    }

    /// Returns the next action, if there is one.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns when [`Event::Tick`] is due next, if ever. Right after a tick, this is later than that tick.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.timers.next()
    }

    /// Rings every timer that is due, including those armed here for the same instant, such as a grace of
    /// zero. A timer may free a worker, and settling may then arm another timer.
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

    /// Settles the pool after every event. Afterwards no job waits while a worker is idle, unless it waits
    /// aside or for its identification. No worker is missing that may be started. A replacement, a reload or
    /// a drain has gone as far as it can.
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
