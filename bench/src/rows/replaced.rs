//! Workers that are killed, two hundred a second, and how soon another one is ready in their place. Jobs run meanwhile:
//! workers that die without ever finishing one look like an executable that does not work, and are waited for.

use super::{Kit, ping};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn};
use procpool::Pool;
use procpool::status::WorkerState;
use procpool_ping::Ping;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const WORKERS: usize = 8;
const BETWEEN_KILLS: Duration = Duration::from_millis(5);
/// How often it is looked who is ready. It adds to what is measured.
const LOOK: Duration = Duration::from_micros(500);

pub(super) async fn row(kit: Kit) -> Result<Row> {
    let ours = Ours { pool: ping(WORKERS).await?, kills: kit.args.effort(400) };
    Ok(Row::new("replaced", "a killed worker replaced and ready, 200 kills/s, p99", "µs", Box::new(ours))
        .goal(Goal::Below(20_000.0)))
}

struct Ours {
    pool: Pool<Ping>,
    kills: usize,
}

impl Contestant for Ours {
    fn name(&self) -> &'static str {
        "procpool"
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let jobs = tokio::spawn(run_jobs(self.pool.clone()));
            let (mut open, mut times, mut known) = (BTreeMap::new(), Vec::new(), self.ready());
            let mut next = Instant::now();
            let mut killed = 0;
            while times.len() < self.kills {
                if killed < self.kills && Instant::now() >= next && known.len() > 1 {
                    let victim = known.pop_first().ok_or("nobody is ready")?;
                    let pid = Pid::from_raw(victim.cast_signed()).ok_or("no process id")?;
                    // It may have been killed and not be noticed yet.
                    if kill_process(pid, Signal::KILL).is_ok() {
                        open.insert(killed, Instant::now());
                        killed += 1;
                    }
                    next += BETWEEN_KILLS;
                }
                tokio::time::sleep(LOOK).await;
                let ready = self.ready();
                // The new worker stands for the one that has been dead for longest.
                for _ in ready.iter().filter(|pid| !known.contains(pid)) {
                    if let Some((_, since)) = open.pop_first() {
                        times.push(since.elapsed());
                    }
                }
                known = ready;
            }
            jobs.abort();
            Ok(Measured::quantile(times.into_iter().collect(), 0.99))
        })
    }
}

/// One after the other, until it is aborted; those whose workers are killed fail.
async fn run_jobs(pool: Pool<Ping>) {
    loop {
        let _ = pool.run("ping".into()).await;
    }
}

impl Ours {
    fn ready(&self) -> BTreeSet<u32> {
        let workers = self.pool.workers();
        workers
            .iter()
            .filter(|worker| [WorkerState::Idle, WorkerState::Busy].contains(&worker.state))
            .filter_map(|worker| worker.pid)
            .collect()
    }
}
