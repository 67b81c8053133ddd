//! Jobs that emit chunks, which no route passes on yet, so that they are counted where they can be seen: in a program of its own
//! (`src/bin/streams.rs`) with a pool in it, whose workers are killed, too. Each chunk comes once and in order; a job that is ok has
//! all of them, however its worker ended; nothing is tried again of which something was seen.

use super::ledger::Oddities;
use super::random::Random;
use super::subject::beside;
use super::victim::Victim;
use crate::library::echo;
use crate::verbs::{Verb, Verbs};
use procpool::{Executable, JobError, JobEvent, JobHandle, Pool};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// The workers of each pool, and whether its jobs are brisk: those of one worker are sent ahead, and nobody reads slowly.
const POOLS: [(usize, bool); 2] = [(3, false), (1, true)];

/// Of each pool.
const READERS: u64 = 2;

/// Small jobs before one that emits, so that this is sent ahead and its chunks wait behind their answers.
const BEFORE: u64 = 12;

/// Maximum number of chunks of one job: more than it may be ahead of its reader.
const MOST: u64 = 40;

/// And fewer than that, so that it waits for nobody.
const CREDIT: u64 = 16;

/// For a round, whose jobs take next to nothing.
const PATIENCE: Duration = Duration::from_secs(60);

/// The observations of the streams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Streams {
    /// Jobs that emit and were heard out.
    pub jobs: u64,
    /// Those that were ok.
    pub ok: u64,
    /// Those that crashed.
    pub crashed: u64,
    /// Chunks that were read.
    pub chunks: u64,
    /// Workers that were killed from outside.
    pub kills: u64,
    /// How often something was not as it should be.
    pub wrong: u64,
    /// The first of it, in words.
    pub first: Vec<String>,
}

/// Goes on until told to end; a worker is killed every `mean`.
///
/// # Errors
/// When the pool does not start.
pub async fn run(seed: u64, mean: Duration, end: watch::Receiver<bool>) -> Result<Streams, Box<dyn Error>> {
    let shelf = Arc::new(Mutex::default());
    let (mut pools, mut readers) = (Vec::new(), Vec::new());
    for (workers, is_brisk) in POOLS {
        let pool = start(workers).await?;
        for _ in 0..READERS {
            let reader = Reader {
                pool: pool.clone(),
                is_brisk,
                random: Random::new(seed, readers.len() as u64),
                seen: Oddities::default(),
                streams: Streams::default(),
            };
            readers.push(tokio::spawn(reader.read(end.clone(), shelf.clone())));
        }
        pools.push(pool);
    }
    let mut random = Random::new(seed, u64::MAX);
    let mut kills = 0;
    while !*end.borrow() {
        // sleep: between two kills.
        sleep(random.gap(mean).min(Duration::from_secs(1))).await;
        let victim = Victim::choose(std::process::id(), random.next(), |_| true);
        kills += u64::from(victim.is_some_and(|victim| victim.signal(Signal::KILL)));
    }
    let mut failed = 0;
    for reader in readers {
        failed += u64::from(reader.await.is_err());
    }
    for pool in pools {
        pool.shutdown(Duration::from_secs(5)).await;
    }
    let mut streams: Streams = std::mem::take(&mut *shelf.lock().unwrap_or_else(PoisonError::into_inner));
    streams.kills = kills;
    streams.wrong += failed;
    Ok(streams)
}

async fn start(workers: usize) -> Result<Pool<Verbs>, Box<dyn Error>> {
    let worker = Executable::path(beside("verbs")?)?;
    let pool = Pool::<Verbs>::builder(worker).workers(workers..=workers);
    Ok(pool.idempotent(true).max_attempts(3).poison_deaths(0).no_timeout().start().await?)
}

/// Who reads chunks.
struct Reader {
    pool: Pool<Verbs>,
    is_brisk: bool,
    random: Random,
    seen: Oddities,
    streams: Streams,
}

