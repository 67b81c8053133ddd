//! The clients whose jobs have recently killed workers, and the refusal of these clients. Does not:
//! identify clients, or judge a death. The scheduler reports only deaths that a job caused.

use std::time::Duration;

use crate::id_map::IdMap;
use crate::{Client, ClientDeaths, Time};

/// Maximum number of remembered clients. Beyond it, the pool forgets a client with the smallest
/// number of deaths.
const CAPACITY: usize = 1024;

/// The clients whose jobs have killed workers.
#[derive(Debug)]
pub(crate) struct Clients {
    bounds: ClientDeaths,
    records: IdMap<Client, Record>,
}

/// The number of deaths in a window that began with the first one.
#[derive(Clone, Copy, Debug)]
struct Record {
    deaths: u32,
    since: Time,
}

/// A client whose jobs have recently killed workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuspectClient {
    /// The client.
    pub client: Client,
    /// Number of workers that its jobs have killed.
    pub deaths: u32,
    /// Whether the pool refuses its jobs.
    pub is_refused: bool,
    /// Time until the pool forgets these deaths.
    pub remaining: Duration,
}

impl Clients {
    pub(crate) fn new(bounds: ClientDeaths) -> Self {
        Self { bounds, records: IdMap::default() }
    }

    /// Notes that a job of the client has killed a worker.
    pub(crate) fn strike(&mut self, client: Client, now: Time) {
        let window = self.bounds.window;
        self.records.retain(|_, record| now < record.since + window);
        if self.records.len() >= CAPACITY && !self.records.contains_key(&client) {
            self.forget_one();
        }
        let record = self.records.entry(client).or_insert(Record { deaths: 0, since: now });
        record.deaths = record.deaths.saturating_add(1);
    }

    /// Forgets the deaths of this client.
    pub(crate) fn pardon(&mut self, client: Client) {
        self.records.remove(&client);
    }

    /// Forgets the deaths of all clients.
    pub(crate) fn pardon_all(&mut self) {
        self.records = IdMap::default();
    }

    /// Returns whether any client may be refused.
    pub(crate) fn refuse_some(&self) -> bool {
        self.bounds.deaths > 0 && !self.records.is_empty()
    }

    /// Returns the client if the pool refuses its jobs.
    pub(crate) fn refused(&self, client: Option<Client>, now: Time) -> Option<SuspectClient> {
        // In a typical pool no client has deaths, and the check ends here.
        if !self.refuse_some() {
            return None;
        }
        self.suspect(client?, now).filter(|suspect| suspect.is_refused)
    }

    /// Returns the clients whose jobs have recently killed workers, in no particular order.
    pub(crate) fn suspects(&self, now: Time) -> impl Iterator<Item = SuspectClient> + '_ {
        self.records.keys().filter_map(move |&client| self.suspect(client, now))
    }

    fn suspect(&self, client: Client, now: Time) -> Option<SuspectClient> {
        let &Record { deaths, since } = self.records.get(&client)?;
        let ClientDeaths { deaths: most, window } = self.bounds;
        let remaining = (since + window).since(now);
        let is_refused = most > 0 && deaths >= most;
        (now < since + window).then_some(SuspectClient { client, deaths, is_refused, remaining })
    }

    /// Forgets one client. Refused clients stay longest, so that a sender with many addresses
    /// cannot displace them.
    fn forget_one(&mut self) {
        let least =
            self.records.iter().min_by_key(|(client, record)| (record.deaths, record.since, client.0));
        if let Some(client) = least.map(|(&client, _)| client) {
            self.records.remove(&client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Client = Client(7);

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn clients(deaths: u32) -> Clients {
        Clients::new(ClientDeaths { deaths, window: Duration::from_secs(60) })
    }

    #[test]
    fn so_many_deaths_in_a_window_and_the_client_is_refused_until_it_ends() {
        let mut clients = clients(2);
        clients.strike(CLIENT, at(0));
        assert_eq!(clients.refused(Some(CLIENT), at(0)), None);
        clients.strike(CLIENT, at(50));
        let remaining = Duration::from_secs(10);
        let refused = SuspectClient { client: CLIENT, deaths: 2, is_refused: true, remaining };
        assert_eq!(clients.refused(Some(CLIENT), at(50)), Some(refused));
        assert_eq!(clients.refused(Some(Client(8)), at(50)), None);
        assert_eq!(clients.refused(None, at(50)), None);
        assert_eq!(clients.refused(Some(CLIENT), at(60)), None);
        clients.strike(CLIENT, at(60));
        assert_eq!(clients.suspects(at(60)).map(|it| it.deaths).collect::<Vec<_>>(), [1], "a new window");
    }

    #[test]
    fn deaths_that_are_far_apart_refuse_nobody() {
        let mut clients = clients(2);
        for minute in 0..100 {
            clients.strike(CLIENT, at(60 * minute));
            assert_eq!(clients.refused(Some(CLIENT), at(60 * minute)), None);
        }
    }

    #[test]
    fn without_a_bound_deaths_are_counted_and_nobody_is_refused() {
        let mut clients = clients(0);
        for _ in 0..100 {
            clients.strike(CLIENT, at(0));
        }
        let counted: Vec<_> = clients.suspects(at(0)).map(|it| (it.deaths, it.is_refused)).collect();
        assert_eq!((counted, clients.refused(Some(CLIENT), at(0))), (vec![(100, false)], None));
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes an interpreter hours")]
    fn a_flood_of_clients_pushes_out_those_with_the_fewest_deaths() {
        let mut clients = clients(2);
        clients.strike(CLIENT, at(0));
        clients.strike(CLIENT, at(0));
        for client in 0..5_000 {
            clients.strike(Client(100 + client), Time::from_nanos(client));
        }
        assert_eq!(clients.records.len(), CAPACITY);
        assert!(clients.refused(Some(CLIENT), at(1)).is_some());
        clients.pardon(CLIENT);
        assert_eq!((clients.refused(Some(CLIENT), at(1)), clients.records.len()), (None, CAPACITY - 1));
        clients.pardon_all();
        assert_eq!(clients.suspects(at(1)).count(), 0);
    }
}
