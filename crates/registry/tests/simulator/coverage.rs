//! Counts everything that happens in a run, so that a run of many seeds can show that everything
//! happened.

use std::collections::BTreeMap;

/// Minimum number of times that each case must occur within ten thousand seeds.
const LEAST: u64 = 100;

/// The cases that must occur.
const EVERYTHING: &[&str] = &[
    "ran without a key",
    "ran under a new key",
    "ran under a key again",
    "known",
    "attached",
    "conflict",
    "replayed",
    "expired",
    "mismatch",
    "key store full",
    "registry full",
    "id taken",
    "gone: refused",
    "gone: expired",
    "gone: evicted",
    "result gone for another",
    "result too large",
    "input not kept",
    "input gone for another",
    "stale event",
    "unknown event",
    "next attempt",
    "returned",
    "finished unrun",
    "finished",
    "queued after the start",
    "cancelled",
    "cancelled early",
    "cancelled late",
    "cancelled by filter",
    "watched",
    "watched to the end",
    "watched a record that is gone",
    "reset",
    "reset by a restart",
    "progress replaced",
    "walked over several pages",
    "walked while others changed",
    "restarted",
    "foreign cursor",
];

#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    pub(crate) fn met(&mut self, what: &'static str) {
        debug_assert!(EVERYTHING.contains(&what), "{what} is not listed");
        *self.0.entry(what).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: Self) {
        for (what, times) in other.0 {
            *self.0.entry(what).or_default() += times;
        }
    }

    /// Returns the cases that occurred too rarely.
    pub(crate) fn rare(&self) -> Vec<(&'static str, u64)> {
        let times = |what: &&'static str| (*what, self.0.get(*what).copied().unwrap_or_default());
        EVERYTHING.iter().map(times).filter(|&(_, times)| times < LEAST).collect()
    }
}
