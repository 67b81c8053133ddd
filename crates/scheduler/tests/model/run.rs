//! A scheduler, the world it acts on and the ledger of its jobs, driven through a script step by
//! step. `promises.rs` contains the promises about all three.

use std::collections::BTreeSet;
use std::time::Duration;

use procpool_scheduler::{
    Action, Client, Config, Death, Event, Fingerprint, Generation, Health, JobId, Priority, Refusal,
    ReloadEnd, Scheduler, Settings, Tenant, Terms, Time, Verdict, WorkerId,
};

use crate::blame::Blame;
use crate::coverage::Coverage;
use crate::ledger::{Ledger, Loss};
use crate::promises::Bounds;
use crate::script::{Nonsense, Step};
use crate::world::World;

pub(crate) struct Run {
    pub(crate) scheduler: Scheduler,
    pub(crate) config: Config,
    pub(crate) bounds: Bounds,
    pub(crate) now: Time,
    /// The latest time that the scheduler knows.
    told: Time,
    pub(crate) world: World,
    pub(crate) ledger: Ledger,
    pub(crate) is_started: bool,
    pub(crate) has_submitted: bool,
    pub(crate) is_draining: bool,
    /// No job may be assigned.
    pub(crate) is_paused: bool,
    /// No job may be accepted.
    is_closed: bool,
    is_stopped: bool,
    pub(crate) is_drained: bool,
    /// Number of the last reload, and the reloads that have not ended yet.
    last_generation: u64,
    pub(crate) open_reloads: BTreeSet<Generation>,
    pub(crate) coverage: Coverage,
    /// All actions so far.
    pub(crate) log: Vec<Action>,
}

impl Run {
    pub(crate) fn new(config: Config, seed: u64) -> Self {
        Self {
            scheduler: Scheduler::new(config, seed).expect("a valid configuration"),
            config,
            bounds: Bounds { peak: config.max_workers, in_service: 0, retiring: 0, queue: config.queue },
            now: Time::ZERO,
            told: Time::ZERO,
            world: World::default(),
            ledger: Ledger::new(&config),
            is_started: false,
            has_submitted: false,
            is_draining: false,
            is_paused: false,
            is_closed: false,
            is_stopped: false,
            is_drained: false,
            last_generation: 0,
            open_reloads: BTreeSet::new(),
            coverage: Coverage::default(),
            log: Vec::new(),
        }
    }

    pub(crate) fn step(&mut self, step: Step) {
        let Some(event) = self.event(step) else { return };
        if !matches!(step, Step::Nonsense(_)) {
            self.coverage.event(&event);
        }
        self.handle(event);
    }

