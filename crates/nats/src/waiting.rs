//! [`Waiting`]: those who wait for the outcomes of jobs, the jobs of which a hint will tell, and the outcomes that hints
//! have brought.

use bytes::Bytes;
use procpool_protocol::JobId;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Maximum number of jobs that are expected. Outcomes of older ones are looked for at once.
const EXPECTED: usize = 10_000;

/// Maximum size of all outcomes for which nobody has come yet, in bytes. Older ones are looked for.
const TOLD: usize = 8 << 20;

#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The jobs for which somebody waits, with the number of those who do.
    listeners: HashMap<JobId, (usize, Arc<Notify>)>,
    /// Jobs that this front has accepted, and of which no hint has told.
    expected: HashSet<JobId>,
    /// The same, and some that have been told of, the oldest first.
    order: VecDeque<JobId>,
    /// The records of outcomes, from hints.
    told: HashMap<JobId, Bytes>,
    told_order: VecDeque<(JobId, usize)>,
    told_bytes: usize,
}

impl Waiting {
    /// Expects a hint about a job that is about to be accepted.
    pub(crate) fn expect(&self, job: JobId) {
        let mut state = self.lock();
        if state.expected.insert(job) {
            state.order.push_back(job);
        }
        while state.order.len() > EXPECTED {
            if let Some(oldest) = state.order.pop_front() {
                state.expected.remove(&oldest);
            }
        }
    }

    /// Returns whether the job was accepted here, and no hint has told of its outcome.
    pub(crate) fn is_expected(&self, job: JobId) -> bool {
        self.lock().expected.contains(&job)
    }

    /// Takes a hint: the job has an outcome. Its record, if the hint brings it, is held for [`take`](Self::take) if the job
    /// was accepted here.
    pub(crate) fn wake(&self, job: JobId, record: Option<Bytes>) {
        let mut state = self.lock();
        if state.expected.remove(&job)
            && let Some(record) = record
        {
            state.hold(job, record);
        }
        if let Some((_, notify)) = state.listeners.get(&job) {
            notify.notify_waiters();
        }
    }

    /// Returns the record of a job's outcome, if a hint has brought it and nobody has taken it.
    pub(crate) fn take(&self, job: JobId) -> Option<Bytes> {
        self.lock().told.remove(&job)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn hold(&mut self, job: JobId, record: Bytes) {
        let size = record.len();
        self.told.insert(job, record);
        self.told_order.push_back((job, size));
        self.told_bytes += size;
        while self.told_bytes > TOLD || self.told_order.len() > EXPECTED {
            let Some((oldest, size)) = self.told_order.pop_front() else { return };
            self.told.remove(&oldest);
            self.told_bytes -= size;
        }
    }
}

/// One who waits. Its place is free again once it is dropped.
pub(crate) struct Listener<'a> {
    waiting: &'a Waiting,
    job: JobId,
    pub(crate) notify: Arc<Notify>,
}

impl<'a> Listener<'a> {
    pub(crate) fn new(waiting: &'a Waiting, job: JobId) -> Self {
        let mut state = waiting.lock();
        let (count, notify) = state.listeners.entry(job).or_default();
        *count += 1;
        Self { waiting, job, notify: notify.clone() }
    }
}

impl Drop for Listener<'_> {
    fn drop(&mut self) {
        let mut state = self.waiting.lock();
        if let Some((count, _)) = state.listeners.get_mut(&self.job) {
            *count -= 1;
            if *count == 0 {
                state.listeners.remove(&self.job);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_job_is_expected_until_a_hint_comes_and_its_listeners_hear_it() {
        let waiting = Waiting::default();
        let job = JobId::from_bits(1);
        assert!(!waiting.is_expected(job));
        waiting.expect(job);
        let listener = Listener::new(&waiting, job);
        let heard = listener.notify.notified();
        assert!(waiting.is_expected(job));
        waiting.wake(job, Some(Bytes::from_static(b"ok")));
        heard.await;
        assert!(!waiting.is_expected(job));
        assert_eq!((waiting.take(job), waiting.take(job)), (Some(Bytes::from_static(b"ok")), None));
        drop(listener);
        assert!(waiting.lock().listeners.is_empty());
    }

    #[test]
    fn outcomes_that_nobody_takes_are_bounded_and_those_of_others_are_not_held() {
        let waiting = Waiting::default();
        let record = Bytes::from(vec![0; TOLD / 4]);
        for job in (1..=6).map(JobId::from_bits) {
            waiting.expect(job);
            waiting.wake(job, Some(record.clone()));
        }
        let held: Vec<_> = (1..=6).filter(|&bits| waiting.take(JobId::from_bits(bits)).is_some()).collect();
        assert_eq!(held, [3, 4, 5, 6]);
        waiting.wake(JobId::from_bits(7), Some(record));
        assert_eq!(waiting.take(JobId::from_bits(7)), None);
    }

    #[test]
    fn the_oldest_are_no_longer_expected() {
        let waiting = Waiting::default();
        let job = |nth: usize| JobId::from_bits(nth as u128);
        for nth in 0..EXPECTED + 10 {
            waiting.expect(job(nth));
            waiting.expect(job(nth));
        }
        assert!(!waiting.is_expected(job(9)) && waiting.is_expected(job(10)));
        let state = waiting.lock();
        assert_eq!((state.expected.len(), state.order.len()), (EXPECTED, EXPECTED));
    }
}
