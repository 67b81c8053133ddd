//! Clients whose jobs have killed too many workers: the pool refuses their jobs, and gives back
//! waiting ones. Does not: identify clients.

use super::Scheduler;
use crate::{Client, JobId, Refusal, Stage, Verdict};

impl Scheduler {
    /// Returns whether the job's client is refused.
    pub(super) fn is_shunned(&self, id: JobId) -> bool {
        let client = self.jobs.get(&id).and_then(|job| job.client);
        self.clients.refused(client, self.now).is_some()
    }

    /// Records that the job has killed its worker.
    pub(super) fn strike_client(&mut self, id: JobId) {
        if let Some(client) = self.jobs.get(&id).and_then(|job| job.client) {
            self.clients.strike(client, self.now);
        }
    }

    /// Gives back a job that no worker has run and whose client is refused.
    pub(super) fn give_back(&mut self, id: JobId) -> bool {
        let Some(job) = self.jobs.get(&id).filter(|job| job.stage() == Stage::Queued) else { return false };
        let Some(suspect) = self.clients.refused(job.client, self.now) else { return false };
        let (client_deaths, retry) = (suspect.deaths, suspect.remaining);
        self.resolve(id, Verdict::GivenBack { client_deaths, retry });
        true
    }

    /// Returns why the pool refuses jobs of this client, if it does.
    pub(super) fn refusal_of(&self, client: Option<Client>) -> Option<Refusal> {
        let suspect = self.clients.refused(client, self.now)?;
        Some(Refusal::Client { deaths: suspect.deaths, retry: suspect.remaining })
    }
}
