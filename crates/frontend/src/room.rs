//! Who may be connected: a number altogether and from one address, and beyond that a few who may only ask
//! whether the server lives. Knows connections as guests, not what they ask.

use crate::activity::Activity;
use crate::config::HttpConfig;
use crate::peer::PeerKey;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::time::timeout;

/// Connections beyond the cap, which may ask for probes. When they are taken, the one from longest ago goes.
const RESERVE: usize = 64;

/// How long a request other than a probe's waits for another connection to make room.
const ADMISSION: Duration = Duration::from_secs(2);

/// How long a connection may take to ask its first question before it makes room for others.
const UNASKED: Duration = Duration::from_secs(1);

/// Time between two lines in the log that say the same.
const QUIET: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub(crate) struct Room {
    cap: usize,
    cap_per_peer: usize,
    uncapped: HashSet<PeerKey>,
    inside: Mutex<Inside>,
    /// Told whenever a guest goes.
    freed: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    next: u64,
    guests: BTreeMap<u64, Guest>,
    admitted: usize,
    per_peer: HashMap<PeerKey, usize>,
    warned: Option<Instant>,
}

#[derive(Debug)]
struct Guest {
    peer: Option<PeerKey>,
    activity: Arc<Activity>,
    leave: Arc<Notify>,
    is_admitted: bool,
    is_leaving: bool,
}

/// A guest's place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    room: Arc<Room>,
    number: u64,
    leave: Arc<Notify>,
    is_admitted: AtomicBool,
}

/// Which cap keeps a guest out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cap {
    All,
    Peer(PeerKey),
}

/// The decision about a guest of the reserve that asks for more than a probe.
enum Admission {
    Granted,
    /// A connection that idled is closing.
    WhenOneGoes,
    Refused,
}

impl Room {
    pub(crate) fn new(config: &HttpConfig) -> Arc<Self> {
        Arc::new(Self {
            cap: config.max_connections.max(1),
            cap_per_peer: config.max_connections_per_peer.max(1),
            uncapped: config.uncapped_peers.iter().map(|peer| PeerKey::of(*peer)).collect(),
            inside: Mutex::default(),
            freed: Notify::new(),
        })
    }

    /// Waits until there is a place in the reserve at least: only for as long as those who were told to go
    /// need for that.
    pub(crate) async fn has_place(&self) {
        loop {
            let freed = self.freed.notified();
            if self.inside().guests.len() < self.cap + 2 * RESERVE {
                return;
            }
            freed.await;
        }
    }

    /// Assigns a new connection its place.
    pub(crate) fn enter(self: &Arc<Self>, peer: Option<IpAddr>, activity: Arc<Activity>) -> Place {
        let peer = peer.map(PeerKey::of).filter(|key| !key.is_loopback() && !self.uncapped.contains(key));
        let leave = Arc::new(Notify::new());
        let mut inside = self.inside();
        let number = inside.next;
        inside.next += 1;
        let guest = Guest { peer, activity, leave: leave.clone(), is_admitted: false, is_leaving: false };
        inside.guests.insert(number, guest);
        let admission = self.try_admit(&mut inside, number);
        if let Err(cap) = admission {
            self.warn(&mut inside, cap);
            inside.make_room_in_reserve();
        }
        Place { room: self.clone(), number, leave, is_admitted: AtomicBool::new(admission.is_ok()) }
    }

    fn try_admit(&self, inside: &mut Inside, number: u64) -> Result<(), Cap> {
        let Some(guest) = inside.guests.get_mut(&number).filter(|guest| !guest.is_admitted) else {
            return Ok(());
        };
        if let Some(peer) = guest.peer
            && inside.per_peer.get(&peer).is_some_and(|count| *count >= self.cap_per_peer)
        {
            return Err(Cap::Peer(peer));
        }
        if inside.admitted >= self.cap {
            return Err(Cap::All);
        }
        guest.is_admitted = true;
        inside.admitted += 1;
        if let Some(peer) = guest.peer {
            *inside.per_peer.entry(peer).or_default() += 1;
        }
        Ok(())
    }

