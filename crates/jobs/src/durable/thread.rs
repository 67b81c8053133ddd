//! The store's thread: it waits for operations or for the next time at which something happens.

use super::core::Core;
use super::op::Op;
use super::performer::Act;
use procpool_registry::{Attempts, CommitError, Durable, Time};
use std::time::Duration;

/// Maximum number of jobs of an earlier process that are decided in one group.
const LOST: usize = 512;

impl<D: Durable> Core<D> {
    /// Decides about the jobs that workers of an earlier process had. Their workers have ended with it, and only one
    /// process at a time has the storage: no lease has to run out.
    pub(super) fn recover(&mut self) -> Result<usize, CommitError> {
        let (mut after, mut count) = (0, 0);
        loop {
            let now = self.shared.clock.now();
            let running = self.registry.storage().running(after, LOST);
            let Some(last) = running.last() else { return Ok(count) };
            after = last.seq;
            for record in &running {
                let options = self.lanes.options(&record.pool);
                let attempts = options.map_or(Attempts::ONE, super::options::PoolOptions::attempts);
                self.registry.lost(now, record.id, attempts);
            }
            count += running.len();
            self.registry.commit()?;
            while self.registry.poll_effect().is_some() {}
        }
    }

    /// Runs until somebody closes the store.
    pub(super) fn run(mut self) {
        let runtime = self.shared.runtime.clone();
        let _context = runtime.enter();
        self.look_ahead();
        let mut ops = Vec::new();
        let told = loop {
            let closes = ops.iter().position(|op| matches!(op, Op::Close(_)));
            let rest = closes.map(|at| ops.split_off(at));
            self.group(std::mem::take(&mut ops));
            if let Some(rest) = rest {
                break rest;
            }
            ops = self.queue.take(self.idle_time());
            if ops.is_empty() && self.queue.is_closed() {
                break Vec::new();
            }
        };
        self.queue.close();
        // The storage is closed before anybody is told that it is, and after all else was told.
        let acts = self.acts.clone();
        drop(self);
        let closed = |op| if let Op::Close(tell) = op { Some(Act::Done(tell)) } else { None };
        let closed = told.into_iter().filter_map(closed);
        acts.perform(std::iter::once(Act::AllGone).chain(closed).collect());
    }

    /// Returns how long the thread may wait for an operation. `None`: for ever.
    fn idle_time(&self) -> Option<Duration> {
        if self.broken.is_some() {
            return None;
        }
        let [expiry, due] = self.times;
        let lanes = self.lanes.next_time().filter(|_| !self.is_draining);
        let next = [expiry, due, lanes];
        next.into_iter().flatten().min().map(|time: Time| self.shared.clock.until(time))
    }
}
