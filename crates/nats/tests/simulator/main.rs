//! A thousand lives of a cluster in virtual time, each drawn from a seed: fronts accept and cancel jobs, nodes
//! run them, and a model of the server queues, redelivers and loses. Nodes die, stop and lose their network,
//! the server is killed, answers come late or never. Every promise is checked at every step.
//!
//! `PROCPOOL_SIM_SEEDS` sets the number of seeds, `PROCPOOL_SIM_SEED` the seed to replay:
//!
//! ```console
//! $ PROCPOOL_SIM_SEED=123 cargo test -p procpool-nats --test simulator replay -- --nocapture
//! ```
#![allow(clippy::print_stdout, reason = "what is replayed is printed")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::needless_pass_by_value,
    reason = "the numbers of a plan are small"
)]

mod books;
mod faults;
mod node;
mod outputs;
mod plan;
mod random;
mod server;
mod world;

use crate::books::{Broken, Coverage};
use crate::plan::Bug;
use crate::world::World;

/// Number of seeds in one run of the tests.
const SEEDS: u64 = 1_000;

/// Maximum number of seeds before a known bug is noticed.
const SEEDS_OF_A_BUG: u64 = 500;

fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is {text}, not a number")))
}

fn play(seed: u64, bug: Option<Bug>) -> (World, Result<(), Broken>) {
    let mut world = World::new(seed, bug);
    let played = world.play();
    (world, played)
}

#[test]
fn every_seed_keeps_every_promise() {
    let seeds = from_environment("PROCPOOL_SIM_SEEDS").unwrap_or(SEEDS);
    let mut coverage = Coverage::default();
    for seed in 0..seeds {
        let (world, played) = play(seed, None);
        if let Err(broken) = played {
            let journal = world.journal(60);
            panic!(
                "seed {seed} breaks {broken}\n{:#?}\n{journal}\nto see it again:\n  PROCPOOL_SIM_SEED={seed} \
                 cargo test -p procpool-nats --test simulator replay -- --nocapture",
                world.plan
            );
        }
        coverage.merge(&world.books.coverage);
    }
    if seeds >= SEEDS {
        assert_eq!(coverage.rare(), [] as [(&str, u64); 0], "what few seeds have met is hardly tested");
    }
}

#[test]
fn every_known_bug_is_noticed_as_what_it_is() {
    for (bug, promise) in plan::BUGS {
        let is_it = |seed| play(seed, Some(bug)).1.is_err_and(|broken| broken.promise == promise);
        assert!((0..SEEDS_OF_A_BUG).any(is_it), "nobody notices that {bug:?} breaks {promise}");
    }
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..10 {
        let journal = || {
            let (world, _) = play(seed, None);
            world.journal(usize::MAX)
        };
        let first = journal();
        assert!(first.lines().count() > 40, "seed {seed} is no life at all");
        assert_eq!(first, journal(), "seed {seed}");
    }
}

/// Plays the seed of `PROCPOOL_SIM_SEED`, or 0, and prints all of it if the variable is set.
#[test]
fn replay() {
    let wanted = from_environment("PROCPOOL_SIM_SEED");
    let (world, played) = play(wanted.unwrap_or(0), None);
    if wanted.is_some() {
        println!("{:#?}\n{}", world.plan, world.journal(usize::MAX));
    }
    if let Err(broken) = played {
        panic!("it breaks {broken}");
    }
}
