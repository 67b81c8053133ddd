//! Pools of the misbehaving worker, for tests of the library.

use crate::binaries::binary;
use crate::eventually;
use crate::server::Scratch;
use crate::verbs::{Verb, Verbs};
use procpool::status::WorkerState;
use procpool::{Executable, Job, JobHandle, Pool, PoolBuilder, SharedRegion};
use std::sync::atomic::AtomicU8;

/// Returns a worker executable of this workspace.
///
/// # Panics
/// When it is not there.
pub fn executable(name: &str) -> Executable {
    Executable::path(binary(name)).expect("a built executable")
}

/// Returns a pool of `workers` that do what they are told.
pub fn verbs(workers: usize) -> PoolBuilder<Verbs> {
    Pool::builder(executable("verbs")).workers(workers..=workers)
}

/// Returns a pool of one worker that breaks the protocol in this way.
pub fn misbehaving(how: &str) -> PoolBuilder<Verbs> {
    Pool::builder(executable("misbehave").with_args([how])).workers(1..=1)
}

/// Returns a pool of this number of workers, of which only the first to start breaks the protocol.
pub fn misbehaving_once(how: &str, workers: usize, scratch: &Scratch) -> PoolBuilder<Verbs> {
    let marker = scratch.path().join("misbehaved").display().to_string();
    Pool::builder(executable("misbehave").with_args([how, &marker])).workers(workers..=workers)
}

/// Returns the verb that answers `text`.
pub fn echo(text: &str) -> Verb {
    Verb::Echo(text.into())
}

/// Waits until `count` workers are idle.
pub async fn idle<J: Job>(pool: &Pool<J>, count: usize) {
    let at_strength = async || (pool.status().workers.idle == count).then_some(());
    eventually("the pool to be at full strength", at_strength).await;
}

/// How many jobs had which outcome so far; those that never occurred are left out.
pub fn outcomes<J: Job>(pool: &Pool<J>) -> Vec<(&'static str, u64)> {
    let jobs = pool.status().jobs.into_iter().filter(|&(_, count)| count > 0);
    jobs.map(|(kind, count)| (kind.name(), count)).collect()
}

/// Submits a verb that reports progress, waits until its function has begun, and returns its worker's
/// process id with it. The pool must have nothing else to do.
///
/// # Panics
/// When the job ends before it begins.
pub async fn begin(pool: &Pool<Verbs>, verb: Verb) -> (JobHandle<Verbs>, u32) {
    let mut job = pool.submit(verb).await.expect("a job that is accepted");
    job.next_progress().await.expect("the job begins");
    let busy = pool.workers().into_iter().find(|worker| worker.state == WorkerState::Busy);
    (job, busy.and_then(|worker| worker.pid).expect("a busy worker"))
}

/// Returns whether this number of jobs, all in flight at the same time, have their own answers.
pub async fn are_right_at_once(pool: &Pool<Verbs>, jobs: usize) -> bool {
    let texts: Vec<_> = (0..jobs).map(|number| format!("job {number}")).collect();
    let jobs: Vec<_> = texts.iter().map(|text| tokio::spawn(pool.run(echo(text)))).collect();
    let mut right = 0;
    for (job, text) in jobs.into_iter().zip(&texts) {
        right += usize::from(job.await.is_ok_and(|answer| answer.is_ok_and(|answer| answer == *text)));
    }
    right == texts.len()
}

/// Returns whether a payload of this length, in bytes, comes back as it was.
pub async fn comes_back(pool: &Pool<Verbs>, length: usize) -> bool {
    let text: String = ('a'..='z').cycle().take(length).collect();
    pool.run(echo(&text)).await.is_ok_and(|answer| answer == text)
}

/// Creates shared memory of this number of bytes in this process. Says "shared", or why there is none.
pub fn share(bytes: usize) -> String {
    let region = SharedRegion::<AtomicU8>::new(bytes);
    region.map_or_else(|error| error.to_string(), |_| "shared".into())
}
