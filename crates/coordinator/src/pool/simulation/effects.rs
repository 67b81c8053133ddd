//! Performs effects, and takes back unused memory.

use super::bugs::Bug;
use super::run::{Checked, Run};
use super::worker::Fake;
use crate::pool::state::State;
use crate::pool::state::effects::Effects;
use crate::sharing::Dropped;
use procpool_protocol::arena::TakesArenas;
use procpool_scheduler::{Event, Time};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

impl Run {
    /// Feeds the state, and does what it leaves to be done.
    pub(super) fn act<T>(
        &mut self,
        work: impl FnOnce(&mut State, Time, &mut Effects) -> T,
    ) -> Result<T, String> {
        let mut effects = Effects::default();
        let done = work(&mut self.state, self.now, &mut effects);
        while self.perform(&mut effects)? {}
        Ok(done)
    }

    /// Performs the effects. Returns `true` if there are more.
    pub(super) fn perform(&mut self, effects: &mut Effects) -> Result<bool, String> {
        let flushed = effects.flush_jobs.drain(..).chain(effects.flush_soon.drain(..));
        for lines in flushed.chain(effects.flush_control.drain(..)) {
            for fake in self.workers.values_mut().filter(|it| Arc::ptr_eq(&it.lines, &lines)) {
                fake.is_flushed = true;
            }
        }
        for (caller, finished) in effects.outcomes.drain(..) {
            let _ = caller.send(finished);
        }
        for arena in effects.arenas.drain(..) {
            arena.give_back().map_err(|error| error.to_string())?;
        }
        let recalls = std::mem::take(&mut effects.recalls);
        for recall in &recalls {
            self.met.recalls += 1;
            let newest = self
                .workers
                .get_mut(&recall.worker)
                .and_then(|fake| recall.ask_of(fake.begun, &mut fake.recalled));
            if self.has(Bug::ForgetsRecalls) && newest.is_some() {
                let slot = self.state.slots.get_mut(&recall.worker).expect("a slot");
                slot.gives_back(newest.unwrap_or_default(), recall.last);
                continue;
            }
            let newest = if self.has(Bug::GivesBackWhatHasBegun) { newest.map(|it| it - 1) } else { newest };
            self.state.recalled(self.now, recall, newest, effects);
        }
        for (worker, wanted) in effects.wanted.drain(..) {
            self.met.lent += 1;
            let length = wanted.length;
            let memory = wanted.make("simulated").map_err(|error| error.to_string())?;
            if let Ok(lines) = self.state.offer_memory(worker, length, memory) {
                for fake in self.workers.values_mut().filter(|it| Arc::ptr_eq(&it.lines, &lines)) {
                    fake.is_flushed = true;
                }
            }
        }
        let mut started = VecDeque::from_iter(effects.spawn.drain(..).map(|(worker, _)| worker));
        let more = !recalls.is_empty() || !started.is_empty();
        while let Some(worker) = started.pop_front() {
            let fake = Fake::new("simulated");
            let slot = self.state.slots.get_mut(&worker).expect("a slot");
            slot.lines = Some(fake.lines.clone());
            slot.sharing.settle(Some(TakesArenas::Born), Some(fake.arenas()));
            self.workers.insert(worker, fake);
            self.state.handle(self.now, Event::Ready { worker, takes_ahead: true }, effects);
        }
        let killed: Vec<_> = effects.kill.drain(..).collect();
        if !killed.is_empty() {
            let workers = self.state.slots.keys().copied();
            let asked = workers.filter(|&worker| self.state.scheduler.reason(worker).is_some());
            for worker in asked.collect::<Vec<_>>() {
                self.bury(worker, true)?;
            }
        }
        Ok(more)
    }

    pub(super) fn take_back(&mut self) -> Checked {
        let now = self.now;
        let (lines, mut dropped) = self.state.take_back_memory(now);
        self.met.taken_back += u32::try_from(lines.len()).unwrap_or_default();
        for fake in self.workers.values_mut() {
            fake.is_flushed |= lines.iter().any(|it| Arc::ptr_eq(it, &fake.lines));
        }
        if self.has(Bug::TakesBackWhatIsInUse) {
            for slot in self.state.slots.values_mut() {
                let rested = slot.sharing.inputs.rest(now + Duration::from_secs(20));
                dropped.extend(rested.map(Dropped::Input).inspect(Dropped::rest));
            }
        }
        if self.has(Bug::DropsWhatTheWorkerMayStillUse) {
            for slot in self.state.slots.values_mut() {
                dropped.extend(slot.sharing.outputs.forget_what_rests().map(Dropped::Output));
            }
        }
        for arena in dropped {
            arena.give_back().map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}
