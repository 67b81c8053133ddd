//! Cost against size: jobs in flight, workers, jobs that wait. Flat is good.

use super::in_flight::rate;
use super::{Kit, ping};
use crate::contestant::Result;
use crate::plot::Line;
use crate::sample::median;
use serde::Serialize;
use std::time::Instant;

/// Lines over a size.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    pub name: &'static str,
    pub what: &'static str,
    pub x: &'static str,
    pub y: &'static str,
    pub lines: Vec<Line>,
    /// So many times its least the greatest of a line may be, where it is to be flat.
    pub most_rise: Option<f64>,
}

impl Curve {
    /// How many times its least the greatest is, of the steepest line.
    pub fn rise(&self) -> f64 {
        let rise = |line: &Line| {
            let heights = line.1.iter().map(|point| point.1);
            heights.clone().fold(0.0, f64::max) / heights.fold(f64::INFINITY, f64::min)
        };
        self.lines.iter().map(rise).fold(0.0, f64::max)
    }
}

/// What counts as flat, the machine's mood between two points included.
const FLAT: f64 = 2.0;

/// Turns at each point, of which the median counts.
const TURNS: usize = 5;

pub(super) async fn by_in_flight(kit: Kit) -> Result<Curve> {
    let mut lines = Vec::new();
    for workers in [1, 2] {
        let pool = ping(workers).await?;
        let mut points = Vec::new();
        for lanes in [1, 4, 16, 64, 256, 1024, 4096] {
            let count = kit.args.effort(if lanes < 16 { 10_000 } else { 100_000 });
            let mut rates = Vec::new();
            for _ in 0..TURNS {
                rates.push(rate(&pool, lanes, count).await?);
            }
            points.push((lanes as f64, median(&rates)));
        }
        lines.push((format!("{workers} worker{}", if workers == 1 { "" } else { "s" }), points));
    }
    let (what, x, y) = ("small jobs a second by jobs in flight", "jobs in flight", "jobs/s");
    Ok(Curve { name: "throughput-by-in-flight", what, x, y, lines, most_rise: None })
}

pub(super) async fn by_workers(kit: Kit) -> Result<Curve> {
    let mut points = Vec::new();
    for workers in [1, 2, 4, 16, 64, 256] {
        let pool = ping(workers).await?;
        let mut costs = Vec::new();
        for _ in 0..TURNS {
            costs.push(1e6 / rate(&pool, 1, kit.args.effort(5_000)).await?);
        }
        points.push((workers as f64, median(&costs)));
    }
    let (what, x, y) = ("time of a small job by workers of its pool", "workers", "µs");
    Ok(Curve {
        name: "cost-by-workers",
        what,
        x,
        y,
        lines: vec![("procpool".into(), points)],
        most_rise: Some(FLAT),
    })
}

/// Jobs are put behind as many others, and all of them are awaited: submission and completion, by the job.
pub(super) async fn by_queue(kit: Kit) -> Result<Curve> {
    let mut points = Vec::new();
    let most = if kit.args.quick { 100_000 } else { 1_000_000 };
    for queued in [10, 100, 1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|&it| it <= most) {
        let pool = ping(2).await?;
        let repeat = (1_000 / queued).max(1);
        let begun = Instant::now();
        for _ in 0..repeat {
            let jobs: Vec<_> = (0..queued).map(|_| pool.job("ping".into()).submit()).collect();
            for job in jobs {
                job.await?;
            }
        }
        points.push((queued as f64, begun.elapsed().as_secs_f64() * 1e6 / (queued * repeat) as f64));
    }
    let (what, x, y) = ("time of a small job by jobs that wait", "jobs submitted at once", "µs");
    Ok(Curve {
        name: "cost-by-queue",
        what,
        x,
        y,
        lines: vec![("procpool".into(), points)],
        most_rise: Some(FLAT),
    })
}
