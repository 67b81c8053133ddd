//! The evidence of deaths about the executable: which begin a pause, how long it is, when the
//! breaker opens and closes. Does not: know jobs.

use std::collections::VecDeque;

use procpool_scheduler::{Config, Event, Generation, JobId, Scheduler, Time, WorkerId};

use crate::agenda::How;
use crate::broken::Broken;
use crate::ledger::holds;
use crate::processes::Process;
use crate::run::Run;

/// The scheduler's getters between two events.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) is_open: bool,
    pub(crate) pause: Option<Time>,
    pub(crate) queued: usize,
    pub(crate) queued_bytes: usize,
    /// Number of jobs that wait aside, and their bytes.
    pub(crate) apart: usize,
    pub(crate) apart_bytes: usize,
    pub(crate) generation: Generation,
}

impl Shown {
    pub(crate) fn of(scheduler: &Scheduler) -> Self {
        Self {
            is_open: scheduler.is_open(),
            pause: scheduler.is_backing_off(),
            queued: scheduler.queued(),
            queued_bytes: scheduler.queued_bytes(),
            apart: scheduler.set_apart(),
            apart_bytes: scheduler.set_apart_bytes(),
            generation: scheduler.generation(),
        }
    }

    /// Returns the number of jobs that wait in the queue, and their bytes.
    pub(crate) const fn in_line(&self) -> (usize, usize) {
        (self.queued - self.apart, self.queued_bytes - self.apart_bytes)
    }

    /// Returns whether a job with this number of bytes has no room aside.
    pub(crate) fn is_full_aside(&self, bytes: usize, config: &Config) -> bool {
        let has_bytes = self.apart == 0 || self.apart_bytes + bytes <= config.queue_bytes;
        self.apart >= config.queue.max(1) || !has_bytes
    }
}

/// The current death.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Obituary {
    pub(crate) job: Option<JobId>,
    how: How,
    was_ready: bool,
    was_proven: bool,
    /// The death was ordered or caused by a job, or says nothing about the executable in service.
    is_excused: bool,
}

impl Obituary {
    /// Describes a death. `had_begun` says whether the process had begun a job that it had not
    /// answered.
    pub(crate) fn of(process: &Process, how: How, current: Generation, had_begun: bool) -> Self {
        Self {
            job: process.job,
            how,
            was_ready: process.is_ready,
            was_proven: process.jobs_done > 0,
            is_excused: had_begun || process.generation != current || process.was_asked(),
        }
    }
}

/// Deaths that were not ordered.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    /// Number of consecutive deaths without a finished job in between.
    streak: usize,
    /// Minimum and maximum number of consecutive failures, because some events that end the row are
    /// invisible from outside.
    failures: (u32, u32),
    latest: VecDeque<Time>,
    /// Total number of failures.
    total: u64,
    /// When an open breaker closes if the total number of failures does not exceed this number
    /// until then.
    lulls: Vec<(Time, u64)>,
}

impl Pauses {
    fn forget(&mut self) {
        self.failures = (0, 0);
        self.latest.clear();
    }

    fn await_lull(&mut self, end: Time) {
        self.lulls.push((end, self.total));
    }

    /// Returns whether there has been no failure for a while.
    fn is_lull(&mut self, now: Time) -> bool {
        let due = self.lulls.extract_if(.., |(end, _)| *end <= now);
        due.filter(|&(_, failures)| failures == self.total).count() > 0
    }

    /// Records a death, and returns whether it begins a pause.
    fn died(&mut self, now: Time, death: Obituary, before: Shown, config: &Config) -> bool {
        if death.is_excused || death.was_proven {
            return false;
        }
        self.streak += 1;
        let may_be_bad_luck = death.was_ready || death.how == How::Killed;
        if before.pause.is_some() || (may_be_bad_luck && self.streak <= config.max_workers + 3) {
            return false;
        }
        self.total += 1;
        self.failures = (self.failures.0 + 1, self.failures.1 + 1);
        self.latest.push_back(now);
        if self.latest.len() > config.breaker.failures {
            self.latest.pop_front();
        }
        true
    }

    /// Returns whether the failures that are certain open the breaker.
    fn is_burst(&self, now: Time, config: &Config) -> bool {
        let first = self.latest.front().copied().unwrap_or(now);
        self.latest.len() == config.breaker.failures && now.since(first) <= config.breaker.window
    }
}

impl Run {
    /// Compares the changes after the event with what deaths should cause.
    pub(crate) fn check_restarts(&mut self) -> Result<(), Broken> {
        let (before, after) = (self.before, Shown::of(&self.pool.scheduler));
        let started = std::mem::take(&mut self.started);
        if before.is_open || before.pause.is_some() {
            self.last_trouble = self.now;
        }
        if self.is_ending {
            return Ok(());
        }
        if after.generation != before.generation {
            self.pauses.streak = 0;
            self.pauses.forget();
            let is_fresh = !after.is_open && after.pause.is_none();
            holds(is_fresh, "a_reload_starts_afresh", || format!("{after:?}"))?;
        } else {
            self.check_pause(before, after)?;
            let starting = self.processes.starting().saturating_sub(started.len());
            self.check_breaker(before, after, starting)?;
        }
        self.check_starts(&started, after)
    }

