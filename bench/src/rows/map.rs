//! A batch of short jobs: what a caller with a million lines and two processors can choose from.

use super::{Kit, all_ready};
use crate::contest::{Goal, Row};
use crate::contestant::{Contestant, Measured, Result, Turn, by};
use crate::places;
use crate::script::Needs;
use futures_util::{StreamExt as _, TryStreamExt as _};
use procpool::{Job, JobError, Pool};
use rayon::ThreadPool;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

/// The job of `bench-mix`.
#[derive(Clone, Copy, Debug)]
pub struct Mix;

impl Job for Mix {
    const NAME: &'static str = "mix";
    type Input = u64;
    type Output = u64;
}

/// Takes about a microsecond.
pub fn mix(mut number: u64) -> u64 {
    for _ in 0..340 {
        number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^= number >> 31;
    }
    number
}

const WORKERS: usize = 2;
const CHUNK: usize = 1_000;
const LANES: usize = 256;

/// In chunks, beside threads that share memory.
pub(super) async fn row(kit: Kit) -> Result<Row> {
    let count = kit.args.effort(2_000_000);
    let ours = Ours { pool: pool().await?, count, chunk: CHUNK };
    let threads = Arc::new(rayon::ThreadPoolBuilder::new().num_threads(WORKERS).build()?);
    let lanes = [LANES.to_string(), kit.args.effort(100_000).to_string(), "mix".to_owned()];
    Ok(Row::new("map", "1 µs of work each, in chunks of 1000, two workers", "jobs/s", Box::new(ours))
        .beside(by("rayon", move || par_iter(threads.clone(), count)))
        .peer("Piscina", kit.peers.script("Piscina", Needs::Piscina, "piscina.js", &lanes))
        // Two processors do a microsecond of work two million times a second at most, which is 53 times what Piscina does.
        // Even rayon, which passes nothing on to other processes, is 44 times as fast.
        .goal(Goal::AtLeast(25.0, "Piscina"))
        .goal(Goal::AtLeast(0.5, "rayon")))
}

/// Each as a job, beside what a caller writes without `map`.
pub(super) async fn single(kit: Kit) -> Result<Row> {
    let count = kit.args.effort(200_000);
    let pool = pool().await?;
    let ours = Ours { pool: pool.clone(), count, chunk: 1 };
    Ok(Row::new("map-single", "1 µs of work each, one a job, two workers", "jobs/s", Box::new(ours))
        .beside(by("run, buffer_unordered(256)", move || buffered(pool.clone(), count)))
        .goal(Goal::AtLeast(1.0, "run, buffer_unordered(256)")))
}

async fn pool() -> Result<Pool<Mix>> {
    let pool = Pool::<Mix>::builder(places::worker("bench-mix")?).workers(WORKERS);
    all_ready(pool.start().await?, WORKERS).await
}

struct Ours {
    pool: Pool<Mix>,
    count: usize,
    chunk: usize,
}

impl Contestant for Ours {
    fn name(&self) -> &'static str {
        "procpool"
    }

    fn turn(&mut self) -> Turn<'_> {
        let outputs = self.pool.map(0..self.count as u64).chunks(self.chunk);
        Box::pin(rate(self.count, outputs.try_fold(0, |sum, output| async move { Ok(sum ^ output) })))
    }
}

fn buffered(pool: Pool<Mix>, count: usize) -> impl Future<Output = Result<Measured>> + Send {
    let jobs = futures_util::stream::iter(0..count as u64).map(move |number| pool.run(number));
    let sum = jobs.buffer_unordered(LANES).try_fold(0, |sum, output| async move { Ok(sum ^ output) });
    rate(count, sum)
}

async fn par_iter(threads: Arc<ThreadPool>, count: usize) -> Result<Measured> {
    let sum =
        move || threads.install(|| (0..count as u64).into_par_iter().map(mix).reduce(|| 0, |a, b| a ^ b));
    rate(count, async { Ok(tokio::task::spawn_blocking(sum).await.unwrap_or_default()) }).await
}

/// Jobs a second, on a task of the runtime's like a service's.
async fn rate(
    count: usize,
    sum: impl Future<Output = std::result::Result<u64, JobError>> + Send + 'static,
) -> Result<Measured> {
    let begun = Instant::now();
    std::hint::black_box(tokio::spawn(sum).await??);
    Ok(Measured::value(count as f64 / begun.elapsed().as_secs_f64()))
}
