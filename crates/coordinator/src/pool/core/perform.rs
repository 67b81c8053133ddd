//! Performs what a critical section has left to be done: kills, writes, wakes, starts.

use super::Core;
use crate::pool::state::context::EventContext;
use crate::pool::state::effects::Effects;
use crate::pool::state::fingerprint::{Fingerprints, QUICK};
use crate::recorder::FailedJob;
use procpool_protocol::Payload;
use procpool_scheduler::{Event, JobId as Key};

impl Core {
    /// Performs the effects that a critical section left, and those that follow from them. The lock must not
    /// be held.
    pub(crate) fn perform(&self, effects: &mut Effects) {
        loop {
            let (asked, recalls) =
                (std::mem::take(&mut effects.identify), std::mem::take(&mut effects.recalls));
            self.perform_once(effects);
            if asked.is_empty() && recalls.is_empty() {
                return;
            }
            // Hashed out of the lock: a payload may be large.
            let identified: Vec<_> =
                asked.into_iter().filter_map(|(job, input)| self.identify(job, input)).collect();
            let heard: Vec<_> = recalls.into_iter().map(|recall| (recall.ask(), recall)).collect();
            self.with(|state, now| {
                state.handle_all(now, identified, EventContext::default(), effects);
                for (newest, recall) in heard {
                    state.recalled(now, &recall, newest, effects);
                }
            });
        }
    }

    /// Says what the payload is; later and from another thread, if it is long.
    fn identify(&self, job: Key, input: Payload) -> Option<Event> {
        let length = input.bytes.len();
        let print = move |prints: &Fingerprints| Event::Identified { job, fingerprint: prints.of(&input) };
        if length <= QUICK {
            return Some(print(&self.fingerprints));
        }
        let core = self.this.clone();
        self.runtime.spawn_blocking(move || {
            if let Some(core) = core.upgrade() {
                core.feed(print(&core.fingerprints));
            }
        });
        None
    }

    fn perform_once(&self, effects: &mut Effects) {
        for kill_switch in effects.kill.drain(..) {
            kill_switch.kill();
        }
        for look in effects.looks.drain(..) {
            self.begin_look(look);
        }
        for look in effects.kill_looked_at.drain(..) {
            self.kill_looked_at(look);
        }
        for lines in effects.flush_jobs.drain(..) {
            lines.flush_jobs();
        }
        for lines in effects.flush_soon.drain(..) {
            lines.jobs.flush_soon();
        }
        for lines in effects.flush_control.drain(..) {
            lines.flush_control();
        }
        for events in effects.stirred.drain(..) {
            events.stir();
        }
        // Here and not where it is answered: its caller may be gone.
        for job in effects.given_back.drain(..) {
            tracing::debug!(%job, "given back");
        }
        for (caller, finished) in effects.outcomes.drain(..) {
            self.untaken.send(caller, finished);
        }
        for failed in effects.failed.drain(..) {
            self.save(failed);
        }
        for look in effects.left.drain(..) {
            look.leave(self);
        }
        for events in effects.ended.drain(..) {
            events.end();
        }
        for (worker, wanted) in effects.wanted.drain(..) {
            self.share(worker, wanted);
        }
        self.give_back(effects.arenas.drain(..));
        for start in effects.spawn.drain(..) {
            // The supervisor is gone only when the pool is.
            let _ = self.spawns.send(start);
        }
        for reloaded in effects.reloaded.drain(..) {
            reloaded.log(&self.name);
            self.news.tell(|| reloaded.news());
            reloaded.tell();
        }
        if std::mem::take(&mut effects.rearm) {
            self.timer.notify_one();
        }
        if let Some(room) = effects.room.take() {
            self.give_turn(room);
        }
        if effects.drained {
            self.drained_out();
        }
    }

    /// Saves a job, and tells its outcome after that.
    pub(crate) fn save(&self, failed: FailedJob) {
        match &self.recorder {
            Some(recorder) => recorder.save(failed),
            None => failed.outcome.tell(None),
        }
    }
}
