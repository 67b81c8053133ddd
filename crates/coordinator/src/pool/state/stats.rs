//! What a pool counts. Constant memory.

use super::histogram::Histogram;
use procpool_protocol::engine::Latency;
use procpool_protocol::outcome::{Outcome, Timing};
use std::collections::BTreeMap;

/// Counters and distributions since the pool's start.
#[derive(Debug, Default)]
pub(crate) struct Stats {
    ok: u64,
    refused: u64,
    deaths: u64,
    errors: BTreeMap<&'static str, u64>,
    wait: Histogram,
    run: Histogram,
}

impl Stats {
    /// Counts a job that was not accepted.
    pub(crate) fn refused(&mut self) {
        self.refused += 1;
    }

    /// Counts the outcome of an accepted job.
    pub(crate) fn finished(&mut self, timing: Timing, result: &Outcome) {
        self.wait.record(timing.wait);
        self.run.record(timing.run);
        match result {
            Ok(_) => self.ok += 1,
            Err(error) => *self.errors.entry(error.name()).or_default() += 1,
        }
    }

    /// Counts the death of a worker, unless this pool asked for it.
    pub(crate) fn died(&mut self, expected: bool) {
        self.deaths += u64::from(!expected);
    }

    /// Deaths so far that this pool did not ask for.
    pub(crate) fn deaths(&self) -> u64 {
        self.deaths
    }

    /// Jobs so far by outcome's name, those that were refused among them.
    pub(crate) fn jobs(&self) -> BTreeMap<&'static str, u64> {
        let mut jobs = self.errors.clone();
        jobs.insert("ok", self.ok);
        jobs.insert("refused", self.refused);
        jobs
    }

    /// Jobs that have their outcome.
    pub(crate) fn outcomes(&self) -> u64 {
        self.ok + self.errors.values().sum::<u64>()
    }

    /// Jobs that were ended as shut down.
    pub(crate) fn shut_down(&self) -> u64 {
        self.errors.get("shut_down").copied().unwrap_or(0)
    }

    pub(crate) fn wait(&self) -> Latency {
        self.wait.latency()
    }

    pub(crate) fn run(&self) -> Latency {
        self.run.latency()
    }
}
