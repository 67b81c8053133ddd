//! Decides what a node does with a job that the server hands to it. Pure: the record decides, not the delivery.

use crate::node_id::NodeId;
use crate::order::Terms;
use crate::record::Claim;
use std::time::Duration;

/// The record of a job, as far as a decision needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// There is none.
    Nothing,
    /// A node has claimed the job.
    Claimed {
        /// The sequence of the record.
        seq: u64,
        /// The claim.
        claim: Claim,
    },
    /// A node gave the job back before it started, or for another attempt.
    Released {
        /// The sequence of the record.
        seq: u64,
        /// The number of the next attempt.
        attempt: u32,
        /// When it may start first, in milliseconds since 1970. `None` if the order says so.
        due: Option<u64>,
    },
    /// The job has its outcome.
    Decided {
        /// The sequence of the record.
        seq: u64,
        /// The node or front that decided.
        by: NodeId,
        /// The number of the last attempt.
        attempt: u32,
    },
    /// A newer build wrote it, which alone may decide.
    Unreadable,
}

impl Found {
    /// Returns the sequence that a write over this record has to expect.
    #[must_use]
    pub fn expected(&self) -> u64 {
        match self {
            Self::Nothing | Self::Unreadable => 0,
            Self::Claimed { seq, .. } | Self::Released { seq, .. } | Self::Decided { seq, .. } => *seq,
        }
    }

    /// Returns when the present attempt may start first, if the record says so.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        match self {
            Self::Claimed { claim, .. } => claim.due,
            Self::Released { due, .. } => *due,
            _ => None,
        }
    }
}

/// The answer of a node about a job that it has claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It runs the job, or still holds its outcome.
    AtIt,
    /// It lives, and does not have the job.
    NotAtIt,
    /// It did not answer in time.
    Silent,
    /// It did not answer, and may be on its way back to a server that was away until now.
    Unsure,
}

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Claim the job, expecting this sequence.
    Claim {
        /// The expected sequence.
        expect: u64,
        /// The number of the attempt.
        attempt: u32,
    },
    /// Ask the node of the claim.
    Ask {
        /// The sequence of the record.
        seq: u64,
        /// The claim.
        claim: Claim,
    },
    /// Decide that the node of the claim is lost.
    HostLost {
        /// The expected sequence.
        expect: u64,
        /// The lost claim.
        claim: Claim,
    },
    /// Decide that the job's time is up while it waits.
    Expire {
        /// The expected sequence.
        expect: u64,
        /// Number of attempts, all of which may have run.
        attempts: u32,
    },
    /// Remove the job from the queue: it has its outcome.
    Ack,
    /// Leave the job to a later delivery, because its node runs it.
    Later,
    /// Return the job to the queue for this time: it waits for its own.
    NotYet(Duration),
    /// Leave the job to a newer build, or to a node with its contract.
    Foreign,
}

/// Decides about a delivered job. `wait` is the time until it may start, `has_expired` says that its time is up, and `fits`
/// that the workers of this node have its contract.
///
/// A job that waits for its time has a record once it was cancelled. So the record comes first.
#[must_use]
pub fn on_delivery(found: &Found, wait: Duration, has_expired: bool, fits: bool) -> Step {
    match found {
        Found::Unreadable => Step::Foreign,
        Found::Decided { .. } => Step::Ack,
        Found::Nothing | Found::Released { .. } if !wait.is_zero() => Step::NotYet(wait),
        Found::Nothing if has_expired => Step::Expire { expect: 0, attempts: 0 },
        Found::Nothing | Found::Released { .. } if !fits && !has_expired => Step::Foreign,
        Found::Nothing => Step::Claim { expect: 0, attempt: 1 },
        Found::Released { seq, attempt, .. } if has_expired => {
            Step::Expire { expect: *seq, attempts: attempt.saturating_sub(1) }
        }
        Found::Released { seq, attempt, .. } => Step::Claim { expect: *seq, attempt: *attempt },
        Found::Claimed { seq, claim } => Step::Ask { seq: *seq, claim: claim.clone() },
    }
}

/// Decides whether a job that failed at this attempt is tried again, if there is time.
#[must_use]
pub fn on_failure(attempt: u32, terms: &Terms) -> bool {
    terms.retry.is_some_and(|retry| attempt < retry.attempts)
}

