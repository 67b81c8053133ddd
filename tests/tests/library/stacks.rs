//! Stacks and profiles of workers that run: on demand, amid their deaths.

use procpool::error::InspectionError;
use procpool::status::{PoolEvents, Sample, Stack, StackOptions};
use procpool::{Executable, JobError, JobHandle, Pool, PoolBuilder};
use procpool_tests::binaries::binary;
use procpool_tests::library::{echo, idle, verbs};
use procpool_tests::verbs::{Verb, Verbs};
use procpool_tests::{eventually, process};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

/// Long enough for a job to begin, whatever else the machine does.
pub(super) const TIMEOUT: Duration = Duration::from_secs(2);

/// The unit in which the kernel tells processor time.
const TICK: Duration = Duration::from_millis(10);

pub(super) fn looking(workers: usize) -> PoolBuilder<Verbs> {
    verbs(workers).stack_at_deadline(true)
}

/// Returns the positions in its executable that a function of a worker may have, from its address.
pub(super) fn positions(pid: u32, address: u64) -> Range<u64> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("the worker lives");
    let of = |line: &str| {
        let hex = |text: &str| u64::from_str_radix(text, 16).ok();
        let mut fields = line.split_ascii_whitespace();
        let (start, end) = fields.next()?.split_once('-')?;
        let (start, end, offset) = (hex(start)?, hex(end)?, hex(fields.nth(1)?)?);
        (start..end).contains(&address).then(|| address - start + offset)
    };
    let position = maps.lines().find_map(of).expect("it is mapped");
    position..position + 128
}

/// Has a worker of the pool spin, and returns the positions that its innermost call may have.
pub(super) async fn spin(pool: &Pool<Verbs>) -> (JobHandle<Verbs>, u32, Range<u64>) {
    let mut job = pool.job(Verb::SpinForever).timeout(TIMEOUT).submit().await.expect("it is accepted");
    let progress = job.next_progress().await.expect("it begins");
    let busy = pool.workers().into_iter().find(|worker| worker.job == Some(job.id()));
    let pid = busy.and_then(|worker| worker.pid).expect("a worker");
    // It says where it will spin, and is there once it has used time.
    let begun = process::cpu_time(pid);
    let spins = async || (process::cpu_time(pid) >= begun + 2 * TICK).then_some(());
    eventually("it spins", spins).await;
    (job, pid, positions(pid, progress.0))
}

/// A pool after its worker has spun into a deadline and was looked at.
pub(super) struct Seen {
    pub(super) pool: Pool<Verbs>,
    /// From the start of the pool on.
    pub(super) events: PoolEvents,
    pub(super) error: JobError,
    pub(super) pid: u32,
    /// Where it spun.
    pub(super) positions: Range<u64>,
}

impl Seen {
    pub(super) fn stack(&self) -> &Stack {
        self.error.stack().expect("a stack")
    }
}

/// Has a worker of a pool spin into its deadline. `amid` gets its process id while it spins. Once more, with another pool,
/// if the machine had too much to do for a look.
pub(super) async fn spin_to_deadline(pool: impl Fn() -> PoolBuilder<Verbs>, amid: impl Fn(u32)) -> Seen {
    eventually("a look at a deadline", async || {
        let pool = pool().start().await.unwrap();
        let events = pool.events();
        let (job, pid, positions) = spin(&pool).await;
        amid(pid);
        let error = job.await.unwrap_err();
        assert!(matches!(error, JobError::TimedOut { .. }), "{error}");
        let note = error.stack()?.note.as_deref().unwrap_or_default();
        let is_late = note.contains("in time") || note.contains("too many stacks");
        (!is_late).then_some(Seen { pool, events, error, pid, positions })
    })
    .await
}

pub(super) fn is_in(stack: &Stack, positions: &Range<u64>) -> bool {
    stack
        .frames()
        .first()
        .is_some_and(|call| call.module.as_deref() == Some("verbs") && positions.contains(&call.offset))
}

