//! Ten thousand lives of a pool in virtual time, each drawn from a seed. A real scheduler runs
//! workers that crash, hang, are killed, outgrow their limits and fail to start, under load,
//! reloads and shutdowns. The simulator checks every promise after every event.
//!
//! `PROCPOOL_SIM_SEEDS` sets the number of seeds, `PROCPOOL_SIM_SEED` the seed to replay:
//!
//! ```console
//! $ PROCPOOL_SIM_SEED=123 cargo test -p procpool-scheduler --test simulator replay -- --nocapture
//! ```
#![allow(clippy::print_stdout, reason = "what is replayed is printed")]

mod agenda;
mod answers;
mod broken;
mod bugs;
mod clients;
mod coverage;
mod fates;
mod happenings;
mod journal;
mod ledger;
mod orders;
mod pauses;
mod plan;
mod processes;
mod random;
mod reasons;
mod recalls;
mod rest;
mod run;
mod sizes;
mod turns;
mod wishes;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use crate::broken::{Broken, broken};
use crate::bugs::Bug;
use crate::coverage::Coverage;
use crate::run::Run;

/// Number of seeds in one run of the tests.
const SEEDS: u64 = 10_000;

/// Maximum number of seeds before a known bug is noticed.
const SEEDS_OF_A_BUG: u64 = 1_000;

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name)
        .ok()
        .map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is {text}, not a number")))
}

/// Plays a seed. If a promise is broken, reports what to look at.
fn play(seed: u64, bug: Option<Bug>) -> (Run, Result<(), Broken>) {
    let mut run = Run::new(seed, bug);
    let played = play_out(&mut run);
    (run, played)
}

/// Plays the run to its end. A panic reports where it happened, and the report adds the seed.
fn play_out(run: &mut Run) -> Result<(), Broken> {
    let played = catch_unwind(AssertUnwindSafe(|| run.play()));
    played.unwrap_or_else(|_| Err(broken("nobody_panics", "as said above".into())))
}

fn report(seed: u64, run: &Run, broken: &Broken) -> String {
    format!(
        "seed {seed} breaks {broken}\n\n{:#?}\n\nthe last of it:\n{}\nto see it again:\n  \
         PROCPOOL_SIM_SEED={seed} cargo test -p procpool-scheduler --test simulator replay -- --nocapture\n",
        run.plan, run.journal
    )
}

/// Plays every seed on one thread per processor. Returns the cases that occurred, and the first
/// failure.
fn play_all(seeds: u64) -> (Coverage, Option<String>) {
    let threads = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let part = |nth: u64| {
        let mut coverage = Coverage::default();
        for seed in (nth..seeds).step_by(usize::try_from(threads).unwrap_or(1)) {
            let (mut run, played) = play(seed, None);
            if let Err(broken) = played {
                return (coverage, Some(report(seed, &run, &broken)));
            }
            run.coverage.counters(run.pool.scheduler.counters());
            run.coverage.gone(&run.pool.scheduler);
            coverage.merge(run.coverage);
        }
        (coverage, None)
    };
    thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|nth| scope.spawn(move || part(nth))).collect();
        let mut sum = (Coverage::default(), None);
        for part in parts {
            let (coverage, failure) = part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            sum.0.merge(coverage);
            sum.1 = sum.1.or(failure);
        }
        sum
    })
}

#[test]
fn ten_thousand_seeds_keep_every_promise() {
    let seeds = from_environment("PROCPOOL_SIM_SEEDS").unwrap_or(SEEDS);
    let (coverage, failure) = play_all(seeds);
    if let Some(failure) = failure {
        panic!("{failure}");
    }
    if seeds >= SEEDS {
        assert_eq!(coverage.missing(), [] as [&str; 0], "what no seed has met is not tested");
        let (answers, deadlines) = coverage.races();
        assert!(answers.min(deadlines) >= 1_000 && answers + deadlines >= 10_000, "{coverage:?}");
    }
}

#[test]
fn every_known_bug_is_noticed_as_what_it_is() {
    for &(bug, promise) in bugs::ALL {
        let is_it = |seed| play(seed, Some(bug)).1.is_err_and(|broken| broken.promise == promise);
        assert!((0..SEEDS_OF_A_BUG).any(is_it), "nobody notices that {bug:?} breaks {promise}");
    }
}

#[test]
fn a_seed_replays_exactly() {
    let journal = |seed| {
        let mut run = Run::new(seed, None);
        run.journal.keeps_all = true;
        let _ = run.play();
        run.journal
    };
    for seed in 0..20 {
        let first = journal(seed);
        assert!(first.len() > 20, "seed {seed} is no life at all");
        assert_eq!(first, journal(seed), "seed {seed}");
    }
}

/// Plays the seed of `PROCPOOL_SIM_SEED`, or 0, and prints all of it if the variable is set.
#[test]
fn replay() {
    let wanted = from_environment("PROCPOOL_SIM_SEED");
    let seed = wanted.unwrap_or(0);
    let mut run = Run::new(seed, None);
    run.journal.keeps_all = true;
    let played = play_out(&mut run);
    if wanted.is_some() {
        println!("seed {seed}: {:#?}\n\n{}", run.plan, run.journal);
    }
    if let Err(broken) = played {
        panic!("seed {seed} breaks {broken}");
    }
}
