//! Chunks of a job's streamed output: [`Context::emit`].

use super::Context;
use crate::board::Grant;
use crate::jobs;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::limits::MAX_CHUNK;
use procpool_protocol::{Bytes, Cancelled, Failure, Payload, Streaming};
use std::any::Any;
use std::sync::atomic::Ordering;

impl<J: Streaming> Context<J> {
    /// Sends one chunk of the job's streamed output.
    ///
    /// No chunk is lost: when the reader falls 16 chunks behind, this blocks. It continues when the reader
    /// reads on, the job is cancelled or its deadline passes. If no caller reads chunks, as over HTTP, they
    /// are dropped without being encoded, and the answer contains their number. A [`Bytes`] larger than 1 MiB
    /// is sent as several chunks.
    ///
    /// ```
    /// use procpool_worker::{Context, Failure, job};
    ///
    /// job!(Primes, "primes", u64 => u64, chunks u64);
    ///
    /// fn primes(limit: u64, cx: &Context<Primes>) -> Result<u64, Failure> {
    ///     let is_prime = |n: &u64| (2..).take_while(|d| d * d <= *n).all(|d| n % d != 0);
    ///     let mut count = 0;
    ///     for prime in (2..limit).filter(is_prime) {
    ///         cx.emit(prime)?;
    ///         count += 1;
    ///     }
    ///     Ok(count)
    /// }
    /// ```
    ///
    /// # Errors
    /// Returns [`Cancelled`] when the job must stop. Also when a chunk cannot be sent at all, because its
    /// encoding fails, or is longer than 1 MiB or than the pool's `max_payload`. The job then breaks with
    /// code `bad_chunk`, regardless of what its function returns.
    pub fn emit(&self, chunk: J::Chunk) -> Result<(), Cancelled> {
        if let Some(Bytes(bytes)) = (&chunk as &dyn Any).downcast_ref() {
            let mut rest = bytes.clone();
            loop {
                let piece = rest.split_to(rest.len().min(self.max_chunk()));
                self.emit_payload(|| Ok(Payload::raw(piece)))?;
                if rest.is_empty() {
                    return Ok(());
                }
            }
        }
        let reply = self.facts.reply;
        self.emit_payload(move || Ok(jobs::encode(&chunk, reply)?))
    }

    fn emit_payload(&self, encode: impl FnOnce() -> Result<Payload, Failure>) -> Result<(), Cancelled> {
        let Some(sequence) = self.facts.sequence else {
            return self.check();
        };
        if self.bench.board.take_credit(&self.flag)? == Grant::Drop {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let payload =
            encode().and_then(|payload| self.fitting(payload)).map_err(|failure| self.fail(failure))?;
        let frame = Frame::new(Kind::Chunk, sequence, "").with_payload(payload);
        // Without a coordinator, the remaining chunks have no reader either.
        self.bench.outlet.send(&frame).map_err(|_| Cancelled)
    }

    fn fitting(&self, payload: Payload) -> Result<Payload, Failure> {
        let (size, limit) = (payload.bytes.len(), self.max_chunk());
        match size <= limit {
            true => Ok(payload),
            false => Err(Failure::new(format!("a chunk has {size} bytes; the limit is {limit}"))),
        }
    }

    fn fail(&self, failure: Failure) -> Cancelled {
        // The first reason counts, even if the job emits further chunks.
        let _ = self.doom.set(failure.with_code("bad_chunk").as_broken());
        Cancelled
    }

    /// Returns the maximum length of a chunk, in bytes. Never 0, because a split would be impossible.
    fn max_chunk(&self) -> usize {
        let limit = self.bench.startup.max_payload.clamp(1, MAX_CHUNK);
        usize::try_from(limit).unwrap_or(usize::MAX)
    }
}
