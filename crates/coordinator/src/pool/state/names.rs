//! The names of jobs: an id that the caller knows, half of which is the scheduler's name of the job.

use procpool_protocol::JobId;
use procpool_scheduler::JobId as Key;
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _};

/// Gives out names. Of the pool alone: to get at the thread's random numbers for each job would take longer than the number itself.
#[derive(Debug)]
pub(crate) struct Names(StdRng);

impl Names {
    /// Names of no two processes the same, though one be the other's fork.
    pub(crate) fn new() -> Self {
        Self(StdRng::try_from_rng(&mut SysRng).unwrap_or_else(|_| StdRng::from_rng(&mut rand::rng())))
    }

    /// Names for another job.
    pub(crate) fn next(&mut self, is_taken: impl Fn(Key) -> bool) -> (Key, JobId) {
        loop {
            let id = JobId::from_bits(self.0.random());
            // Half of an id tells any two jobs apart that were ever open at one time, but nobody promises that.
            if !is_taken(key(id)) {
                return (key(id), id);
            }
        }
    }
}

/// Returns the scheduler's name of the job that has this id: random bits, as the id is.
pub(crate) fn key(id: JobId) -> Key {
    let [.., a, b, c, d, e, f, g, h] = id.to_bytes();
    Key(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
}
