//! The ids of jobs, workers, generations, payloads and clients.

use std::fmt;

/// A job, by a number that the caller chooses: consecutive or random. A stranger must not choose
/// it, as chosen numbers could slow the tables down.
///
/// No two unresolved jobs have the same one, and it is not used again soon. So a late event for a
/// finished job finds nothing and is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// One process in one life, numbered by the scheduler from 0.
///
/// A replacement has a new id, never the old one again. So no event about a dead worker can affect
/// the one that replaced it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u64);

/// One generation of the worker executable, numbered by the caller: a reload brings a higher one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// A number that is the same for two jobs of the same payload and, but for a chance of 2⁻⁶⁴, only
/// for those.
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
