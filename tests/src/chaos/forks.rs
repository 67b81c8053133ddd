//! Pools that fork their workers: which of the server's children are templates, and the kill of a worker at its birth.

use super::run::Run;
use super::scenario::FORKS;
use super::victim::{Victim, has_variable};
use crate::process;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// For a worker to be born.
const PATIENCE: Duration = Duration::from_millis(50);

/// The last of the numbers that a template keeps free for its workers, by opening `/dev/null` there.
const RESERVED: &str = "fd/7";

/// Returns whether this process has loaded its state, or is about to, and forks workers.
pub(crate) fn is_template(pid: u32) -> bool {
    let reserves = std::fs::read_link(format!("/proc/{pid}/{RESERVED}"));
    reserves.is_ok_and(|file| file.as_os_str() == "/dev/null") && leads(pid)
}

/// Kills a worker that was forked, and then its replacement as soon as that can be seen: before its coordinator knows
/// it, or amid its greeting. Waits on its thread.
pub(crate) fn kill_newborn(run: &Arc<Run>, server: u32, pick: u64) {
    let is_fork = |pid| has_variable(pid, FORKS) && !is_template(pid);
    let Some(first) = Victim::choose(server, pick, is_fork) else { return };
    let Some(list) = list_with(server, first.pid) else { return };
    let known = listed(&list);
    if !kill(run, &first) {
        return;
    }
    let end = Instant::now() + PATIENCE;
    while Instant::now() < end {
        let born = listed(&list).into_iter().filter(|pid| !known.contains(pid));
        let victim = born.filter(|&pid| is_fork(pid)).find_map(|pid| Victim::hold(pid, server));
        if let Some(victim) = victim {
            let is_unknown = !leads(victim.pid);
            let is_hit = kill(run, &victim);
            run.newborn_kills.fetch_add(u64::from(is_hit), Relaxed);
            run.unknown_kills.fetch_add(u64::from(is_hit && is_unknown), Relaxed);
            return;
        }
        std::thread::yield_now();
    }
}

/// Kills each template, and then all workers that were forked: a reload may have hidden that one was not replaced.
pub(crate) fn kill_all(server: u32) {
    let (templates, workers): (Vec<_>, Vec<_>) = process::children(server)
        .into_iter()
        .filter(|&pid| has_variable(pid, FORKS))
        .partition(|&pid| is_template(pid));
    for victim in templates.into_iter().chain(workers).filter_map(|pid| Victim::hold(pid, server)) {
        victim.signal(Signal::KILL);
        while process::is_alive(victim.pid) {
            std::thread::yield_now();
        }
    }
}

fn kill(run: &Run, victim: &Victim) -> bool {
    run.recovery.open().killed(victim.pid, run.clock.now());
    let is_hit = victim.signal(Signal::KILL);
    run.kills.fetch_add(u64::from(is_hit), Relaxed);
    is_hit
}

/// Returns the list with this child: each thread of the server has its own, and a fork is in that of its template.
fn list_with(server: u32, child: u32) -> Option<PathBuf> {
    let tasks = std::fs::read_dir(format!("/proc/{server}/task")).ok()?.flatten();
    tasks.map(|task| task.path().join("children")).find(|list| listed(list).contains(&child))
}

fn listed(list: &Path) -> Vec<u32> {
    let text = std::fs::read_to_string(list).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// A worker does so from the moment on at which its coordinator knows it.
fn leads(pid: u32) -> bool {
    process::group(pid) == Some(pid)
}
