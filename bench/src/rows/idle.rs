//! The cost of an idle worker.

use super::{Kit, ping};
use crate::contest::{Goal, Row};
use crate::contestant::{Measured, Result, by};
use procpool::Pool;
use procpool_ping::Ping;
use std::fs;
use std::time::Duration;

pub(super) async fn memory(_kit: Kit) -> Result<Row> {
    let pool = used().await?;
    let ours = by("procpool", move || {
        let pool = pool.clone();
        async move {
            let maps = fs::read_to_string(format!("/proc/{}/smaps_rollup", pid(&pool)?))?;
            let private = maps.lines().filter(|line| line.starts_with("Private_"));
            let kibibytes = private.filter_map(|line| line.split_whitespace().nth(1)?.parse::<f64>().ok());
            Ok(Measured::value(kibibytes.sum::<f64>() / 1024.0))
        }
    });
    Ok(Row::new("idle-memory", "private memory of an idle worker", "MiB", ours).goal(Goal::Below(2.0)))
}

pub(super) async fn cpu(kit: Kit) -> Result<Row> {
    let pool = used().await?;
    let time = Duration::from_millis(kit.args.effort(2_000) as u64);
    let ours = by("procpool", move || {
        let pool = pool.clone();
        async move {
            let before = ticks(pid(&pool)?)?;
            tokio::time::sleep(time).await;
            Ok(Measured::value((ticks(pid(&pool)?)? - before) as f64))
        }
    });
    Ok(Row::new("idle-cpu", "clock ticks that an idle worker uses", "ticks", ours).goal(Goal::Below(0.0)))
}

/// Returns a pool whose one worker has done a job.
async fn used() -> Result<Pool<Ping>> {
    let pool = ping(1).await?;
    pool.run("ping".into()).await?;
    Ok(pool)
}

fn pid(pool: &Pool<Ping>) -> Result<u32> {
    let workers = pool.workers();
    Ok(workers.first().and_then(|worker| worker.pid).ok_or("there is no worker")?)
}

/// Of the processor, user and system.
fn ticks(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, fields) = stat.rsplit_once(") ").ok_or("no name in stat")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<u64>);
    Ok(ticks.sum::<std::result::Result<u64, _>>()?)
}
