//! A model of JetStream: a work queue with redeliveries, and records with compare-and-set. Late
//! acknowledgements and late progress of old deliveries count, as they do on the real one.

use procpool_nats::decide::Found;
use procpool_nats::record::Claim;
use procpool_nats::{NodeId, Timings};
use procpool_registry::Time;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

pub(crate) type Job = u64;

/// A stored version of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Claim(Claim),
    Release { attempt: u32, due: Option<u64> },
    Again { attempt: u32, due: u64 },
    Outcome { by: NodeId, attempt: u32, what: Outcome },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// With the run whose large output it has.
    Result {
        output: Option<u64>,
    },
    HostLost,
    Expired,
    Cancelled,
}

#[derive(Clone, Debug)]
struct Queued {
    /// When it may be handed out.
    at: Time,
    deliveries: u32,
    /// A node has returned it for a while.
    is_returned: bool,
}

/// A pull that waits.
#[derive(Clone, Debug)]
pub(crate) struct Pull {
    pub(crate) node: usize,
    pub(crate) life: u32,
    pub(crate) sent: Time,
    pub(crate) left: usize,
    pub(crate) expires: Time,
}

#[derive(Debug, Default)]
pub(crate) struct Server {
    queue: BTreeMap<Job, Queued>,
    records: BTreeMap<Job, Vec<(u64, Value)>>,
    /// The chunks of outputs, by their runs.
    chunks: BTreeMap<u64, BTreeSet<u32>>,
    seq: u64,
    pulls: VecDeque<Pull>,
    lease: Duration,
    pub(crate) is_up: bool,
    /// Number of starts. Messages to an earlier life are lost.
    pub(crate) life: u32,
}

impl Server {
    pub(crate) fn new() -> Self {
        Self { is_up: true, lease: Timings::default().lease, ..Self::default() }
    }

    /// Puts a job into the queue, unless it is there. Returns whether it was put.
    pub(crate) fn accept(&mut self, now: Time, job: Job) -> bool {
        let is_new = !self.queue.contains_key(&job);
        self.queue.entry(job).or_insert(Queued { at: now, deliveries: 0, is_returned: false });
        is_new
    }

    pub(crate) fn found(&self, job: Job, is_stale: bool) -> Found {
        let versions = self.records.get(&job).map_or(&[][..], Vec::as_slice);
        let nth = versions.len().checked_sub(1 + usize::from(is_stale));
        let Some((seq, value)) = nth.and_then(|nth| versions.get(nth)).cloned() else {
            return Found::Nothing;
        };
        match value {
            Value::Claim(claim) => Found::Claimed { seq, claim },
            Value::Release { attempt, due } => Found::Released { seq, attempt, due },
            Value::Again { attempt, due } => Found::Released { seq, attempt, due: Some(due) },
            Value::Outcome { by, attempt, .. } => Found::Decided { seq, by, attempt },
        }
    }

    /// Returns whether the record says that the last claim did not start.
    pub(crate) fn is_released(&self, job: Job) -> bool {
        let last = self.records.get(&job).and_then(|versions| versions.last());
        matches!(last, Some((_, Value::Release { .. })))
    }

    /// Writes a record. `None` for the expected sequence compares nothing. Returns the new sequence, or `None` for a
    /// conflict.
    pub(crate) fn write(&mut self, job: Job, expect: Option<u64>, value: Value) -> Option<u64> {
        let last = self.found(job, false).expected();
        if expect.is_some_and(|expect| expect != last) {
            return None;
        }
        self.seq += 1;
        self.records.entry(job).or_default().push((self.seq, value));
        Some(self.seq)
    }

    pub(crate) fn store(&mut self, run: u64, nth: u32) {
        self.chunks.entry(run).or_default().insert(nth);
    }

    /// Returns the number of chunks of an output.
    pub(crate) fn stored(&self, run: u64) -> usize {
        self.chunks.get(&run).map_or(0, BTreeSet::len)
    }

    pub(crate) fn ack(&mut self, job: Job) {
        self.queue.remove(&job);
    }

    pub(crate) fn delay(&mut self, now: Time, job: Job, delay: Duration) {
        if let Some(queued) = self.queue.get_mut(&job) {
            (queued.at, queued.is_returned) = (now + delay, true);
        }
    }

    pub(crate) fn progress(&mut self, now: Time, job: Job) {
        if let Some(queued) = self.queue.get_mut(&job) {
            (queued.at, queued.is_returned) = (now + self.lease, false);
        }
    }

    pub(crate) fn pull(&mut self, pull: Pull) {
        self.pulls.push_back(pull);
    }

    /// Hands out what is due. Returns the jobs with their pulls and numbers of deliveries.
    pub(crate) fn deliver(&mut self, now: Time) -> Vec<(Job, Pull, u32)> {
        self.pulls.retain(|pull| pull.left > 0 && now < pull.expires);
        let mut handed = Vec::new();
        for (job, queued) in &mut self.queue {
            if queued.at > now {
                continue;
            }
            let Some(mut pull) = self.pulls.pop_front() else { break };
            (queued.at, queued.deliveries) = (now + self.lease, queued.deliveries + 1);
            pull.left -= 1;
            handed.push((*job, pull.clone(), queued.deliveries));
            if pull.left > 0 {
                self.pulls.push_back(pull);
            }
        }
        handed
    }

    /// Returns when to look for due jobs again.
    pub(crate) fn due(&self) -> Option<Time> {
        self.queue.values().map(|queued| queued.at).min()
    }

    pub(crate) fn kill(&mut self) {
        self.is_up = false;
        self.pulls.clear();
    }

    pub(crate) fn start(&mut self) {
        (self.is_up, self.life) = (true, self.life + 1);
        // Every other time it has forgotten for how long.
        if self.life.is_multiple_of(2) {
            self.queue.values_mut().filter(|it| it.is_returned).for_each(|it| it.at = Time::ZERO);
        }
    }

    /// Makes the job ready though somebody holds it.
    pub(crate) fn hand_out_early(&mut self, now: Time, nth: usize) {
        let count = self.queue.len().max(1);
        if let Some(queued) = self.queue.values_mut().nth(nth % count) {
            queued.at = now;
        }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }
}
