//! A new generation of the executable: the pool tries it with one worker, then replaces all others.
//! Does not: compare generations, or replace workers; `renewal` does that.

use super::Scheduler;
use super::shutdown::Life;
use crate::{Action, Generation, ReloadEnd, WorkerId};

/// The generations, and the progress of the newest.
#[derive(Debug, Default)]
pub(super) struct Rollout {
    /// The generation that workers are started from.
    current: Generation,
    /// The generation being tried.
    candidate: Option<Candidate>,
    /// The generation to try next. A later reload replaces it.
    next: Option<Generation>,
    /// The current generation, while workers of older ones are in service.
    rolling: Option<Generation>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    generation: Generation,
    /// Its first worker, once started.
    canary: Option<WorkerId>,
}

impl Rollout {
    pub(super) const fn current(&self) -> Generation {
        self.current
    }

    pub(super) const fn is_under_way(&self) -> bool {
        self.candidate.is_some() || self.rolling.is_some()
    }

    /// Returns whether a generation waits for a place to start its first worker.
    pub(super) fn waits_for_a_place(&self) -> bool {
        self.candidate.is_some_and(|candidate| candidate.canary.is_none())
    }

    /// Returns whether the worker is the first of a generation on trial.
    pub(super) fn is_canary(&self, worker: WorkerId) -> bool {
        self.candidate.is_some_and(|candidate| candidate.canary == Some(worker))
    }
}

impl Scheduler {
    pub(super) fn reload(&mut self, generation: Generation) {
        if self.is_draining() {
            self.end_reload(generation, ReloadEnd::ShutDown);
        } else if self.rollout.candidate.is_some() {
            let earlier = self.rollout.next.replace(generation);
            self.end_reloads(earlier, ReloadEnd::Superseded);
        } else {
            self.rollout.candidate = Some(Candidate { generation, canary: None });
        }
    }

    /// Starts the canary, unless a replacement is under way: the pool has one surplus worker at a
    /// time. Backoff and breaker do not delay it, because they are about the previous generation.
    pub(super) fn send_canary(&mut self) {
        if let Some(Candidate { generation, canary: None }) = self.rollout.candidate
            && self.replacement.is_none()
        {
            let worker = self.start_worker(generation);
            self.replacement = Some(worker);
            self.rollout.candidate = Some(Candidate { generation, canary: Some(worker) });
        }
    }

    /// Makes the generation of the canary, which is ready, the current one.
    pub(super) fn promote(&mut self) {
        let Some(Candidate { generation, .. }) = self.rollout.candidate.take() else { return };
        self.rollout.current = generation;
        let unfinished = self.rollout.rolling.replace(generation);
        self.end_reloads(unfinished, ReloadEnd::Superseded);
        self.restarts.forget();
        self.run_times.forget();
        self.pardon(None);
        self.fleet.outdate(generation);
        self.try_next();
    }

    /// Gives up the generation of the canary, which is dead. The current generation stays.
    pub(super) fn canary_died(&mut self) {
        let Some(Candidate { generation, .. }) = self.rollout.candidate.take() else { return };
        self.end_reload(generation, ReloadEnd::CanaryDied);
        self.try_next();
    }

    fn try_next(&mut self) {
        let next = self.rollout.next.take();
        self.rollout.candidate = next.map(|generation| Candidate { generation, canary: None });
    }

    /// Ends the reload when no worker of an older generation is in service.
    pub(super) fn finish_rolling(&mut self) {
        if self.fleet.outdated() == 0 {
            let done = self.rollout.rolling.take();
            self.end_reloads(done, ReloadEnd::Done);
        }
    }

    /// Ends all reloads, because a pool that shuts down needs no new generation.
    pub(super) fn give_up_reloads(&mut self) {
        debug_assert!(self.life > Life::Open, "only a pool that ends gives up its reloads");
        let Rollout { candidate, next, rolling, .. } = &mut self.rollout;
        let open = [candidate.take().map(|candidate| candidate.generation), next.take(), rolling.take()];
        self.end_reloads(open.into_iter().flatten(), ReloadEnd::ShutDown);
    }

    fn end_reloads(&mut self, generations: impl IntoIterator<Item = Generation>, end: ReloadEnd) {
        for generation in generations {
            self.end_reload(generation, end);
        }
    }

    fn end_reload(&mut self, generation: Generation, end: ReloadEnd) {
        self.act(Action::Reloaded { generation, end });
    }
}
