//! The events of a run: jobs, cancels, actions of processes, faults, reloads.

use std::time::Duration;

use procpool_scheduler::{Death, Event, Fingerprint, Generation, JobId, Poison, Terms, Time, WorkerId};

use crate::agenda::{Happening, How, Make, health};
use crate::broken::Broken;
use crate::clients::client_of;
use crate::ledger::holds;
use crate::pauses::Obituary;
use crate::plan::Story;
use crate::processes::Process;
use crate::run::Run;

/// An answer within this distance from the end of its job's time races with it.
const RACE: Duration = Duration::from_millis(2);

/// The time that a process may live on after it has hung up.
const PATIENCE: Duration = Duration::from_millis(10);

/// The payload that always kills.
pub(crate) const POISON: u64 = 0;

/// The recent deaths of a payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strikes {
    pub(crate) deaths: u32,
    /// Whether at least one of these workers had run no job before.
    was_first: bool,
    pub(crate) last: Time,
}

impl Strikes {
    pub(crate) fn are_enough(self, poison: Poison) -> bool {
        poison.deaths > 0
            && self.deaths >= poison.deaths
            && (self.was_first || self.deaths >= 2 * poison.deaths)
    }
}

impl Run {
    pub(crate) fn happen(&mut self, happening: Happening) -> Result<(), Broken> {
        match happening {
            Happening::Submit => self.submit(),
            Happening::Cancel(job) => self.feed(Event::Cancel { job }),
            Happening::Tick(alarm) if self.rings(alarm) => self.feed(Event::Tick),
            Happening::Tick(_) => Ok(()),
            Happening::Ready(worker) => self.ready(worker),
            Happening::Identify(job) => self.identify(job),
            Happening::Recall(worker) => self.give_back(worker),
            Happening::Recalled(worker) => self.recalled(worker),
            Happening::PassedOver(worker) => self.passed_over(worker),
            Happening::Answer { worker, job, panics } => self.answer(worker, job, panics),
            Happening::Die { worker, job, handed_over, death, answered } => {
                self.die(worker, job, handed_over, death, answered)
            }
            Happening::Bury { worker, job, handed_over, death } => {
                self.bury_for_a_reason(worker, job, handed_over, death)
            }
            Happening::Commit { worker, job } => self.commit(worker, job),
            Happening::HoldUp => {
                self.coverage.met("held up");
                self.now = self.now + self.random.millis(1, 200);
                Ok(())
            }
            Happening::Outside => self.outside(),
            Happening::Reload => self.reload(),
            Happening::Resize { min, max } => self.resize(min, max),
            Happening::Reconfigure(number) => self.reconfigure(number),
            Happening::Retire => self.retire(),
            Happening::Pause => self.pause(),
            Happening::Close => self.close(),
            Happening::Resume => self.resume(),
            Happening::Drain => self.end(),
        }
    }

    fn submit(&mut self) -> Result<(), Broken> {
        let payload = if self.random.percent(self.plan.poison) { POISON } else { self.random.between(1, 5) };
        let knows = self.pool.scheduler.knows_poison();
        let is_calm = self.plan.story == Story::Calm;
        let timeout = (!is_calm && self.random.percent(60)).then(|| self.random.millis(5, 300));
        let run_timeout = (!is_calm && self.random.percent(30)).then(|| self.random.millis(5, 60));
        let attempts = if self.random.percent(60) { 1 } else { 2 + u32::from(self.random.percent(50)) };
        let fingerprint = knows.then_some(Fingerprint(payload));
        let bytes = if self.random.percent(10) { 100_000 } else { 100 };
        let (priority, tenant) = self.ledger.share_of_next(self.plan.shares);
        let client = client_of(payload);
        let terms = Terms { timeout, run_timeout, attempts, fingerprint, bytes, client, priority, tenant };
        let job = self.ledger.submit(terms, payload, self.now);
        self.ledger.get(job)?.is_suspect = self.strikes.contains_key(&payload);
        if self.random.percent(self.plan.cancels) {
            self.agenda.put(self.now + self.random.millis(0, 100), Happening::Cancel(job));
        }
        self.feed(Event::Submit { job, terms })?;
        if self.ledger.get(job)?.is_accepted() {
            self.check_accepted(job)?;
        }
        if self.random.percent(3) { self.submit_again() } else { Ok(()) }
    }

