//! A scheduler, the world it acts on and the ledger of its jobs, taken through a script step by step. Here the
//! invariants are checked that are about more than one of the three.

use std::collections::BTreeSet;
use std::time::Duration;

use procpool_scheduler::{Action, Config, Event, Health, JobId, Scheduler, Time, WorkerId, WorkerState};

use crate::ledger::Ledger;
use crate::script::{Nonsense, Step};
use crate::world::World;

pub(crate) struct Run {
    scheduler: Scheduler,
    config: Config,
    now: Time,
    world: World,
    ledger: Ledger,
    is_started: bool,
    has_submitted: bool,
    is_draining: bool,
    is_stopped: bool,
    is_drained: bool,
    /// Every action so far.
    pub(crate) log: Vec<Action>,
}

impl Run {
    pub(crate) fn new(config: Config, seed: u64) -> Self {
        Self {
            scheduler: Scheduler::new(config, seed).expect("a valid configuration"),
            config,
            now: Time::ZERO,
            world: World::default(),
            ledger: Ledger::default(),
            is_started: false,
            has_submitted: false,
            is_draining: false,
            is_stopped: false,
            is_drained: false,
            log: Vec::new(),
        }
    }

    pub(crate) fn step(&mut self, step: Step) {
        if let Some(event) = self.event(step) {
            self.handle(event);
        }
    }

    /// What the step comes down to, as things are. `None` if there is nothing that it could happen to.
    fn event(&mut self, step: Step) -> Option<Event> {
        match step {
            Step::Start => Some(Event::Start),
            Step::Submit { timeout, run_timeout, attempts } => {
                let [timeout, run_timeout] = [timeout, run_timeout].map(|it| it.map(Duration::from_millis));
                let job =
                    self.ledger.submit(timeout.map(|it| self.now + it), run_timeout.is_some(), attempts);
                Some(Event::Submit { job, timeout, run_timeout, attempts })
            }
            Step::Cancel { pick } => Some(Event::Cancel { job: self.ledger.pick(pick)? }),
            Step::React { pick, suspect } => self.world.react(pick, suspect),
            Step::Crash { pick, handed_over } => {
                let worker = self.world.pick(pick)?;
                Some(self.world.die(worker, handed_over))
            }
            Step::Violate { pick } => Some(Event::Violated { worker: self.world.pick(pick)? }),
            Step::Kill { pick } => Some(Event::Kill { worker: self.world.pick(pick)? }),
            Step::Pass { millis } => {
                self.now = self.now + Duration::from_millis(millis);
                None
            }
            Step::Tick => Some(Event::Tick),
            Step::Nonsense(nonsense) => self.nonsense(nonsense),
            Step::Drain { limit } => Some(Event::Drain { limit: limit.map(Duration::from_millis) }),
            Step::Stop => Some(Event::Stop),
        }
    }

