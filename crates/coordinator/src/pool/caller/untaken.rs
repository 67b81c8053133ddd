//! Outputs that wait for their callers, counted. Refuses to bound them: they are their callers' memory, and a caller that
//! keeps its outputs must not stop the jobs of others (decision 10).

use procpool_protocol::outcome::Finished;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio::sync::oneshot;

/// Smaller outputs are not counted: the handle weighs as much, and a counter that every job touches would cost small jobs
/// more than it tells.
const COUNTED: usize = 4096;

/// Bytes of the outputs that were sent to callers and that they have not taken.
#[derive(Debug, Default)]
pub(crate) struct Untaken(AtomicU64);

impl Untaken {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Sends a job's outcome to its caller, who may be gone.
    pub(crate) fn send(&self, caller: oneshot::Sender<Finished>, finished: Finished) {
        let bytes = counted(&finished);
        // Before it is sent, or it might be taken before it is counted.
        self.add(bytes);
        if caller.send(finished).is_err() {
            self.subtract(bytes);
        }
    }

    /// Notes that the caller has this one.
    pub(crate) fn taken(&self, finished: &Finished) {
        self.subtract(counted(finished));
    }

    /// Handles an outcome that the caller no longer wants, whether it is there or not.
    pub(crate) fn leave(&self, mut outcome: oneshot::Receiver<Finished>) {
        // An outcome that is sent after this is dropped.
        outcome.close();
        if let Ok(finished) = outcome.try_recv() {
            self.taken(&finished);
        }
    }

    fn add(&self, bytes: u64) {
        if bytes > 0 {
            self.0.fetch_add(bytes, Relaxed);
        }
    }

    fn subtract(&self, bytes: u64) {
        if bytes > 0 {
            self.0.fetch_sub(bytes, Relaxed);
        }
    }
}

fn counted(finished: &Finished) -> u64 {
    let length = finished.result.as_ref().map_or(0, |output| output.bytes.len());
    if length < COUNTED { 0 } else { length as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::outcome::Timing;
    use procpool_protocol::{JobId, Payload};

    fn ended(length: usize) -> Finished {
        let result = Ok(Payload::raw(vec![0; length]));
        Finished::new(JobId::from_bits(1), Timing::default(), result)
    }

    #[test]
    fn an_output_counts_from_its_end_until_its_caller_takes_it_or_goes() {
        let untaken = Untaken::default();
        let send = |length| {
            let (caller, outcome) = oneshot::channel();
            untaken.send(caller, ended(length));
            outcome
        };
        let (mut first, second, _small) = (send(5_000), send(6_000), send(COUNTED - 1));
        assert_eq!(untaken.bytes(), 11_000);
        untaken.taken(&first.try_recv().expect("an outcome"));
        assert_eq!(untaken.bytes(), 6_000);
        untaken.leave(second);
        assert_eq!(untaken.bytes(), 0);
    }

    #[test]
    fn an_output_that_nobody_waits_for_any_more_does_not_count() {
        let untaken = Untaken::default();
        let (caller, outcome) = oneshot::channel();
        untaken.leave(outcome);
        untaken.send(caller, ended(5_000));
        assert_eq!(untaken.bytes(), 0);
    }
}
