//! The adapter between the scheduler and its workers in virtual time: a real state, real slots and outboxes, and workers that
//! read and write frames ([`worker`]). Frames are torn, connections overtake each other, workers are killed at any frame,
//! recalled, cancelled, and given memory that is taken back. Each seed is one run; each known bug is noticed as what it is.

mod bugs;
mod callers;
mod effects;
pub(super) mod recipe;
mod refusals;
mod run;
mod worker;
mod workers;

use run::Run;

/// Seeds of one run of the tests.
const SEEDS: u64 = 300;

/// Seeds that a known bug may take to be noticed.
const SEEDS_OF_A_BUG: u64 = 500;

#[test]
fn every_seed_keeps_what_the_adapter_promises() {
    let seeds =
        std::env::var("PROCPOOL_SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(SEEDS);
    let mut met = bugs::Met::default();
    for seed in 0..seeds {
        let mut run = Run::new(seed, None);
        run.play().unwrap_or_else(|broken| panic!("seed {seed} breaks {broken}"));
        met.add(&run.met);
    }
    assert!(met.is_all(), "what no seed has met is not tested: {met:?}");
}

#[test]
fn every_known_bug_of_the_adapter_is_noticed_as_what_it_is() {
    for &(bug, promise) in bugs::ALL {
        let is_it = |seed| Run::new(seed, Some(bug)).play().is_err_and(|broken| broken.starts_with(promise));
        let first = (0..SEEDS_OF_A_BUG).position(is_it);
        assert!(first.is_some(), "nobody notices that {bug:?} breaks {promise}");
    }
}

#[test]
fn a_seed_of_the_adapter_replays_exactly() {
    for seed in 0..20 {
        let journal = |seed| {
            let mut run = Run::new(seed, None);
            let _ = run.play();
            run.journal
        };
        assert_eq!(journal(seed), journal(seed), "seed {seed}");
    }
}