    /// Returns the event that results from the step in the current state. Returns `None` if the
    /// step applies to nothing.
    fn event(&mut self, step: Step) -> Option<Event> {
        match step {
            Step::Start => Some(Event::Start),
            Step::Submit { timeout, run_timeout, attempts, payload, bytes } => {
                let [timeout, run_timeout] = [timeout, run_timeout].map(|it| it.map(Duration::from_millis));
                // A real caller hashes payloads only after one has killed a worker, because hashing
                // is not worth its cost before.
                let fingerprint = self.scheduler.knows_poison().then_some(Fingerprint(payload));
                let client = (payload != 3).then_some(Client(payload % 2));
                let priority = [Priority::Normal, Priority::High, Priority::Low][(payload % 3) as usize];
                let tenant = (payload % 2 == 1).then_some(Tenant(payload));
                let terms =
                    Terms { timeout, run_timeout, attempts, fingerprint, bytes, client, priority, tenant };
                let job = self.ledger.submit(terms, self.now);
                self.world.payloads.push(payload);
                Some(Event::Submit { job, terms })
            }
            Step::Cancel { pick } => Some(Event::Cancel { job: self.ledger.pick(pick)? }),
            Step::React { pick, suspect } => self.world.react(pick, suspect, self.now),
            Step::GoOn { pick } => {
                let worker = self.world.pick(pick)?;
                self.world.process(worker).begin();
                None
            }
            Step::GiveBack { pick, hesitates } => {
                let worker = self.world.pick(pick)?;
                self.world.give_back(worker, hesitates, self.now)
            }
            Step::PassOver { pick } => {
                let worker = self.world.pick(pick)?;
                self.world.pass_over(worker, self.now)
            }
            Step::Commit { pick } => {
                let worker = self.world.pick(pick)?;
                // Output of later jobs of this worker comes after the answers to earlier ones.
                let process = self.world.process(worker);
                let job = process.first().filter(|_| process.begun > 0 || process.begin())?;
                self.ledger.commit(job);
                Some(Event::Committed { job })
            }
            Step::Identify => self.world.identify(),
            Step::Crash { pick, handed_over, death } => {
                let worker = self.world.pick(pick)?;
                Some(self.world.die(worker, handed_over, death))
            }
            Step::HangUp { pick } => {
                let worker = self.world.pick(pick)?;
                let process = self.world.process(worker);
                process.has_hung_up |= process.is_up;
                process.is_up.then_some(Event::HungUp { worker })
            }
            Step::Stall { pick } => {
                let worker = self.world.pick(pick)?;
                let has_begun = self.world.process(worker).begun > 0;
                Some(Event::Stalled { worker, has_begun })
            }
            Step::Outgrow { pick } => Some(Event::Outgrown { worker: self.world.pick(pick)? }),
            Step::Reload => {
                self.last_generation += 1;
                Some(Event::Reload { generation: Generation(self.last_generation) })
            }
            Step::Resize { min, max } => Some(Event::Resize { min, max }),
            Step::Reconfigure { queue, spares, millis } => {
                let settings = self.scheduler.settings();
                let idle_timeout = settings.idle_timeout.map(|_| Duration::from_millis(millis));
                let settings = Settings { queue, spares, idle_timeout, ..settings };
                Some(Event::Reconfigure { settings })
            }
            Step::Pause => Some(Event::Pause),
            Step::Close => Some(Event::Close),
            Step::Resume => Some(Event::Resume),
            Step::Pardon { payload } => Some(Event::Pardon { payload: payload.map(Fingerprint) }),
            Step::PardonClient { client } => Some(Event::PardonClient { client: Client(client) }),
            Step::Violate { pick } => Some(Event::Violated { worker: self.world.pick(pick)? }),
            Step::Retire { pick } => Some(Event::Retire { worker: self.world.pick(pick)? }),
            Step::Kill { pick } => Some(Event::Kill { worker: self.world.pick(pick)? }),
            Step::Pass { micros } => {
                self.now = self.now + Duration::from_micros(micros);
                None
            }
            Step::Tick => Some(Event::Tick),
            Step::Wait { micros } => {
                self.now = self.now + Duration::from_micros(micros);
                Some(Event::Tick)
            }
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
            Nonsense::PassedOverNothing { pick } => {
                Some(Event::PassedOver { worker: self.world.pick(pick)?, job: no_job })
            }
            Nonsense::Dead { pick, event } => {
                let dead = &self.world.dead;
                let worker = dead.get(pick % (dead.len() + 1)).copied().unwrap_or(WorkerId(1 << 40));
                let job = self.ledger.pick(pick).unwrap_or(no_job);
                Some(of_the_dead(worker, job, pick, event))
            }
        }
    }

    pub(crate) fn handle(&mut self, event: Event) {
        match event {
            Event::Start => self.is_started = true,
            Event::Submit { .. } => self.has_submitted = true,
            Event::Drain { .. } => self.is_draining = true,
            Event::Stop => (self.is_draining, self.is_stopped) = (true, true),
            Event::Pause => (self.is_paused, self.is_closed) = (true, false),
            Event::Close => (self.is_paused, self.is_closed) = (false, true),
            Event::Resume => (self.is_paused, self.is_closed) = (false, false),
            Event::Reconfigure { settings } => self.reconfigure(settings),
            Event::Retire { worker } => self.world.dismiss(worker),
            Event::Resize { min, max } => self.resize(min, max),
            Event::Reload { generation } => assert!(self.open_reloads.insert(generation)),
            _ => {}
        }
        self.is_paused &= !self.is_draining;
        self.is_closed &= !self.is_draining;
        let accepted = self.scheduler.counters().accepted;
        let earned = self.earned(event);
        self.lose(event);
        let blame = Blame::before(&self.scheduler, self.told);
        self.scheduler.handle(self.now, event);
        self.told = self.now;
        blame.check(&self.scheduler, self.now, earned);
        while let Some(action) = self.scheduler.poll_action() {
            self.coverage.action(&action);
            self.log.push(action);
            self.perform(action);
        }
        assert!(!self.is_closed || self.scheduler.counters().accepted == accepted, "a closed pool accepts");
        self.check(event);
    }

    /// Returns the payload that caused this death and takes the blame for it.
    fn earned(&mut self, event: Event) -> Option<u64> {
        let Event::Died { death, .. } = event else { return None };
        let dead = self.world.last_dead.take()?;
        let was_asked = dead.is_killed || dead.is_retiring;
        // A worker whose job was given up has been asked to stop, so its death blames no payload.
        let gives_up = dead.first().is_some_and(|first| !self.ledger.is_open(first));
        let is_current = dead.generation >= self.scheduler.generation();
        let culprit = dead.runs().filter(|&job| self.ledger.is_open(job))?;
        if dead.begun > 1 {
            self.coverage.met("died with answers that nobody had read");
        }
        let is_own = death != Death::Killed && !was_asked && !gives_up && is_current;
        let payload = self.world.payload(culprit).filter(|_| is_own && self.config.poison.deaths > 0)?;
        if dead.held.len() > 1 {
            self.coverage.met("blamed among several");
        }
        Some(payload)
    }