#[tokio::test]
async fn a_worker_is_looked_at_while_it_runs_and_goes_on() {
    let pool = verbs(2).start().await.unwrap();
    idle(&pool, 2).await;
    let (job, pid, positions) = spin(&pool).await;
    let busy = pool.workers().into_iter().find(|worker| worker.pid == Some(pid)).unwrap().id;
    let stack = pool.stack(&busy, StackOptions::new()).await.unwrap();
    assert!(is_in(&stack, &positions), "{stack:?}");
    let all = pool.stack(&busy, StackOptions::new().all_threads(true)).await.unwrap();
    assert_eq!(all.threads[0].id, pid);
    assert!(all.threads.len() >= 2, "the SDK has a second thread: {all:?}");
    assert!(all.threads.iter().all(|thread| !thread.frames.is_empty()), "{all:?}");
    let resting = pool.workers().into_iter().find(|worker| worker.pid != Some(pid)).unwrap().id;
    assert!(!pool.stack(&resting, StackOptions::new()).await.unwrap().frames().is_empty());
    assert!(process::state(pid) == Some('R'), "it spins");
    assert!(pool.run(echo("the other one")).await.is_ok());
    drop(job);
}

#[tokio::test]
async fn a_worker_that_has_ended_is_told_from_one_that_never_was() {
    let pool = verbs(1).start().await.unwrap();
    let worker = pool.workers()[0].id.clone();
    for unknown in ["", "verbs", "verbs-", "verbs-99999", "verbs-x", "other-0"] {
        let error = pool.stack(unknown, StackOptions::new()).await.unwrap_err();
        assert!(matches!(error, InspectionError::Unknown { .. }), "{unknown}: {error}");
    }
    pool.kill_worker(&worker);
    let gone = async || !pool.workers().iter().any(|it| it.id == worker);
    eventually("its end", async || gone().await.then_some(())).await;
    let error = pool.stack(&worker, StackOptions::new()).await.unwrap_err();
    assert!(matches!(error, InspectionError::Gone { .. }), "{error}");
    let error = pool.profile(&worker, TIMEOUT).await.unwrap_err();
    assert!(matches!(error, InspectionError::Gone { .. }), "{error}");
}

#[tokio::test]
async fn a_profile_sees_what_the_worker_does_and_there_is_one_at_a_time() {
    let pool = verbs(1).start().await.unwrap();
    let mut job = pool.job(Verb::SpinForever).timeout(TIMEOUT * 30).submit().await.unwrap();
    let address = job.next_progress().await.expect("it begins").0;
    let worker = pool.workers().remove(0);
    let positions = positions(worker.pid.unwrap(), address);
    let span = Duration::from_millis(500);
    let (one, other) = tokio::join!(pool.profile(&worker.id, span), pool.profile(&worker.id, span));
    let error = other.unwrap_err();
    assert!(matches!(error, InspectionError::Profiled { .. }), "{error}");
    let profile = one.unwrap();
    assert!(!profile.samples.is_empty() && profile.samples.len() <= 50, "{profile:?}");
    assert!(profile.samples.is_sorted_by_key(|sample| sample.at));
    let innermost = |sample: &Sample| {
        let frame = &profile.frames[sample.calls[0] as usize];
        frame.module.as_deref() == Some("verbs") && positions.contains(&frame.offset)
    };
    assert!(profile.samples.iter().any(innermost), "{profile:?}");
    pool.profile(&worker.id, Duration::from_millis(30)).await.expect("the first one is over");
    assert_eq!(process::state(worker.pid.unwrap()), Some('R'), "it goes on");
    drop(job);
}

/// Returns whether the machine had too much to do.
fn is_hurry(error: &InspectionError) -> bool {
    ["did not stop in time", "too many stacks"].iter().any(|words| error.to_string().contains(words))
}

