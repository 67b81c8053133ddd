//! [`Bells`]: wakes those who wait for a change of a job. Jobs for which nobody waits cost nothing.

use procpool_protocol::JobId;
use procpool_protocol::outcome::Finished;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::Notify;

/// The bells of the jobs for which somebody waits, with the number of those who do.
#[derive(Debug, Default)]
pub(crate) struct Bells(Mutex<HashMap<JobId, (usize, Arc<Bell>)>>);

/// Rings at each change of one job.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    pub(crate) rings: Notify,
    /// The outcome, for those who waited when it came. The registry need not hold it.
    pub(crate) outcome: OnceLock<Arc<Finished>>,
    /// No outcome comes any longer.
    pub(crate) is_closed: AtomicBool,
}

/// One who waits for changes of a job, until it is dropped.
#[derive(Debug)]
pub(crate) struct Listener {
    bells: Arc<Bells>,
    pub(crate) job: JobId,
    pub(crate) bell: Arc<Bell>,
}

impl Bells {
    /// Returns a listener, which hears each change from now on.
    pub(crate) fn listen(self: &Arc<Self>, job: JobId) -> Listener {
        let mut bells = self.lock();
        let (listeners, bell) = bells.entry(job).or_default();
        *listeners += 1;
        let bell = bell.clone();
        drop(bells);
        Listener { bells: self.clone(), job, bell }
    }

    /// Wakes those who wait for a change of this job.
    pub(crate) fn ring(&self, job: JobId) {
        self.with(job, |bell| bell.rings.notify_waiters());
    }

    /// Leaves the outcome to those who wait. [`ring`](Self::ring) follows.
    pub(crate) fn leave(&self, job: JobId, outcome: &Arc<Finished>) {
        self.with(job, |bell| drop(bell.outcome.set(outcome.clone())));
    }

    /// Returns whether somebody waits for this job.
    pub(crate) fn is_heard(&self, job: JobId) -> bool {
        self.lock().contains_key(&job)
    }

    /// Says that no outcome of this job comes any longer. [`ring`](Self::ring) follows.
    pub(crate) fn close(&self, job: JobId) {
        self.with(job, |bell| bell.is_closed.store(true, Ordering::Release));
    }

    /// Says that no outcome of any job comes any longer, and wakes everybody.
    pub(crate) fn close_all(&self) {
        let bells: Vec<_> = self.lock().values().map(|(_, bell)| bell.clone()).collect();
        for bell in bells {
            bell.is_closed.store(true, Ordering::Release);
            bell.rings.notify_waiters();
        }
    }

    /// Returns the number of jobs for which somebody waits.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.lock().len()
    }

    /// Does something to a bell without the lock: wakers are not ours.
    fn with(&self, job: JobId, act: impl FnOnce(&Bell)) {
        let Some(bell) = self.lock().get(&job).map(|(_, bell)| bell.clone()) else { return };
        act(&bell);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, (usize, Arc<Bell>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.bells.lock().entry(self.job) {
            let (listeners, _) = entry.get_mut();
            *listeners -= 1;
            if *listeners == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_listener_hears_what_rings_between_its_look_and_its_wait() {
        let bells = Arc::<Bells>::default();
        let job = JobId::from_bits(1);
        let (first, second) = (bells.listen(job), bells.listen(job));
        let heard = [first.bell.rings.notified(), second.bell.rings.notified()];
        bells.ring(job);
        for heard in heard {
            heard.await;
        }
        drop(first);
        assert_eq!(bells.count(), 1);
        drop(second);
        assert_eq!(bells.count(), 0);
        bells.ring(job);
    }
}
