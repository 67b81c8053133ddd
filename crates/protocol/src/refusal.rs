//! Why a job was not accepted. That is no outcome: the job never was.

use std::time::Duration;

/// A pool did not accept a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", reason.of(pool))]
#[non_exhaustive]
pub struct Refused {
    /// The pool.
    pub pool: String,
    /// Why.
    pub reason: Refusal,
}

impl Refused {
    /// Returns the refusal of this pool.
    pub fn new(pool: impl Into<String>, reason: Refusal) -> Self {
        Self { pool: pool.into(), reason }
    }
}

/// Why a pool did not accept a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such pool.
    #[error("does not exist; there are: {}", .known.join(", "))]
    UnknownPool {
        /// The pools that there are.
        known: Vec<String>,
    },
    /// As many jobs as may wait are waiting.
    #[error("has {limit} jobs waiting and takes no more; try again later")]
    QueueFull {
        /// The bound of the queue, in jobs.
        limit: usize,
    },
    /// With this input, more bytes would wait than may, and it would not be the only one.
    #[error(
        "has {waiting} bytes of inputs waiting and takes no {size} more (`queue_bytes` is {limit}); try again later"
    )]
    QueueBytesFull {
        /// Bytes of the inputs that wait.
        waiting: usize,
        /// The size of this one, in bytes.
        size: usize,
        /// The bound, in bytes.
        limit: usize,
    },
    /// The pool's workers keep dying before they have done anything, and none is there.
    #[error(
        "has no worker, because they keep dying at their start; the next is tried in {} (the last one: {last_death})",
        humane(*.retry)
    )]
    BreakerOpen {
        /// Until the next worker is tried.
        retry: Duration,
        /// How the last one ended.
        last_death: String,
    },
    /// Jobs of this client have killed as many workers as they may.
    #[error(
        "takes no jobs of `{client}` for another {}: its jobs have killed {deaths} workers lately, and `client_deaths` \
         allows no more",
        seconds(*.retry)
    )]
    ClientQuarantined {
        /// Who wanted the job done.
        client: String,
        /// How many workers its jobs have killed.
        deaths: u32,
        /// Until that is forgotten.
        retry: Duration,
    },
    /// A queue slot did not come free before the job's deadline.
    #[error("had no queue slot within the job's {}", humane(*.limit))]
    NoSlotInTime {
        /// The job's timeout.
        limit: Duration,
    },
    /// The server has not started its pools yet.
    #[error("is starting")]
    Starting,
    /// The pool is draining or gone.
    #[error("is shutting down")]
    ShuttingDown,
    /// The tokio runtime on which the pool was started has ended, and the pool with it.
    #[error("was started on a runtime that has ended")]
    RuntimeEnded,
    /// This process is a fork of the one that started the pool.
    #[error(
        "belongs to the process that this one was forked from; start a pool of its own here, or fork before \
         the first one is started"
    )]
    Forked,
    /// The encoded input is larger than the pool's `max_payload`.
    #[error("takes inputs of up to {limit} bytes, this one has {size}")]
    InputTooLarge {
        /// Its size, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The input cannot be encoded.
    #[error("cannot be sent this input: {0}")]
    InputEncoding(String),
}

impl Refusal {
    /// Every [`name`](Self::name) with which a pool refuses jobs. The others are a coordinator's.
    pub const OF_POOLS: [&str; 10] = [
        "queue_full",
        "queue_bytes_full",
        "breaker_open",
        "client_quarantined",
        "no_slot_in_time",
        "shutting_down",
        "forked",
        "input_too_large",
        "input_encoding",
        "runtime_ended",
    ];

    /// Whether the job found no room in the queue, so that it may be worth while to wait for some.
    pub const fn is_full_queue(&self) -> bool {
        matches!(self, Self::QueueFull { .. } | Self::QueueBytesFull { .. })
    }

    /// The reason as a short word for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::UnknownPool { .. } => "unknown_pool",
            Self::QueueFull { .. } => "queue_full",
            Self::QueueBytesFull { .. } => "queue_bytes_full",
            Self::BreakerOpen { .. } => "breaker_open",
            Self::ClientQuarantined { .. } => "client_quarantined",
            Self::NoSlotInTime { .. } => "no_slot_in_time",
            Self::Starting => "starting",
            Self::ShuttingDown => "shutting_down",
            Self::RuntimeEnded => "runtime_ended",
            Self::Forked => "forked",
            Self::InputTooLarge { .. } => "input_too_large",
            Self::InputEncoding(_) => "input_encoding",
        }
    }
}

impl Refusal {
    /// The sentence about this pool.
    fn of(&self, pool: &str) -> String {
        match self {
            Self::RuntimeEnded => format!(
                "the runtime on which pool `{pool}` was started has ended; start the pool on one that outlives all that use \
                 it (every `#[tokio::test]` has a runtime of its own), or with `start_blocking`, which gives it one"
            ),
            reason => format!("pool `{pool}` {reason}"),
        }
    }
}

/// A duration as people write it: `1.5s`, `250ms`.
pub(crate) fn humane(duration: Duration) -> String {
    format!("{duration:?}")
}

/// Whole seconds of a duration that may be long.
fn seconds(duration: Duration) -> String {
    humane(Duration::from_secs(duration.as_secs().max(1)))
}
