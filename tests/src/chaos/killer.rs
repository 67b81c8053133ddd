//! Carries out the faults of the schedule, each at its time, on the processes that are there.

use super::forks;
use super::run::Run;
use super::scenario::SPARED;
use super::schedule::{Fault, Schedule};
use super::victim::{Victim, has_variable};
use rustix::process::Signal;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::time::{Instant, sleep, sleep_until};

/// Goes on for ever; the faults end when this is dropped.
pub(crate) async fn strike(run: &Arc<Run>, server: u32) {
    let start = Instant::now();
    for (at, fault) in Schedule::new(run.options.seed, run.options.kills_per_minute) {
        sleep_until(start + at).await;
        match fault {
            Fault::Kill { workers, pick } => {
                (0..workers).for_each(|nth| kill(run, server, pick ^ u64::from(nth)));
            }
            Fault::StopWorker { pick, until } => stop_worker(run, server, pick, until),
            Fault::KillTemplate { pick } => kill_template(run, server, pick),
            Fault::StopTemplate { pick, length } => {
                stop(&run.template_stops, Victim::choose(server, pick, forks::is_template), Some(length));
            }
            Fault::KillNewborn { pick } => {
                let run = run.clone();
                tokio::task::spawn_blocking(move || forks::kill_newborn(&run, server, pick));
            }
            // Waited for, so that it is not dropped before the server goes on.
            Fault::StopServer(length) => stop_server(run, server, length).await,
            Fault::Reload => {
                crate::process::signal(server, Signal::HUP);
                run.reloads.fetch_add(1, Relaxed);
            }
        }
    }
}

/// In any state: spawned a moment ago, greeting, idle, at a job or about to exit.
fn kill(run: &Run, server: u32, pick: u64) {
    let Some(victim) = Victim::choose(server, pick, |pid| !is_spared(pid)) else { return };
    run.recovery.open().killed(victim.pid, run.clock.now());
    run.kills.fetch_add(u64::from(victim.signal(Signal::KILL)), Relaxed);
}

/// One that has loaded its state, or is about to.
fn kill_template(run: &Run, server: u32, pick: u64) {
    let Some(victim) = Victim::choose(server, pick, forks::is_template) else { return };
    let is_hit = u64::from(victim.signal(Signal::KILL));
    run.kills.fetch_add(is_hit, Relaxed);
    run.template_kills.fetch_add(is_hit, Relaxed);
}

/// One that is ready: a worker that is stopped amid its start costs its pool the `start_timeout`, by promise.
fn stop_worker(run: &Run, server: u32, pick: u64, until: Option<Duration>) {
    let may_be_stopped = |pid| run.recovery.open().is_ready(pid) && !is_spared(pid);
    stop(&run.worker_stops, Victim::choose(server, pick, may_be_stopped), until);
}

fn stop(count: &AtomicU64, victim: Option<Victim>, until: Option<Duration>) {
    let Some(victim) = victim else { return };
    count.fetch_add(u64::from(victim.signal(Signal::STOP)), Relaxed);
    if let Some(length) = until {
        tokio::spawn(async move {
            // sleep: the fault itself.
            sleep(length).await;
            victim.signal(Signal::CONT);
        });
    }
}

/// Returns whether only its jobs may kill this worker.
fn is_spared(pid: u32) -> bool {
    has_variable(pid, SPARED)
}

async fn stop_server(run: &Run, server: u32, length: Duration) {
    let stop = Stop::new(run, server);
    // sleep: the fault itself.
    sleep(length).await;
    drop(stop);
}

/// A server that is stopped, until this is dropped.
struct Stop<'a> {
    run: &'a Run,
    server: u32,
}

impl<'a> Stop<'a> {
    fn new(run: &'a Run, server: u32) -> Self {
        run.stops.open().begin(run.clock.now());
        crate::process::signal(server, Signal::STOP);
        Self { run, server }
    }
}

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        crate::process::signal(self.server, Signal::CONT);
        self.run.stops.open().end(self.run.clock.now());
    }
}
