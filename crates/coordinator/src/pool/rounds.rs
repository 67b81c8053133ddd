//! The round that a pool makes once a second. It looks for stopped workers, takes back unused memory, wakes callers that
//! another keeps from a free slot, and counts idle workers that the kernel's OOM killer has killed.

use super::core::Core;
use super::state::recall::Waiting;
use procpool_process::KillSwitch;
use procpool_protocol::frame::{Frame, Kind};
use procpool_scheduler::Event;
use std::sync::Arc;

impl Core {
    /// Kills workers that somebody has stopped before they have begun their job: they would sit on it, or on the next, until
    /// its deadline. The kernel tells only those who ask, so the pool asks; a heartbeat would wake all the others, too.
    /// Attached workers are nobody's children here, so each that is idle is sent a ping.
    pub(crate) fn look_for_stopped(&self) {
        self.take_back_memory();
        self.wake_those_behind();
        let waiting = self.with(|state, _| state.waiting());
        for Waiting { worker, kill_switch, lines, first } in waiting {
            match first {
                None => {
                    kill_switch.ask(|| {
                        lines.control.push(&Frame::new(Kind::Ping, 0, ""));
                        lines.flush_control();
                    });
                }
                Some(first) if lines.begun().is_none_or(|begun| first <= begun) => continue,
                Some(_) => {}
            }
            if kill_switch.is_stopped() {
                tracing::warn!(
                    pool = self.name,
                    pid = kill_switch.pid(),
                    "killing a worker that was stopped before it began a job, or is silent"
                );
                self.feed(Event::Stalled { worker, has_begun: false });
            }
        }
    }

    /// Counts what the kernel's OOM killer has taken of the control groups of idle workers. A file of each group is read for
    /// that, once. The kernel writes it from its memory within microseconds; a thread for that would stay.
    pub(crate) fn count_oom_kills(&self) {
        let idle = self.idle();
        let groups = KillSwitch::oom_groups(idle.iter().map(|it| &**it));
        if groups.is_empty() {
            return;
        }
        let kills = groups.read();
        // Those that are idle after the count were none of the killed.
        for kill_switch in self.idle() {
            kill_switch.rests(&kills);
        }
    }

    fn idle(&self) -> Vec<Arc<KillSwitch>> {
        let waiting = self.with(|state, _| state.waiting());
        waiting.into_iter().filter(|it| it.first.is_none()).map(|it| it.kill_switch).collect()
    }
}
