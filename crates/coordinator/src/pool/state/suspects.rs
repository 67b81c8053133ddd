//! The quarantine as an operator sees and clears it: payloads by their fingerprints, each with the last job that died of it.
//! Does not count and does not judge: that is the scheduler's.

use super::State;
use super::effects::Effects;
use procpool_protocol::JobId;
use procpool_protocol::engine::{Quarantine, SuspectPayload};
use procpool_scheduler::{Event, Fingerprint, Suspect, Time};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::time::Duration;

/// Number of jobs above which those are dropped whose payloads are no longer suspected. The scheduler suspects fewer.
const CAPACITY: usize = 2048;

/// The last job that died of each payload, by its public id, of which the scheduler knows half.
#[derive(Debug, Default)]
pub(crate) struct LastJobs(FxHashMap<Fingerprint, JobId>);

impl State {
    /// A worker has died of this payload, which `job` had.
    pub(crate) fn died_of(&mut self, now: Time, payload: Fingerprint, job: JobId) {
        let jobs = &mut self.last_jobs.0;
        jobs.insert(payload, job);
        if jobs.len() > CAPACITY {
            let suspected = self.scheduler.suspects(now).map(|it| it.payload);
            *jobs = suspected.filter_map(|payload| Some((payload, *jobs.get(&payload)?))).collect();
        }
    }

    /// What is held against payloads, worst first.
    pub(crate) fn quarantine(&self, now: Time) -> Quarantine {
        let mut suspects: Vec<_> = self.scheduler.suspects(now).collect();
        suspects.sort_unstable_by_key(|it| (it.is_run, Reverse(it.deaths), it.since_last, it.payload.0));
        let mut quarantine = Quarantine::default();
        quarantine.payloads = suspects.into_iter().map(|suspect| self.shown(suspect)).collect();
        quarantine
    }

    fn shown(&self, suspect: Suspect) -> SuspectPayload {
        let mut shown = SuspectPayload::new(name(suspect.payload));
        shown.deaths = suspect.deaths;
        shown.quarantined = !suspect.is_run;
        shown.remaining_ms = millis(suspect.remaining);
        shown.since_last_death_ms = millis(suspect.since_last);
        shown.last_job = self.last_jobs.0.get(&suspect.payload).copied();
        shown
    }

    /// Forgets what is held against one payload, or against all. Returns how many are forgotten.
    pub(crate) fn clear_quarantine(
        &mut self,
        now: Time,
        fingerprint: Option<&str>,
        effects: &mut Effects,
    ) -> usize {
        let is_meant = |it: &Suspect| fingerprint.is_none_or(|meant| meant == name(it.payload));
        let payloads: Vec<_> = self.scheduler.suspects(now).filter(is_meant).map(|it| it.payload).collect();
        for &payload in &payloads {
            self.last_jobs.0.remove(&payload);
            self.handle(now, Event::Pardon { payload: Some(payload) }, effects);
        }
        payloads.len()
    }
}

fn name(payload: Fingerprint) -> String {
    format!("{:016x}", payload.0)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
