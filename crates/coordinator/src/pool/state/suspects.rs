//! Payloads and clients that have killed, as an operator sees and clears them: by fingerprint, with the last job that died of a
//! payload and with the name of a client. Does not count and does not judge: that is the scheduler's.

use super::State;
use super::effects::Effects;
use procpool_protocol::JobId;
use procpool_protocol::engine::{ClientName, Quarantine, SuspectClient, SuspectPayload};
use procpool_scheduler::{Client, Event, Fingerprint, Suspect, SuspectClient as Counted, Time};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::time::Duration;

/// Number of entries above which those are dropped that are no longer suspected. The scheduler suspects fewer.
const CAPACITY: usize = 2048;

/// The details of suspects beyond the numbers by which the scheduler knows them.
#[derive(Debug, Default)]
pub(crate) struct Suspects {
    /// The last job that died of each payload, by its public id, of which the scheduler knows half.
    last_jobs: FxHashMap<Fingerprint, JobId>,
    clients: FxHashMap<Client, ClientName>,
}

/// Returns the scheduler's name of this client.
pub(super) fn number(client: &ClientName) -> Client {
    Client(client.number())
}

impl State {
    /// Records that a worker has died of this job, and so of this payload where that is known.
    pub(crate) fn died_of(
        &mut self,
        now: Time,
        job: JobId,
        client: Option<ClientName>,
        payload: Option<Fingerprint>,
    ) {
        let Suspects { last_jobs, clients, .. } = &mut self.suspects;
        last_jobs.extend(payload.map(|payload| (payload, job)));
        if last_jobs.len() > CAPACITY {
            let suspected = self.scheduler.suspects(now).map(|it| it.payload);
            *last_jobs = suspected.filter_map(|it| Some((it, *last_jobs.get(&it)?))).collect();
        }
        if clients.len() > CAPACITY {
            let suspected = self.scheduler.suspect_clients(now).map(|it| it.client);
            *clients = suspected.filter_map(|it| Some((it, clients.get(&it)?.clone()))).collect();
        }
        if let Some(name) = client {
            self.suspects.clients.insert(number(&name), name);
        }
    }

    /// Returns the records of payloads and clients, worst first.
    pub(crate) fn quarantine(&self, now: Time) -> Quarantine {
        let mut payloads: Vec<_> = self.scheduler.suspects(now).collect();
        payloads.sort_unstable_by_key(|it| (it.is_run, Reverse(it.deaths), it.since_last, it.payload.0));
        let mut clients: Vec<_> = self.scheduler.suspect_clients(now).collect();
        clients.sort_unstable_by_key(|it| (Reverse(it.deaths), it.remaining, it.client.0));
        let mut quarantine = Quarantine::default();
        quarantine.payloads = payloads.into_iter().map(|suspect| self.payload(suspect)).collect();
        quarantine.clients = clients.into_iter().map(|suspect| self.client(suspect)).collect();
        quarantine
    }

    /// Returns this payload's record, if deaths are held against it.
    pub(crate) fn suspected(&self, now: Time, payload: Fingerprint) -> Option<SuspectPayload> {
        let suspect = self.scheduler.suspects(now).find(|it| it.payload == payload)?;
        Some(self.payload(suspect))
    }

    fn payload(&self, suspect: Suspect) -> SuspectPayload {
        let mut shown = SuspectPayload::new(name(suspect.payload.0));
        shown.deaths = suspect.deaths;
        shown.quarantined = !suspect.is_run;
        shown.remaining_ms = millis(suspect.remaining);
        shown.since_last_death_ms = millis(suspect.since_last);
        shown.last_job = self.suspects.last_jobs.get(&suspect.payload).copied();
        shown
    }

    fn client(&self, suspect: Counted) -> SuspectClient {
        let known = self.suspects.clients.get(&suspect.client);
        let mut shown = SuspectClient::new(name(suspect.client.0), known.map_or("", |name| &**name));
        shown.deaths = suspect.deaths;
        shown.quarantined = suspect.is_refused;
        shown.remaining_ms = millis(suspect.remaining);
        shown
    }

    /// Forgets what is held against one payload or client, or against all. Returns how many are forgotten.
    pub(crate) fn clear_quarantine(
        &mut self,
        now: Time,
        fingerprint: Option<&str>,
        effects: &mut Effects,
    ) -> usize {
        let is_meant = |number: u64| fingerprint.is_none_or(|meant| meant == name(number));
        let payloads = self.scheduler.suspects(now).map(|it| it.payload).filter(|it| is_meant(it.0));
        let clients = self.scheduler.suspect_clients(now).map(|it| it.client).filter(|it| is_meant(it.0));
        let (payloads, clients): (Vec<_>, Vec<_>) = (payloads.collect(), clients.collect());
        for &payload in &payloads {
            self.suspects.last_jobs.remove(&payload);
            self.handle(now, Event::Pardon { payload: Some(payload) }, effects);
        }
        for &client in &clients {
            self.suspects.clients.remove(&client);
            self.handle(now, Event::PardonClient { client }, effects);
        }
        payloads.len() + clients.len()
    }
}

/// Returns the name of a payload or of a client.
pub(crate) fn name(number: u64) -> String {
    format!("{number:016x}")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