/// Decides about a claimed job after its node was asked.
///
/// A job that is not idempotent never gets a claim over another one. So each attempt starts at most once, whatever the queue
/// does, and there is a second one only where the first has failed in a way that is tried again.
#[must_use]
pub fn on_answer(
    seq: u64,
    claim: &Claim,
    terms: &Terms,
    answer: Answer,
    has_expired: bool,
    fits: bool,
) -> Step {
    let runs_again = terms.idempotent && claim.attempt < terms.attempts && !has_expired;
    match answer {
        Answer::AtIt | Answer::Unsure => Step::Later,
        _ if runs_again && fits => Step::Claim { expect: seq, attempt: claim.attempt + 1 },
        _ if runs_again => Step::Foreign,
        _ => Step::HostLost { expect: seq, claim: claim.clone() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retry::Retry;

    fn claim(attempt: u32) -> Claim {
        Claim { node: NodeId::new("a", 1), attempt, nonce: 1, lease: Duration::from_secs(15), due: None }
    }

    fn terms(idempotent: bool) -> Terms {
        Terms { idempotent, attempts: 2, timeout: Duration::from_secs(60), retry: None }
    }

    #[test]
    fn a_delivery_alone_decides_nothing() {
        let on_delivery = |found: &Found, has_expired| on_delivery(found, Duration::ZERO, has_expired, true);
        assert_eq!(on_delivery(&Found::Nothing, false), Step::Claim { expect: 0, attempt: 1 });
        assert_eq!(on_delivery(&Found::Nothing, true), Step::Expire { expect: 0, attempts: 0 });
        let decided = Found::Decided { seq: 3, by: NodeId::new("a", 1), attempt: 1 };
        assert_eq!(on_delivery(&decided, true), Step::Ack);
        assert_eq!(
            on_delivery(&Found::Claimed { seq: 3, claim: claim(1) }, true),
            Step::Ask { seq: 3, claim: claim(1) }
        );
        let released = Found::Released { seq: 4, attempt: 2, due: None };
        assert_eq!(on_delivery(&released, false), Step::Claim { expect: 4, attempt: 2 });
        assert_eq!(on_delivery(&released, true), Step::Expire { expect: 4, attempts: 1 });
        assert_eq!(on_delivery(&Found::Unreadable, true), Step::Foreign);
    }

    #[test]
    fn a_job_waits_for_its_time_unless_it_has_an_outcome_or_a_claim() {
        let wait = Duration::from_secs(7);
        let on_delivery = |found: &Found| on_delivery(found, wait, false, false);
        assert_eq!(on_delivery(&Found::Nothing), Step::NotYet(wait));
        assert_eq!(on_delivery(&Found::Released { seq: 4, attempt: 2, due: Some(9) }), Step::NotYet(wait));
        assert_eq!(on_delivery(&Found::Decided { seq: 3, by: NodeId::new("a", 1), attempt: 0 }), Step::Ack);
        let claimed = Found::Claimed { seq: 3, claim: claim(1) };
        assert_eq!(on_delivery(&claimed), Step::Ask { seq: 3, claim: claim(1) });
    }

    #[test]
    fn a_failure_is_tried_again_while_attempts_are_left() {
        let second = Duration::from_secs(1);
        let retry = Retry { attempts: 3, first: second, factor: 1.0, max: second, whole: false };
        let terms = Terms { retry: Some(retry), ..terms(false) };
        assert_eq!([1, 2, 3].map(|attempt| on_failure(attempt, &terms)), [true, true, false]);
        assert!(!on_failure(1, &Terms { retry: None, ..terms }));
    }

    #[test]
    fn only_an_idempotent_job_with_attempts_and_time_left_is_claimed_again() {
        let lost = Step::HostLost { expect: 3, claim: claim(1) };
        for answer in [Answer::NotAtIt, Answer::Silent] {
            let decide = |attempt, idempotent, late| {
                on_answer(3, &claim(attempt), &terms(idempotent), answer, late, true)
            };
            assert_eq!(decide(1, true, false), Step::Claim { expect: 3, attempt: 2 });
            assert_eq!(decide(2, true, false), Step::HostLost { expect: 3, claim: claim(2) });
            assert_eq!(decide(1, true, true), lost);
            assert_eq!(decide(1, false, false), lost);
        }
        for answer in [Answer::AtIt, Answer::Unsure] {
            assert_eq!(on_answer(3, &claim(1), &terms(true), answer, true, true), Step::Later);
        }
    }

    #[test]
    fn a_job_of_another_contract_is_left_alone_until_its_time_is_up() {
        let released = Found::Released { seq: 4, attempt: 1, due: None };
        for found in [&Found::Nothing, &released] {
            let on_delivery = |late| on_delivery(found, Duration::ZERO, late, false);
            assert_eq!(on_delivery(false), Step::Foreign);
            assert_eq!(on_delivery(true), Step::Expire { expect: found.expected(), attempts: 0 });
        }
        let answer =
            |idempotent, late| on_answer(3, &claim(1), &terms(idempotent), Answer::Silent, late, false);
        assert_eq!(answer(true, false), Step::Foreign);
        for lost in [answer(false, false), answer(true, true)] {
            assert_eq!(lost, Step::HostLost { expect: 3, claim: claim(1) });
        }
    }
}
