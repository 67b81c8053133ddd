//! One run: a scheduler in virtual time, driven like a coordinator drives it. `happenings` contains
//! the events, `orders` the execution of its orders, `rest` the promises at the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use procpool_scheduler::{Event, Generation, JobId, ReloadEnd, Time, WorkerId, WorkerState};

use crate::agenda::{Agenda, Happening, Make, Makes};
use crate::broken::{Broken, broken};
use crate::bugs::{Bug, Faulty};
use crate::clients::Window;
use crate::coverage::Coverage;
use crate::happenings::Strikes;
use crate::journal::{Journal, Note};
use crate::ledger::{Ledger, holds};
use crate::pauses::{Obituary, Pauses, Shown};
use crate::plan::{Plan, Story};
use crate::processes::Processes;
use crate::random::Random;
use crate::sizes::Sizes;

/// Maximum number of steps of a run. A longer run goes round in circles.
const MOST_STEPS: u64 = 200_000;

pub(crate) struct Run {
    seed: u64,
    pub(crate) plan: Plan,
    pub(crate) sizes: Sizes,
    pub(crate) random: Random,
    pub(crate) now: Time,
    pub(crate) pool: Faulty,
    pub(crate) agenda: Agenda,
    pub(crate) ledger: Ledger,
    pub(crate) processes: Processes,
    pub(crate) makes: Makes,
    pub(crate) journal: Journal,
    pub(crate) coverage: Coverage,
    /// The latest time that the scheduler knows.
    last_told: Time,
    /// The current event, and the scheduler's state before it.
    pub(crate) cause: Event,
    pub(crate) before: Shown,
    /// The last reported death.
    pub(crate) obituary: Option<Obituary>,
    pub(crate) pauses: Pauses,
    /// Last time at which the breaker was open or a pause ran.
    pub(crate) last_trouble: Time,
    /// Workers that this event started.
    pub(crate) started: Vec<WorkerId>,
    /// A job that is submitted a second time while it is unresolved.
    pub(crate) again: Option<JobId>,
    /// The number of the alarm that counts, and its time.
    alarm: (u64, Option<Time>),
    /// Jobs whose payloads the scheduler has asked for and not received.
    pub(crate) asked: BTreeSet<JobId>,
    /// Jobs that the worker which died last had begun, except its last job.
    pub(crate) also_lost: Vec<JobId>,
    pub(crate) reloads: BTreeSet<Generation>,
    pub(crate) last_done: Generation,
    pub(crate) last_end: Option<ReloadEnd>,
    /// Deaths by payload, as reported to the scheduler.
    pub(crate) strikes: BTreeMap<u64, Strikes>,
    pub(crate) clients: BTreeMap<u64, Window>,
    /// When a job was last set aside.
    pub(crate) last_apart: Option<Time>,
    /// Number of workers started while the executable was broken.
    pub(crate) starts_in_vain: u64,
    /// Whether the full number of workers has been ready at once.
    was_whole: bool,
    pub(crate) is_awake: bool,
    pub(crate) is_ending: bool,
    /// An operator has paused the pool.
    pub(crate) is_held: bool,
    /// An operator has closed the pool.
    pub(crate) is_closed: bool,
    /// When the pool ends everything that is left.
    pub(crate) limit: Option<Time>,
    /// Whether the scheduler has learned that this time has come.
    pub(crate) is_stopped: bool,
    pub(crate) is_drained: bool,
}

