//! The fate of a process, drawn when it starts and when it gets a job: where it dies, if it does.

use std::time::Duration;

use procpool_scheduler::{Generation, JobId, WorkerId};

use crate::agenda::{Happening, How, Make};
use crate::broken::Broken;
use crate::happenings::POISON;
use crate::plan::Story;
use crate::run::Run;

impl Run {
    /// Draws the fate of a process that has just started.
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
            // The coordinator kills it at the end of its start timeout.
            Make::NeverReady => (Duration::from_millis(100), own(worker)),
            Make::Good if is_unlucky => {
                let death = if self.random.percent(50) { How::Own } else { How::Killed };
                (soon, Happening::Die { worker, job: None, handed_over: true, death, answered: false })
            }
            Make::Good => (soon, Happening::Ready(worker)),
        };
        self.agenda.put(self.now + delay, fate);
    }

    /// Draws the fate of a job that a worker has just got.
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
        let mut length = self.plan.run.mul_f64(self.fraction());
        // Among short jobs, some long ones delay those behind them.
        if self.plan.config.ahead > 0 && self.random.percent(15) {
            length = self.random.millis(2, 4);
        }
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
            match self.random.between(0, 5) {
                0 => (length.min(Duration::from_micros(100)), die(false, How::Own, false)),
                1 => (length, die(true, How::Own, true)),
                2 => (length, die(true, How::Killed, false)),
                3 => (length, die(true, How::OutOfMemory, false)),
                4 => (length, die(true, How::HungUp, false)),
                _ => (length, die(true, How::Own, false)),
            }
        } else if self.random.percent(self.plan.hangs) {
            // The submitter cancels it eventually, if the job has no limit of its own.
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
        if self.plan.story == Story::Storm && self.random.percent(10) {
            let soon = self.now + length.mul_f64(self.fraction());
            self.agenda.put(soon, Happening::Commit { worker, job });
        }
        Ok(())
    }
}
