//! Makes the errors whose variants can gain fields, for wrappers of a pool and for tests of code that handles them.
//!
//! Each function has the name of its variant. A field that a variant gains later starts empty here, so
//! that calls stay as they are.

use crate::crash::Exit;
use crate::limit_hit::{LimitHit, MemoryCount};
use crate::outcome::JobError;
use crate::payload::{Encoding, PayloadError};
use crate::refusal::Refusal;
use crate::reload::ReloadError;
use crate::stage::Stage;
use std::time::Duration;

/// Constructors, one for each variant with named fields. The error names no saved job;
/// [`saved_as`](Self::saved_as) adds it.
///
/// ```
/// use procpool_protocol::{JobError, Stage};
/// use std::time::Duration;
///
/// let error = JobError::timed_out(Stage::Queued, Duration::from_secs(1));
/// assert!(error.is_timeout() && !error.may_have_run());
/// ```
impl JobError {
    /// Returns [`BadInput`](Self::BadInput), with the worker's decoding error.
    pub fn bad_input(message: impl Into<String>) -> Self {
        Self::BadInput { message: message.into() }
    }

    /// Returns [`Panicked`](Self::Panicked), with the panic's message and its `file:line:column`.
    pub fn panicked(message: impl Into<String>, location: Option<String>) -> Self {
        Self::Panicked { message: message.into(), location, replay: None }
    }

    /// Returns [`TimedOut`](Self::TimedOut) of a job that came this far and reached this timeout.
    pub fn timed_out(stage: Stage, limit: Duration) -> Self {
        Self::TimedOut { stage, limit, replay: None, stack: None }
    }

    /// Returns [`Cancelled`](Self::Cancelled) of a job that came this far.
    pub fn cancelled(stage: Stage) -> Self {
        Self::Cancelled { stage }
    }

    /// Returns [`Protocol`](Self::Protocol), with the worker's violation.
    pub fn protocol(violation: impl Into<String>) -> Self {
        Self::Protocol { violation: violation.into(), replay: None }
    }

    /// Returns [`OutputTooLarge`](Self::OutputTooLarge), with the output's size and the limit, in bytes.
    pub fn output_too_large(size: u64, limit: u64) -> Self {
        Self::OutputTooLarge { size, limit }
    }

    /// Returns [`Poisoned`](Self::Poisoned) of a job that came this far, with the number of workers that
    /// its payload has killed and the remaining time of the quarantine.
    pub fn poisoned(stage: Stage, payload_deaths: u32, remaining: Duration) -> Self {
        Self::Poisoned { stage, payload_deaths, remaining }
    }

    /// Returns [`ShutDown`](Self::ShutDown) of a job that came this far.
    pub fn shut_down(stage: Stage) -> Self {
        Self::ShutDown { stage }
    }
}

/// Constructors, one for each variant with named fields.
impl Refusal {
    /// Returns [`UnknownPool`](Self::UnknownPool), with the existing pools.
    pub fn unknown_pool(known: Vec<String>) -> Self {
        Self::UnknownPool { known }
    }

    /// Returns [`QueueFull`](Self::QueueFull), with the maximum number of jobs in the queue.
    pub fn queue_full(limit: usize) -> Self {
        Self::QueueFull { limit }
    }

    /// Returns [`QueueBytesFull`](Self::QueueBytesFull), with the bytes that wait, the size of this input and the
    /// bound, in bytes.
    pub fn queue_bytes_full(waiting: usize, size: usize, limit: usize) -> Self {
        Self::QueueBytesFull { waiting, size, limit }
    }

    /// Returns [`BreakerOpen`](Self::BreakerOpen), with the time until the next worker is tried and the end of the
    /// last one.
    pub fn breaker_open(retry: Duration, last_death: impl Into<String>) -> Self {
        Self::BreakerOpen { retry, last_death: last_death.into() }
    }

    /// Returns [`DeadlineUnreachable`](Self::DeadlineUnreachable), with the job's timeout, the minimum time until it would
    /// end, and the time after which such a job may be accepted.
    pub fn deadline_unreachable(limit: Duration, predicted: Duration, retry: Duration) -> Self {
        Self::DeadlineUnreachable { limit, predicted, retry }
    }

    /// Returns [`ClientQuarantined`](Self::ClientQuarantined), with the client, the number of workers that its jobs
    /// have killed and the time until the pool forgets these deaths.
    pub fn client_quarantined(client: impl Into<String>, deaths: u32, retry: Duration) -> Self {
        Self::ClientQuarantined { client: client.into(), deaths, retry }
    }

    /// Returns [`NoSlotInTime`](Self::NoSlotInTime), with the job's timeout.
    pub fn no_slot_in_time(limit: Duration) -> Self {
        Self::NoSlotInTime { limit }
    }

