//! [`Schedule`]: which runs are due, from the time now and the time up to which everything is done.

use std::time::Duration;

use crate::calendar::Calendar;
use crate::wall::Wall;

/// A run that is later than this was missed: the program did not run, the machine slept, or the clock was set.
pub const LATE: Duration = Duration::from_secs(60);

/// A clock that goes back by more than this was wrong before. Then the schedule goes on from the time now. If it goes
/// back by less, no run is repeated. Vixie cron has the same three hours.
pub const CORRECTED: Duration = Duration::from_secs(3 * 60 * 60);

/// Maximum number of missed runs that are made up for at once, the latest ones.
pub const MAX_MADE_UP: usize = 100;

/// Maximum number of runs that are counted as left out at once.
pub const MAX_COUNTED: usize = 1_000;

/// The rule for runs that were [missed](LATE).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Missed {
    /// They are left out.
    Skip,
    /// One run makes up for all of them.
    #[default]
    Once,
    /// Each is made up for, up to [`MAX_MADE_UP`].
    All,
}

/// The rule for a run that is due while the one before is unfinished.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// It is left out.
    #[default]
    Skip,
    /// It is submitted as any other job, and waits or runs beside the other.
    Queue,
}

/// A calendar with its rules.
#[derive(Clone, Debug)]
pub struct Schedule {
    calendar: Calendar,
    missed: Missed,
    overlap: Overlap,
}

/// The next step of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Step {
    /// The times of the runs that are due, in their order.
    pub due: Vec<Wall>,
    /// Number of runs that were left out. [`MAX_COUNTED`] means that many or more.
    pub left_out: usize,
    /// The time up to which everything is done. The next step needs it, also after a restart.
    pub done: Wall,
    /// When the next run is due, if ever.
    pub next: Option<Wall>,
}

impl Schedule {
    /// Returns a schedule with the default rules.
    #[must_use]
    pub fn new(calendar: Calendar) -> Self {
        Self { calendar, missed: Missed::default(), overlap: Overlap::default() }
    }

    /// Sets what happens to runs that were missed.
    #[must_use]
    pub fn missed(self, missed: Missed) -> Self {
        Self { missed, ..self }
    }

    /// Sets what happens to a run that is due while the one before is unfinished.
    #[must_use]
    pub fn overlap(self, overlap: Overlap) -> Self {
        Self { overlap, ..self }
    }

    /// Decides what is due at `now`. `done` is the time of the step before, and `None` for a new schedule, which
    /// begins now. `is_running` says whether its last run is unfinished.
    ///
    /// No run is due in two steps, unless the clock was [corrected](CORRECTED) in between.
    #[must_use]
    pub fn step(&self, done: Option<Wall>, now: Wall, is_running: bool) -> Step {
        let done = done.filter(|done| done.since(now) <= CORRECTED).unwrap_or(now);
        let passed = self.passed(done, now);
        let mut due: Vec<_> = passed.iter().copied().take(self.keeps(&passed, now, is_running)).collect();
        due.reverse();
        let done = done.max(now);
        Step { left_out: passed.len() - due.len(), due, done, next: self.calendar.after(done) }
    }

    /// Returns the times since `done`, the latest first.
    fn passed(&self, done: Wall, now: Wall) -> Vec<Wall> {
        let mut passed = Vec::new();
        let mut until = now;
        while let Some(at) = self.calendar.until(until).filter(|at| *at > done) {
            passed.push(at);
            if passed.len() == MAX_COUNTED {
                break;
            }
            until = Wall::from_secs(at.as_secs() - 1);
        }
        passed
    }

    /// Returns how many of the times that have passed are run: always the latest ones.
    fn keeps(&self, passed: &[Wall], now: Wall, is_running: bool) -> usize {
        let punctual = passed.iter().take_while(|at| now.since(**at) <= LATE).count();
        let kept = match self.missed {
            Missed::Skip => punctual,
            Missed::Once => punctual.max(1),
            Missed::All => punctual.max(MAX_MADE_UP),
        };
        let most = match self.overlap {
            Overlap::Skip if is_running => 0,
            Overlap::Skip => 1,
            Overlap::Queue => usize::MAX,
        };
        kept.min(most).min(passed.len())
    }
}
