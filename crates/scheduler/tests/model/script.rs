//! The steps that may happen to a pool, and their probabilities.

use std::num::NonZeroU64;
use std::time::Duration;

use procpool_scheduler::{Backoff, Breaker, ClientDeaths, Config, Death, Poison, Recycling};
use proptest::prelude::*;

/// One step. A `pick` chooses among the candidates at the time of the step, modulo their number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Start,
    Submit {
        timeout: Option<u64>,
        run_timeout: Option<u64>,
        attempts: u32,
        payload: u64,
        bytes: usize,
    },
    /// Cancels any job ever submitted, so most cancels come late.
    Cancel {
        pick: usize,
    },
    /// A process performs its next action.
    React {
        pick: usize,
        suspect: bool,
    },
    /// A process ends a job and begins the next, and the pool does not learn of it yet.
    GoOn {
        pick: usize,
    },
    /// A process answers a recall. If it hesitates, it is about to begin one more job.
    GiveBack {
        pick: usize,
        hesitates: bool,
    },
    /// A process reports that it has passed over a job.
    PassOver {
        pick: usize,
    },
    /// A running job shows output to its submitter.
    Commit {
        pick: usize,
    },
    /// The caller reports a payload that the scheduler asked for.
    Identify,
    /// A process dies without an order.
    Crash {
        pick: usize,
        handed_over: bool,
        death: Death,
    },
    /// A process closes its connections.
    HangUp {
        pick: usize,
    },
    /// A process is stopped from outside.
    Stall {
        pick: usize,
    },
    /// A process grows.
    Outgrow {
        pick: usize,
    },
    Reload,
    /// An operator changes the number of workers.
    Resize {
        min: usize,
        max: usize,
    },
    /// An operator changes other settings.
    Reconfigure {
        queue: usize,
        spares: usize,
        millis: u64,
    },
    /// An operator stops the assignment of jobs or their acceptance, or goes on with both.
    Pause,
    Close,
    Resume,
    /// An operator pardons a payload, or all payloads.
    Pardon {
        payload: Option<u64>,
    },
    /// An operator pardons a client.
    PardonClient {
        client: u64,
    },
    Violate {
        pick: usize,
    },
    Retire {
        pick: usize,
    },
    Kill {
        pick: usize,
    },
    /// Time passes without a tick.
    Pass {
        micros: u64,
    },
    Tick,
    /// Time passes, and then a tick comes.
    Wait {
        micros: u64,
    },
    Nonsense(Nonsense),
    Drain {
        limit: Option<u64>,
    },
    Stop,
}

/// Events that refer to nothing that exists.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Nonsense {
    DuplicateSubmit {
        pick: usize,
    },
    ReadyAgain {
        pick: usize,
    },
    AnswerToNoQuestion {
        pick: usize,
    },
    PassedOverNothing {
        pick: usize,
    },
    /// Refers to a worker that is dead, or never existed if none is.
    Dead {
        pick: usize,
        event: u8,
    },
}

/// Generates settings, and the steps for a pool with these settings.
pub(crate) fn life(steps: usize) -> impl Strategy<Value = (Config, Vec<Step>)> {
    let wild = (config(), prop::collection::vec(step(), 0..steps));
    let brisk = (brisk_config(), prop::collection::vec(brisk_step(), 0..steps));
    prop_oneof![1 => wild, 1 => brisk]
}

/// Generates settings in which the pool sends jobs ahead: few workers, which stay.
fn brisk_config() -> impl Strategy<Value = Config> {
    (config(), 1..=2usize, 4..=12usize, 1..5usize).prop_map(|(config, workers, queue, ahead)| Config {
        min_workers: workers,
        max_workers: workers,
        queue,
        ahead,
        lazy: false,
        process_per_job: false,
        recycling: Recycling::default(),
        breaker: Breaker { failures: 10, ..config.breaker },
        ..config
    })
}

