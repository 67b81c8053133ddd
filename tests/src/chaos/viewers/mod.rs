//! Ten viewers of the server's stream, all the time: most of them read everything, some read slowly, some hang up and come again.
//!
//! `view.rs` is one connection, `picture.rs` a pool as it was shown, `witness.rs` compares deaths with the log.

mod picture;
mod view;
mod witness;

use super::client::Client;
use super::ledger::Oddities;
use super::random::Random;
use super::run::Run;
use super::scenario::{MEASURED, PLANS};
use super::sse::{Event, Parser};
use super::status;
use hyper::Method;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use view::{Pictures, Shown, View};
use witness::Witness;

/// How a viewer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Everything at once, from before the faults until all is quiet.
    Steady,
    /// A piece, and then nothing for a while.
    Slow,
    /// Some, and then it hangs up.
    Restless,
}

/// The viewers, with the pools that each asks for. None: all.
const VIEWERS: [(Manner, &[&str]); 10] = [
    (Manner::Steady, &[]),
    (Manner::Steady, &[]),
    (Manner::Steady, &[]),
    (Manner::Steady, &[]),
    (Manner::Steady, &["again", MEASURED]),
    (Manner::Slow, &[]),
    (Manner::Slow, &[]),
    (Manner::Slow, &["forked"]),
    (Manner::Restless, &[]),
    (Manner::Restless, &["again", "fib"]),
];

/// The receive buffer of a slow viewer. The kernel makes more of it.
const BUFFER: u32 = 1;

/// Between two pieces that a slow viewer reads.
const SLOWNESS: Duration = Duration::from_secs(1);

/// The longest piece of the stream after which a restless viewer hangs up, in bytes.
const MOST: u64 = 100_000;

/// Longest pause before a viewer comes again, in milliseconds.
const PAUSE: u64 = 500;

/// The findings of all viewers.
#[derive(Debug)]
pub(crate) struct Views {
    pub(crate) connections: u64,
    pub(crate) snapshots: u64,
    pub(crate) ticks: u64,
    pub(crate) deaths: u64,
    pub(crate) marks: u64,
    /// Snapshots for viewers that had missed something.
    pub(crate) skips: u64,
    /// Connections that the viewer has ended.
    pub(crate) hang_ups: u64,
    /// Events that cannot be true, and streams that ended by themselves.
    pub(crate) wrong: Oddities,
    /// How the last pictures of steady viewers differ from the status of the pools.
    pub(crate) differences: Oddities,
    seats: Vec<Seat>,
    /// Whether the viewers have left: they see nothing further.
    has_ended: bool,
}

/// The state of one viewer, over all its connections.
#[derive(Clone, Debug, Default)]
struct Seat {
    pictures: Pictures,
    witness: Witness,
}

impl Default for Views {
    fn default() -> Self {
        Self {
            connections: 0,
            snapshots: 0,
            ticks: 0,
            deaths: 0,
            marks: 0,
            skips: 0,
            hang_ups: 0,
            wrong: Oddities::default(),
            differences: Oddities::default(),
            seats: vec![Seat::default(); VIEWERS.len()],
            has_ended: false,
        }
    }
}

/// Numbers of the viewers.
pub(crate) fn all() -> std::ops::Range<usize> {
    0..VIEWERS.len()
}

/// Watches until told to leave. `stream` is the viewer's own.
pub(crate) async fn watch(run: Arc<Run>, number: usize, stream: u64) {
    let mut random = Random::new(run.options.seed, stream);
    let mut leave = run.leave.subscribe();
    loop {
        tokio::select! {
            _ = leave.wait_for(|leaves| *leaves) => return,
            end = connect(&run, number, &mut random) => match end {
                Ok(()) => run.views.open().hang_ups += 1,
                Err(what) => run.views.open().wrong.note(|| format!("viewer {number}: {what}")),
            },
        }
        // sleep: until it comes again.
        sleep(random.millis(0, PAUSE)).await;
    }
}

