//! Carries out the faults of the schedule, each at its time and beside those that still last. After the last one,
//! everything runs.

use super::super::live;
use super::super::victim::Victim;
use super::hosts::{Host, Part, Place};
use super::nats::Nats;
use super::run::{End, Run};
use super::schedule::{Fault, Schedule};
use rustix::process::Signal;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, MutexGuard};
use tokio::task::JoinSet;
use tokio::time::{self, sleep, sleep_until};

/// All processes. Each is locked while a fault has it.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) place: Place,
    /// One fault at a time: of three servers, two are there.
    pub(super) nats: Mutex<Vec<Nats>>,
    pub(super) nodes: Vec<Mutex<Host>>,
    pub(super) fronts: Vec<Mutex<Host>>,
}

/// Strikes for as long as was asked for, or until a Ctrl-C. Says for how long.
pub(super) async fn strike(run: &Arc<Run>, scene: &Arc<Scene>) -> io::Result<Duration> {
    let begun = Instant::now();
    let interrupted = live::interrupted();
    tokio::pin!(interrupted);
    let mut lasting = JoinSet::new();
    for (at, fault) in Schedule::new(run.options.seed, run.options.kills_per_minute) {
        let is_last = at >= run.options.duration;
        let at = time::Instant::from_std(begun + at.min(run.options.duration));
        tokio::select! {
            () = sleep_until(at) => {}
            caught = &mut interrupted => {
                caught?;
                break;
            }
        }
        if is_last {
            break;
        }
        let (run, scene) = (run.clone(), scene.clone());
        lasting.spawn(async move { carry_out(&run, &scene, fault).await });
        while let Some(ended) = lasting.try_join_next() {
            ended.map_err(io::Error::other)??;
        }
    }
    let lasted = begun.elapsed();
    while let Some(ended) = lasting.join_next().await {
        ended.map_err(io::Error::other)??;
    }
    Ok(lasted)
}

/// A process that another fault has is left alone.
async fn carry_out(run: &Arc<Run>, scene: &Scene, fault: Fault) -> io::Result<()> {
    match fault {
        Fault::KillWorker { pick } => {
            let Some((_, node)) = choose(&scene.nodes, pick) else { return Ok(()) };
            let victim = Victim::choose(node.pid, pick, |_| true);
            let is_hit = victim.is_some_and(|victim| victim.signal(Signal::KILL));
            run.faults.open().worker_kills += u64::from(is_hit);
        }
        Fault::KillNode { pick, away } => {
            let Some((_, mut node)) = choose(&scene.nodes, pick) else { return Ok(()) };
            let is_unknown = node.is_unknown(run);
            node.kill(run).await;
            let end = End { name: node.name.clone(), is_in_order: false, is_unknown, is_unheard: false };
            {
                let mut faults = run.faults.open();
                faults.node_kills += 1;
                faults.ends.push(end);
            }
            tell(run)?;
            // sleep: the fault itself.
            sleep(away).await;
            *node = scene.place.start(run, Part::Node).await?;
        }
        Fault::StopNode { pick, length } => {
            let Some((_, node)) = choose(&scene.nodes, pick) else { return Ok(()) };
            run.faults.open().node_stops += 1;
            stop(length, |signal| node.signal(signal)).await;
        }
        Fault::DrainNode { pick } => {
            let Some((_, mut node)) = choose(&scene.nodes, pick) else { return Ok(()) };
            drain(run, &mut node).await;
            *node = scene.place.start(run, Part::Node).await?;
        }
        Fault::KillFront { pick, away } => {
            let Some((nth, mut front)) = choose(&scene.fronts, pick) else { return Ok(()) };
            run.tell(nth, None);
            front.kill(run).await;
            run.faults.open().front_kills += 1;
            // sleep: the fault itself.
            sleep(away).await;
            *front = scene.place.start(run, Part::Front).await?;
            run.tell(nth, front.name.parse().ok());
        }
        Fault::KillNats { pick, away } => {
            let Ok(mut servers) = scene.nats.try_lock() else { return Ok(()) };
            let nats = one(&mut servers, pick);
            run.faults.open().nats_kills += 1;
            nats.kill().await;
            // sleep: the fault itself.
            sleep(away).await;
            nats.resume()?;
            nats.listens().await?;
            run.faults.open().returns += 1;
        }
        Fault::StopNats { pick, length } => {
            let Ok(mut servers) = scene.nats.try_lock() else { return Ok(()) };
            let nats = one(&mut servers, pick);
            run.faults.open().nats_stops += 1;
            stop(length, |signal| nats.signal(signal)).await;
            run.faults.open().returns += 1;
        }
    }
    Ok(())
}

/// SIGTERM to a node, and its end.
pub(super) async fn drain(run: &Run, node: &mut Host) {
    let (is_unknown, before) = (node.is_unknown(run), run.faults.open().outages());
    let is_away = run.faults.open().is_nats_away();
    node.terminate(run).await;
    let mut faults = run.faults.open();
    faults.drains += 1;
    let is_unheard = is_away || faults.outages() > before;
    faults.ends.push(End { name: node.name.clone(), is_in_order: true, is_unknown, is_unheard });
}

async fn stop(length: Duration, signal: impl Fn(Signal)) {
    signal(Signal::STOP);
    // sleep: the fault itself.
    sleep(length).await;
    signal(Signal::CONT);
}

/// Returns one of several processes, with its place, unless a fault has it.
fn choose(hosts: &[Mutex<Host>], pick: u64) -> Option<(usize, MutexGuard<'_, Host>)> {
    let nth = usize::try_from(pick % hosts.len() as u64).ok()?;
    Some((nth, hosts[nth].try_lock().ok()?))
}

fn one(servers: &mut [Nats], pick: u64) -> &mut Nats {
    let nth = usize::try_from(pick % servers.len() as u64).unwrap_or_default();
    &mut servers[nth]
}

/// A line about how it goes.
fn tell(run: &Run) -> io::Result<()> {
    let faults = run.faults.open();
    let (jobs, unsure) = {
        let book = run.book.open();
        (book.jobs.len(), book.unsure.len())
    };
    writeln!(
        io::stdout(),
        "{:>5.0} s  storm  {jobs} accepted, {unsure} unsure; {} kills of nodes, {} of fronts, {} of nats-server, {} of workers",
        run.clock.now().as_secs_f64(),
        faults.node_kills,
        faults.front_kills,
        faults.nats_kills,
        faults.worker_kills
    )
}