/// Generates mostly short jobs that take almost no time, sometimes a long one or another step.
fn brisk_step() -> impl Strategy<Value = Step> {
    let pick = 0..64usize;
    let limit = || prop::option::weighted(0.2, 1..20u64);
    prop_oneof![
        2 => Just(Step::Start),
        40 => (limit(), limit(), 1..3u32, 0..16u64, bytes()).prop_map(
            |(timeout, run_timeout, attempts, payload, bytes)| {
                Step::Submit { timeout, run_timeout, attempts, payload, bytes }
            },
        ),
        40 => pick.clone().prop_map(|pick| Step::React { pick, suspect: false }),
        20 => pick.clone().prop_map(|pick| Step::GoOn { pick }),
        3 => pick.clone().prop_map(|pick| Step::Commit { pick }),
        12 => (pick.clone(), any::<bool>()).prop_map(|(pick, hesitates)| Step::GiveBack { pick, hesitates }),
        12 => pick.clone().prop_map(|pick| Step::PassOver { pick }),
        3 => (pick.clone(), any::<bool>(), death())
            .prop_map(|(pick, handed_over, death)| Step::Crash { pick, handed_over, death }),
        2 => pick.clone().prop_map(|pick| Step::HangUp { pick }),
        1 => pick.clone().prop_map(|pick| Step::Retire { pick }),
        1 => pick.prop_map(|pick| Step::Kill { pick }),
        5 => (0..50u64).prop_map(|micros| Step::Pass { micros }),
        10 => (2_000..5_000u64).prop_map(|micros| Step::Wait { micros }),
        6 => step(),
    ]
}

fn config() -> impl Strategy<Value = Config> {
    let sizes = (1..=4usize).prop_flat_map(|max| (0..=max, Just(max)));
    let queue = (0..=8usize, prop_oneof![1 => Just(usize::MAX), 2 => 0..=300_000usize]);
    let plain = (sizes, queue, millis(), millis(), millis(), any::<bool>());
    let ahead = prop_oneof![1 => Just(0), 4 => 1..5usize];
    (plain, renewal(), ahead, 1..4usize, 0..4u32, any::<bool>()).prop_map(
        |(plain, renewal, ahead, failures, deaths, retry_out_of_memory)| {
            let ((min_workers, max_workers), (queue, queue_bytes), grace, stop_timeout, initial, lazy) =
                plain;
            Config {
                min_workers,
                max_workers,
                queue,
                queue_bytes,
                ahead,
                grace,
                stop_timeout,
                backoff: Backoff { initial, max: 4 * initial },
                lazy,
                breaker: Breaker { failures, window: Duration::from_millis(50) },
                poison: Poison { deaths, memory: Duration::from_millis(200) },
                retry_out_of_memory,
                ..renewal
            }
        },
    )
}

/// Generates settings for the replacement of working workers.
fn renewal() -> impl Strategy<Value = Config> {
    let jobs = prop::option::weighted(0.3, (1..5u64).prop_map(|jobs| NonZeroU64::new(jobs).unwrap()));
    let lifetime = || prop::option::weighted(0.3, (5..100u64).prop_map(Duration::from_millis));
    let deaths = prop_oneof![2 => Just(0), 1 => 1..4u32];
    (jobs, lifetime(), prop::bool::weighted(0.2), 0..3usize, lifetime(), deaths).prop_map(
        |(jobs, lifetime, process_per_job, spares, idle_timeout, deaths)| Config {
            client_deaths: ClientDeaths { deaths, window: Duration::from_millis(200) },
            recycling: Recycling { jobs, lifetime },
            process_per_job,
            spares,
            idle_timeout,
            admission: spares != 1,
            ..Config::default()
        },
    )
}

/// Generates short durations, often zero.
fn millis() -> impl Strategy<Value = Duration> {
    prop_oneof![1 => Just(0), 4 => 1..30u64].prop_map(Duration::from_millis)
}

