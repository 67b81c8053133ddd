//! Stacks and profiles of workers: at a deadline, on demand, amid their deaths.

use procpool::error::{InspectionError, Stage};
use procpool::status::{PoolEvent, Sample, Stack};
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
const TIMEOUT: Duration = Duration::from_secs(2);

fn looking(workers: usize) -> PoolBuilder<Verbs> {
    verbs(workers).stack_at_deadline(true)
}

/// Returns the positions in its executable that a function of a worker may have, from its address.
fn positions(pid: u32, address: u64) -> Range<u64> {
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
async fn spin(pool: &Pool<Verbs>) -> (JobHandle<Verbs>, u32, Range<u64>) {
    let mut job = pool.job(Verb::SpinForever).timeout(TIMEOUT).submit().await.expect("it is accepted");
    let progress = job.next_progress().await.expect("it begins");
    let busy = pool.workers().into_iter().find(|worker| worker.job == Some(job.id()));
    let pid = busy.and_then(|worker| worker.pid).expect("a worker");
    (job, pid, positions(pid, progress.0))
}

fn is_in(stack: &Stack, positions: &Range<u64>) -> bool {
    stack
        .frames()
        .first()
        .is_some_and(|call| call.module.as_deref() == Some("verbs") && positions.contains(&call.offset))
}

#[tokio::test]
async fn a_job_that_is_killed_at_its_deadline_says_where_it_was() {
    let pool = looking(1).start().await.unwrap();
    let mut events = pool.events();
    let (job, pid, positions) = spin(&pool).await;
    let error = job.await.unwrap_err();
    assert!(matches!(error, JobError::TimedOut { stage: Stage::Running, limit, .. } if limit == TIMEOUT));
    let stack = error.stack().expect("a stack");
    assert!(is_in(stack, &positions), "{stack:?}, {positions:x?}");
    assert!(stack.frames().len() > 3, "it goes on to main: {stack:?}");
    assert_eq!((stack.threads.len(), stack.threads[0].id), (1, pid));
    let report = loop {
        if let PoolEvent::Died { report, .. } = events.next().await.expect("the pool is there") {
            break report;
        }
    };
    assert_eq!(report.stack.as_deref(), Some(stack), "the report of the death has the same");
    eventually("the end of the worker", async || (!process::is_alive(pid)).then_some(())).await;
    pool.run(echo("next")).await.unwrap();
}

#[tokio::test]
async fn a_job_that_gives_up_in_its_grace_is_not_looked_at_and_its_outcome_does_not_wait() {
    let pool = looking(1).grace(Duration::from_secs(60)).start().await.unwrap();
    let pid = pool.workers()[0].pid;
    let error = pool
        .job(Verb::Obey)
        .run_timeout(Duration::from_millis(50))
        .submit()
        .await
        .unwrap()
        .await
        .unwrap_err();
    assert!(matches!(error, JobError::TimedOut { .. }) && error.stack().is_none(), "{error}");
    pool.run(echo("next")).await.unwrap();
    assert_eq!((pool.workers()[0].pid, pool.status().deaths), (pid, 0));
}

#[tokio::test]
async fn no_outcome_waits_for_a_long_grace() {
    let pool = looking(1).grace(Duration::from_secs(3600)).start().await.unwrap();
    let (job, pid, _) = spin(&pool).await;
    let error = job.await.unwrap_err();
    assert!(matches!(error, JobError::TimedOut { .. }) && error.stack().is_none(), "{error}");
    assert!(process::is_alive(pid), "its grace is not over");
    drop(pool);
}

#[tokio::test]
async fn a_run_timeout_has_its_stack_and_a_pool_that_takes_none_has_not() {
    for takes in [true, false] {
        let pool = verbs(1).stack_at_deadline(takes).start().await.unwrap();
        let job = pool.job(Verb::SpinForever).run_timeout(Duration::from_millis(300)).submit().await.unwrap();
        let error = job.await.unwrap_err();
        assert!(matches!(error, JobError::TimedOut { .. }), "{error}");
        assert_eq!(error.stack().is_some(), takes);
    }
}

#[tokio::test]
async fn a_stopped_worker_is_killed_at_the_deadline_with_its_stack() {
    let pool = looking(1).start().await.unwrap();
    let (job, pid, positions) = spin(&pool).await;
    process::signal(pid, Signal::STOP);
    let error = job.await.unwrap_err();
    assert!(is_in(error.stack().expect("a stack"), &positions), "{error:?}");
    eventually("the end of the worker", async || (!process::is_alive(pid)).then_some(())).await;
}

#[tokio::test]
async fn a_worker_is_looked_at_while_it_runs_and_goes_on() {
    let pool = verbs(2).start().await.unwrap();
    idle(&pool, 2).await;
    let (job, pid, positions) = spin(&pool).await;
    let busy = pool.workers().into_iter().find(|worker| worker.pid == Some(pid)).unwrap().id;
    let stack = pool.stack(&busy, false).await.unwrap();
    assert!(is_in(&stack, &positions), "{stack:?}");
    let all = pool.stack(&busy, true).await.unwrap();
    assert_eq!(all.threads[0].id, pid);
    assert!(all.threads.len() >= 2, "the SDK has a second thread: {all:?}");
    assert!(all.threads.iter().all(|thread| !thread.frames.is_empty()), "{all:?}");
    let resting = pool.workers().into_iter().find(|worker| worker.pid != Some(pid)).unwrap().id;
    assert!(!pool.stack(&resting, false).await.unwrap().frames().is_empty());
    assert!(process::state(pid) == Some('R'), "it spins");
    assert!(pool.run(echo("the other one")).await.is_ok());
    drop(job);
}

#[tokio::test]
async fn a_worker_that_has_ended_is_told_from_one_that_never_was() {
    let pool = verbs(1).start().await.unwrap();
    let worker = pool.workers()[0].id.clone();
    for unknown in ["", "verbs", "verbs-", "verbs-99999", "verbs-x", "other-0"] {
        let error = pool.stack(unknown, false).await.unwrap_err();
        assert!(matches!(error, InspectionError::Unknown { .. }), "{unknown}: {error}");
    }
    pool.kill_worker(&worker);
    let gone = async || !pool.workers().iter().any(|it| it.id == worker);
    eventually("its end", async || gone().await.then_some(())).await;
    let error = pool.stack(&worker, false).await.unwrap_err();
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

#[tokio::test]
async fn a_worker_that_another_process_traces_is_killed_in_time_and_the_outcome_says_who() {
    let pool = looking(1).start().await.unwrap();
    let (job, pid, _) = spin(&pool).await;
    let gdb = std::process::Command::new("python3")
        .args(["-c", &format!(
            "import ctypes, os, signal, sys\nlibc = ctypes.CDLL(None)\n\
             sys.exit(1) if libc.ptrace(0x4206, {pid}, 0, 0) else None\nprint('traces', flush=True)\nsignal.pause()"
        )])
        .stdout(std::process::Stdio::piped())
        .spawn();
    let mut tracer = gdb.expect("python3 is there");
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(tracer.stdout.take().unwrap()), &mut line)
        .unwrap();
    assert_eq!(line, "traces\n");
    let error = job.await.unwrap_err();
    let note = error.stack().and_then(|stack| stack.note.clone()).expect("a note");
    assert!(note.contains(&format!("process {} traces it already", tracer.id())), "{note}");
    tracer.kill().unwrap();
    tracer.wait().unwrap();
    eventually("the end of the worker", async || (!process::is_alive(pid)).then_some(())).await;
}

/// Returns whether the machine had too much to do.
fn is_hurry(error: &InspectionError) -> bool {
    ["did not stop in time", "too many stacks"].iter().any(|words| error.to_string().contains(words))
}

/// 200 looks at workers that die at the same time, on demand and at deadlines.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_that_are_looked_at_and_killed_leave_nothing_behind() {
    let pool = looking(2).grace(Duration::ZERO).start().await.unwrap();
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
                tokio::spawn(async move { pool.stack(&id, all).await })
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
    assert!(is_in(&pool.stack(&worker, false).await.unwrap(), &positions));
    let error = job.await.unwrap_err();
    assert!(is_in(error.stack().expect("a stack"), &positions), "{error:?}");
}

#[tokio::test]
async fn an_executable_that_was_replaced_is_no_longer_read_and_the_stack_says_so() {
    let scratch = procpool_tests::server::Scratch::new();
    let file = scratch.path().join("verbs");
    std::fs::copy(binary("verbs"), &file).unwrap();
    let pool =
        Pool::<Verbs>::builder(Executable::path(&file).unwrap()).workers(1..=1).stack_at_deadline(true);
    let pool = pool.start().await.unwrap();
    let (job, _, positions) = spin(&pool).await;
    std::fs::remove_file(&file).unwrap();
    std::fs::copy("/bin/sleep", &file).unwrap();
    let error = job.await.unwrap_err();
    let stack = error.stack().expect("a stack");
    let call = stack.frames().first().expect("a call");
    assert!(positions.contains(&call.offset) && stack.note.is_some(), "{stack:?}");
}

/// Returns the number of descriptors of this process that refer to files about these processes.
fn open_files_of(pids: &BTreeSet<u32>) -> usize {
    let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let targets = files.filter_map(|file| std::fs::read_link(file.path()).ok());
    let is_theirs =
        |target: &std::path::PathBuf| pids.iter().any(|pid| target.starts_with(format!("/proc/{pid}")));
    targets.filter(is_theirs).count()
}
