//! [`Waiting`]: those who wait for the outcomes of jobs, and the jobs of which a hint will tell.

use procpool_protocol::JobId;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Maximum number of jobs that are expected. Outcomes of older ones are looked for at once.
const EXPECTED: usize = 10_000;

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

    /// Takes a hint: the job has an outcome.
    pub(crate) fn wake(&self, job: JobId) {
        let mut state = self.lock();
        state.expected.remove(&job);
        if let Some((_, notify)) = state.listeners.get(&job) {
            notify.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        waiting.wake(job);
        heard.await;
        assert!(!waiting.is_expected(job));
        drop(listener);
        assert!(waiting.lock().listeners.is_empty());
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
