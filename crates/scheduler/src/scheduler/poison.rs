//! Jobs whose payloads have killed: given up instead of run. Does not: hold payloads; the caller is
//! asked for the fingerprint when the job's turn comes.

use super::job::Job;
use super::{Due, Scheduler};
use crate::quarantine::Sentence;
use crate::{Action, Fingerprint, JobId, Stage, Time, Verdict};

/// The knowledge about a job's payload.
#[derive(Clone, Copy, Debug)]
pub(super) enum Print {
    Unknown,
    /// The answer to [`Action::Identify`] is on its way.
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

    /// Notes the payload. A payload never changes, so an earlier answer stays.
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
    /// Returns whether the job may not be given to a worker before its payload is known. That is so
    /// for jobs that were submitted before any payload had killed. Asks for it, once. Only ever for
    /// the first in the queue. Usually those behind it are never asked for, because the payload
    /// that killed is forgiven or forgotten before their turn.
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
                // It may have been given to a worker meanwhile: what had killed was forgotten.
                if job.worker().is_none() {
                    self.convict(id);
                }
            }
            None => self.counters.stale_events += 1,
        }
    }

    /// Notes that the job has killed its worker, which had run none before if `is_first`.
    pub(super) fn strike(&mut self, id: JobId, is_first: bool) {
        self.strike_client(id);
        if let Some(payload) = self.payload(id) {
            self.quarantine.strike(payload, is_first, self.now);
            self.watch_memory();
        }
    }

    /// Forgives this payload, or all payloads and clients.
    pub(super) fn pardon(&mut self, payload: Option<Fingerprint>) {
        self.quarantine.pardon(payload);
        if payload.is_none() {
            self.clients.pardon_all();
        }
    }

    /// Notes that a job has ended successfully: its payload kills nobody.
    #[inline]
    pub(super) fn absolve(&mut self, print: Print) {
        if !self.quarantine.is_empty()
            && let Some(payload) = print.known()
        {
            self.quarantine.absolve(payload);
        }
    }

    /// Returns the number of workers that the job's payload has killed lately.
    pub(super) fn deaths(&self, id: JobId) -> u32 {
        self.payload(id).map_or(0, |payload| self.quarantine.deaths(payload, self.now))
    }

    /// Returns whether this payload has killed a worker lately.
    #[must_use]
    pub fn has_killed(&self, payload: Fingerprint, now: Time) -> bool {
        self.quarantine.deaths(payload, now) > 0
    }

    /// Returns whether there is a payload or a client that some job may have to end for. Hardly
    /// ever is there one.
    pub(super) fn suspects_some(&self) -> bool {
        self.clients.refuse_some() || !self.quarantine.is_empty()
    }

    /// Ends a job whose payload is in quarantine, or whose client is refused.
    #[inline]
    pub(super) fn convict(&mut self, id: JobId) -> bool {
        // Asked for each job.
        (self.clients.refuse_some() && self.give_back(id))
            || (!self.quarantine.is_empty() && self.quarantined(id))
    }

    fn quarantined(&mut self, id: JobId) -> bool {
        let Some(Sentence { deaths: payload_deaths, remaining }) = self.sentence(id) else { return false };
        let stage = self.jobs.get(&id).map_or(Stage::Queued, Job::stage);
        self.resolve(id, Verdict::Poisoned { stage, payload_deaths, remaining });
        true
    }

    /// Returns the time for which the job's payload is not run, if it is in quarantine.
    pub(super) fn sentence(&self, id: JobId) -> Option<Sentence> {
        self.payload(id).and_then(|payload| self.quarantine.sentence(payload, self.now))
    }

    /// Returns the verdict on a job whose worker has died.
    pub(super) fn crashed(&self, id: JobId, handed_over: bool) -> Verdict {
        let quarantined = self.sentence(id).map(|sentence| sentence.remaining);
        Verdict::Crashed { handed_over, payload_deaths: self.deaths(id), quarantined }
    }

    /// Forgets payloads that are old enough. Once all are forgotten, no job has to be identified
    /// any more.
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
