//! The ids of jobs, workers, generations, payloads, clients and tenants, and the priority of a job.

use std::fmt;

/// A job, by a number that the caller chooses: consecutive or random. Outsiders must not choose it,
/// because chosen numbers could slow the tables down.
///
/// No two unresolved jobs have the same number, and the caller does not reuse it soon. So a late
/// event for a finished job finds nothing and is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// One worker process, from its start to its death. The scheduler numbers workers from 0.
///
/// A replacement gets a new id; ids are never reused. So no event about a dead worker can affect
/// its replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub u64);

/// One generation of the worker executable. The caller numbers generations, and each reload has a
/// higher number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(pub u64);

/// A number that two jobs share if they have the same payload. Different payloads share it with a
/// probability of 2⁻⁶⁴.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub u64);

/// The sender of a job, as identified by the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Client(pub u64);

/// The owner of a job, who shares the workers with other tenants in turns. The caller identifies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(pub u64);

/// The rank of a job among the waiting ones. Higher priorities run first, except that each eighth turn
/// belongs to the priority whose oldest job has waited longest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// Runs before all others.
    High,
    /// Any job unless the submitter says otherwise.
    #[default]
    Normal,
    /// Runs when no other job waits, and in each eighth turn.
    Low,
}

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
