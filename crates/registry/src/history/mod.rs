//! [`Histories`]: the events of all jobs, bounded together. Jobs without recent events lose theirs
//! first.

mod log;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use procpool_protocol::JobId;

use self::log::Log;
pub use self::log::{Entry, Happened};
use crate::effect::Dropped;
use crate::settings::Settings;
use crate::time::Time;

/// The events of all jobs.
#[derive(Debug, Default)]
pub(crate) struct Histories {
    logs: HashMap<JobId, Log>,
    /// The logs that hold events, by their last use.
    used: BTreeMap<u64, JobId>,
    uses: u64,
    bytes: u64,
    forgets_ended: bool,
}

/// The events that a job's watcher has not seen.
pub(crate) enum Unseen {
    /// All of them, in order.
    Next(Vec<Arc<Entry>>),
    /// Some are gone. The number of the last event.
    Lost(u64),
}

impl Histories {
    /// Returns the number of bytes of all events.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Begins the log of a new job.
    pub(crate) fn begin(&mut self, job: JobId) {
        self.logs.insert(job, Log::default());
    }

    /// Appends an event of a job. Returns the events that are gone because of it.
    pub(crate) fn append(
        &mut self,
        settings: &Settings,
        job: JobId,
        at: Time,
        what: Happened,
    ) -> Vec<Dropped> {
        let log = self.logs.entry(job).or_insert_with(Log::lost);
        self.bytes -= log.bytes();
        self.used.remove(&log.used());
        let mut gone = log.append(settings, at, what);
        self.bytes += log.bytes();
        if log.bytes() > 0 {
            self.uses += 1;
            log.use_as(self.uses);
            self.used.insert(self.uses, job);
        }
        while self.bytes > settings.max_event_bytes {
            let Some((_, oldest)) = self.used.pop_first() else { break };
            gone.extend(self.empty(oldest));
            if self.forgets_ended
                && gone.last().is_some_and(|last| matches!(last.what, Happened::Outcome { .. }))
            {
                self.logs.remove(&oldest);
            }
        }
        if gone.is_empty() { Vec::new() } else { vec![Dropped::Events(gone)] }
    }

    /// Returns the events of a job after the one with this number.
    pub(crate) fn after(&self, job: JobId, seen: u64) -> Unseen {
        self.logs.get(&job).map_or_else(|| Log::lost().after(seen), |log| log.after(seen))
    }

    /// Lets logs of finished jobs go with their events. Their watchers begin with the whole state.
    pub(crate) fn forget_ended(&mut self) {
        self.forgets_ended = true;
    }

    /// Removes all events, because the last ones have not happened. Their numbers are not used again.
    pub(crate) fn lose(&mut self) -> Vec<Dropped> {
        let used: Vec<_> = std::mem::take(&mut self.used).into_values().collect();
        let gone: Vec<_> = used.into_iter().flat_map(|job| self.empty(job)).collect();
        if gone.is_empty() { Vec::new() } else { vec![Dropped::Events(gone)] }
    }

    /// Removes the log of a job whose record is gone.
    pub(crate) fn forget(&mut self, job: JobId) -> Option<Dropped> {
        let events = self.empty(job);
        if let Some(log) = self.logs.remove(&job) {
            self.used.remove(&log.used());
        }
        if events.is_empty() { None } else { Some(Dropped::Events(events)) }
    }

    fn empty(&mut self, job: JobId) -> Vec<Arc<Entry>> {
        let Some(log) = self.logs.get_mut(&job) else { return Vec::new() };
        self.bytes -= log.bytes();
        log.empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::OutcomeKind;

    #[test]
    fn a_log_that_is_forgotten_leaves_nothing() {
        let (mut histories, settings) = (Histories::default(), Settings::default());
        let jobs = [1, 2].map(JobId::from_bits);
        jobs.iter().for_each(|&job| histories.begin(job));
        for job in [jobs[0], jobs[1], jobs[0]] {
            let outcome = Happened::Outcome { outcome: OutcomeKind::Ok, may_have_run: true };
            histories.append(&settings, job, Time::ZERO, outcome);
        }
        assert_eq!(histories.used.len(), 2);
        for job in jobs {
            assert!(histories.forget(job).is_some());
        }
        assert!(histories.logs.is_empty() && histories.used.is_empty());
        assert_eq!(histories.bytes, 0);
    }
}
