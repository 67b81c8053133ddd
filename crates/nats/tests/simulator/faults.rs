//! The faults of one life, drawn from its plan: when they begin and end, and what they do.

use crate::books::Broken;
use crate::node::Node;
use crate::plan::Plan;
use crate::random::Random;
use crate::world::{Input, World};
use std::time::Duration;

/// When the last fault ends.
pub(crate) const PEACE: Duration = Duration::from_secs(150);

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    ServerKill,
    ServerStart,
    /// A node's process and its workers die. Another starts in its place.
    Crash(usize),
    Restart(usize),
    /// SIGSTOP, and SIGCONT. Its workers run on.
    Stop(usize),
    Continue(usize),
    Partition(usize),
    Heal(usize),
    /// The server hands a job out before its lease has ended.
    Early(usize),
}

/// Returns the faults with their times, in pairs that begin and end.
pub(crate) fn draw(plan: &Plan, random: &mut Random) -> Vec<(Duration, Fault)> {
    let mut faults = Vec::new();
    let mut pair = |random: &mut Random, longest: u64, begin: Fault, end: Fault| {
        let at = random.millis(100, 100_000);
        faults.push((at, begin));
        faults.push(((at + random.millis(100, longest)).min(PEACE), end));
    };
    for node in 0..plan.nodes {
        if plan.has_crashes && random.happens(600) {
            pair(random, 10_000, Fault::Crash(node), Fault::Restart(node));
        }
        if plan.has_stops && random.happens(600) {
            pair(random, 40_000, Fault::Stop(node), Fault::Continue(node));
        }
        for _ in 0..if plan.has_partitions { 1 + random.below(3) } else { 0 } {
            pair(random, 40_000, Fault::Partition(node), Fault::Heal(node));
        }
    }
    for _ in 0..if plan.has_server_kills { 1 + random.below(4) } else { 0 } {
        pair(random, 12_000, Fault::ServerKill, Fault::ServerStart);
    }
    if plan.has_early {
        for _ in 0..1 + random.below(10) {
            faults.push((random.millis(100, 100_000), Fault::Early(random.below(20) as usize)));
        }
    }
    faults
}

impl World {
    pub(crate) fn strike(&mut self, fault: Fault) -> Result<(), Broken> {
        self.note(format!("{fault:?}"));
        let now = self.now;
        match fault {
            Fault::ServerKill => self.server.kill(),
            Fault::ServerStart => self.server.start(),
            Fault::Early(nth) => self.server.hand_out_early(now, nth),
            Fault::Crash(node) => {
                let life = self.nodes[node].life;
                for entry in self.books.jobs.values_mut() {
                    entry.runs.retain(|run| (run.node, run.life) != (node, life));
                }
                self.nodes[node].is_dead = true;
            }
            Fault::Restart(node) => {
                let is_cut_off = self.nodes[node].is_cut_off;
                self.nodes[node] = Node { is_cut_off, ..Node::new(node, self.nodes[node].life + 1) };
                self.deliver_to(node, Duration::from_millis(1), Input::Pull);
            }
            Fault::Partition(node) => self.nodes[node].is_cut_off = true,
            Fault::Heal(node) => self.nodes[node].is_cut_off = false,
            Fault::Stop(node) => (self.nodes[node].is_stopped, self.nodes[node].stopped) = (true, Some(now)),
            Fault::Continue(node) => {
                let it = &mut self.nodes[node];
                (it.is_stopped, it.stopped) = (false, Some(now));
                let life = it.life;
                for input in std::mem::take(&mut it.backlog) {
                    self.at_node(node, life, input)?;
                }
            }
        }
        match fault {
            Fault::ServerKill | Fault::ServerStart => self.server_disturbed = now,
            Fault::Early(_) => {}
            Fault::Crash(node)
            | Fault::Restart(node)
            | Fault::Stop(node)
            | Fault::Continue(node)
            | Fault::Partition(node)
            | Fault::Heal(node) => self.nodes[node].disturbed = now,
        }
        Ok(())
    }
}
