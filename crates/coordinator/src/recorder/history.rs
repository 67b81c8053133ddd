//! The last jobs that a worker was given, kept because they may cause a later job's crash. Does not: know
//! their outcomes.

use bytes::Bytes;
use procpool_protocol::frame::Frame;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Maximum number of bytes of inputs that are kept for a worker.
const MAX_BYTES: usize = 4 << 20;

/// The last jobs of one worker, shared by the worker and those of its jobs that have no outcome yet.
#[derive(Debug)]
pub(crate) struct History {
    /// Maximum number of jobs before any one.
    most: usize,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    jobs: VecDeque<Frame>,
    /// Of their inputs.
    bytes: usize,
}

impl History {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, kept: Mutex::default() }
    }

    /// Notes that the worker is given a job while it has this number of others. A job with shared memory is
    /// left out: it could not be saved, and would keep its descriptors open.
    pub(crate) fn give(&self, job: &Frame, others: usize) {
        if job.payload.attachments.count() > 0 || job.payload.bytes.len() > MAX_BYTES {
            return;
        }
        // A copy: what it is a part of may be larger, and counts as a request's body for as long as anybody has it.
        let mut job = job.clone();
        job.payload.bytes = Bytes::copy_from_slice(&job.payload.bytes);
        let mut kept = self.lock();
        kept.bytes += length(&job);
        kept.jobs.push_back(job);
        while kept.jobs.len() > self.most.saturating_add(others).saturating_add(1) || kept.bytes > MAX_BYTES {
            let Some(oldest) = kept.jobs.pop_front() else { return };
            kept.bytes -= length(&oldest);
        }
    }

    /// Removes the jobs that the worker will not begin: those that `is_one` picks by their numbers.
    pub(crate) fn gives_back(&self, is_one: impl Fn(u64) -> bool) {
        let mut kept = self.lock();
        kept.jobs.retain(|job| !is_one(job.sequence));
        kept.bytes = kept.jobs.iter().map(length).sum();
    }

    /// Returns the last jobs before this one, the oldest first.
    pub(crate) fn before(&self, sequence: u64) -> Vec<Frame> {
        let kept = self.lock();
        let earlier = kept.jobs.iter().filter(|job| job.sequence < sequence);
        let surplus = earlier.clone().count().saturating_sub(self.most);
        earlier.skip(surplus).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn length(job: &Frame) -> usize {
    job.payload.bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::Payload;
    use procpool_protocol::attachments::Attachments;
    use procpool_protocol::frame::Kind;

    fn job(sequence: u64, bytes: usize) -> Frame {
        Frame::new(Kind::Job, sequence, "").with_payload(Payload::raw(vec![0; bytes]))
    }

    fn before(history: &History, sequence: u64) -> Vec<u64> {
        history.before(sequence).iter().map(|job| job.sequence).collect()
    }

    #[test]
    fn the_last_jobs_before_each_are_there_whatever_was_given_after_it() {
        let history = History::new(2);
        for sequence in 1..=6 {
            // The worker has up to three at a time.
            history.give(&job(sequence, 1), usize::try_from(sequence.min(3)).unwrap() - 1);
        }
        assert_eq!(before(&history, 4), [2, 3]);
        assert_eq!(before(&history, 6), [4, 5]);
        history.give(&job(7, 1), 0);
        assert_eq!(before(&history, 7), [5, 6]);
    }

    #[test]
    fn what_was_not_begun_was_not_before() {
        let history = History::new(5);
        for sequence in 1..=4 {
            history.give(&job(sequence, 1), 3);
        }
        history.gives_back(|sequence| sequence > 2);
        assert_eq!(before(&history, 9), [1, 2]);
    }

    #[test]
    fn bytes_are_bounded_and_shared_memory_is_left_out() {
        let history = History::new(100);
        for sequence in 1..=10 {
            history.give(&job(sequence, MAX_BYTES / 4), 0);
        }
        assert_eq!(before(&history, 11), [7, 8, 9, 10]);
        history.give(&job(11, MAX_BYTES + 1), 0);
        let mut shared = job(12, 1);
        shared.payload.attachments = Attachments::absent(1);
        history.give(&shared, 0);
        assert_eq!(before(&history, 13), [7, 8, 9, 10]);
    }
}
