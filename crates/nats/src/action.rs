//! The events that a [`Course`](crate::course::Course) takes, and the actions for which it asks.

use crate::decide::{Answer, Found};
use crate::node_id::NodeId;
use crate::record::Claim;
use procpool_registry::Time;
use std::time::Duration;

/// Something that happened to the job. Every action that asks for something is answered once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The answer to [`Action::Read`]. `None` if there was none in time.
    Read(Option<Found>),
    /// The answer to [`Action::Ask`].
    Answered(Answer),
    /// The answer to [`Action::Write`].
    Written(Written),
    /// The answer to [`Action::Renew`].
    Renewed {
        /// When the renewal was sent.
        sent: Time,
        /// The record as it was read afterwards. `None` if the server did not answer in time.
        found: Option<Found>,
    },
    /// The job has ended on this node.
    Finished {
        /// Whether it ended because of [`Action::Kill`].
        is_killed: bool,
        /// Time before another attempt, if its outcome is worth one.
        again: Option<Duration>,
    },
    /// This node's pool did not take the job, which certainly did not start.
    Refused,
    /// Somebody says that the record has changed.
    Look,
    /// Time has passed.
    Tick,
}

/// The result of a compare-and-set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The record has this sequence now.
    Stored(u64),
    /// The record is not the expected one.
    Conflict,
    /// The server did not answer in time, or could not store it: the record may have changed or not.
    Unknown,
}

/// A thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Read the record.
    Read,
    /// Ask this node about the job.
    Ask(NodeId),
    /// Write the record.
    Write(Write),
    /// Hand the job to this node's pool.
    Start {
        /// The number of the attempt.
        attempt: u32,
    },
    /// Kill the job's worker.
    Kill,
    /// Renew the lease, then read the record.
    Renew,
    /// Remove the job from the queue.
    Ack,
    /// Return the job to the queue, to be delivered after this time.
    Nak(Duration),
    /// Nothing follows.
    End(Ending),
}

/// A version of the record to write over the one with the expected sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// This node claims the job.
    Claim {
        /// The expected sequence.
        expect: u64,
        /// The number of the attempt.
        attempt: u32,
    },
    /// This node gives its claim back.
    Release {
        /// The expected sequence.
        expect: u64,
        /// The number of the attempt.
        attempt: u32,
        /// When it may start first.
        due: Option<u64>,
    },
    /// The job has failed on this node, and waits for its next attempt.
    Again {
        /// The expected sequence.
        expect: u64,
        /// The number of the next attempt.
        attempt: u32,
        /// When that may start first, in milliseconds since 1970 by the server's clock.
        due: u64,
    },
    /// The host of this claim was lost.
    HostLost {
        /// The expected sequence.
        expect: u64,
        /// The claim.
        claim: Claim,
    },
    /// The job's time was up while it waited.
    Expired {
        /// The expected sequence.
        expect: u64,
        /// Number of attempts, all of which may have run.
        attempts: u32,
    },
    /// The result of this node's run.
    Result {
        /// The expected sequence.
        expect: u64,
        /// The number of the attempt.
        attempt: u32,
    },
}

/// How a course ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ending {
    /// The result of this node is the outcome.
    Told,
    /// The result of this node came too late: another outcome, or a later attempt, was there.
    Late,
    /// This node decided that the job was lost with its host, or that its time was up.
    Decided,
    /// The job had its outcome.
    Known,
    /// The job is left to a later delivery.
    Left,
    /// The lease was lost, and the job killed.
    Fenced,
    /// The server did not answer for too long.
    GaveUp,
}