    /// Returns [`InputTooLarge`](Self::InputTooLarge), with the input's size and the limit, in bytes.
    pub fn input_too_large(size: usize, limit: usize) -> Self {
        Self::InputTooLarge { size, limit }
    }

    /// Returns [`LargeInputsFull`](Self::LargeInputsFull), with the size of the room, in bytes.
    pub fn large_inputs_full(limit: u64) -> Self {
        Self::LargeInputsFull { limit }
    }

    /// Returns [`KeyStoreFull`](Self::KeyStoreFull), with the number of keys that the server holds.
    pub fn key_store_full(keys: usize) -> Self {
        Self::KeyStoreFull { keys }
    }

    /// Returns [`RegistryFull`](Self::RegistryFull), with the number of jobs that the server holds.
    pub fn registry_full(records: usize) -> Self {
        Self::RegistryFull { records }
    }

    /// Returns [`StoreBusy`](Self::StoreBusy), with the number of bytes that wait to be written.
    pub fn store_busy(waiting: usize) -> Self {
        Self::StoreBusy { waiting }
    }

    /// Returns [`StoreBroken`](Self::StoreBroken), with the error of the first write that failed.
    pub fn store_broken(cause: impl Into<String>) -> Self {
        Self::StoreBroken { cause: cause.into() }
    }

    /// Returns [`NotSupported`](Self::NotSupported), with the missing ability as a sentence.
    pub fn not_supported(what: &'static str) -> Self {
        Self::NotSupported { what }
    }

    /// Returns [`EngineUnreachable`](Self::EngineUnreachable), with the last problem, and whether the job was sent.
    pub fn engine_unreachable(cause: impl Into<String>, sent: bool) -> Self {
        Self::EngineUnreachable { cause: cause.into(), sent }
    }
}

/// Constructors, one for each variant. Each takes the name of the pool first.
impl ReloadError {
    /// Returns [`Executable`](Self::Executable), with the problem with the file.
    pub fn executable(pool: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Executable { pool: pool.into(), reason: reason.into() }
    }

    /// Returns [`Canary`](Self::Canary), with the failure of the first new worker.
    pub fn canary(pool: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Canary { pool: pool.into(), reason: reason.into() }
    }

    /// Returns [`Superseded`](Self::Superseded).
    pub fn superseded(pool: impl Into<String>) -> Self {
        Self::Superseded { pool: pool.into() }
    }

    /// Returns [`Forked`](Self::Forked).
    pub fn forked(pool: impl Into<String>) -> Self {
        Self::Forked { pool: pool.into() }
    }

    /// Returns [`RuntimeEnded`](Self::RuntimeEnded).
    pub fn runtime_ended(pool: impl Into<String>) -> Self {
        Self::RuntimeEnded { pool: pool.into() }
    }

    /// Returns [`ShutDown`](Self::ShutDown).
    pub fn shut_down(pool: impl Into<String>) -> Self {
        Self::ShutDown { pool: pool.into() }
    }
}

/// Constructors, one for each variant with named fields.
impl PayloadError {
    /// Returns [`Encode`](Self::Encode), with the encoding that was asked for and the encoder's error.
    pub fn encode(encoding: Encoding, reason: impl Into<String>) -> Self {
        Self::Encode { encoding, reason: reason.into() }
    }

    /// Returns [`Decode`](Self::Decode), with the payload's encoding, its length in bytes and the decoder's error.
    pub fn decode(encoding: Encoding, length: usize, reason: impl Into<String>) -> Self {
        Self::Decode { encoding, length, reason: reason.into() }
    }

    /// Returns [`WrongEncoding`](Self::WrongEncoding), with the kind that the receiving type takes and the kind
    /// that arrived.
    pub fn wrong_encoding(expected: &'static str, got: Encoding) -> Self {
        Self::WrongEncoding { expected, got }
    }
}

impl Exit {
    /// Returns [`Signal`](Self::Signal), with the signal's number and whether a core was dumped.
    pub fn by_signal(number: i32, core_dumped: bool) -> Self {
        Self::Signal { number, core_dumped }
    }
}

/// Constructors, one for each variant.
impl LimitHit {
    /// Returns [`Memory`](Self::Memory), with the limit in bytes, and how the memory was counted.
    pub fn memory(limit: u64, count: MemoryCount) -> Self {
        Self::Memory { limit, count }
    }

    /// Returns [`AddressSpace`](Self::AddressSpace), with the limit in bytes.
    pub fn address_space(limit: u64) -> Self {
        Self::AddressSpace { limit }
    }

    /// Returns [`Cpu`](Self::Cpu), with the limit in whole seconds.
    pub fn cpu(limit: Duration) -> Self {
        Self::Cpu { limit }
    }

    /// Returns [`FileSize`](Self::FileSize), with the limit in bytes.
    pub fn file_size(limit: u64) -> Self {
        Self::FileSize { limit }
    }
}
