//! The jobs as they must be, by the offers and events alone. Does not: know how the registry works.

use std::collections::BTreeMap;
use std::sync::Arc;

use procpool_protocol::engine::Submission;
use procpool_protocol::message::Progress;
use procpool_protocol::{JobId, OutcomeKind, Payload};
use procpool_registry::{Key, Offer, Record, Retention, State, Time};

/// An event of a job, as its watchers must see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Queued,
    Running,
    Progress(Progress),
    /// A chunk of this many bytes.
    Chunk(u64),
    Cancelled,
    Outcome(OutcomeKind),
    /// Everything before a restart.
    Lost,
}

#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: JobId,
    pub(crate) pool: Arc<str>,
    pub(crate) key: Option<(Key, u8)>,
    pub(crate) accepted: Time,
    pub(crate) state: State,
    pub(crate) attempt: u32,
    pub(crate) progress: Option<Progress>,
    pub(crate) is_cancelled: bool,
    pub(crate) may_have_run: bool,
    pub(crate) finished: Option<Time>,
    pub(crate) input: Option<Arc<Submission>>,
    /// The output, or `None` for an error.
    pub(crate) output: Option<Payload>,
    /// Whether the engine has been told of the cancel.
    pub(crate) is_told: bool,
    /// Whether the result was there and is gone, or never fitted.
    pub(crate) is_result_gone: bool,
    pub(crate) events: Vec<Seen>,
    /// Number of events of which the watchers have been woken.
    pub(crate) woken: usize,
    /// Whether the bounds may have cost it events.
    pub(crate) is_squeezed: bool,
    /// The record as it was last seen.
    pub(crate) record: Arc<Record>,
}

impl Job {
    pub(crate) fn new(offer: Offer, key: Option<(Key, u8)>, record: Arc<Record>) -> Self {
        Self {
            id: offer.id,
            pool: offer.pool,
            key,
            accepted: record.accepted,
            state: State::Accepted,
            attempt: 0,
            progress: None,
            is_cancelled: false,
            may_have_run: false,
            finished: None,
            input: offer.input,
            output: None,
            is_told: false,
            is_result_gone: false,
            events: vec![Seen::Queued],
            woken: 0,
            is_squeezed: false,
            record,
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.state.is_finished()
    }

    /// Returns whether its key lives.
    pub(crate) fn is_protected(&self, retention: &Retention, now: Time) -> bool {
        let lives = self.finished.is_none_or(|at| self.may_have_run && now < at + retention.keys);
        self.key.is_some() && lives
    }

    /// Returns whether its result's time is up.
    pub(crate) fn is_result_over(&self, retention: &Retention, now: Time) -> bool {
        self.finished.is_some_and(|at| at + retention.results <= now)
    }

    /// Returns whether the record's time is up.
    pub(crate) fn is_over(&self, retention: &Retention, now: Time) -> bool {
        let has_key = self.key.is_some() && self.may_have_run;
        let keys = if has_key { retention.keys } else { std::time::Duration::ZERO };
        self.finished.is_some_and(|at| at + retention.records.max(keys) <= now)
    }

    /// Returns the number of events that watchers can tell apart, and their bytes, generously.
    pub(crate) fn history(&self) -> (usize, u64) {
        let chunk = |seen: &Seen| if let Seen::Chunk(bytes) = seen { *bytes } else { 0 };
        (self.events.len(), self.events.iter().map(|seen| 300 + 3 * chunk(seen)).sum())
    }
}

/// A job that ran under a key. Stays known after its record is gone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ran {
    pub(crate) job: JobId,
    /// `None` while the job is unfinished, and the time at which its key is free otherwise.
    pub(crate) free: Option<Time>,
}

#[derive(Debug, Default)]
pub(crate) struct Model {
    /// The jobs that have a record.
    pub(crate) jobs: BTreeMap<JobId, Job>,
    /// The last job of each key.
    pub(crate) keys: BTreeMap<Key, Ran>,
    /// Jobs whose records are gone.
    pub(crate) gone: Vec<JobId>,
}

impl Model {
    /// Returns the job that holds a key.
    pub(crate) fn holder(&self, key: &Key, now: Time) -> Option<JobId> {
        let ran = self.keys.get(key)?;
        ran.free.is_none_or(|free| now < free).then_some(ran.job)
    }

    pub(crate) fn accept(&mut self, job: Job) {
        if let Some((key, _)) = &job.key {
            self.keys.insert(key.clone(), Ran { job: job.id, free: None });
        }
        self.jobs.insert(job.id, job);
    }

    /// Loses all events.
    pub(crate) fn restart(&mut self) {
        for job in self.jobs.values_mut() {
            (job.events, job.woken) = (vec![Seen::Lost], 1);
        }
    }

    /// Notes when the key of a job is free.
    pub(crate) fn free(&mut self, job: JobId, at: Time) {
        let Some(key) = self.jobs.get(&job).and_then(|job| job.key.as_ref()) else { return };
        if let Some(ran) = self.keys.get_mut(&key.0)
            && ran.job == job
        {
            ran.free = Some(at);
        }
    }

    /// Returns the jobs that have a record.
    pub(crate) fn ids(&self) -> Vec<JobId> {
        self.jobs.keys().copied().collect()
    }
}