    fn check_pause(&mut self, before: Shown, after: Shown) -> Result<(), Broken> {
        let (now, config) = (self.now, self.plan.config);
        let death = self.obituary.filter(|_| matches!(self.cause, Event::Died { .. }));
        if death.is_some_and(|death| self.pauses.died(now, death, before, &config)) {
            let (least, most) = self.pauses.failures;
            let (least, most) = (config.backoff.step(least) / 2, config.backoff.step(most));
            let length = after.pause.map(|until| until.since(now));
            let fits = length.is_some_and(|length| least <= length && length <= most);
            return holds(fits, "restarts_are_bounded", || {
                format!("a pause of {least:?} to {most:?} begins, and not one of {length:?}")
            });
        }
        let is_over = before.pause.is_some_and(|until| until <= now) && self.cause == Event::Tick;
        if is_over && before.is_open {
            self.pauses.await_lull(now + config.breaker.window);
        }
        let is_same = after.pause == before.pause || (is_over && after.pause.is_none());
        holds(is_same, "restarts_are_bounded", || {
            format!("{:?} turns a pause until {:?} into {:?}", self.cause, before.pause, after.pause)
        })
    }

    fn check_breaker(&mut self, before: Shown, after: Shown, starting: usize) -> Result<(), Broken> {
        let (now, config) = (self.now, self.plan.config);
        match self.cause {
            Event::Done { worker, .. } => {
                let of_this_make = |it: &&mut Process| it.generation == after.generation;
                let jobs_done = self.processes.get(worker).filter(of_this_make).map(|it| it.jobs_done);
                if jobs_done.is_some() {
                    self.pauses.streak = 0;
                }
                if jobs_done == Some(1) {
                    self.pauses.forget();
                    return holds(!after.is_open, "the_breaker_closes", || {
                        format!("{worker} has proven itself")
                    });
                }
            }
            Event::Ready { .. } if after.is_open => self.pauses.await_lull(now + config.breaker.window),
            Event::Tick if self.pauses.is_lull(now) => return self.check_lull(before, after, starting),
            Event::Died { .. } if !before.is_open && after.pause != before.pause => {
                let (must, may) = (
                    self.pauses.is_burst(now, &config),
                    self.pauses.failures.1 as usize >= config.breaker.failures,
                );
                self.processes.end_trials();
                holds(after.is_open || !must, "the_breaker_opens", || format!("it does not, at {now:?}"))?;
                return holds(may || !after.is_open, "the_breaker_opens", || {
                    format!("too early, at {now:?}")
                });
            }
            _ => {}
        }
        holds(after.is_open == before.is_open, "the_breaker_opens", || {
            format!("{:?} makes it {}", self.cause, after.is_open)
        })
    }

    /// Checks that the breaker closes after a while without failures if there is a worker, and none
    /// that may still fail.
    fn check_lull(&mut self, before: Shown, after: Shown, starting: usize) -> Result<(), Broken> {
        let closes = before.is_open && !after.is_open;
        let most = if closes { 0 } else { self.pauses.failures.1 };
        self.pauses.forget();
        self.pauses.failures.1 = most;
        if after.is_open {
            self.pauses.await_lull(self.now + self.plan.config.breaker.window);
        }
        let is_sound = before.is_open || !after.is_open;
        holds(is_sound, "the_breaker_opens", || "a tick opens it".into())?;
        let may_stay = self.processes.ready() == 0 || starting > 0;
        holds(may_stay || !after.is_open, "the_breaker_closes", || "all has been well for long".into())
    }

    /// Checks that no worker starts in a pause, and one at a time while the breaker is open. The
    /// first worker of a new generation is exempt.
    fn check_starts(&mut self, started: &[WorkerId], after: Shown) -> Result<(), Broken> {
        let is_regular = |process: &&mut Process| process.generation <= after.generation;
        let mut is_any = false;
        for &id in started {
            if let Some(process) = self.processes.get(id).filter(is_regular) {
                process.is_on_trial = after.is_open;
                is_any = true;
            }
        }
        if !is_any {
            return Ok(());
        }
        let is_free = after.pause.is_none();
        holds(is_free, "restarts_are_bounded", || format!("{started:?} start in a pause"))?;
        let unready = self.processes.starting();
        let on_trial = self.processes.count(|it| it.is_on_trial);
        let is_one = unready <= 1 && on_trial <= 1;
        holds(is_one || !after.is_open, "one_at_a_time_is_tried", || {
            format!("{started:?} start, {unready} are not ready, {on_trial} are on trial")
        })
    }
}
