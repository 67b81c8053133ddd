//! The contract of a worker that has loaded a state, which its forks share.

use procpool::Job;

/// Answers where it runs and where its state was loaded.
#[derive(Debug)]
pub struct Rooted;

/// Process ids, as the worker sees them.
pub type Places = (u32, u32, u32);

impl Job for Rooted {
    const NAME: &'static str = "rooted";
    /// An order to follow before the answer.
    type Input = String;
    /// The process that has loaded the state, the worker's own, and its parent.
    type Output = Places;
}
