//! What may happen to a pool, and how likely. Refuses to know what comes of it.

use std::num::NonZeroU64;
use std::time::Duration;

use procpool_scheduler::{Backoff, Breaker, Config, Death, Poison, Recycling};
use proptest::prelude::*;

/// One thing that happens. A `pick` chooses among whatever is there when it happens, modulo their number.
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
    /// Any job that ever was, so most cancels come late.
    Cancel {
        pick: usize,
    },
    /// A process does what it is about to do.
    React {
        pick: usize,
        suspect: bool,
    },
    /// A payload is told that was asked for.
    Identify,
    /// A process dies although nobody asked it to.
    Crash {
        pick: usize,
        handed_over: bool,
        death: Death,
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
    Violate {
        pick: usize,
    },
    Kill {
        pick: usize,
    },
    /// Time passes, and nobody ticks.
    Pass {
        millis: u64,
    },
    Tick,
    Nonsense(Nonsense),
    Drain {
        limit: Option<u64>,
    },
    Stop,
}

/// Events that are about nothing there is.
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
    /// About a worker that is dead (if one is) or never was.
    Dead {
        pick: usize,
        event: u8,
    },
}

pub(crate) fn config() -> impl Strategy<Value = Config> {
    let sizes = (1..=4usize).prop_flat_map(|max| (0..=max, Just(max)));
    let queue = (0..=4usize, prop_oneof![1 => Just(usize::MAX), 2 => 0..=200usize]);
    let plain = (sizes, queue, millis(), millis(), millis(), any::<bool>());
    (plain, renewal(), 1..4usize, 0..4u32, any::<bool>()).prop_map(
        |(plain, renewal, failures, deaths, retry_out_of_memory)| {
            let ((min_workers, max_workers), (queue, queue_bytes), grace, stop_timeout, initial, lazy) =
                plain;
            Config {
                min_workers,
                max_workers,
                queue,
                queue_bytes,
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

/// How workers come and go though nothing is wrong with them.
fn renewal() -> impl Strategy<Value = Config> {
    let jobs = prop::option::weighted(0.3, (1..5u64).prop_map(|jobs| NonZeroU64::new(jobs).unwrap()));
    let lifetime = || prop::option::weighted(0.3, (5..100u64).prop_map(Duration::from_millis));
    (jobs, lifetime(), prop::bool::weighted(0.2), 0..3usize, lifetime()).prop_map(
        |(jobs, lifetime, process_per_job, spares, idle_timeout)| Config {
            recycling: Recycling { jobs, lifetime },
            process_per_job,
            spares,
            idle_timeout,
            ..Config::default()
        },
    )
}

/// Short, and zero often enough.
fn millis() -> impl Strategy<Value = Duration> {
    prop_oneof![1 => Just(0), 4 => 1..30u64].prop_map(Duration::from_millis)
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let pick = 0..64usize;
    let limit = || prop::option::of(0..40u64);
    prop_oneof![
        2 => Just(Step::Start),
        20 => (limit(), limit(), prop_oneof![3 => Just(1), 1 => 2..4u32], 0..4u64, 0..150usize).prop_map(
            |(timeout, run_timeout, attempts, payload, bytes)| {
                Step::Submit { timeout, run_timeout, attempts, payload, bytes }
            },
        ),
        8 => pick.clone().prop_map(|pick| Step::Cancel { pick }),
        40 => (pick.clone(), prop::bool::weighted(0.1)).prop_map(|(pick, suspect)| Step::React { pick, suspect }),
        8 => Just(Step::Identify),
        6 => (pick.clone(), any::<bool>(), death())
            .prop_map(|(pick, handed_over, death)| Step::Crash { pick, handed_over, death }),
        1 => pick.clone().prop_map(|pick| Step::Stall { pick }),
        1 => pick.clone().prop_map(|pick| Step::Outgrow { pick }),
        3 => Just(Step::Reload),
        2 => pick.clone().prop_map(|pick| Step::Violate { pick }),
        2 => pick.clone().prop_map(|pick| Step::Kill { pick }),
        20 => (0..15u64).prop_map(|millis| Step::Pass { millis }),
        20 => Just(Step::Tick),
        6 => nonsense().prop_map(Step::Nonsense),
        1 => limit().prop_map(|limit| Step::Drain { limit }),
        // A stopped pool is soon a dull one: half of the scripts of full length see no stop.
        1 => prop::bool::weighted(0.5).prop_map(|stop| if stop { Step::Stop } else { Step::Tick }),
    ]
}

fn death() -> impl Strategy<Value = Death> {
    prop_oneof![3 => Just(Death::Own), 1 => Just(Death::Killed), 1 => Just(Death::OutOfMemory)]
}

fn nonsense() -> impl Strategy<Value = Nonsense> {
    let pick = 0..64usize;
    prop_oneof![
        pick.clone().prop_map(|pick| Nonsense::DuplicateSubmit { pick }),
        pick.clone().prop_map(|pick| Nonsense::ReadyAgain { pick }),
        pick.clone().prop_map(|pick| Nonsense::AnswerToNoQuestion { pick }),
        (pick, 0..5u8).prop_map(|(pick, event)| Nonsense::Dead { pick, event }),
    ]
}
