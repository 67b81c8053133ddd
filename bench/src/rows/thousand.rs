//! A pool of a thousand workers, started and stopped.

use super::{Kit, ping};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn, by};
use crate::floor;
use std::time::{Duration, Instant};

const WORKERS: usize = 1_000;

pub(super) async fn row(kit: Kit) -> Result<Row> {
    let workers = kit.args.effort(WORKERS);
    let floor = by("spawn and wait, one by one", move || async move {
        let spawning = move || floor::spawn_and_wait("procpool-ping", &["--version"], workers);
        let times = tokio::task::spawn_blocking(spawning).await??;
        Ok(Measured::value(times.iter().map(Duration::as_secs_f64).sum()))
    });
    let what = "1,000 workers started, each ready, and stopped";
    Ok(Row::new("thousand", what, "s", Box::new(Ours { workers }))
        .beside(floor)
        .goal(Goal::AtMost(2.0, "spawn and wait, one by one")))
}

struct Ours {
    workers: usize,
}

impl Contestant for Ours {
    fn name(&self) -> &'static str {
        "procpool"
    }

    fn turn(&mut self) -> Turn<'_> {
        Box::pin(async {
            let begun = Instant::now();
            let pool = ping(self.workers).await?;
            pool.shutdown(Duration::from_secs(60)).await;
            Ok(Measured::value(begun.elapsed().as_secs_f64()))
        })
    }
}
