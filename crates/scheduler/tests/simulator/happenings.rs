//! What happens to the pool: jobs, cancels, processes that do what they do, faults, reloads, the end.

use std::time::Duration;

use procpool_scheduler::{Death, Event, Fingerprint, Generation, JobId, Terms, WorkerId};

use crate::agenda::{Happening, How, Make, health};
use crate::broken::Broken;
use crate::ledger::holds;
use crate::plan::Story;
use crate::run::Run;

/// The payload that always kills.
pub(crate) const POISON: u64 = 0;

impl Run {
    pub(crate) fn happen(&mut self, happening: Happening) -> Result<(), Broken> {
        match happening {
            Happening::Submit => self.submit(),
            Happening::Cancel(job) => self.feed(Event::Cancel { job }),
            Happening::Tick(alarm) if self.rings(alarm) => self.feed(Event::Tick),
            Happening::Tick(_) => Ok(()),
            Happening::Ready(worker) => self.ready(worker),
            Happening::Answer { worker, job, panics } => self.answer(worker, job, panics),
            Happening::Die { worker, job, handed_over, death, answered } => {
                self.die(worker, job, handed_over, death, answered)
            }
            Happening::Outside => self.outside(),
            Happening::Reload => self.reload(),
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
        let terms = Terms { timeout, run_timeout, attempts, fingerprint };
        let job = self.ledger.submit(terms, payload, self.now);
        if self.random.percent(self.plan.cancels) {
            self.agenda.put(self.now + self.random.millis(0, 100), Happening::Cancel(job));
        }
        self.feed(Event::Submit { job, terms })?;
        let is_taken = self.ledger.get(job)?.is_accepted();
        holds(!(is_taken && self.is_ending), "nothing_after_shutdown", || format!("job {job} is accepted"))
    }

    fn ready(&mut self, id: WorkerId) -> Result<(), Broken> {
        match self.processes.get(id) {
            Some(process) if !process.is_killed => process.is_ready = true,
            _ => return Ok(()),
        }
        self.feed(Event::Ready { worker: id })
    }

    fn answer(&mut self, worker: WorkerId, job: JobId, panics: bool) -> Result<(), Broken> {
        let Some(process) = self.processes.get(worker).filter(|it| it.job == Some(job)) else {
            return Ok(());
        };
        process.job = None;
        process.jobs_done += 1;
        process.doomed_at = None;
        if self.ledger.is_open(job) {
            let payload = self.ledger.get(job)?.payload;
            self.strikes.remove(&payload);
        }
        self.feed(Event::Done { worker, job, health: health(panics) })
    }

    fn die(
        &mut self,
        worker: WorkerId,
        by_job: Option<JobId>,
        handed_over: bool,
        how: How,
        answered: bool,
    ) -> Result<(), Broken> {
        let Some(process) = self.processes.get(worker) else { return Ok(()) };
        if by_job.is_some() && process.job != by_job {
            return Ok(());
        }
        // What had been written before the death counts, and is read first.
        if let Some(job) = by_job.filter(|_| answered) {
            self.answer(worker, job, false)?;
        }
        let Some(process) = self.processes.end(worker) else { return Ok(()) };
        let mut payload = None;
        if let Some(job) = process.job {
            let (entry, was_asked) = (self.ledger.get(job)?, process.is_killed);
            payload = Some(entry.payload);
            if self.ledger.is_open(job) {
                self.ledger.lost(job, handed_over)?;
                if handed_over && !was_asked && how != How::Killed {
                    self.strike(payload.unwrap_or(POISON));
                }
            }
        }
        let fingerprint = payload.map(Fingerprint);
        self.feed(Event::Died { worker, handed_over, death: Death::from(how), fingerprint })
    }

    fn strike(&mut self, payload: u64) {
        let (now, memory) = (self.now, self.plan.config.poison.memory);
        self.strikes.retain(|_, (_, last)| now < *last + memory);
        let (deaths, last) = self.strikes.entry(payload).or_insert((0, now));
        *deaths += 1;
        *last = now;
    }

    /// Somebody or something from outside.
    fn outside(&mut self) -> Result<(), Broken> {
        let ids = self.processes.ids();
        let Some(worker) = self.random.pick(&ids) else { return Ok(()) };
        let handed_over = self.random.percent(80);
        let killed =
            |worker| Happening::Die { worker, job: None, handed_over, death: How::Killed, answered: false };
        match self.random.between(0, 7) {
            0..=2 => self.happen(killed(worker)),
            3 => ids.into_iter().try_for_each(|worker| self.happen(killed(worker))),
            4 => self.feed(Event::Stalled { worker }),
            5 => self.feed(Event::Outgrown { worker }),
            6 => self.feed(Event::Kill { worker }),
            _ => self.feed(Event::Violated { worker }),
        }
    }

    /// One reload, or a burst of them.
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

    fn end(&mut self) -> Result<(), Broken> {
        if !self.plan.ends_early {
            self.check_rest()?;
        }
        self.is_ending = true;
        match self.random.between(0, 2) {
            0 => {
                self.is_stopped = true;
                self.feed(Event::Stop)
            }
            // Long enough for most, and without one a job that hangs would hold the end up.
            _ => {
                let limit = Some(self.random.millis(0, 200));
                self.feed(Event::Drain { limit })
            }
        }
    }

    /// What the process that was just started is going to do.
    pub(crate) fn hatch(&mut self, worker: WorkerId, generation: Generation) {
        let soon = Duration::from_micros(200) + self.plan.startup.mul_f64(self.fraction());
        let own = |worker| Happening::Die {
            worker,
            job: None,
            handed_over: true,
            death: How::Own,
            answered: false,
        };
        let is_broken = self.plan.broken.is_some_and(|(from, to)| {
            let age = self.now.since(procpool_scheduler::Time::ZERO);
            from <= age && age < to
        });
        self.starts_in_vain += u64::from(is_broken);
        let is_unlucky = self.plan.story == Story::Storm && self.random.percent(self.plan.crashes / 4);
        let (delay, fate) = match self.makes.of(generation) {
            _ if is_broken => (soon, own(worker)),
            Make::DiesAtStart => (soon, own(worker)),
            // The coordinator kills it when its time to start is up.
            Make::NeverReady => (Duration::from_millis(100), own(worker)),
            Make::Good if is_unlucky => {
                let death = if self.random.percent(50) { How::Own } else { How::Killed };
                (soon, Happening::Die { worker, job: None, handed_over: true, death, answered: false })
            }
            Make::Good => (soon, Happening::Ready(worker)),
        };
        self.agenda.put(self.now + delay, fate);
    }

    /// What becomes of the job that a worker was just given.
    pub(crate) fn run_job(
        &mut self,
        worker: WorkerId,
        job: JobId,
        remaining: Option<Duration>,
    ) -> Result<(), Broken> {
        let payload = self.ledger.get(job)?.payload;
        let obeys = self.random.percent(60);
        if let Some(process) = self.processes.get(worker) {
            process.obeys = obeys;
        }
        let length = self.plan.run.mul_f64(self.fraction());
        let die = |handed_over, death, answered| Happening::Die {
            worker,
            job: Some(job),
            handed_over,
            death,
            answered,
        };
        let panics = self.plan.story == Story::Storm && self.random.percent(3);
        let answer = Happening::Answer { worker, job, panics };
        let (delay, fate) = if payload == POISON && self.plan.poison > 0 {
            let death = if self.random.percent(20) { How::OutOfMemory } else { How::Own };
            (length, die(true, death, false))
        } else if self.random.percent(self.plan.crashes) {
            match self.random.between(0, 4) {
                0 => (length.min(Duration::from_micros(100)), die(false, How::Own, false)),
                1 => (length, die(true, How::Own, true)),
                2 => (length, die(true, How::Killed, false)),
                3 => (length, die(true, How::OutOfMemory, false)),
                _ => (length, die(true, How::Own, false)),
            }
        } else if self.random.percent(self.plan.hangs) {
            // Somebody notices one day, if the job has no limit of its own.
            let patience = Duration::from_millis(200);
            (patience, Happening::Cancel(job))
        } else if let Some(left) = remaining.filter(|_| self.random.percent(20)) {
            // A race with the deadline.
            let shift = Duration::from_micros(self.random.between(0, 200));
            (left.saturating_sub(Duration::from_micros(100)) + shift, answer)
        } else {
            (length, answer)
        };
        self.agenda.put(self.now + delay, fate);
        Ok(())
    }
}
