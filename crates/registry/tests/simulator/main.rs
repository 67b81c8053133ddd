//! Ten thousand lives of a registry in virtual time, each drawn from a seed. Clients offer jobs,
//! with keys and without, cancel, list and watch them, and are cut off. A pool refuses, runs and
//! returns them, and its answers come in any order. Ages pass, room ends, and the server restarts.
//! The simulator checks every promise after every step.
//!
//! `PROCPOOL_SIM_SEEDS` sets the number of seeds, `PROCPOOL_SIM_SEED` the seed to replay:
//!
//! ```console
//! $ PROCPOOL_SIM_SEED=123 cargo test -p procpool-registry --test simulator replay -- --nocapture
//! ```
#![allow(clippy::print_stdout, reason = "what is replayed is printed")]

mod broken;
mod bugs;
mod checks;
mod coverage;
mod durable;
mod ending;
mod happenings;
mod model;
mod offers;
mod plan;
mod random;
mod results;
mod run;
mod store;
mod walkers;
mod watchers;

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

/// Plays the run to its end. A panic reports where it happened, and the report adds the seed.
fn play_out(run: &mut Run) -> Result<(), Broken> {
    let played = catch_unwind(AssertUnwindSafe(|| run.play()));
    played.unwrap_or_else(|_| Err(broken("nobody_panics", "as said above".into())))
}

fn play(seed: u64, bug: Option<Bug>) -> (Run, Result<(), Broken>) {
    let mut run = Run::new(seed, bug);
    let played = play_out(&mut run);
    (run, played)
}

fn report(seed: u64, broken: &Broken) -> String {
    let mut run = Run::new(seed, None);
    run.has_journal = true;
    let _ = play_out(&mut run);
    format!(
        "seed {seed} breaks {broken}\n\n{:#?}\n\nthe last of it:\n{}\nto see it again:\n  \
         PROCPOOL_SIM_SEED={seed} cargo test -p procpool-registry --test simulator replay -- --nocapture\n",
        run.plan,
        run.journal(40)
    )
}

/// Plays every seed on one thread per processor. Returns the cases that occurred, and the first
/// failure.
fn play_all(seeds: u64) -> (Coverage, Option<String>) {
    let threads = thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let part = |nth: u64| {
        let mut coverage = Coverage::default();
        for seed in (nth..seeds).step_by(usize::try_from(threads).unwrap_or(1)) {
            let (run, played) = play(seed, None);
            if let Err(broken) = played {
                return (coverage, Some(report(seed, &broken)));
            }
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
        assert_eq!(coverage.rare(), [] as [(&str, u64); 0], "what few seeds have met is hardly tested");
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
        run.has_journal = true;
        let _ = run.play();
        run.journal(usize::MAX)
    };
    for seed in 0..20 {
        let first = journal(seed);
        assert!(first.lines().count() > 40, "seed {seed} is no life at all");
        assert_eq!(first, journal(seed), "seed {seed}");
    }
}

/// Plays the seed of `PROCPOOL_SIM_SEED`, or 0, and prints all of it if the variable is set.
#[test]
fn replay() {
    let wanted = from_environment("PROCPOOL_SIM_SEED");
    let seed = wanted.unwrap_or(0);
    let mut run = Run::new(seed, None);
    run.has_journal = true;
    let played = play_out(&mut run);
    if wanted.is_some() {
        println!("seed {seed}: {:#?}\n\n{}", run.plan, run.journal(usize::MAX));
    }
    if let Err(broken) = played {
        panic!("seed {seed} breaks {broken}");
    }
}
