//! Random lives of a pool against a small model of the world. For any order of events, the promises
//! documented at [`Scheduler`](procpool_scheduler::Scheduler) hold after every step.

mod blame;
mod coverage;
mod ledger;
mod promises;
mod run;
mod script;
mod world;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::coverage::{ACTIONS, AHEAD, Coverage, EVENTS};
use crate::run::Run;
use crate::script::{Step, life};

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn every_promise_holds_after_every_step(
        (config, steps) in life(150),
        seed: u64,
    ) {
        let mut run = Run::new(config, seed);
        for step in steps {
            run.step(step);
        }
        run.settle();
    }

    #[test]
    fn the_same_events_always_give_the_same_actions(
        (config, steps) in life(60),
        seed: u64,
    ) {
        let actions = |steps: &[Step]| {
            let mut run = Run::new(config, seed);
            steps.iter().for_each(|&step| run.step(step));
            run.log
        };
        prop_assert_eq!(actions(&steps), actions(&steps));
    }
}

/// The scripts have a step for each event, and for every fate of jobs that are sent ahead.
/// Otherwise the promises above would not be tested against it.
#[test]
fn the_scripts_bring_everything_about() {
    let mut random = TestRunner::deterministic();
    let lives = (life(150), any::<u64>());
    let mut coverage = Coverage::default();
    for _ in 0..500 {
        let ((config, steps), seed) = lives.new_tree(&mut random).expect("a life").current();
        let mut run = Run::new(config, seed);
        steps.into_iter().for_each(|step| run.step(step));
        coverage.add(run.coverage);
    }
    assert_eq!(coverage.lacks(EVENTS), [] as [&str; 0], "events that no step leads to");
    assert_eq!(coverage.lacks(ACTIONS), [] as [&str; 0], "actions that are never wanted");
    assert_eq!(coverage.lacks(AHEAD), [] as [&str; 0], "ways of jobs ahead that none goes");
}