    fn nonsense(&mut self, nonsense: Nonsense) -> Option<Event> {
        let no_job = JobId(1 << 40);
        match nonsense {
            Nonsense::DuplicateSubmit { pick } => {
                let job = self.ledger.pick(pick).filter(|&job| self.ledger.is_open(job))?;
                Some(Event::Submit { job, timeout: None, run_timeout: None, attempts: 1 })
            }
            Nonsense::ReadyAgain { pick } => {
                let worker = self.world.pick(pick)?;
                self.world.process(worker).is_up.then_some(Event::Ready { worker })
            }
            Nonsense::AnswerToNoQuestion { pick } => {
                let worker = self.world.pick(pick)?;
                Some(Event::Done { worker, job: no_job, health: Health::Suspect })
            }
            Nonsense::Dead { pick, event } => {
                let dead = &self.world.dead;
                let worker = dead.get(pick % (dead.len() + 1)).copied().unwrap_or(WorkerId(1 << 40));
                let job = self.ledger.pick(pick).unwrap_or(no_job);
                Some(match event {
                    0 => Event::Ready { worker },
                    1 => Event::Done { worker, job, health: Health::Sound },
                    2 => Event::Died { worker, handed_over: pick.is_multiple_of(2) },
                    3 => Event::Violated { worker },
                    _ => Event::Kill { worker },
                })
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Start => self.is_started = true,
            Event::Submit { .. } => self.has_submitted = true,
            Event::Drain { .. } => self.is_draining = true,
            Event::Stop => (self.is_draining, self.is_stopped) = (true, true),
            Event::Died { .. } => self.lose_job(),
            _ => {}
        }
        self.scheduler.handle(self.now, event);
        while let Some(action) = self.scheduler.poll_action() {
            self.log.push(action);
            self.perform(action);
        }
        self.check(event);
    }

    /// A job goes with its worker. It may have been resolved before, by a cancel or a deadline.
    fn lose_job(&mut self) {
        if let Some((job, handed_over)) = self.world.lost.take()
            && self.ledger.is_open(job)
        {
            let entry = self.ledger.entry(job);
            entry.spent += u32::from(handed_over);
            entry.is_out = false;
        }
    }

    fn perform(&mut self, action: Action) {
        assert!(!self.is_drained || matches!(action, Action::Refuse { .. }), "{action:?} after Drained");
        match action {
            Action::Refuse { job, reason } => self.ledger.refuse(job, reason),
            Action::Start { worker } => {
                assert!(!self.is_stopped, "{worker} is started after a stop");
                self.world.spawn(worker);
            }
            Action::Assign { worker, job, attempt, .. } => {
                assert!(!self.is_stopped, "job {job} is assigned after a stop");
                self.world.assign(worker, job);
                self.ledger.assign(job, attempt, self.now);
            }
            Action::Cancel { worker, job } => {
                assert!(!self.ledger.is_open(job), "job {job} is given up before its end");
                self.world.cancel(worker, job);
            }
            Action::Kill { worker, job } => self.world.kill(worker, job),
            Action::Retire { worker } => self.world.retire(worker),
            Action::Resolve { job, verdict } => self.ledger.resolve(job, verdict, self.now),
            Action::Drained => {
                assert!(self.is_draining && self.world.alive.is_empty(), "Drained while something is left");
                assert_eq!(self.ledger.open().count(), 0, "Drained while jobs are left");
                self.is_drained = true;
            }
        }
    }

    fn check(&self, event: Event) {
        let Config { max_workers: max, queue, .. } = self.config;
        let (queued, running) = (self.scheduler.queued(), self.scheduler.running());
        assert_eq!(queued + running, self.ledger.open().count(), "the job tables disagree");
        assert!(queued <= queue + max, "{queued} jobs wait in a queue of {queue}");

        let workers: Vec<_> = self.scheduler.workers().collect();
        let known: BTreeSet<_> = workers.iter().map(|&(id, ..)| id).collect();
        assert_eq!(known, self.world.alive.keys().copied().collect(), "the workers disagree");
        let count = |state| workers.iter().filter(|&&(_, it, _)| it == state).count();
        assert!(workers.len() - count(WorkerState::Retiring) <= max, "too many workers: {workers:?}");
        assert!(count(WorkerState::Retiring) <= max, "too many retiring workers: {workers:?}");
        assert!(queued == 0 || count(WorkerState::Idle) == 0, "a job waits while a worker is idle");

        let counters = self.scheduler.counters();
        assert_eq!(counters.accepted, counters.resolved + (queued + running) as u64);
        assert_eq!(counters.starts, counters.deaths + workers.len() as u64);
        if event == Event::Tick {
            assert!(self.scheduler.poll_timeout().is_none_or(|at| at > self.now), "a busy loop of ticks");
            for (job, entry) in self.ledger.open() {
                assert!(entry.deadline.is_none_or(|end| end > self.now), "job {job} outlives its deadline");
            }
        }
    }

    /// A quiet period: nothing new comes, time passes, all workers are well. In the end everything has ended that
    /// could, and the pool is at its strength.
    pub(crate) fn settle(&mut self) {
        for _ in 0..10_000 {
            self.handle(Event::Tick);
            while let Some(event) = self.next_reaction() {
                self.handle(event);
            }
            match self.scheduler.poll_timeout() {
                Some(due) => self.now = due,
                None => return self.check_rest(),
            }
        }
        panic!("the pool does not come to rest: {:?}", self.scheduler);
    }

    /// What the first process does that has something to do; an even pick, so that the killed ones die.
    fn next_reaction(&mut self) -> Option<Event> {
        let count = self.world.alive.len();
        (0..count).find_map(|nth| self.world.react(if nth % 2 == 0 { nth } else { nth + count }, false))
    }

    fn check_rest(&self) {
        assert_eq!(self.ledger.open().count(), 0, "jobs never end: {:?}", self.scheduler);
        assert_eq!(self.is_drained, self.is_draining, "a drain never ends: {:?}", self.scheduler);
        let is_awake = self.has_submitted || (self.is_started && !self.config.lazy);
        if is_awake && !self.is_draining {
            let workers: Vec<_> = self.scheduler.workers().collect();
            assert!(workers.len() >= self.config.min_workers, "below strength: {workers:?}");
            assert!(
                workers.iter().all(|&(_, state, _)| state == WorkerState::Idle),
                "not at rest: {workers:?}"
            );
        }
    }
}
