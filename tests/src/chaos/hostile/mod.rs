//! Clients that mean no good: none of them may keep what it holds, and all of them may go on for ever. Each visit ends with the
//! server closing the connection, or with the client gone; the jobs that they leave behind are in the ledger like all others.

mod frames;
mod halves;
mod slow;
mod windowless;

use super::ledger::Oddities;
use super::random::Random;
use super::run::Run;
use super::scenario::{MEASURED, PLANS};
use super::task::{Kind, Task};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{sleep, timeout};

/// The action of one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Guise {
    /// Asks for much over HTTP/2, leaves no window for the answers, and sends PINGs.
    Windowless,
    /// Reads its answer byte by byte.
    SlowReader,
    /// Sends half a head and waits.
    HalfHead,
    /// Sends half a body and waits.
    HalfBody,
    /// Closes its sending side and waits: for an answer, which it gets.
    HalfClosed,
    /// Is gone, amid its head, its body or its job.
    Vanishing,
}

/// How many of each there are at a time.
const GUISES: &[(Guise, usize)] = &[
    (Guise::Windowless, 2),
    (Guise::SlowReader, 2),
    (Guise::HalfHead, 2),
    (Guise::HalfBody, 2),
    (Guise::HalfClosed, 2),
    (Guise::Vanishing, 3),
];

/// For the end of a visit: several times the longest of the server's own limits (`scenario::config`), so that no busy machine is
/// taken for a server that never gives a client up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Longest pause between two visits, in milliseconds.
const PAUSE: u64 = 100;

/// The results of the visits.
#[derive(Debug, Default)]
pub(crate) struct Visits {
    pub(crate) ended: BTreeMap<Guise, u64>,
    /// The longest of each.
    pub(crate) longest: BTreeMap<Guise, Duration>,
    /// Those that did not end as they should.
    pub(crate) stuck: Oddities,
}

/// One guise for each client.
pub(crate) fn guises() -> impl Iterator<Item = Guise> {
    GUISES.iter().flat_map(|&(guise, clients)| std::iter::repeat_n(guise, clients))
}

/// Returns every guise there is.
pub(crate) fn all() -> impl Iterator<Item = Guise> {
    GUISES.iter().map(|&(guise, _)| guise)
}

/// Comes back until told to end. `stream` is the client's own.
pub(crate) async fn client(run: Arc<Run>, guise: Guise, stream: u64) {
    let mut random = Random::new(run.options.seed, stream);
    let end = run.end.subscribe();
    while !*end.borrow() {
        let begun = run.clock.now();
        let end = visit(&run, guise, &mut random).await;
        run.visits.open().note(guise, run.clock.now() - begun, end);
        // sleep: it must be there for much of the time, not for all of it.
        sleep(random.millis(0, PAUSE)).await;
    }
}

/// The error says how it ended otherwise than it should.
async fn visit(run: &Run, guise: Guise, random: &mut Random) -> Result<(), String> {
    match guise {
        Guise::Windowless => windowless::visit(run, random).await,
        Guise::SlowReader => slow::visit(run, random).await,
        Guise::HalfHead => given_up(halves::head(run)).await,
        Guise::HalfBody => given_up(halves::body(run)).await,
        Guise::HalfClosed => halves::closed(run, random).await,
        Guise::Vanishing => {
            halves::vanishing(run, random).await;
            Ok(())
        }
    }
}

/// Waits for what comes to its end when the server has given the client up. A connection that was reset, or could not be made,
/// has been ended, too.
async fn given_up(ending: impl Future<Output = io::Result<()>>) -> Result<(), String> {
    match timeout(PATIENCE, ending).await {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("was not given up within {PATIENCE:?}")),
    }
}

impl Visits {
    fn note(&mut self, guise: Guise, took: Duration, end: Result<(), String>) {
        let longest = self.longest.entry(guise).or_default();
        *longest = took.max(*longest);
        match end {
            Ok(()) => *self.ended.entry(guise).or_default() += 1,
            Err(error) => self.stuck.note(|| format!("{guise:?} {error}")),
        }
    }
}

/// Returns the number of the pool that they send their jobs to, and its name.
fn pool() -> (usize, &'static str) {
    let number = PLANS.iter().position(|plan| plan.name == MEASURED).unwrap_or_default();
    (number, MEASURED)
}

/// Returns a job whose answer is large.
fn large(random: &mut Random) -> Task {
    Task::draw(Kind::Large, random, None)
}

/// Reads until the server closes the connection.
async fn until_closed(mut stream: impl AsyncRead + Unpin) -> io::Result<()> {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}