fn step() -> impl Strategy<Value = Step> {
    let pick = 0..64usize;
    let limit = || prop::option::of(0..40u64);
    prop_oneof![
        2 => Just(Step::Start),
        30 => (limit(), limit(), prop_oneof![3 => Just(1), 1 => 2..4u32], 0..4u64, bytes()).prop_map(
            |(timeout, run_timeout, attempts, payload, bytes)| {
                Step::Submit { timeout, run_timeout, attempts, payload, bytes }
            },
        ),
        8 => pick.clone().prop_map(|pick| Step::Cancel { pick }),
        40 => (pick.clone(), prop::bool::weighted(0.1)).prop_map(|(pick, suspect)| Step::React { pick, suspect }),
        8 => pick.clone().prop_map(|pick| Step::GoOn { pick }),
        4 => (pick.clone(), any::<bool>()).prop_map(|(pick, hesitates)| Step::GiveBack { pick, hesitates }),
        2 => pick.clone().prop_map(|pick| Step::PassOver { pick }),
        3 => pick.clone().prop_map(|pick| Step::Commit { pick }),
        8 => Just(Step::Identify),
        6 => (pick.clone(), any::<bool>(), death())
            .prop_map(|(pick, handed_over, death)| Step::Crash { pick, handed_over, death }),
        2 => pick.clone().prop_map(|pick| Step::HangUp { pick }),
        1 => pick.clone().prop_map(|pick| Step::Stall { pick }),
        1 => pick.clone().prop_map(|pick| Step::Outgrow { pick }),
        3 => Just(Step::Reload),
        2 => (0..=5usize, 0..=4usize).prop_map(|(min, max)| Step::Resize { min, max }),
        1 => (0..=8usize, 0..3usize, 1..40u64)
            .prop_map(|(queue, spares, millis)| Step::Reconfigure { queue, spares, millis }),
        1 => Just(Step::Pause),
        1 => Just(Step::Close),
        3 => Just(Step::Resume),
        1 => prop::option::of(0..4u64).prop_map(|payload| Step::Pardon { payload }),
        1 => (0..2u64).prop_map(|client| Step::PardonClient { client }),
        2 => pick.clone().prop_map(|pick| Step::Violate { pick }),
        2 => pick.clone().prop_map(|pick| Step::Retire { pick }),
        2 => pick.clone().prop_map(|pick| Step::Kill { pick }),
        20 => prop_oneof![1 => 0..100u64, 4 => 0..15_000u64].prop_map(|micros| Step::Pass { micros }),
        20 => Just(Step::Tick),
        6 => nonsense().prop_map(Step::Nonsense),
        1 => limit().prop_map(|limit| Step::Drain { limit }),
        // After a stop little happens, so half of the full-length scripts contain no stop.
        1 => prop::bool::weighted(0.5).prop_map(|stop| if stop { Step::Stop } else { Step::Tick }),
    ]
}

/// Generates payload lengths around the limit of 128 KiB for jobs ahead.
fn bytes() -> impl Strategy<Value = usize> {
    prop_oneof![4 => 0..1_000usize, 1 => 30_000..60_000usize, 1 => 100_000..200_000usize]
}

fn death() -> impl Strategy<Value = Death> {
    prop_oneof![3 => Just(Death::Own), 1 => Just(Death::Killed), 1 => Just(Death::OutOfMemory), 1 => Just(Death::HungUp)]
}

fn nonsense() -> impl Strategy<Value = Nonsense> {
    let pick = 0..64usize;
    prop_oneof![
        pick.clone().prop_map(|pick| Nonsense::DuplicateSubmit { pick }),
        pick.clone().prop_map(|pick| Nonsense::ReadyAgain { pick }),
        pick.clone().prop_map(|pick| Nonsense::AnswerToNoQuestion { pick }),
        pick.clone().prop_map(|pick| Nonsense::PassedOverNothing { pick }),
        (pick, 0..10u8).prop_map(|(pick, event)| Nonsense::Dead { pick, event }),
    ]
}
