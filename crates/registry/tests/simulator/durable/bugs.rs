//! Known bugs of an owner of a durable registry, each with the promise that it breaks.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bug {
    /// Answers and outcomes are told before the commit.
    TellsTooEarly,
    /// Jobs are handed out before their claim is durable.
    HandsOutTooEarly,
    /// The next process decides about finished jobs, too.
    LosesTheFinished,
    /// A job that its pool refused keeps the attempt.
    CountsDeliveries,
    /// A key lives half as long.
    FreesKeysEarly,
    /// An older version of a record replaces a newer one.
    TakesStaleVersions,
    /// The next process repeats jobs that may not be repeated.
    RepeatsEverything,
    /// A group without space stays as it is.
    UndoesNothing,
    /// Jobs that may be repeated are handed out as if no pool had them.
    ForgetsTheLent,
    /// The next process takes jobs for unrun that pools had without a claim.
    TrustsTheWaiting,
}

pub(super) const ALL: &[(Bug, &str)] = &[
    (Bug::TellsTooEarly, "the_told_is_durable"),
    (Bug::HandsOutTooEarly, "attempts_are_starts"),
    (Bug::LosesTheFinished, "the_told_is_durable"),
    (Bug::CountsDeliveries, "attempts_are_starts"),
    (Bug::FreesKeysEarly, "no_key_runs_twice"),
    (Bug::TakesStaleVersions, "versions_grow"),
    (Bug::RepeatsEverything, "jobs_run_at_most_once"),
    (Bug::UndoesNothing, "the_undone_has_not_happened"),
    (Bug::ForgetsTheLent, "the_unrun_has_not_run"),
    (Bug::TrustsTheWaiting, "the_unrun_has_not_run"),
];
