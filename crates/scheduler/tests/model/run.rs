//! A scheduler, the world it acts on and the ledger of its jobs, taken through a script step by step. Here the
//! invariants are checked that are about more than one of the three.

use std::collections::BTreeSet;
use std::time::Duration;

use procpool_scheduler::{
    Action, Config, Death, Event, Fingerprint, Generation, Health, JobId, ReloadEnd, Scheduler, Terms, Time,
    WorkerId, WorkerState,
};

use crate::ledger::Ledger;
use crate::script::{Nonsense, Step};
use crate::world::{Lost, World};

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
    /// Reloads that were asked for, and those of them that have no end yet.
    last_generation: u64,
    open_reloads: BTreeSet<Generation>,
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
            last_generation: 0,
            open_reloads: BTreeSet::new(),
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
            Step::Submit { timeout, run_timeout, attempts, payload, bytes } => {
                let [timeout, run_timeout] = [timeout, run_timeout].map(|it| it.map(Duration::from_millis));
                let deadline = timeout.map(|it| self.now + it);
                let job = self.ledger.submit(deadline, run_timeout.is_some(), attempts, bytes);
                self.world.payloads.push(payload);
                // As a caller would: hashing is not worth its while as long as nobody has killed.
                let fingerprint = self.scheduler.knows_poison().then_some(Fingerprint(payload));
                Some(Event::Submit {
                    job,
                    terms: Terms { timeout, run_timeout, attempts, fingerprint, bytes },
                })
            }
            Step::Cancel { pick } => Some(Event::Cancel { job: self.ledger.pick(pick)? }),
            Step::React { pick, suspect } => self.world.react(pick, suspect),
            Step::Identify => self.world.identify(),
            Step::Crash { pick, handed_over, death } => {
                let worker = self.world.pick(pick)?;
                Some(self.world.die(worker, handed_over, death))
            }
            Step::Stall { pick } => Some(Event::Stalled { worker: self.world.pick(pick)?, has_begun: true }),
            Step::Outgrow { pick } => Some(Event::Outgrown { worker: self.world.pick(pick)? }),
            Step::Reload => {
                self.last_generation += 1;
                Some(Event::Reload { generation: Generation(self.last_generation) })
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
                Some(Event::Submit { job, terms: Terms::default() })
            }
            Nonsense::ReadyAgain { pick } => {
                let worker = self.world.pick(pick)?;
                self.world.process(worker).is_up.then_some(Event::Ready { worker, takes_ahead: true })
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
                    0 => Event::Ready { worker, takes_ahead: true },
                    1 => Event::Done { worker, job, health: Health::Sound },
                    2 => {
                        let begun = pick % 2;
                        Event::Died { worker, begun, death: Death::Own, fingerprint: None }
                    }
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
            Event::Reload { generation } => assert!(self.open_reloads.insert(generation)),
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
        if let Some(Lost { job, handed_over, death }) = self.world.lost.take()
            && self.ledger.is_open(job)
        {
            let entry = self.ledger.entry(job);
            entry.spent += u32::from(handed_over);
            entry.returns += u32::from(!handed_over);
            entry.is_hopeless =
                handed_over && death == Death::OutOfMemory && !self.config.retry_out_of_memory;
            entry.is_out = false;
        }
    }

    fn perform(&mut self, action: Action) {
        let is_answer = matches!(action, Action::Refuse { .. } | Action::Reloaded { .. });
        assert!(!self.is_drained || is_answer, "{action:?} after Drained");
        match action {
            Action::Refuse { job, reason } => self.ledger.refuse(job, reason),
            Action::Start { worker, generation } => {
                assert!(!self.is_stopped, "{worker} is started after a stop");
                self.world.spawn(worker, generation);
            }
            Action::Reloaded { generation, end } => {
                assert!(self.open_reloads.remove(&generation), "{generation:?} ends twice");
                assert_eq!(end == ReloadEnd::ShutDown, self.is_draining, "{generation:?}");
            }
            Action::Identify { job } => {
                assert!(self.ledger.is_open(job) && !self.ledger.entry(job).is_out, "job {job} is asked for");
                assert!(!self.world.asked.contains(&job), "job {job} is asked for twice");
                self.world.asked.push(job);
            }
            Action::Assign { worker, job, attempt, .. } => {
                assert!(!self.is_stopped, "job {job} is assigned after a stop");
                self.world.assign(worker, job);
                self.ledger.assign(job, attempt, self.now);
            }
            Action::Recall { worker } => panic!("{worker} is recalled, and has nothing ahead"),
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
        let Config { max_workers: max, queue, process_per_job, .. } = self.config;
        let (queued, running) = (self.scheduler.queued(), self.scheduler.running());
        assert_eq!(queued + running, self.ledger.open().count(), "the job tables disagree");
        // Those whose workers died before they had got all of them have come back, that of a surplus worker too.
        assert!(queued <= queue + max + 1, "{queued} jobs wait in a queue of {queue}");
        self.check_bytes(event);

        let workers: Vec<_> = self.scheduler.workers().collect();
        let known: BTreeSet<_> = workers.iter().map(|&(id, ..)| id).collect();
        assert_eq!(known, self.world.alive.keys().copied().collect(), "the workers disagree");
        let count = |state| workers.iter().filter(|&&(_, it, _)| it == state).count();
        // One more while one is being replaced.
        assert!(workers.len() - count(WorkerState::Retiring) <= max + 1, "too many workers: {workers:?}");
        assert!(count(WorkerState::Retiring) <= max, "too many retiring workers: {workers:?}");
        let is_asked = self.world.asked.iter().any(|&job| self.ledger.is_open(job));
        let waiting = queued - self.scheduler.set_apart();
        assert!(waiting == 0 || is_asked || count(WorkerState::Idle) == 0, "a job waits, a worker is idle");
        assert!(self.open_reloads.len() <= 3, "reloads pile up: {:?}", self.open_reloads);
        assert!(
            !process_per_job || workers.iter().all(|&(id, ..)| self.world.alive[&id].jobs_done <= 1),
            "{workers:?}"
        );

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

    /// What waits is counted to the byte, whatever ends; no job makes it more than it may be unless it waits alone.
    fn check_bytes(&self, event: Event) {
        let bytes = self.scheduler.queued_bytes();
        let waiting: Vec<_> = self.ledger.open().filter(|(_, entry)| !entry.is_out).collect();
        assert_eq!(bytes, waiting.iter().map(|(_, entry)| entry.bytes).sum::<usize>(), "bytes leak");
        if let Event::Submit { job, .. } = event
            && let Some((_, entry)) = waiting.iter().find(|(id, _)| *id == job)
        {
            let most = self.config.queue_bytes.max(entry.bytes);
            assert!(bytes <= most, "{bytes} bytes wait, {most} are allowed");
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
            if self.is_at_rest() {
                return self.check_rest();
            }
            match self.scheduler.poll_timeout() {
                Some(due) => self.now = due,
                None => panic!("nothing will ever happen: {:?}", self.scheduler),
            }
        }
        panic!("the pool does not come to rest: {:?}", self.scheduler);
    }

    /// What the first process does that has something to do; an even pick, so that the killed ones die.
    fn next_reaction(&mut self) -> Option<Event> {
        if let Some(answer) = self.world.identify() {
            return Some(answer);
        }
        let count = self.world.alive.len();
        (0..count).find_map(|nth| self.world.react(if nth % 2 == 0 { nth } else { nth + count }, false))
    }

    /// Every job has ended, every reload too, and the pool is at its strength or gone. Workers that are renewed for their
    /// age never come to an end of it.
    fn is_at_rest(&self) -> bool {
        let mut workers = self.scheduler.workers();
        let is_awake = self.has_submitted || (self.is_started && !self.config.lazy);
        let least = if is_awake { self.config.min_workers } else { 0 };
        self.ledger.open().next().is_none()
            && self.open_reloads.is_empty()
            && match self.is_draining {
                true => self.is_drained,
                false => {
                    self.world.alive.len() >= least && workers.all(|(_, state, _)| state == WorkerState::Idle)
                }
            }
    }

    fn check_rest(&self) {
        let (current, max) = (self.scheduler.generation(), self.config.max_workers);
        assert!(self.world.alive.values().all(|process| process.generation == current), "outdated workers");
        assert!(self.world.alive.len() <= max, "one too many: {:?}", self.scheduler);
        assert!(!self.scheduler.is_reloading(), "{:?}", self.scheduler);
    }
}