    /// Submits a job with an id that is in use.
    fn submit_again(&mut self) -> Result<(), Broken> {
        let pick = self.random.next();
        let Some(job) = self.ledger.any_open(pick) else { return Ok(()) };
        self.again = Some(job);
        self.feed(Event::Submit { job, terms: Terms::default() })?;
        let is_refused = self.again.is_none();
        holds(is_refused, "one_outcome", || format!("job {job} is accepted once more"))
    }

    fn commit(&mut self, worker: WorkerId, job: JobId) -> Result<(), Broken> {
        let runs = self.processes.get(worker).is_some_and(|it| it.job == Some(job) && !it.is_dead);
        if !runs || !self.ledger.is_open(job) {
            return Ok(());
        }
        self.coverage.met("jobs committed");
        self.ledger.commit(job)?;
        self.feed(Event::Committed { job })
    }

    /// Reports a payload. The job may have moved on if the answer was slow.
    fn identify(&mut self, job: JobId) -> Result<(), Broken> {
        self.asked.remove(&job);
        let is_open = self.ledger.is_open(job);
        self.coverage.met(if is_open { "identified" } else { "identified late" });
        let entry = self.ledger.get(job)?;
        entry.is_known = true;
        let fingerprint = Fingerprint(entry.payload);
        self.feed(Event::Identified { job, fingerprint })
    }

    fn ready(&mut self, id: WorkerId) -> Result<(), Broken> {
        match self.processes.get(id) {
            Some(process) if !process.is_killed && !process.is_dead => {
                process.is_ready = true;
                (process.ready_at, process.idle_since) = (self.now, self.now);
            }
            _ => return Ok(()),
        }
        let takes_ahead = self.plan.config.ahead > 0 && self.random.percent(80);
        if let Some(process) = self.processes.get(id) {
            process.takes_ahead = takes_ahead;
        }
        self.feed(Event::Ready { worker: id, takes_ahead })
    }

    /// Lets a process that has ended a job continue with its next job.
    pub(crate) fn go_on(&mut self, worker: WorkerId) -> Result<(), Broken> {
        let (now, grace) = (self.now, self.plan.config.grace);
        let Some(process) = self.processes.get(worker) else { return Ok(()) };
        let Some(next) = process.ahead.pop_front() else { return Ok(()) };
        process.job = Some(next);
        process.began_at = now;
        process.is_over |= process.is_suspect;
        let is_over = process.is_over;
        // The coordinator ignores a process that broke the protocol, so it does not learn that a
        // job begins.
        if !(process.is_violator && process.is_killed) {
            self.ledger.begin(next, now)?;
        }
        if is_over {
            return Ok(());
        }
        if self.ledger.is_open(next) {
            let entry = self.ledger.get(next)?;
            let left = entry.end().map(|end| end.since(now));
            return self.run_job(worker, next, left);
        }
        // The job was given up before. The process passes it over, or has just begun it and may
        // obey or not.
        if let Some(process) = self.processes.get(worker).filter(|it| !it.is_killed) {
            process.spared_until = Some(now + grace);
        }
        if self.random.percent(80) {
            let soon = now + Duration::from_micros(self.random.between(1, 50));
            self.agenda.put(soon, Happening::Answer { worker, job: next, panics: false });
        }
        Ok(())
    }

