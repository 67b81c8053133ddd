//! The promises that hold after a period without faults, and at the end of a run.

use std::time::Duration;

use procpool_scheduler::{Event, Generation};

use crate::agenda::Make;
use crate::broken::Broken;
use crate::ledger::holds;
use crate::plan::Story;
use crate::run::Run;

impl Run {
    /// Checks the promises long after the last job and the last fault.
    pub(crate) fn check_rest(&mut self) -> Result<(), Broken> {
        let open = self.ledger.open();
        holds(open == 0, "nothing_is_lost", || format!("{open} jobs have no outcome"))?;
        let bytes = self.pool.scheduler.queued_bytes();
        holds(bytes == 0, "nothing_is_lost", || {
            format!("{bytes} bytes are counted of jobs that have ended")
        })?;
        let reloads = self.reloads.len();
        holds(reloads == 0, "reloads_tell_the_truth", || format!("{reloads} reloads have no end"))?;
        self.check_strength()?;
        self.check_worn()?;
        self.check_makes()?;
        if self.plan.story == Story::CrashLoop {
            self.check_crash_loop()?;
        }
        Ok(())
    }

    fn check_strength(&mut self) -> Result<(), Broken> {
        let config = self.plan.config;
        let (ready, all) = (self.processes.ready(), self.processes.len());
        let is_strong = ready >= config.min_workers;
        holds(is_strong, "the_pool_recovers", || format!("{ready} workers of {}", config.min_workers))?;
        let spares = config.spares.min(config.max_workers);
        let has_spares = ready >= spares || !self.is_awake || self.is_in_trouble();
        holds(has_spares, "the_pool_recovers", || format!("{ready} workers, {spares} of them to be spares"))?;
        let renews = config.recycling.lifetime.is_some() || config.process_per_job;
        if let Some(timeout) = config.idle_timeout.filter(|_| !renews)
            && timeout + self.plan.lateness < Duration::from_secs(1)
        {
            let kept = config.min_workers.max(config.spares).min(config.max_workers);
            holds(all <= kept.max(1), "idle_workers_go", || format!("{all} workers, {kept} to be kept"))?;
        }
        Ok(())
    }

    /// Checks that the generation in service is the last good one. It is the last one requested if
    /// that one is good.
    fn check_makes(&mut self) -> Result<(), Broken> {
        let current = self.pool.scheduler.generation();
        let is_last_done = current >= self.last_done;
        holds(is_last_done, "reloads_tell_the_truth", || format!("{current:?} serves"))?;
        if self.plan.story == Story::Calm
            && let Some(last) = (self.makes.0.len() as u64).checked_sub(1).map(Generation)
            && self.makes.of(last) == Make::Good
        {
            holds(current == last, "the_last_reload_wins", || format!("{current:?} serves, not {last:?}"))?;
        }
        Ok(())
    }

    fn check_crash_loop(&mut self) -> Result<(), Broken> {
        let (starts, bound) = (self.starts_in_vain, self.most_starts());
        holds(starts <= bound, "restarts_are_bounded", || format!("{starts} starts, {bound} are expected"))?;
        let before = self.pool.scheduler.counters().accepted;
        let job = self.ledger.submit(procpool_scheduler::Terms::default(), 1, self.now);
        self.feed(Event::Submit { job, terms: procpool_scheduler::Terms::default() })?;
        let is_taken = self.pool.scheduler.counters().accepted > before && self.ledger.is_open(job);
        // A pool without a queue that has shrunk to no worker refuses its first job.
        let may_refuse = self.plan.config.queue == 0;
        holds(is_taken || may_refuse, "the_breaker_closes", || {
            "a job is refused long after the executable was mended".into()
        })
    }

    /// Returns the maximum number of starts that the pauses allow while the executable is broken.
    /// Each round starts at most the maximum number of workers.
    fn most_starts(&self) -> u64 {
        let backoff = self.plan.config.backoff;
        let (from, to) = self.plan.broken.unwrap_or_default();
        let (mut rounds, mut passed, mut step) = (1_u64, Duration::ZERO, backoff.initial);
        while passed < to.saturating_sub(from) {
            passed += step / 2;
            step = (2 * step).min(backoff.max);
            rounds += 1;
        }
        (rounds + 1) * self.plan.config.max_workers as u64
    }

    /// Checks the promises at the end of the run.
    pub(crate) fn check_end(&mut self) -> Result<(), Broken> {
        let (open, left) = (self.ledger.open(), self.processes.len());
        holds(open == 0, "nothing_is_lost", || format!("{open} jobs have no outcome in the end"))?;
        let reloads = self.reloads.len();
        holds(reloads == 0, "reloads_tell_the_truth", || format!("{reloads} reloads have no end"))?;
        let is_over = self.is_drained && left == 0;
        holds(is_over, "nothing_after_shutdown", || {
            format!("{left} workers left, Drained: {}", self.is_drained)
        })
    }
}
