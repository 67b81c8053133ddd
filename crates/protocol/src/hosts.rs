//! The hosts that run the jobs of an engine, in the shape that HTTP clients rely on.

use serde::Serialize;
use std::collections::BTreeMap;

/// Maximum number of hosts that an engine returns.
pub const MAX_HOSTS: usize = 1000;

/// A process that runs jobs for this engine on some host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HostStatus {
    /// The name of the node, another one at each start.
    pub node: String,
    /// Its label, usually the name of its host.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// Its version of procpool.
    pub version: String,
    /// Whether it runs jobs.
    pub state: HostState,
    /// Time since it was last heard of, in milliseconds.
    pub seen_ms: u64,
    /// Number of jobs that it runs at a time, of each of its pools.
    pub slots: BTreeMap<String, usize>,
    /// Number of jobs that it had when it was last heard of.
    pub held: usize,
    /// Number of its results that became the outcome.
    pub told: u64,
    /// Number of its results that came after another host had decided.
    pub late: u64,
    /// Number of jobs of lost hosts, or whose time was up, about which it decided.
    pub decided: u64,
    /// Number of jobs that it killed because it was cut off.
    pub fenced: u64,
    /// Number of deliveries that it left to later ones.
    pub left: u64,
}

/// Whether a host runs jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HostState {
    /// It does.
    #[default]
    Up,
    /// It has ended in order.
    Left,
    /// It is silent: others have its jobs, or decide about them.
    Gone,
}

impl HostStatus {
    /// Returns a host that is up and of which nothing else is known.
    #[must_use]
    pub fn new(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            host: String::new(),
            pid: 0,
            version: String::new(),
            state: HostState::Up,
            seen_ms: 0,
            slots: BTreeMap::new(),
            held: 0,
            told: 0,
            late: 0,
            decided: 0,
            fenced: 0,
            left: 0,
        }
    }

    /// Returns whether it is up and runs jobs of this pool.
    #[must_use]
    pub fn runs(&self, pool: &str) -> bool {
        self.state == HostState::Up && self.slots.get(pool).is_some_and(|slots| *slots > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_runs_the_pools_for_which_it_has_slots_while_it_is_up() {
        let mut host = HostStatus::new("a-1");
        host.slots.extend([("fib".to_owned(), 2), ("old".to_owned(), 0)]);
        assert!(host.runs("fib") && !host.runs("old") && !host.runs("ping"));
        host.state = HostState::Gone;
        assert!(!host.runs("fib"));
    }
}
