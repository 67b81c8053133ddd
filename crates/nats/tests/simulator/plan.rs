//! The plan of one seed: its size, the faults that it allows, and the bugs that can be planted.

use crate::random::Random;

/// A bug of the node, planted between the pure core and the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// The claim is a plain publish.
    ClaimWithoutCompare,
    /// Nobody kills a job whose lease is lost.
    NoFence,
    /// The number of the attempt is that of the delivery.
    AttemptByDelivery,
    /// The node of a claim is not asked.
    LostWithoutAsking,
    /// The job is removed from the queue when it starts.
    AckBeforeOutcome,
    /// The outcome is written while the chunks of its output are on their way.
    OutcomeBeforeOutput,
    /// A job that waits for its time is taken for one that does not.
    NoDelay,
    /// A job that has failed is tried again under the same number.
    AgainCountsNothing,
    /// The time of the next attempt is not read.
    ForgetsAgain,
    /// A job that is returned until its time comes leaves the queue.
    DropsWaiting,
}

/// Every bug, with the promise that it breaks.
pub(crate) const BUGS: [(Bug, &str); 10] = [
    (Bug::ClaimWithoutCompare, "at_most_once"),
    (Bug::NoFence, "fenced_first"),
    (Bug::AttemptByDelivery, "attempts_are_claims"),
    (Bug::LostWithoutAsking, "asked_first"),
    (Bug::AckBeforeOutcome, "nothing_lost"),
    (Bug::OutcomeBeforeOutput, "outputs_are_whole"),
    (Bug::NoDelay, "not_before_its_time"),
    (Bug::AgainCountsNothing, "attempts_are_bounded"),
    (Bug::ForgetsAgain, "not_before_its_time"),
    (Bug::DropsWaiting, "nothing_lost"),
];

#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) nodes: usize,
    pub(crate) slots: usize,
    pub(crate) jobs: u64,
    /// Probability that a message is lost, in thousandths.
    pub(crate) loss: u64,
    /// Longest way of most messages, in milliseconds.
    pub(crate) latency: u64,
    /// Whether one message of fifty takes up to seven seconds.
    pub(crate) has_stalls: bool,
    pub(crate) has_stops: bool,
    pub(crate) has_partitions: bool,
    pub(crate) has_crashes: bool,
    pub(crate) has_server_kills: bool,
    /// Whether the server hands jobs out before their leases end, as after a jump of its clock.
    pub(crate) has_early: bool,
    pub(crate) has_cancels: bool,
    /// Whether some jobs wait for their time.
    pub(crate) has_delays: bool,
    /// Whether reads may return old copies.
    pub(crate) has_stale_reads: bool,
    /// Whether some jobs fail, and are tried again.
    pub(crate) has_retries: bool,
    /// Whether nodes' pools refuse some jobs.
    pub(crate) has_refusals: bool,
}

impl Plan {
    pub(crate) fn new(random: &mut Random) -> Self {
        let mut half = || random.happens(500);
        let (has_stops, has_partitions, has_crashes, has_server_kills) = (half(), half(), half(), half());
        let (has_early, has_cancels, has_stale_reads, has_stalls) =
            (half() && half(), half(), half(), half() && half());
        let (has_loss, has_refusals, has_delays, has_retries) = (half(), half() && half(), half(), half());
        Self {
            nodes: 2 + random.below(3) as usize,
            slots: 1 + random.below(3) as usize,
            jobs: 4 + random.below(20),
            loss: if has_loss { random.below(120) } else { 0 },
            latency: 1 + random.below(80),
            has_stalls,
            has_stops,
            has_partitions,
            has_crashes,
            has_server_kills,
            has_early,
            has_cancels,
            has_delays,
            has_retries,
            has_stale_reads,
            has_refusals,
        }
    }
}
