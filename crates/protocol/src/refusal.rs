//! Why a job was not accepted. A refusal is not an outcome: the pool never held the job.

use std::time::Duration;

/// A pool did not accept a job.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", reason.of(pool))]
#[non_exhaustive]
pub struct Refused {
    /// The pool.
    pub pool: String,
    /// The reason.
    pub reason: Refusal,
}

impl Refused {
    /// Returns the refusal by this pool.
    pub fn new(pool: impl Into<String>, reason: Refusal) -> Self {
        Self { pool: pool.into(), reason }
    }
}

/// Why a pool did not accept a job.
///
/// Variants can gain fields: match them with `..`. Make one with the function of its name:
/// [`Refusal::queue_full`] makes [`QueueFull`](Self::QueueFull).
///
/// ```
/// # use procpool_protocol::JobError;
/// # use procpool_protocol::outcome::{Refusal, Refused};
/// let error = JobError::from(Refused::new("fib", Refusal::queue_full(1024)));
/// let is_busy = matches!(&error, JobError::Refused(refused) if refused.reason.is_full_queue());
/// assert!(is_busy);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// There is no such pool.
    #[error("does not exist; there are: {}", .known.join(", "))]
    #[non_exhaustive]
    UnknownPool {
        /// The existing pools.
        known: Vec<String>,
    },
    /// The queue is full.
    #[error("has {limit} jobs waiting and takes no more; try again later")]
    #[non_exhaustive]
    QueueFull {
        /// Maximum number of jobs in the queue.
        limit: usize,
    },
    /// This input would exceed the maximum number of waiting bytes, and other inputs are waiting.
    #[error(
        "has {waiting} bytes of inputs waiting and takes no {size} more (`queue_bytes` is {limit}); try again later"
    )]
    #[non_exhaustive]
    QueueBytesFull {
        /// Number of bytes of the waiting inputs.
        waiting: usize,
        /// The size of this input, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The pool's workers keep dying before they have finished anything, and none is alive.
    #[error(
        "has no worker, because they keep dying at their start; the next is tried in {} (the last one: {last_death})",
        humane(*.retry)
    )]
    #[non_exhaustive]
    BreakerOpen {
        /// Time until the next start of a worker.
        retry: Duration,
        /// How the last one ended.
        last_death: String,
    },
    /// Jobs of this client have killed the maximum number of workers.
    #[error(
        "takes no jobs of `{client}` for another {}: its jobs have killed {deaths} workers lately, and `client_deaths` \
         allows no more",
        seconds(*.retry)
    )]
    #[non_exhaustive]
    ClientQuarantined {
        /// The client.
        client: String,
        /// Number of workers that its jobs have killed.
        deaths: u32,
        /// Time until the pool forgets these deaths.
        retry: Duration,
    },
    /// No queue slot became free before the job's deadline.
    #[error("had no queue slot within the job's {}", humane(*.limit))]
    #[non_exhaustive]
    NoSlotInTime {
        /// The job's timeout.
        limit: Duration,
    },
    /// The server has not started its pools yet.
    #[error("is starting")]
    Starting,
    /// The job would not end before its deadline, if it runs as long as others did.
    #[error(
        "cannot end this job within its {}: it would take {} at least, as far as the run times of earlier jobs tell",
        humane(*.limit),
        humane(*.predicted)
    )]
    #[non_exhaustive]
    DeadlineUnreachable {
        /// The job's timeout.
        limit: Duration,
        /// Minimum time until it would end.
        predicted: Duration,
        /// Time after which such a job may be accepted.
        retry: Duration,
    },
    /// An operator drains the pool until it is resumed.
    #[error("is drained by order and takes no jobs until it is resumed")]
    Draining,
    /// The pool is draining or was dropped.
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
    #[non_exhaustive]
    InputTooLarge {
        /// Its size, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The jobs with idempotency keys fill their share of the registry.
    #[error(
        "takes no further job with a key, because the server holds the keys of {keys} jobs until they expire \
         (`max_keys`); send the job without a key, or try again later"
    )]
    #[non_exhaustive]
    KeyStoreFull {
        /// Number of keys that the server holds.
        keys: usize,
    },
    /// Large inputs of unfinished jobs fill the room that the servers of a cluster have for them.
    #[error(
        "takes no further large input, because those of its unfinished jobs fill the {limit} bytes that the cluster has \
         for them (`max_payload_bytes`); try again later"
    )]
    #[non_exhaustive]
    LargeInputsFull {
        /// The size of that room, in bytes.
        limit: u64,
    },
    /// Unfinished jobs and jobs with keys fill the registry.
    #[error(
        "takes no further job that outlives its request, because the server holds {records} jobs that are unfinished \
         or have a key (`max_records`, `max_record_bytes`); try again later"
    )]
    #[non_exhaustive]
    RegistryFull {
        /// Number of jobs that the server holds.
        records: usize,
    },
    /// The job was to run later, and the pool's jobs are in memory.
    #[error(
        "takes no job that runs later, because its jobs are in memory and a restart would forget it; set durable = true \
         for the pool, or send the job without `delay` and `run_at`"
    )]
    NotDurable,
    /// Too many jobs wait to be written to the state directory.
    #[error(
        "takes no further job now, because {waiting} bytes wait to be written to the state directory; try again later"
    )]
    #[non_exhaustive]
    StoreBusy {
        /// Number of waiting bytes.
        waiting: usize,
    },
    /// The state directory has no space left.
    #[error(
        "takes no further job, because the state directory has no space left; accepted jobs are finished, and free \
         space lets it take jobs again"
    )]
    StoreFull,
    /// The state directory cannot be written.
    #[error(
        "takes no further job, because the state directory cannot be written: {cause}; the server has to be restarted"
    )]
    #[non_exhaustive]
    StoreBroken {
        /// The error of the first write that failed.
        cause: String,
    },
    /// The job asks for something that the pool cannot do, because its jobs run on many hosts.
    #[error("cannot do that, because its jobs run on many hosts: {what}")]
    #[non_exhaustive]
    NotSupported {
        /// The missing ability, as a sentence.
        what: &'static str,
    },
    /// The servers that hold the pool's jobs do not answer.
    #[error(
        "takes no job now, because the cluster does not answer: {cause}{}; try again later",
        perhaps(*.sent)
    )]
    #[non_exhaustive]
    EngineUnreachable {
        /// The last problem.
        cause: String,
        /// Whether the job was sent, so that it may run.
        sent: bool,
    },
    /// The input cannot be encoded.
    #[error("cannot be sent this input: {0}")]
    InputEncoding(String),
}

