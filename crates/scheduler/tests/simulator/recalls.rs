//! Workers that are asked to give back jobs that they have not begun. The request comes at once,
//! late, when they begin one, or before they have received any part of it.

use std::time::Duration;

use procpool_scheduler::{Event, WorkerId};

use crate::agenda::Happening;
use crate::broken::Broken;
use crate::run::Run;

/// Time between two instructions of a worker on a busy machine.
const INSTANT: Duration = Duration::from_micros(200);

impl Run {
    /// Lets a worker give back its jobs. It may answer the others before the pool learns that these
    /// are not begun.
    pub(crate) fn give_back(&mut self, worker: WorkerId) -> Result<(), Broken> {
        let later = self.now + Duration::from_micros(300).mul_f64(self.fraction());
        let is_late = self.random.percent(15);
        let hesitates = self.random.percent(50);
        let now = self.now;
        let Some(process) = self.processes.get(worker).filter(|it| !it.is_dead) else { return Ok(()) };
        process.is_recalled = false;
        if is_late && process.job.is_some() {
            // It has had no CPU time until now.
            process.began_at = now;
            self.coverage.met("recalled too early");
            return self.feed(Event::Unbegun { worker });
        }
        process.given_back = std::mem::take(&mut process.ahead);
        if hesitates && !process.is_killed && process.began_at + INSTANT >= now {
            // It was about to begin this job, so the pool believes that it has begun.
            process.passed_over = process.job.take();
        }
        self.agenda.put(later, Happening::Recalled(worker));
        Ok(())
    }

    pub(crate) fn passed_over(&mut self, worker: WorkerId) -> Result<(), Broken> {
        let now = self.now;
        let Some(process) = self.processes.get(worker).filter(|it| !it.is_dead) else { return Ok(()) };
        let Some(job) = process.passed_over.take() else { return Ok(()) };
        (process.idle_since, process.spared_until) = (now, None);
        self.coverage.met("passed over");
        self.ledger.taken_back(job)?;
        // Jobs that it got after the recall stay. It begins the first of them.
        self.go_on(worker)?;
        self.feed(Event::PassedOver { worker, job })
    }

    pub(crate) fn recalled(&mut self, worker: WorkerId) -> Result<(), Broken> {
        let now = self.now;
        let Some(process) = self.processes.get(worker).filter(|it| !it.is_dead) else { return Ok(()) };
        let keeps = usize::from(process.job.is_some() || process.passed_over.is_some());
        let passes_over = process.passed_over.is_some();
        if keeps == 0 && !process.given_back.is_empty() {
            // Only now the pool knows that it is idle.
            process.idle_since = now;
        }
        let back = std::mem::take(&mut process.given_back);
        self.coverage.met(if keeps == 0 { "recalled the first" } else { "recalled" });
        for job in back {
            self.ledger.taken_back(job)?;
        }
        if passes_over {
            let later = now + INSTANT.mul_f64(self.fraction());
            self.agenda.put(later, Happening::PassedOver(worker));
        }
        self.feed(Event::Recalled { worker, keeps })
    }
}

mod tests {
    use procpool_scheduler::{Generation, JobId, Terms, Time};

    use super::*;

    #[test]
    fn a_process_that_passes_a_job_over_begins_the_next_one_that_it_has() {
        let mut run = Run::new(0, None);
        let jobs = [0, 1].map(|_| run.ledger.submit(Terms::default(), 1, Time::ZERO));
        let worker = WorkerId(0);
        run.processes.start(worker, Generation(0)).unwrap();
        let process = run.processes.ordered(worker).unwrap();
        (process.is_ready, process.passed_over) = (true, Some(jobs[0]));
        process.ahead.push_back(jobs[1]);
        let _ = run.passed_over(worker);
        assert_eq!(run.processes.ordered(worker).unwrap().job, Some(JobId(1)));
    }
}
