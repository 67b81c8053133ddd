//! When scheduled jobs run. A schedule is a [`Calendar`] with two rules: what happens to runs that were
//! [missed](Missed), and to those that [overlap](Overlap) with the run before.
//!
//! The crate reads no clock. Its caller says what time it is, and keeps the time up to which a schedule is done.
//!
//! ```
//! use procpool_schedules::{Calendar, Missed, Overlap, Schedule, Wall};
//!
//! // Half past two at night in Berlin, also in the night in which 2:30 does not exist.
//! let start = Wall::from_secs(1_774_612_800); // 2026-03-27, 12:00 UTC
//! let calendar = Calendar::parse("30 2 * * *", "Europe/Berlin", start)?;
//! let nightly = Schedule::new(calendar).missed(Missed::Once).overlap(Overlap::Skip);
//!
//! // A new schedule begins now. Nothing is due.
//! let step = nightly.step(None, start, false);
//! assert!(step.due.is_empty());
//!
//! // The machine was off for three nights. One run makes up for them.
//! let later = Wall::from_secs(start.as_secs() + 3 * 24 * 60 * 60);
//! let step = nightly.step(Some(step.done), later, false);
//! assert_eq!((step.due.len(), step.left_out), (1, 2));
//! # Ok::<(), procpool_schedules::CalendarError>(())
//! ```

#![forbid(unsafe_code)]

mod calendar;
mod schedule;
mod wall;

pub use calendar::{Calendar, CalendarError};
pub use schedule::{CORRECTED, LATE, MAX_COUNTED, MAX_MADE_UP, Missed, Overlap, Schedule, Step};
pub use wall::Wall;
