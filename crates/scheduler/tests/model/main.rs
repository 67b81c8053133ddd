//! Random lives of a pool against a small model of the world: whatever happens in whatever order, the promises in the
//! documentation of [`Scheduler`](procpool_scheduler::Scheduler) hold after every step.

mod ledger;
mod run;
mod script;
mod world;

use proptest::prelude::*;

use crate::run::Run;
use crate::script::{Step, config, step};

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn every_promise_holds_after_every_step(
        config in config(),
        seed: u64,
        steps in prop::collection::vec(step(), 0..150),
    ) {
        let mut run = Run::new(config, seed);
        for step in steps {
            run.step(step);
        }
        run.settle();
    }

    #[test]
    fn the_same_events_always_give_the_same_actions(
        config in config(),
        seed: u64,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let actions = |steps: &[Step]| {
            let mut run = Run::new(config, seed);
            steps.iter().for_each(|&step| run.step(step));
            run.log
        };
        prop_assert_eq!(actions(&steps), actions(&steps));
    }
}
