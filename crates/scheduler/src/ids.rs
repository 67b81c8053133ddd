//! The names of jobs and workers. Refuses to know what stands behind them: payloads and processes are the caller's.

use std::fmt;

/// A job, by a number that the caller chooses: consecutive or random, but not one that a stranger has chosen, which could
/// slow the tables down.
///
/// No two unresolved jobs have the same one, and it is not used again soon. So a late event for a finished job finds nothing
/// and falls away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// One process in one life, numbered by the scheduler from 0.
///
/// A replacement is a new id, never the old one again, so nothing that is said about a dead worker can touch the
/// one that took its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u64);

/// One generation of the worker executable, numbered by the caller: a reload brings a higher one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// What is the same for two jobs of the same payload and, but for a chance of 2⁻⁶⁴, only for those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub u64);

/// The sender of a job, as the caller tells clients apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(pub u64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
