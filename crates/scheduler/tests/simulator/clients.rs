//! Clients whose jobs kill workers, counted a second time. Checks which clients are refused, when
//! the refusal ends, and that no other client is refused.

use std::time::Duration;

use procpool_scheduler::{Client, Event, Fingerprint, JobId, Time};

use crate::broken::Broken;
use crate::happenings::POISON;
use crate::ledger::holds;
use crate::run::Run;

/// Deaths caused by a client, in the window that began with the first one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    deaths: u32,
    since: Time,
}

/// Returns the client of a job. Some jobs have no known client.
pub(crate) fn client_of(payload: u64) -> Option<Client> {
    (payload < 5).then_some(Client(payload % 3))
}

impl Run {
    /// Records that the client's job has killed its worker.
    pub(crate) fn strike_client(&mut self, payload: u64) {
        let Some(client) = client_of(payload) else { return };
        let (now, window) = (self.now, self.plan.config.client_deaths.window);
        let record = self.clients.entry(client.0).or_insert(Window { deaths: 0, since: now });
        if now >= record.since + window {
            *record = Window { deaths: 0, since: now };
        }
        record.deaths += 1;
    }

    /// Returns the number of workers that the job's client has killed, and the remaining time of
    /// its refusal, if it is refused.
    pub(crate) fn shunned(&mut self, job: JobId) -> Result<Option<(u32, Duration)>, Broken> {
        let (now, bounds) = (self.now, self.plan.config.client_deaths);
        let client = self.ledger.get(job)?.terms.client;
        let record = client.and_then(|client| self.clients.get(&client.0));
        let record = record.filter(|it| bounds.deaths > 0 && it.deaths >= bounds.deaths);
        Ok(record
            .map(|it| (it.deaths, (it.since + bounds.window).since(now)))
            .filter(|(_, left)| !left.is_zero()))
    }

    /// Checks that no job of a refused client begins.
    pub(crate) fn check_client(&mut self, job: JobId) -> Result<(), Broken> {
        let shunned = self.shunned(job)?;
        holds(shunned.is_none(), "clients_that_kill_are_refused", || format!("job {job} after {shunned:?}"))
    }

    /// Pardons one payload, or all payloads and clients.
    pub(crate) fn pardon(&mut self) -> Result<(), Broken> {
        let payload = self.random.percent(50).then_some(POISON);
        match payload {
            Some(payload) => drop(self.strikes.remove(&payload)),
            None => {
                self.strikes.clear();
                self.clients.clear();
            }
        }
        self.coverage.met("pardoned");
        self.feed(Event::Pardon { payload: payload.map(Fingerprint) })
    }
}