/// Reads until it has had enough.
async fn connect(run: &Run, number: usize, random: &mut Random) -> Result<(), String> {
    let (manner, pools) = VIEWERS[number];
    let client = match manner {
        Manner::Slow => Client::with_buffer(run.server, BUFFER),
        Manner::Steady | Manner::Restless => Client::new(run.server),
    };
    let path = match pools {
        [] => "/v1/events".to_owned(),
        some => format!("/v1/events?pools={}", some.join(",")),
    };
    let reading = client.read(Method::GET, &path, &[], String::new()).await;
    let mut reading = reading.map_err(|error| format!("no stream: {error}"))?;
    if reading.status != 200 {
        return Err(format!("the stream answered {}", reading.status));
    }
    run.views.open().connections += 1;
    let (mut view, mut parser) = (View::new(shown(pools)), Parser::default());
    let mut left = if manner == Manner::Restless { random.below(MOST) } else { u64::MAX };
    while left > 0 {
        let piece = reading.next().await.map_err(|error| format!("the stream broke off: {error}"))?;
        let Some(piece) = piece else { return Err("the stream ended".into()) };
        left = left.saturating_sub(piece.len() as u64);
        parser.feed(&piece, |event| run.views.open().take(number, &mut view, &event, run.clock.now()));
        if manner == Manner::Slow {
            // sleep: what makes it slow.
            sleep(SLOWNESS).await;
        }
    }
    Ok(())
}

/// Returns the pools that a viewer is shown, by name.
fn shown(asked: &[&'static str]) -> Vec<&'static str> {
    let mut pools: Vec<_> = match asked {
        [] => PLANS.iter().map(|plan| plan.name).collect(),
        some => some.to_vec(),
    };
    pools.sort_unstable();
    pools
}

/// Returns the viewers that see everything.
fn steady() -> impl Iterator<Item = (usize, &'static [&'static str])> {
    let is_steady = |(number, (manner, pools))| (manner == Manner::Steady).then_some((number, pools));
    VIEWERS.into_iter().enumerate().filter_map(is_steady)
}

impl Views {
    fn take(&mut self, number: usize, view: &mut View, event: &Event, now: Duration) {
        let seat = &mut self.seats[number];
        match view.take(event) {
            Ok(Shown::Snapshot { is_first }) => {
                self.snapshots += 1;
                self.skips += u64::from(!is_first);
                seat.witness.begins_anew(now);
            }
            Ok(Shown::Tick) => self.ticks += 1,
            Ok(Shown::Death(worker)) => {
                self.deaths += 1;
                seat.witness.saw(&worker);
            }
            Ok(Shown::Deaths(number)) => {
                self.deaths += number;
                seat.witness.saw_together(number);
            }
            Ok(Shown::Mark) => self.marks += 1,
            Ok(Shown::Bye) => self.wrong.note(|| format!("viewer {number}: the server said `bye`")),
            Err(what) => self.wrong.note(|| format!("viewer {number}: {what}")),
        }
        seat.pictures.clone_from(&view.pictures);
    }

    /// The log tells of the death of a worker that nobody had asked to exit, or that was killed.
    pub(crate) fn died(&mut self, worker: &str, at: Duration) {
        if self.has_ended {
            return;
        }
        let pool = worker.rsplit_once('-').map_or(worker, |(pool, _)| pool);
        for (number, _) in steady().filter(|(_, pools)| pools.is_empty() || pools.contains(&pool)) {
            self.seats[number].witness.died(worker, at);
        }
    }

    /// The viewers are about to leave.
    pub(crate) fn end(&mut self) {
        self.has_ended = true;
    }

    /// Returns the deaths that steady viewers were not shown.
    pub(crate) fn unseen(&self) -> Vec<String> {
        let of = |number: usize| {
            let unseen = self.seats[number].witness.unseen();
            unseen.map(move |worker| format!("viewer {number} was not shown the death of {worker}"))
        };
        steady().flat_map(|(number, _)| of(number)).collect()
    }

    /// Returns the number of deaths that were shown and logged, of all steady viewers.
    pub(crate) fn matched(&self) -> u64 {
        steady().map(|(number, _)| self.seats[number].witness.matched).sum()
    }

    /// Shows a death to all steady viewers.
    #[cfg(test)]
    pub(crate) fn shown_to_all(&mut self, worker: &str) {
        self.deaths += 1;
        steady().for_each(|(number, _)| self.seats[number].witness.saw(worker));
    }

    /// Leaves nobody who has seen a death.
    #[cfg(test)]
    pub(crate) fn forget_deaths(&mut self) {
        self.seats = Self::default().seats;
    }

    /// Compares what the steady viewers see with the status of the pools.
    pub(crate) fn compare(&mut self, pools: &[status::Pool]) {
        self.differences = Oddities::default();
        for (number, asked) in steady() {
            for name in shown(asked) {
                let (seen, pool) =
                    (self.seats[number].pictures.get(name), pools.iter().find(|it| it.name == name));
                let difference = match (seen, pool) {
                    (Some(seen), Some(pool)) => seen.difference(pool),
                    _ => Some(format!("{name} was not shown")),
                };
                if let Some(what) = difference {
                    self.differences.note(|| format!("viewer {number}: {what}"));
                }
            }
        }
    }
}
