//! The one task that looks at the pools while somebody watches. The first viewer starts it, and it ends a while after the
//! last one has left. Without viewers it costs nothing.

use super::encode::Encoder;
use super::frame::{Frame, Rare};
use super::pace::{Pace, Processors};
use crate::health::Health;
use procpool_protocol::engine::{Admin, Death, DeathQuery};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};

/// Time between two looks at the machine's processors.
const LOOK: Duration = Duration::from_secs(1);

/// Minimum time between two frames: viewers that come at once, or fall behind again and again, share a snapshot.
const GAP: Duration = Duration::from_millis(100);

/// Time that the sampler goes on without viewers: one that reconnects finds it running.
const LINGER: Duration = Duration::from_secs(5);

/// Maximum number of deaths that are fetched for one frame.
const REPORTS: usize = 1_024;

/// Maximum number of rare events that a slow viewer has not taken. It gets a snapshot instead of older ones.
const RARE: usize = 256;

/// The place where viewers find the sampler. Clones share it.
#[derive(Clone)]
pub(crate) struct Board(Arc<Shared>);

struct Shared {
    admin: Arc<dyn Admin>,
    health: Health,
    /// Counts the time of the machine's processors.
    processors: fn() -> Option<Processors>,
    frames: watch::Sender<Option<Arc<Frame>>>,
    rare: broadcast::Sender<Rare>,
    audience: Mutex<Audience>,
    wants_snapshot: AtomicBool,
    /// Rings when a viewer wants a snapshot.
    wanted: Notify,
    /// The number of the newest frame.
    newest: AtomicU64,
}

#[derive(Default)]
struct Audience {
    viewers: usize,
    is_sampled: bool,
}

impl Board {
    pub(crate) fn new(admin: Arc<dyn Admin>, health: Health) -> Self {
        Self::with(admin, health, Processors::read)
    }

    pub(super) fn with(
        admin: Arc<dyn Admin>,
        health: Health,
        processors: fn() -> Option<Processors>,
    ) -> Self {
        Self(Arc::new(Shared {
            admin,
            health,
            processors,
            frames: watch::Sender::new(None),
            rare: broadcast::Sender::new(RARE),
            audience: Mutex::default(),
            wants_snapshot: AtomicBool::new(false),
            wanted: Notify::new(),
            newest: AtomicU64::new(0),
        }))
    }

    /// Counts a viewer until what this returns is dropped, and sees to it that there is a sampler.
    pub(super) fn join(&self) -> Seat {
        let (frames, rare) = (self.0.frames.subscribe(), self.0.rare.subscribe());
        let mut audience = self.0.audience();
        audience.viewers += 1;
        if !std::mem::replace(&mut audience.is_sampled, true) {
            tokio::spawn(sample(Sampling { shared: self.0.clone(), has_ended: false }));
        }
        drop(audience);
        Seat { board: self.clone(), frames, rare }
    }

    pub(super) fn health(&self) -> &Health {
        &self.0.health
    }
}

impl fmt::Debug for Board {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Board").field("viewers", &self.0.audience().viewers).finish_non_exhaustive()
    }
}

impl Shared {
    fn audience(&self) -> MutexGuard<'_, Audience> {
        self.audience.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of one viewer.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) board: Board,
    pub(super) frames: watch::Receiver<Option<Arc<Frame>>>,
    pub(super) rare: broadcast::Receiver<Rare>,
}

impl Seat {
    /// Asks for a frame with a snapshot. Returns the number of the newest frame, after which it comes.
    pub(super) fn want_snapshot(&self) -> u64 {
        let shared = &self.board.0;
        let newest = shared.newest.load(Relaxed);
        shared.wants_snapshot.store(true, Relaxed);
        shared.wanted.notify_one();
        newest
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.board.0.audience().viewers -= 1;
    }
}

/// Makes it known that the sampler has ended, however it did.
struct Sampling {
    shared: Arc<Shared>,
    has_ended: bool,
}

impl Sampling {
    /// Ends the sampler unless somebody watches. From then on, the next viewer starts another one.
    fn end_if_alone(&mut self) -> bool {
        let mut audience = self.shared.audience();
        self.has_ended = audience.viewers == 0;
        audience.is_sampled = !self.has_ended;
        self.has_ended
    }
}

impl Drop for Sampling {
    fn drop(&mut self) {
        if !self.has_ended {
            self.shared.audience().is_sampled = false;
        }
    }
}