impl Run {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::draw(&mut random);
        let pool = Faulty::new(plan.config, seed, bug);
        let plan_is_lazy = plan.config.lazy;
        let sizes = Sizes::of(&plan.config);
        Self {
            seed,
            sizes,
            plan,
            random,
            now: Time::ZERO,
            pool,
            agenda: Agenda::default(),
            ledger: Ledger::default(),
            processes: Processes::default(),
            makes: Makes(vec![Make::Good]),
            journal: Journal::default(),
            coverage: Coverage::default(),
            last_told: Time::ZERO,
            cause: Event::Start,
            before: Shown::default(),
            obituary: None,
            pauses: Pauses::default(),
            last_trouble: Time::ZERO,
            started: Vec::new(),
            again: None,
            alarm: (0, None),
            asked: BTreeSet::new(),
            also_lost: Vec::new(),
            reloads: BTreeSet::new(),
            last_done: Generation::default(),
            last_end: None,
            strikes: BTreeMap::new(),
            clients: BTreeMap::new(),
            last_apart: None,
            starts_in_vain: 0,
            was_whole: false,
            is_awake: !plan_is_lazy,
            is_ending: false,
            is_held: false,
            is_closed: false,
            limit: None,
            is_stopped: false,
            is_drained: false,
        }
    }

    /// Plays the run from the first event to the last death.
    pub(crate) fn play(&mut self) -> Result<(), Broken> {
        let end = self.schedule();
        self.schedule_sizes(self.seed, end);
        self.schedule_holds(self.seed, end);
        self.schedule_orders(self.seed, end);
        self.feed(Event::Start)?;
        for _ in 0..MOST_STEPS {
            let Some((at, happening)) = self.agenda.next() else { return self.check_end() };
            if at < self.now && matches!(happening, Happening::Tick(_)) {
                // After a delay: first the events that have arrived, then the tick.
                self.agenda.put(self.now, happening);
                continue;
            }
            self.now = self.now.max(at);
            self.happen(happening)?;
            if self.is_drained && self.processes.len() == 0 {
                return self.check_end();
            }
        }
        Err(broken("it_comes_to_an_end", format!("not within {MOST_STEPS} steps")))
    }

    /// Schedules the events from outside.
    fn schedule(&mut self) -> Time {
        let mut at = Time::ZERO;
        for _ in 0..self.plan.jobs {
            at = at + self.random.millis(0, 1).min(self.plan.gap) + self.plan.gap.mul_f64(self.fraction());
            self.agenda.put(at, Happening::Submit);
            if self.random.percent(self.plan.outside) {
                self.agenda.put(at + self.random.millis(0, 3), Happening::Outside);
            }
        }
        for _ in 0..self.plan.reloads {
            let when = Time::ZERO + at.since(Time::ZERO).mul_f64(self.fraction());
            self.agenda.put(when, Happening::Reload);
        }
        for _ in 0..self.plan.holdups {
            let when = Time::ZERO + at.since(Time::ZERO).mul_f64(self.fraction());
            self.agenda.put(when, Happening::HoldUp);
        }
        let last = self.plan.broken.map_or(at, |(_, end)| at.max(Time::ZERO + end));
        let end =
            if self.plan.ends_early { Time::ZERO + at.since(Time::ZERO).mul_f64(0.7) } else { last + REST };
        self.agenda.put(end, Happening::Drain);
        for late in 1..4 {
            self.agenda.put(end + Duration::from_micros(late * 700), Happening::Submit);
        }
        at
    }

    /// Returns a number from 0 to 1.
    pub(crate) fn fraction(&mut self) -> f64 {
        f64::from(u16::try_from(self.random.between(0, 1_000)).unwrap_or(0)) / 1_000.0
    }

    /// Passes the event to the scheduler, carries out its actions, sets the alarm, and checks the
    /// promises.
    pub(crate) fn feed(&mut self, event: Event) -> Result<(), Broken> {
        // A clock that goes backwards affects nothing.
        if self.last_told == self.now && self.random.percent(5) {
            let before = self.now.as_nanos().saturating_sub(self.random.between(0, 5_000_000));
            return self.tell(Time::from_nanos(before), event);
        }
        self.last_told = self.now;
        self.tell(self.now, event)
    }

    fn tell(&mut self, at: Time, event: Event) -> Result<(), Broken> {
        self.journal.note(Note::In(at, event));
        (self.cause, self.before) = (event, Shown::of(&self.pool.scheduler));
        self.is_awake |= matches!(event, Event::Submit { .. });
        self.pool.handle(at, event);
        if self.pool.scheduler.generation() != self.before.generation {
            // A payload that killed the previous executable may not harm the new one.
            self.strikes.clear();
            self.clients.clear();
        }
        while let Some(action) = self.pool.poll_action() {
            self.journal.note(Note::Out(self.now, action));
            self.perform(action)?;
        }
        self.set_alarm();
        self.check(event)
    }

    fn set_alarm(&mut self) {
        let next = self.pool.scheduler.poll_timeout();
        if next != self.alarm.1 {
            self.alarm = (self.alarm.0 + 1, next);
            if let Some(at) = next {
                let late = self.plan.lateness.mul_f64(self.fraction());
                self.agenda.put(at.max(self.now) + late, Happening::Tick(self.alarm.0));
            }
        }
    }

    pub(crate) fn rings(&mut self, alarm: u64) -> bool {
        let rings = self.alarm.0 == alarm;
        if rings {
            self.alarm.1 = None;
        }
        rings
    }

    /// Checks the promises that hold after every event.
    fn check(&mut self, event: Event) -> Result<(), Broken> {
        let scheduler = &self.pool.scheduler;
        let max = self.plan.config.max_workers;
        let (queued, apart) = (scheduler.queued(), scheduler.set_apart());
        let queue = self.sizes.queue_for(&self.plan.config, queued);
        // Jobs that were set aside may have returned to the queue.
        let most_apart = if self.last_apart.is_some() { queue.max(1) } else { 0 };
        let most = (self.sizes.peak + 1) * (1 + self.plan.config.ahead);
        let has_room = queued <= queue + most + most_apart;
        holds(has_room, "the_queue_is_bounded", || format!("{queued} jobs wait in a queue of {queue}"))?;
        let bytes = scheduler.set_apart_bytes();
        let most_bytes = self.sizes.most_queue_bytes;
        let is_bounded = apart <= queue.max(1) && (apart <= 1 || bytes <= most_bytes);
        holds(is_bounded, "the_queue_is_bounded", || format!("{apart} jobs of {bytes} bytes wait aside"))?;
        let in_service = self.processes.len() - self.processes.retiring();
        self.check_size()?;
        let scheduler = &self.pool.scheduler;
        if self.pool.scheduler.set_apart() > 0 {
            self.last_apart = Some(self.now);
            self.coverage.met("set apart");
        }
        self.check_surplus()?;
        let is_idle = scheduler.workers().any(|(_, state, _)| state == WorkerState::Idle);
        let is_asked = self.asked.iter().any(|&job| self.ledger.is_open(job));
        let is_busy = queued == apart || !is_idle || is_asked || self.is_held;
        holds(is_busy, "no_job_waits_beside_an_idle_worker", || format!("{queued} jobs wait"))?;
        if event == Event::Tick {
            self.ledger.check_deadlines(self.now, self.plan.lateness)?;
            self.processes.check_spared(self.now, self.plan.lateness)?;
            self.check_ahead()?;
            let is_over = self.limit.is_none_or(|limit| self.now < limit) || self.ledger.open() == 0;
            holds(is_over, "nothing_after_shutdown", || "jobs outlive the end of the drain".into())?;
        }
        let is_told = matches!(event, Event::Tick | Event::Stop);
        if is_told && !self.is_stopped && self.limit.is_some_and(|limit| limit <= self.now) {
            self.is_stopped = true;
            let spared = self.processes.count(|it| !it.is_killed && !it.has_hung_up);
            holds(spared == 0, "nothing_after_shutdown", || {
                format!("{spared} workers live through the stop")
            })?;
        }
        self.check_restarts()?;
        if self.plan.story == Story::Calm && !self.is_ending {
            let ready = self.processes.ready();
            // A canary may become ready before the first workers do.
            self.was_whole |= ready == max && in_service == max;
            let is_whole = ready >= max || !self.was_whole;
            holds(is_whole, "no_worker_is_missed", || format!("{ready} of {max} are ready"))?;
        }
        Ok(())
    }
}

/// Time from the last job, or the fix of the executable, until the pool must be healthy again. It
/// exceeds the longest pause, the breaker's window, and the longest job together.
pub(crate) const REST: Duration = Duration::from_secs(5);
