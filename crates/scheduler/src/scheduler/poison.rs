//! Jobs whose payloads are in quarantine: the pool ends them instead of running them. Does not:
//! hold payloads. The scheduler asks the caller for the fingerprint when the job's turn comes.

use super::job::Job;
use super::{Due, Scheduler};
use crate::quarantine::Sentence;
use crate::{Action, Fingerprint, JobId, Stage, Time, Verdict};

/// The state of a job's fingerprint.
#[derive(Clone, Copy, Debug)]
pub(super) enum Print {
    Unknown,
    /// The scheduler has asked for it by [`Action::Identify`].
    Asked,
    Known(Fingerprint),
}

impl Print {
    const fn known(self) -> Option<Fingerprint> {
        match self {
            Self::Known(payload) => Some(payload),
            Self::Unknown | Self::Asked => None,
        }
    }

    /// Records the fingerprint. A payload never changes, so an earlier answer stays.
    pub(super) const fn learn(&mut self, payload: Option<Fingerprint>) {
        if let (Self::Unknown | Self::Asked, Some(payload)) = (*self, payload) {
            *self = Self::Known(payload);
        }
    }
}

impl From<Option<Fingerprint>> for Print {
    fn from(payload: Option<Fingerprint>) -> Self {
        payload.map_or(Self::Unknown, Self::Known)
    }
}

impl Scheduler {
    /// Returns whether the pool must know the payload before it assigns the job, and asks for it
    /// once. This applies to jobs submitted before any payload had killed a worker. Asks only for
    /// the first job in the queue. The pool usually forgets the payload that killed before it needs
    /// to ask for later jobs.
    pub(super) fn has_to_be_identified(&mut self, id: JobId) -> bool {
        if self.quarantine.is_empty() {
            return false;
        }
        let Some(job) = self.jobs.get_mut(&id) else { return false };
        match job.print {
            Print::Known(_) => false,
            Print::Asked => true,
            Print::Unknown => {
                job.print = Print::Asked;
                self.act(Action::Identify { job: id });
                true
            }
        }
    }

    pub(super) fn identified(&mut self, id: JobId, payload: Fingerprint) {
        match self.jobs.get_mut(&id) {
            Some(job) => {
                job.print.learn(Some(payload));
                // The pool may have assigned the job since, if it had forgotten all payloads that
                // had killed.
                if job.worker().is_none() {
                    self.convict(id);
                }
            }
            None => self.counters.stale_events += 1,
        }
    }

    /// Records that the job has killed its worker. `is_first` says that the worker had run no job
    /// before.
    pub(super) fn strike(&mut self, id: JobId, is_first: bool) {
        self.strike_client(id);
        if let Some(payload) = self.payload(id) {
            self.quarantine.strike(payload, is_first, self.now);
            self.watch_memory();
        }
    }

    /// Pardons this payload, or all payloads and clients.
    pub(super) fn pardon(&mut self, payload: Option<Fingerprint>) {
        self.quarantine.pardon(payload);
        if payload.is_none() {
            self.clients.pardon_all();
        }
    }

    /// Records that a job has succeeded, so that its payload does not count as a killer.
    #[inline]
    pub(super) fn absolve(&mut self, print: Print) {
        if !self.quarantine.is_empty()
            && let Some(payload) = print.known()
        {
            self.quarantine.absolve(payload);
        }
    }

    /// Returns the number of workers that the job's payload has recently killed.
    pub(super) fn deaths(&self, id: JobId) -> u32 {
        self.payload(id).map_or(0, |payload| self.quarantine.deaths(payload, self.now))
    }

    /// Returns whether this payload has recently killed a worker.
    #[must_use]
    pub fn has_killed(&self, payload: Fingerprint, now: Time) -> bool {
        self.quarantine.deaths(payload, now) > 0
    }

    /// Returns whether any payload or client might require a job to end. This is rare.
    pub(super) fn suspects_some(&self) -> bool {
        self.clients.refuse_some() || !self.quarantine.is_empty()
    }

    /// Ends a job whose payload is in quarantine, or whose client is refused. Returns whether it
    /// did.
    #[inline]
    pub(super) fn convict(&mut self, id: JobId) -> bool {
        // Every job calls this, so it only checks flags in the usual case.
        (self.clients.refuse_some() && self.give_back(id))
            || (!self.quarantine.is_empty() && self.quarantined(id))
    }

    fn quarantined(&mut self, id: JobId) -> bool {
        let Some(Sentence { deaths: payload_deaths, remaining }) = self.sentence(id) else { return false };
        let stage = self.jobs.get(&id).map_or(Stage::Queued, Job::stage);
        self.resolve(id, Verdict::Poisoned { stage, payload_deaths, remaining });
        true
    }

    /// Returns the sentence on the job's payload if it is in quarantine.
    pub(super) fn sentence(&self, id: JobId) -> Option<Sentence> {
        self.payload(id).and_then(|payload| self.quarantine.sentence(payload, self.now))
    }

    /// Returns the verdict on a job whose worker has died.
    pub(super) fn crashed(&self, id: JobId, handed_over: bool) -> Verdict {
        let quarantined = self.sentence(id).map(|sentence| sentence.remaining);
        Verdict::Crashed { handed_over, payload_deaths: self.deaths(id), quarantined }
    }

    /// Forgets old payloads. Once all are forgotten, no job needs identification.
    pub(super) fn memory_is_over(&mut self) {
        self.memory_timer = None;
        self.quarantine.forget_old(self.now);
        self.watch_memory();
    }

    fn watch_memory(&mut self) {
        if self.memory_timer.is_none() {
            let end = self.quarantine.end_of_memory();
            self.memory_timer = end.map(|end| self.timers.arm(end, Due::Memory));
        }
    }

    fn payload(&self, id: JobId) -> Option<Fingerprint> {
        self.jobs.get(&id).and_then(|job| job.print.known())
    }
}