/// 200 looks at workers that die at the same time, on demand and at deadlines.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_are_looked_at_and_killed_leave_nothing_behind() {
    // Workers that are killed before their first job do not close the pool.
    let pool = looking(2).grace(Duration::ZERO).breaker_failures(0).start().await.unwrap();
    idle(&pool, 2).await;
    // Other tests of this program have workers, too.
    let mut pids = BTreeSet::new();
    for round in 0..50 {
        let spinning =
            pool.job(Verb::SpinForever).run_timeout(Duration::from_millis(1 + round % 4)).submit().await;
        let workers = pool.workers();
        pids.extend(workers.iter().filter_map(|worker| worker.pid));
        let looks = workers.iter().flat_map(|worker| [(worker, true), (worker, false)]);
        let looks: Vec<_> = looks
            .map(|(worker, all)| {
                let (pool, id) = (pool.clone(), worker.id.clone());
                tokio::spawn(async move { pool.stack(&id, StackOptions::new().all_threads(all)).await })
            })
            .collect();
        if round % 3 == 0
            && let Some(pid) = workers[0].pid
        {
            let _ = process::try_signal(pid, Signal::KILL);
        }
        for look in looks {
            match look.await.unwrap() {
                Ok(stack) => assert!(!stack.frames().is_empty(), "{stack:?}"),
                Err(InspectionError::Gone { .. }) => {}
                Err(error) => assert!(is_hurry(&error), "{error}"),
            }
        }
        let error = spinning.unwrap().await.unwrap_err();
        assert!(matches!(error, JobError::TimedOut { .. } | JobError::Crashed(_)), "{error}");
    }
    idle(&pool, 2).await;
    pool.run(echo("still there")).await.unwrap();
    for worker in pool.workers() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", worker.pid.unwrap())).unwrap();
        assert!(status.contains("TracerPid:\t0\n"), "{status}");
    }
    let is_clean = async || {
        let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let names = threads.filter_map(|it| std::fs::read_to_string(it.path().join("comm")).ok());
        let tracers = names.filter(|name| name.starts_with("procpool-tracer")).count();
        let has_zombies = process::zombies(std::process::id()).iter().any(|pid| pids.contains(pid));
        (tracers == 0 && !has_zombies && open_files_of(&pids) == 0).then_some(())
    };
    eventually("no thread, descriptor or zombie that is left", is_clean).await;
}

#[tokio::test]
async fn a_forked_worker_is_looked_at_like_any_other() {
    let pool = looking(1).fork(true).start().await.unwrap();
    let (job, pid, positions) = spin(&pool).await;
    let worker = pool.workers().into_iter().find(|worker| worker.pid == Some(pid)).unwrap().id;
    assert!(is_in(&pool.stack(&worker, StackOptions::new()).await.unwrap(), &positions));
    drop(job);
    let seen = spin_to_deadline(|| looking(1).fork(true), |_| {}).await;
    assert!(is_in(seen.stack(), &seen.positions), "{:?}", seen.error);
}

#[tokio::test]
async fn an_executable_that_was_replaced_is_no_longer_read_and_the_stack_says_so() {
    let scratch = procpool_tests::server::Scratch::new();
    let file = scratch.path().join("verbs");
    let pool = || {
        let _ = std::fs::remove_file(&file);
        std::fs::copy(binary("verbs"), &file).unwrap();
        Pool::builder(Executable::path(&file).unwrap()).workers(1..=1).stack_at_deadline(true)
    };
    let replace = |_| {
        std::fs::remove_file(&file).unwrap();
        std::fs::copy("/bin/sleep", &file).unwrap();
    };
    let seen = spin_to_deadline(pool, replace).await;
    let stack = seen.stack();
    let call = stack.frames().first().expect("a call");
    assert!(seen.positions.contains(&call.offset) && stack.note.is_some(), "{stack:?}");
}

/// Returns the number of descriptors of this process that refer to files about these processes.
fn open_files_of(pids: &BTreeSet<u32>) -> usize {
    let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    let is_theirs =
        |target: &std::path::PathBuf| pids.iter().any(|pid| target.starts_with(format!("/proc/{pid}")));
    targets.filter(is_theirs).count()
}
