//! Carries out the faults of the schedule, each at its time. After the last one there is a server.

use super::super::victim::Victim;
use super::super::{ledger::Oddities, live};
use super::run::Run;
use super::schedule::{Fault, Schedule};
use super::server::{Place, Server};
use crate::process;
use rustix::process::Signal;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{self, sleep, sleep_until, timeout};

/// For a killed server's workers, which the kernel kills, to be gone. The next server has waited for those that had
/// begun a job; others may need a moment.
const DYING: Duration = Duration::from_millis(500);

/// For a client's next answer.
const ANSWER: Duration = Duration::from_secs(1);

/// Strikes for as long as was asked for, or until a Ctrl-C. Says for how long.
pub(super) async fn strike(
    run: &Arc<Run>,
    place: &Place,
    server: &mut Option<Server>,
) -> io::Result<Duration> {
    let begun = Instant::now();
    let interrupted = live::interrupted();
    tokio::pin!(interrupted);
    for (at, fault) in Schedule::new(run.options.seed, run.options.kills_per_minute) {
        let is_last = at >= run.options.duration;
        let at = time::Instant::from_std(begun + at.min(run.options.duration));
        tokio::select! {
            () = sleep_until(at) => {}
            caught = &mut interrupted => return caught.map(|()| begun.elapsed()),
        }
        if is_last || begun.elapsed() >= run.options.duration {
            break;
        }
        carry_out(run, place, server, fault).await?;
    }
    Ok(begun.elapsed())
}

async fn carry_out(
    run: &Arc<Run>,
    place: &Place,
    server: &mut Option<Server>,
    fault: Fault,
) -> io::Result<()> {
    let Some(running) = server.take() else { return Ok(()) };
    *server = Some(match fault {
        Fault::KillWorker { pick } => {
            let victim = Victim::choose(running.pid(), pick, |_| true);
            let is_hit = victim.is_some_and(|victim| victim.signal(Signal::KILL));
            run.faults.open().worker_kills += u64::from(is_hit);
            running
        }
        Fault::Reload => {
            process::signal(running.pid(), Signal::HUP);
            run.faults.open().reloads += 1;
            running
        }
        Fault::Terminate => {
            run.faults.open().terminations += 1;
            running.terminate(run).await;
            place.start(run).await?
        }
        Fault::KillServer { at_an_answer, again_after } => {
            if at_an_answer {
                // If none comes, it is killed all the same.
                let _ = timeout(ANSWER, run.answered.notified()).await;
            }
            let workers = running.kill(run).await;
            if let Some(length) = again_after {
                place.start_in_vain(run, length).await?;
            }
            let next = place.start(run).await?;
            look_for(&workers, &mut |what| note(&mut run.faults.open().left, what)).await;
            tell(run)?;
            next
        }
    });
    Ok(())
}

fn note(oddities: &mut Oddities, what: String) {
    oddities.note(|| what);
}

/// Tells of workers that outlive their server.
async fn look_for(workers: &[Victim], tell: &mut impl FnMut(String)) {
    let begun = Instant::now();
    let lives = |worker: &&Victim| worker.signal(Signal::CONT) && process::is_alive(worker.pid);
    while workers.iter().any(|worker| lives(&worker)) && begun.elapsed() < DYING {
        // sleep: between two looks.
        sleep(Duration::from_millis(5)).await;
    }
    workers.iter().filter(lives).for_each(|worker| tell(format!("worker {}", worker.pid)));
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
        "{:>5.0} s  storm  {jobs} accepted, {unsure} unsure; {} kills of the server, {} of workers",
        run.clock.now().as_secs_f64(),
        faults.server_kills,
        faults.worker_kills
    )
}
