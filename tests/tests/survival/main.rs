//! The faults of SURVIVAL.md, injected into real processes: one outcome for each job, exactly the one
//! that is published there, and the pool back at full strength.

mod ahead;
mod batches;
mod deadlines;
mod deaths;
mod disk;
mod frames;
mod identity;
mod kin;
mod last_words;
mod renewal;
mod resources;
mod shutdown;
mod stages;
mod start;
mod templates;

use procpool::Pool;
use procpool_tests::library::idle;
use procpool_tests::verbs::{Verb, Verbs};

/// The pool is whole again: as many idle workers as it shall have, and a job goes through.
async fn recovers(pool: &Pool<Verbs>, workers: usize) {
    idle(pool, workers).await;
    pool.run(Verb::Pid).await.expect("the pool works again");
}