    fn answer(&mut self, worker: WorkerId, job: JobId, panics: bool) -> Result<(), Broken> {
        let now = self.now;
        let runs_it = |it: &&mut Process| it.job == Some(job) && !it.is_dead;
        let Some(process) = self.processes.get(worker).filter(runs_it) else {
            return Ok(());
        };
        process.job = None;
        if process.is_violator && process.is_killed {
            process.unheard.push(job);
            return self.go_on(worker);
        }
        process.jobs_done += 1;
        process.idle_since = now;
        process.spared_until = None;
        process.is_suspect |= panics;
        let is_open = self.ledger.is_open(job);
        let entry = self.ledger.get(job)?;
        if is_open && entry.is_known {
            self.strikes.remove(&entry.payload);
        }
        if entry.end().is_some_and(|end| end.since(now).max(now.since(end)) <= RACE) {
            self.coverage.met(if is_open { "races won by the answer" } else { "races won by the deadline" });
        }
        self.go_on(worker)?;
        self.feed(Event::Done { worker, job, health: health(panics) })?;
        // A duplicate answer does not affect the worker's next steps.
        if self.random.percent(2) {
            self.feed(Event::Done { worker, job, health: health(false) })
        } else {
            Ok(())
        }
    }

    fn die(
        &mut self,
        worker: WorkerId,
        by_job: Option<JobId>,
        handed_over: bool,
        how: How,
        answered: bool,
    ) -> Result<(), Broken> {
        let Some(process) = self.processes.get(worker).filter(|it| !it.is_dead) else { return Ok(()) };
        if by_job.is_some() && process.job != by_job {
            return Ok(());
        }
        // Answers written before the death count, and are read first.
        if let Some(job) = by_job.filter(|_| answered) {
            if self.random.percent(30) {
                self.hang_up(worker)?;
            }
            self.answer(worker, job, false)?;
        }
        let is_unnoticed = self.plan.story == Story::Storm && self.random.percent(30);
        let later = self.now + self.random.millis(0, 2);
        let Some(process) = self.processes.get(worker) else { return Ok(()) };
        let job = process.job;
        if how == How::HungUp {
            // It answers and obeys as little as a dead one, until its time is over.
            process.is_dead = true;
            let later = self.now + PATIENCE;
            self.agenda.put(later, Happening::Bury { worker, job, handed_over, death: how });
            return self.hang_up(worker);
        }
        if !is_unnoticed {
            return self.bury(worker, job, handed_over, how);
        }
        process.is_dead = true;
        self.agenda.put(later, Happening::Bury { worker, job, handed_over, death: how });
        if process.is_ready && self.random.percent(50) { self.hang_up(worker) } else { Ok(()) }
    }

    /// The coordinator sees the end of a connection before the end of the process.
    fn hang_up(&mut self, worker: WorkerId) -> Result<(), Broken> {
        if let Some(process) = self.processes.get(worker) {
            process.has_hung_up = true;
            self.coverage.met(if process.job.is_some() { "hung up busy" } else { "hung up idle" });
        }
        self.feed(Event::HungUp { worker })
    }

    pub(crate) fn bury(
        &mut self,
        worker: WorkerId,
        held: Option<JobId>,
        handed_over: bool,
        how: How,
    ) -> Result<(), Broken> {
        let Some(process) = self.processes.end(worker) else { return Ok(()) };
        // Jobs assigned after its death have not reached it.
        if process.job != held {
            self.coverage.met("given to the dead");
        }
        if let Some(job) = process.passed_over
            && self.ledger.is_open(job)
        {
            self.ledger.lost(job, false, false)?;
        }
        let begun = process.job.is_some() && process.job == held && !process.is_over;
        let handed_over = handed_over && begun;
        for &job in process.ahead.iter().chain(&process.given_back) {
            self.ledger.taken_back(job)?;
        }
        let had_begun = handed_over || !process.unheard.is_empty();
        let current = self.pool.scheduler.generation();
        self.obituary = Some(Obituary::of(&process, how, current, had_begun));
        self.also_lost = process.unheard.clone();
        for &job in &process.unheard {
            if self.ledger.is_open(job) {
                self.ledger.lost(job, true, false)?;
            }
        }
        if !process.unheard.is_empty() {
            // The first of them has its verdict. Its current job counts in addition if it has
            // begun.
            let begun_in_all = process.unheard.len() + usize::from(begun);
            self.also_lost.extend(process.job.filter(|_| begun));
            for &job in process.job.iter().filter(|_| begun) {
                if self.ledger.is_open(job) {
                    self.ledger.lost(job, true, false)?;
                }
            }
            let died =
                Event::Died { worker, begun: begun_in_all, death: Death::from(how), fingerprint: None };
            return self.feed(died);
        }
        let mut payload = None;
        if let Some(job) = process.job {
            let (entry, was_asked) = (self.ledger.get(job)?, process.is_killed);
            payload = Some(entry.payload);
            if self.ledger.is_open(job) {
                let is_current = process.generation >= self.pool.scheduler.generation();
                let is_hopeless = how == How::OutOfMemory && !was_asked && is_current;
                self.ledger.lost(job, handed_over, is_hopeless && !self.plan.config.retry_out_of_memory)?;
                let is_own = !was_asked && is_current && how != How::Killed;
                if handed_over && is_own {
                    self.strike(payload.unwrap_or(POISON), process.jobs_done == 0);
                }
            }
        }
        let fingerprint = payload.map(Fingerprint);
        let begun = usize::from(handed_over);
        self.feed(Event::Died { worker, begun, death: Death::from(how), fingerprint })
    }