    fn warn(&self, inside: &mut Inside, cap: Cap) {
        let now = Instant::now();
        if inside.warned.is_some_and(|last| now.duration_since(last) < QUIET) {
            return;
        }
        inside.warned = Some(now);
        match cap {
            Cap::All => tracing::warn!(
                max_connections = self.cap,
                "the maximum number of clients is connected; further ones get only /livez and /readyz, and are \
                 asked to retry"
            ),
            Cap::Peer(peer) => tracing::warn!(
                %peer,
                max_connections_per_peer = self.cap_per_peer,
                "the maximum number of connections comes from one address; further ones get only /livez and \
                 /readyz, and are asked to retry; a proxy's address belongs in uncapped_peers"
            ),
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inside {
    /// Sends the one that has been in the reserve for longest away, if there are too many.
    fn make_room_in_reserve(&mut self) {
        let reserve = |guest: &&mut Guest| !guest.is_admitted && !guest.is_leaving;
        if self.guests.len() - self.admitted > RESERVE
            && let Some(guest) = self.guests.values_mut().find(reserve)
        {
            guest.send_away();
        }
    }

    /// Sends the one away that has asked nothing for longest, of those that this cap counts. Returns whether
    /// there was one.
    fn evict_idle(&mut self, cap: Cap) -> bool {
        let now = Instant::now();
        let counts = |guest: &Guest| match cap {
            Cap::All => true,
            Cap::Peer(peer) => guest.peer == Some(peer),
        };
        let admitted = self.guests.values_mut().filter(|guest| guest.is_admitted && counts(guest));
        let idle = admitted.filter_map(|guest| Some((guest.idle_since(now)?, guest)));
        idle.min_by_key(|(since, _)| *since).map(|(_, guest)| guest.send_away()).is_some()
    }
}

impl Inside {
    fn forget_one_of(&mut self, peer: PeerKey) {
        let count = self.per_peer.entry(peer).or_default();
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.per_peer.remove(&peer);
        }
    }
}

impl Guest {
    fn idle_since(&self, now: Instant) -> Option<Instant> {
        let life = self.activity.life();
        let since = life.idle_since().filter(|_| !self.is_leaving)?;
        (!life.never_asked() || now.duration_since(since) >= UNASKED).then_some(since)
    }

    fn send_away(&mut self) {
        self.is_leaving = true;
        self.leave.notify_one();
    }
}

impl Place {
    pub(crate) fn is_admitted(&self) -> bool {
        self.is_admitted.load(Relaxed)
    }

    /// Makes a guest of the reserve one of those who may ask anything. A connection that idles has to go for
    /// it; returns `false` at once if none does.
    pub(crate) async fn admit(&self) -> bool {
        let admission = async {
            loop {
                let freed = self.room.freed.notified();
                match self.try_admit() {
                    Admission::Granted => return true,
                    Admission::Refused => return false,
                    Admission::WhenOneGoes => freed.await,
                }
            }
        };
        let is_admitted = self.is_admitted() || timeout(ADMISSION, admission).await.unwrap_or(false);
        self.is_admitted.store(is_admitted, Relaxed);
        is_admitted
    }

    fn try_admit(&self) -> Admission {
        let mut inside = self.room.inside();
        match self.room.try_admit(&mut inside, self.number) {
            Ok(()) => Admission::Granted,
            Err(cap) if inside.evict_idle(cap) => Admission::WhenOneGoes,
            Err(_) => Admission::Refused,
        }
    }

    /// Tells the connection to close when its answers are out.
    pub(crate) fn leave(&self) {
        self.leave.notify_one();
    }

    /// Returns when the connection should close.
    pub(crate) async fn told_to_leave(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.room.inside();
        let Some(guest) = inside.guests.remove(&self.number) else {
            return;
        };
        if guest.is_admitted {
            inside.admitted -= 1;
            if let Some(peer) = guest.peer {
                inside.forget_one_of(peer);
            }
        }
        drop(inside);
        self.room.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
