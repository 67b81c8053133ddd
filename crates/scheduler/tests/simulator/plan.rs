//! The plan of a run, drawn from its seed: the pool's settings, the behaviour of its workers, and
//! the faults.

use std::num::NonZeroU64;
use std::time::Duration;

use procpool_scheduler::{Backoff, Breaker, ClientDeaths, Config, Poison, Recycling};

use crate::random::Random;

/// The subject of a run. Some promises can be distinguished from bad luck only in runs with few
/// faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Story {
    /// All faults at once.
    Storm,
    /// No faults except generations that do not start. Recycling and reloads must not cost a worker
    /// or a job.
    Calm,
    /// The executable does not start for a while, and is then fixed.
    CrashLoop,
}

/// One run.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) story: Story,
    pub(crate) config: Config,
    pub(crate) jobs: u64,
    /// Maximum time between two jobs.
    pub(crate) gap: Duration,
    /// Maximum time from spawn to ready.
    pub(crate) startup: Duration,
    /// Maximum run time of a job that does not hang.
    pub(crate) run: Duration,
    /// Maximum delay of a tick.
    pub(crate) lateness: Duration,
    /// Percentage of jobs that kill their worker by bad luck.
    pub(crate) crashes: u64,
    pub(crate) hangs: u64,
    pub(crate) cancels: u64,
    /// Percentage of jobs that carry the payload that always kills.
    pub(crate) poison: u64,
    /// Percentage of jobs after which a fault comes from outside.
    pub(crate) outside: u64,
    pub(crate) reloads: u64,
    /// Number of times that the coordinator gets no CPU time for a while.
    pub(crate) holdups: u64,
    /// The period in which the executable does not start.
    pub(crate) broken: Option<(Duration, Duration)>,
    /// Whether the run ends with a drain during the load.
    pub(crate) ends_early: bool,
    pub(crate) shares: Shares,
}

/// The differences between the jobs of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shares {
    pub(crate) priorities: bool,
    pub(crate) tenants: bool,
}

impl Plan {
    pub(crate) fn draw(random: &mut Random) -> Self {
        let story = match random.between(0, 9) {
            0..=1 => Story::Calm,
            2 => Story::CrashLoop,
            _ => Story::Storm,
        };
        let wild = story == Story::Storm;
        let mut chance = |percent| if wild { random.between(0, percent) } else { 0 };
        let (crashes, hangs, cancels) = (chance(20), chance(10), chance(30));
        let (poison, outside) = (chance(10), chance(20));
        // Jobs so short that they are sent ahead. Those that hang then delay others.
        let brisk = story != Story::CrashLoop && random.percent(40);
        let broken =
            (story == Story::CrashLoop).then(|| (random.millis(0, 100), random.millis(1_000, 4_000)));
        let ahead = if brisk { random.count(1, 8) } else { 0 };
        let config = Config { ahead, ..config(story, random) };
        // Not drawn, so that each seed keeps its meaning.
        let shares = Shares { priorities: config.queue % 2 == 1, tenants: config.queue % 4 < 2 };
        Self {
            story,
            config,
            shares,
            jobs: random.between(10, 80),
            gap: if brisk { Duration::from_micros(random.between(1, 60)) } else { random.millis(1, 20) },
            startup: random.millis(1, 15),
            run: if brisk { Duration::from_micros(random.between(10, 150)) } else { random.millis(1, 40) },
            lateness: random.millis(0, 4),
            crashes,
            hangs,
            cancels,
            poison,
            outside,
            reloads: if story == Story::CrashLoop { 0 } else { random.between(0, 4) },
            holdups: if wild && random.percent(30) { random.between(1, 3) } else { 0 },
            broken,
            ends_early: wild && random.percent(30),
        }
    }
}

fn config(story: Story, random: &mut Random) -> Config {
    let max_workers = usize::try_from(random.between(1, 5)).unwrap_or(1);
    let least = if story == Story::Calm { max_workers as u64 } else { random.between(0, max_workers as u64) };
    let initial = random.millis(5, 20);
    let config = Config {
        min_workers: usize::try_from(least).unwrap_or(0),
        max_workers,
        queue: usize::try_from(random.between(0, 20)).unwrap_or(0),
        queue_bytes: if random.percent(50) { random.count(0, 250_000) } else { usize::MAX },
        grace: random.millis(0, 30),
        stop_timeout: random.millis(1, 30),
        backoff: Backoff { initial, max: 16 * initial },
        lazy: story == Story::Storm && random.percent(20),
        breaker: Breaker {
            failures: usize::try_from(random.between(2, 5)).unwrap_or(2),
            window: Duration::from_secs(1),
        },
        poison: Poison {
            deaths: u32::try_from(random.between(0, 3)).unwrap_or(0),
            memory: random.millis(100, 2_000),
        },
        retry_out_of_memory: random.percent(30),
        recycling: Recycling {
            jobs: if random.percent(30) { NonZeroU64::new(random.between(1, 15)) } else { None },
            lifetime: random.percent(30).then(|| random.millis(40, 400)),
        },
        process_per_job: story == Story::Storm && random.percent(15),
        ahead: 0,
        spares: usize::try_from(random.between(0, 2)).unwrap_or(0),
        idle_timeout: (story != Story::Calm && random.percent(50)).then(|| random.millis(20, 200)),
        ..Config::default()
    };
    // Not drawn, so that each seed keeps its meaning.
    let deaths = if config.poison.deaths == 3 { 4 } else { 0 };
    let client_deaths = ClientDeaths { deaths, window: config.poison.memory };
    Config { client_deaths, admission: !config.queue.is_multiple_of(3), ..config }
}