    fn strike(&mut self, payload: u64, is_first: bool) {
        self.strike_client(payload);
        if self.plan.config.poison.deaths == 0 {
            return;
        }
        let (now, memory) = (self.now, self.plan.config.poison.memory);
        self.strikes.retain(|_, strikes| now < strikes.last + memory);
        let strikes =
            self.strikes.entry(payload).or_insert(Strikes { deaths: 0, was_first: false, last: now });
        strikes.deaths += 1;
        strikes.was_first |= is_first;
        strikes.last = now;
        self.ledger.suspect(payload);
    }

    /// Causes a fault or a request from outside.
    fn outside(&mut self) -> Result<(), Broken> {
        let ids = self.processes.ids();
        let Some(worker) = self.random.pick(&ids) else { return Ok(()) };
        let handed_over = self.random.percent(80);
        let killed =
            |worker| Happening::Die { worker, job: None, handed_over, death: How::Killed, answered: false };
        match self.random.between(0, 7) {
            0..=2 => self.happen(killed(worker)),
            3 => ids.into_iter().try_for_each(|worker| self.happen(killed(worker))),
            4 => self.stall(worker),
            5 => {
                if let Some(process) = self.processes.get(worker) {
                    process.is_outgrown = true;
                }
                self.feed(Event::Outgrown { worker })
            }
            6 if self.random.percent(20) => self.pardon(),
            6 => self.feed(Event::Kill { worker }),
            _ => {
                if let Some(process) = self.processes.get(worker) {
                    process.is_violator |= !process.is_killed && !process.is_retiring;
                }
                self.feed(Event::Violated { worker })
            }
        }
    }

    /// Stops a worker from outside. An idle one must be killed, because it would otherwise get a
    /// job that it does not begin.
    fn stall(&mut self, worker: WorkerId) -> Result<(), Broken> {
        let was_idle = self.processes.get(worker).is_some_and(|it| it.is_idle());
        let has_begun = self.processes.get(worker).is_some_and(|it| it.job.is_some());
        self.feed(Event::Stalled { worker, has_begun })?;
        let is_killed = self.processes.get(worker).is_none_or(|it| it.is_killed);
        holds(is_killed || !was_idle, "stopped_workers_go", || format!("{worker} stays"))
    }

    /// Requests one reload, or a burst of them.
    fn reload(&mut self) -> Result<(), Broken> {
        let times = if self.random.percent(30) { self.random.between(2, 5) } else { 1 };
        for _ in 0..times {
            let make = match self.random.between(0, 9) {
                0..=1 => Make::DiesAtStart,
                2 => Make::NeverReady,
                _ => Make::Good,
            };
            let generation = Generation(self.makes.0.len() as u64);
            self.makes.0.push(make);
            self.reloads.insert(generation);
            self.feed(Event::Reload { generation })?;
        }
        Ok(())
    }
}
