//! Cost against size: jobs in flight, workers, jobs that wait. Flat is good.

use super::fresh::{fresh_pool, one_by_one};
use super::in_flight::rate;
use super::{Kit, Touch, ping};
use crate::contestant::Result;
use crate::machine::Machine;
use crate::places;
use crate::plot::Line;
use crate::sample::median;
use procpool::{Pool, SharedRegion};
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
    /// Maximum ratio of a flat line's greatest value to its least.
    pub most_rise: Option<f64>,
}

impl Curve {
    /// Greatest ratio of a value behind a point to that point, of the steepest line. A line that falls has
    /// not risen: ten jobs share a wake-up among fewer than a thousand do.
    pub fn rise(&self) -> f64 {
        let rise = |line: &Line| {
            let (mut least, mut rise) = (f64::INFINITY, 0.0_f64);
            for &(_, height) in &line.1 {
                least = least.min(height);
                rise = rise.max(height / least);
            }
            rise
        };
        self.lines.iter().map(rise).fold(0.0, f64::max)
    }
}

/// Maximum ratio of a line that counts as flat, the machine's mood between two points included.
const FLAT: f64 = 2.0;

/// Turns at each point, of which the median counts.
const TURNS: usize = 5;

impl Curve {
    /// One line, which must be flat.
    fn flat(name: &'static str, [what, x, y]: [&'static str; 3], points: Vec<(f64, f64)>) -> Self {
        Self { name, what, x, y, lines: vec![("procpool".into(), points)], most_rise: Some(FLAT) }
    }
}

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
    let words = ["time of a small job by workers of its pool", "workers", "µs"];
    Ok(Curve::flat("cost-by-workers", words, points))
}

/// Jobs are put behind as many others, and all of them are awaited: submission and completion, by the job.
pub(super) async fn by_queue(kit: Kit) -> Result<Curve> {
    let mut points = Vec::new();
    let most = if kit.args.quick { 100_000 } else { 1_000_000 };
    for queued in [10, 100, 1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|&it| it <= most) {
        let pool = ping(2).await?;
        let repeat = (1_000 / queued).max(1);
        let mut costs = Vec::new();
        for _ in 0..=TURNS {
            let begun = Instant::now();
            for _ in 0..repeat {
                let jobs = (0..queued).map(|_| pool.try_submit("ping".into()));
                for job in jobs.collect::<std::result::Result<Vec<_>, _>>()? {
                    job.await?;
                }
            }
            costs.push(begun.elapsed().as_secs_f64() * 1e6 / (queued * repeat) as f64);
        }
        // The first pays for the memory, which the kernel clears page by page.
        points.push((queued as f64, median(&costs[1..])));
    }
    let words = ["time of a small job by jobs that wait", "jobs submitted at once", "µs"];
    Ok(Curve::flat("cost-by-queue", words, points))
}

/// Returns a job that adds to a word of a shared region, whatever the size of that.
pub(super) async fn by_region(kit: Kit) -> Result<Curve> {
    let pool = Pool::<Touch>::builder(places::worker("bench-region")?).workers(1..=1).start().await?;
    let mut points = Vec::new();
    for mib in [1, 16, 256, 1024] {
        let region = SharedRegion::new(mib << 18)?;
        let mut costs = Vec::new();
        for _ in 0..TURNS {
            let count = kit.args.effort(2_000);
            let begun = Instant::now();
            for at in 0..count {
                pool.run((region.clone(), at as u64)).await?;
            }
            costs.push(begun.elapsed().as_secs_f64() * 1e6 / count as f64);
        }
        points.push((mib as f64, median(&costs)));
    }
    let words = ["time of a job that is given a shared region, by the region's size", "MiB", "µs"];
    Ok(Curve::flat("cost-by-region", words, points))
}

/// A fresh process, started from a process that has so much memory.
pub(super) async fn by_host(kit: Kit) -> Result<Curve> {
    let mut points = Vec::new();
    let mut held: Vec<Vec<u8>> = Vec::new();
    // Of what the machine has free, some is for whatever else goes on.
    let most = Machine::free_gib().saturating_sub(2).min(if kit.args.quick { 1 } else { 8 });
    for gib in [0, 1, 2, 4, 8].into_iter().filter(|&it| it <= most) {
        while held.len() < gib {
            held.push(vec![1; 1 << 30]);
        }
        let pool = fresh_pool()?;
        let mut times = Vec::new();
        for _ in 0..TURNS {
            times.push(one_by_one(pool.clone(), kit.args.effort(100)).await?.value);
        }
        points.push((gib as f64, median(&times)));
    }
    drop(std::hint::black_box(held));
    let words =
        ["time of a job in a fresh process, by the memory of the process that starts it", "GiB", "µs"];
    Ok(Curve::flat("cost-by-host", words, points))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rise(heights: &[f64]) -> f64 {
        let points = heights.iter().enumerate().map(|(x, &y)| (x as f64, y)).collect();
        Curve::flat("test", ["", "", ""], points).rise()
    }

    #[test]
    fn a_rise_is_what_comes_after_what_it_is_compared_with() {
        assert_eq!(rise(&[1.0, 3.0, 2.0]), 3.0);
        assert_eq!(rise(&[4.0, 1.0, 2.0, 1.5]), 2.0);
        assert_eq!(rise(&[4.0, 2.0, 1.0]), 1.0);
    }
}