    /// Records the jobs that die with a worker, or that it gives back. A cancel or a deadline may
    /// have resolved them before.
    fn lose(&mut self, event: Event) {
        let is_death = matches!(event, Event::Died { .. });
        for (job, loss) in std::mem::take(&mut self.world.lost) {
            match loss {
                _ if !self.ledger.is_open(job) => {}
                Loss::Ahead if is_death => self.coverage.met("given back by a death"),
                Loss::Ahead if matches!(event, Event::PassedOver { .. }) => self.coverage.met("passed over"),
                Loss::Ahead => self.coverage.met("given back by a recall"),
                Loss::Run(_) | Loss::OnTheWay => {}
            }
            self.ledger.lose(job, loss);
        }
    }

    fn perform(&mut self, action: Action) {
        let is_answer = matches!(action, Action::Refuse { .. } | Action::Reloaded { .. });
        assert!(!self.is_drained || is_answer, "{action:?} after Drained");
        match action {
            Action::Refuse { job, reason } => {
                let is_late = matches!(reason, Refusal::Unreachable { .. });
                assert!(
                    !is_late || self.scheduler.settings().admission,
                    "job {job} is refused for its deadline"
                );
                assert!(reason != Refusal::Closed || self.is_closed, "job {job} is refused for no order");
                self.ledger.refuse(job, reason);
            }
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
                assert!(!self.is_paused, "job {job} is assigned in a pause");
                self.assign(worker, job, attempt);
            }
            Action::Recall { worker } => self.recall(worker),
            Action::Cancel { worker, job } => {
                assert!(!self.ledger.is_open(job), "job {job} is given up before its end");
                if self.world.process(worker).first() != Some(job) {
                    self.coverage.met("given up ahead of its turn");
                }
                self.world.cancel(worker, job);
            }
            Action::Kill { worker, job } => self.world.kill(worker, job),
            Action::Retire { worker } => self.world.retire(worker),
            Action::Resolve { job, verdict } => self.resolve(job, verdict),
            Action::Drained => {
                assert!(self.is_draining && self.world.alive.is_empty(), "Drained while something is left");
                assert_eq!(self.ledger.open().count(), 0, "Drained while jobs are left");
                self.is_drained = true;
            }
        }
    }

    fn assign(&mut self, worker: WorkerId, job: JobId, attempt: u32) {
        assert!(!self.is_stopped, "job {job} is assigned after a stop");
        assert!(attempt > 1 || !self.is_shunned(job), "job {job} is assigned, and its client is refused");
        self.ledger.assign(job, attempt, self.now);
        if self.world.assign(worker, job, self.now) {
            self.coverage.met("sent ahead");
            self.check_ahead(worker);
        }
    }

    fn resolve(&mut self, job: JobId, verdict: Verdict) {
        let turn = self.world.holder(job).filter(|&(_, is_first)| is_first).map(|(process, _)| process.turn);
        let is_shunned = self.is_shunned(job);
        self.ledger.resolve(job, verdict, self.now, turn, is_shunned);
    }

    /// Returns whether the job's client is refused.
    fn is_shunned(&mut self, job: JobId) -> bool {
        let client = self.ledger.entry(job).client;
        self.scheduler.suspect_clients(self.now).any(|it| Some(it.client) == client && it.is_refused)
    }

    /// Lets the world perform its next spontaneous step.
    pub(crate) fn react(&mut self) -> Option<Event> {
        if let Some(answer) = self.world.identify() {
            return Some(answer);
        }
        // Prefers even picks, for which a process that is about to die does so.
        let count = self.world.alive.len();
        let picks = (0..count).map(|nth| if nth % 2 == 0 { nth } else { nth + count });
        picks.into_iter().find_map(|pick| self.world.react(pick, false, self.now))
    }
}

/// Returns an event that names a worker that no longer exists, or never did.
fn of_the_dead(worker: WorkerId, job: JobId, pick: usize, event: u8) -> Event {
    match event {
        0 => Event::Ready { worker, takes_ahead: true },
        1 => Event::Done { worker, job, health: Health::Sound },
        2 => Event::Died { worker, begun: pick % 2, death: Death::Own, fingerprint: None },
        3 => Event::Violated { worker },
        4 => Event::Recalled { worker, keeps: pick },
        5 => Event::Unbegun { worker },
        6 => Event::PassedOver { worker, job },
        7 => Event::Stalled { worker, has_begun: false },
        8 => Event::Retire { worker },
        _ => Event::Kill { worker },
    }
}