impl Refusal {
    /// Every [`name`](Self::name) with which a pool refuses jobs. The other names belong to the coordinator.
    pub const OF_POOLS: [&str; 12] = [
        "queue_full",
        "queue_bytes_full",
        "breaker_open",
        "client_quarantined",
        "no_slot_in_time",
        "deadline_unreachable",
        "draining",
        "shutting_down",
        "forked",
        "input_too_large",
        "input_encoding",
        "runtime_ended",
    ];

    /// Returns whether the queue was full, so that waiting for a slot may help.
    pub const fn is_full_queue(&self) -> bool {
        matches!(self, Self::QueueFull { .. } | Self::QueueBytesFull { .. })
    }

    /// Returns the reason as a short word for programs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::UnknownPool { .. } => "unknown_pool",
            Self::QueueFull { .. } => "queue_full",
            Self::QueueBytesFull { .. } => "queue_bytes_full",
            Self::BreakerOpen { .. } => "breaker_open",
            Self::ClientQuarantined { .. } => "client_quarantined",
            Self::NoSlotInTime { .. } => "no_slot_in_time",
            Self::Starting => "starting",
            Self::DeadlineUnreachable { .. } => "deadline_unreachable",
            Self::Draining => "draining",
            Self::ShuttingDown => "shutting_down",
            Self::RuntimeEnded => "runtime_ended",
            Self::Forked => "forked",
            Self::InputTooLarge { .. } => "input_too_large",
            Self::KeyStoreFull { .. } => "key_store_full",
            Self::LargeInputsFull { .. } => "large_inputs_full",
            Self::RegistryFull { .. } => "registry_full",
            Self::NotDurable => "not_durable",
            Self::StoreBusy { .. } => "store_busy",
            Self::StoreFull => "store_full",
            Self::StoreBroken { .. } => "store_broken",
            Self::NotSupported { .. } => "not_supported",
            Self::EngineUnreachable { .. } => "engine_unreachable",
            Self::InputEncoding(_) => "input_encoding",
        }
    }
}

impl Refusal {
    /// Returns the sentence about this pool.
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

fn perhaps(is_sent: bool) -> &'static str {
    if is_sent { "; it may have accepted the job" } else { "" }
}

/// Writes a duration as people do: `1.5s`, `250ms`.
pub(crate) fn humane(duration: Duration) -> String {
    format!("{duration:?}")
}

/// Writes the whole seconds of a duration that may be long.
fn seconds(duration: Duration) -> String {
    humane(Duration::from_secs(duration.as_secs().max(1)))
}