impl Reader {
    async fn read(mut self, end: watch::Receiver<bool>, shelf: Arc<Mutex<Streams>>) {
        while !*end.borrow() {
            if timeout(PATIENCE, self.round()).await.is_err() {
                self.seen.note(|| format!("a round did not end within {PATIENCE:?}"));
            }
            // sleep: the load must be steady, not as much as there can be.
            sleep(self.random.millis(0, 20)).await;
        }
        self.streams.wrong = self.seen.count;
        self.streams.first = self.seen.first;
        shelf.lock().unwrap_or_else(PoisonError::into_inner).add(self.streams);
    }

    async fn round(&mut self) {
        let most = if self.is_brisk { CREDIT } else { MOST };
        let count = u32::try_from(self.random.below(most)).unwrap_or(0);
        let mut before = Vec::new();
        for _ in 0..self.random.below(BEFORE) {
            before.extend(self.submit(echo("small")).await);
        }
        let Some(emits) = self.submit(Verb::Count(count)).await else { return };
        // It kills its worker while others' chunks, and answers, may wait to be read.
        let kind = self.random.below(6);
        let killer = match kind {
            0 => self.submit(Verb::Abort).await,
            1 => self.submit(Verb::AbortAfter(count)).await,
            _ => None,
        };
        if self.is_brisk && kind == 0 {
            self.stand_still().await;
        }
        if kind == 2 {
            drop(emits);
        } else {
            let (chunks, end) = self.hear_out(emits).await;
            self.streams.jobs += 1;
            match end {
                Ok(_) if chunks == u64::from(count) => self.streams.ok += 1,
                Ok(_) => self.seen.note(|| format!("ok with {chunks} chunks of {count}")),
                Err(JobError::Crashed(_)) => self.streams.crashed += 1,
                Err(other) => self.seen.note(|| format!("ended as {other}")),
            }
        }
        if let Some(killer) = killer {
            let (chunks, end) = self.hear_out(killer).await;
            if chunks > u64::from(count) || !matches!(end, Err(JobError::Crashed(_))) {
                self.seen
                    .note(|| format!("one that kills ended as {end:?} after {chunks} chunks of {count}"));
            }
        }
        for job in before {
            match job.await {
                Ok(answer) if answer == "small" => {}
                Err(JobError::Crashed(_)) => {}
                other => self.seen.note(|| format!("a small job ended as {other:?}")),
            }
        }
    }

    async fn submit(&mut self, verb: Verb) -> Option<JobHandle<Verbs>> {
        let submitted = self.pool.submit(verb).await;
        submitted.map_err(|refused| self.seen.note(|| format!("refused: {refused}"))).ok()
    }

    /// Has this program, which has one thread, read nothing while a worker does all that it has, and dies of it.
    async fn stand_still(&mut self) {
        for _ in 0..3 {
            tokio::task::yield_now().await;
        }
        // sleep: until the worker is dead, usually.
        std::thread::sleep(self.random.millis(1, 20));
    }

    /// Reads to the end, in order.
    async fn hear_out(&mut self, mut job: JobHandle<Verbs>) -> (u64, Result<String, JobError>) {
        let mut next = 0_u64;
        // Who reads slowly has a job that waits to emit: its worker may be killed amid it.
        let is_slow = !self.is_brisk && self.random.below(2) == 0;
        let pause = if is_slow { self.random.millis(1, 10) } else { Duration::ZERO };
        while let Some(event) = job.next_event().await {
            match event {
                Ok(JobEvent::Chunk(chunk)) => {
                    if chunk != next.to_string() {
                        self.seen.note(|| format!("chunk {chunk} came in place of {next}"));
                    }
                    next += 1;
                    if is_slow {
                        // sleep: what makes it slow.
                        sleep(pause).await;
                    }
                }
                Ok(_) => {}
                Err(error) => self.seen.note(|| format!("chunk {next} is unreadable: {error}")),
            }
        }
        self.streams.chunks += next;
        (next, job.await)
    }
}

impl Streams {
    fn add(&mut self, other: Self) {
        self.jobs += other.jobs;
        self.ok += other.ok;
        self.crashed += other.crashed;
        self.chunks += other.chunks;
        self.wrong += other.wrong;
        self.first.extend(other.first);
    }
}