async fn sample(mut sampling: Sampling) {
    let shared = sampling.shared.clone();
    let mut encoder = Encoder::after(shared.newest.load(Relaxed));
    let mut samples = Vec::new();
    let mut last_death = newest_death(&*shared.admin);
    let mut alone_since = None;
    let mut pace = Pace::default();
    let (mut next, mut last_frame, mut looked) = (Instant::now(), Instant::now(), None);
    loop {
        tokio::select! {
            () = sleep_until(next) => next = Instant::now() + pace.interval(),
            () = shared.wanted.notified() => {}
            () = shared.health.until_draining() => return,
        }
        if shared.audience().viewers > 0 {
            alone_since = None;
        } else if alone_since.get_or_insert_with(Instant::now).elapsed() < LINGER {
            continue;
        } else if sampling.end_if_alone() {
            return;
        }
        if looked.is_none_or(|at: Instant| at.elapsed() >= LOOK) {
            looked = Some(Instant::now());
            // With many processors, the kernel takes a while for its answer.
            pace.take(spawn_blocking(shared.processors).await.unwrap_or_default());
        }
        sleep_until(last_frame + GAP).await;
        last_frame = Instant::now();
        shared.admin.sample(&mut samples);
        let with_snapshot = shared.wants_snapshot.swap(false, Relaxed);
        let reports = reported(&*shared.admin, &mut last_death);
        let (frame, rare) = encoder.encode(now(), &samples, &reports, with_snapshot);
        shared.newest.store(frame.tick.id(), Relaxed);
        // Nobody may be listening any longer.
        rare.into_iter().for_each(|event| drop(shared.rare.send(event)));
        shared.frames.send_replace(Some(Arc::new(frame)));
    }
}

/// Returns the number of the last death so far.
fn newest_death(admin: &dyn Admin) -> u64 {
    let mut query = DeathQuery::all();
    query.limit = Some(1);
    admin.deaths(&query).deaths.first().map_or(0, |death| death.id)
}

/// Returns the deaths since the one with number `last`, the newest first.
fn reported(admin: &dyn Admin, last: &mut u64) -> Vec<Arc<Death>> {
    let mut query = DeathQuery::all();
    (query.after, query.limit) = (Some(*last), Some(REPORTS));
    let deaths = admin.deaths(&query).deaths;
    *last = deaths.first().map_or(*last, |death| death.id);
    deaths
}

/// Returns milliseconds since the epoch.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::counting::Counting;
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn the_pools_are_looked_at_once_for_all_viewers_and_not_at_all_without_them() {
        let admin = Arc::new(Counting::default());
        let board = Board::with(admin.clone(), Health::starting(), || None);
        sleep(Duration::from_secs(60)).await;
        assert_eq!(admin.looks(), 0);

        let mut seats: Vec<_> = (0..10).map(|_| board.join()).collect();
        seats[0].frames.changed().await.unwrap();
        let before = admin.looks();
        sleep(Duration::from_secs(10)).await;
        assert!((39..=41).contains(&(admin.looks() - before)), "four times a second");

        seats.clear();
        sleep(LINGER / 2).await;
        let mut late = board.join();
        late.frames.changed().await.unwrap();
        assert!(board.0.audience().is_sampled, "the sampler goes on for one that reconnects");
        drop(late);
        sleep(2 * LINGER).await;
        let (at_end, audience) = (admin.looks(), board.0.audience().is_sampled);
        sleep(Duration::from_secs(60)).await;
        assert_eq!((admin.looks(), audience), (at_end, false));

        let newest = board.0.newest.load(Relaxed);
        let mut again = board.join();
        again.frames.changed().await.unwrap();
        let frame = again.frames.borrow().clone().unwrap();
        assert!(frame.tick.id() > newest, "numbers are not used again");
    }
    #[tokio::test(start_paused = true)]
    async fn a_machine_without_time_is_looked_at_once_a_second() {
        fn busy() -> Option<Processors> {
            static TOTAL: AtomicU64 = AtomicU64::new(0);
            Some(Processors { idle: 0, total: TOTAL.fetch_add(100, Relaxed) })
        }
        let admin = Arc::new(Counting::default());
        let board = Board::with(admin.clone(), Health::starting(), busy);
        let _seat = board.join();
        sleep(Duration::from_secs(5)).await;
        let before = admin.looks();
        sleep(Duration::from_secs(10)).await;
        assert!((9..=11).contains(&(admin.looks() - before)), "{}", admin.looks() - before);
    }

    #[tokio::test(start_paused = true)]
    async fn viewers_that_come_at_once_share_a_snapshot() {
        let admin = Arc::new(Counting::default());
        let board = Board::with(admin.clone(), Health::starting(), || None);
        let mut seats: Vec<_> = (0..100).map(|_| board.join()).collect();
        for seat in &mut seats {
            seat.want_snapshot();
            sleep(Duration::from_millis(1)).await;
        }
        assert!(admin.looks() <= 8, "{}", admin.looks());
    }
}
