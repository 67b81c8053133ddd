//! Lives of a registry over a durable storage: groups that are committed, find no space, or end with their process. The
//! next process decides about the jobs that workers had.
//!
//! `PROCPOOL_SIM_SEEDS` sets the number of seeds.

mod bugs;
mod checks;
mod model;
mod run;
mod steps;

use std::thread;

use self::bugs::Bug;
use self::run::Run;
use crate::broken::Broken;

/// Number of seeds in one run of the tests.
const SEEDS: u64 = 10_000;

/// Maximum number of seeds before a known bug is noticed.
const SEEDS_OF_A_BUG: u64 = 1_000;

fn play(seed: u64, bug: Option<Bug>) -> Result<(), Broken> {
    Run::new(seed, bug).play()
}

#[test]
fn ten_thousand_lives_with_crashes_keep_every_promise() {
    let seeds = crate::from_environment("PROCPOOL_SIM_SEEDS").unwrap_or(SEEDS);
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let part = |nth: usize| {
        (nth as u64..seeds)
            .step_by(threads)
            .find_map(|seed| play(seed, None).err().map(|broken| (seed, broken)))
    };
    thread::scope(|scope| {
        let parts: Vec<_> = (0..threads).map(|nth| scope.spawn(move || part(nth))).collect();
        for part in parts {
            let failure = part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            if let Some((seed, broken)) = failure {
                panic!("seed {seed} breaks {broken}");
            }
        }
    });
}

#[test]
fn every_known_bug_of_durability_is_noticed_as_what_it_is() {
    for &(bug, promise) in bugs::ALL {
        let is_it = |seed| play(seed, Some(bug)).is_err_and(|broken| broken.promise == promise);
        assert!((0..SEEDS_OF_A_BUG).any(is_it), "nobody notices that {bug:?} breaks {promise}");
    }
}
