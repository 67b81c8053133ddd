//! The stack of a worker whose job's time is up: in the outcome and in the report of the death, whatever the job does
//! afterwards.

use crate::stacks::{TIMEOUT, is_in, looking, positions, spin_to_deadline};
use procpool::error::{ExitReport, Stage};
use procpool::status::{PoolEvent, PoolEvents, Stack};
use procpool::{JobError, Pool};
use procpool_tests::library::{echo, idle, verbs};
use procpool_tests::server::Scratch;
use procpool_tests::verbs::{Verb, Verbs};
use procpool_tests::{eventually, process};
use rustix::process::Signal;
use std::cell::RefCell;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

const SOON: Duration = Duration::from_millis(200);
const NEVER: Duration = Duration::from_secs(3600);

/// A process that traces another one, until it is dropped.
struct Tracer(Child);

impl Tracer {
    fn of(pid: u32) -> Self {
        let program = format!(
            "import ctypes, sys\nlibc = ctypes.CDLL(None)\n\
             sys.exit(1) if libc.ptrace(0x4206, {pid}, 0, 0) else None\nprint('traces', flush=True)\nsys.stdin.read()"
        );
        let mut python = Command::new("python3");
        let python = python.args(["-c", &program]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut tracer = Self(python.spawn().expect("python3 is there"));
        let mut line = String::new();
        BufReader::new(tracer.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "traces\n");
        tracer
    }
}

impl Drop for Tracer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn ends(pid: u32) {
    eventually("the end of the worker", async || (!process::is_alive(pid)).then_some(())).await;
}

/// Returns the report of the next death.
async fn died(events: &mut PoolEvents) -> Arc<ExitReport> {
    loop {
        if let PoolEvent::Died { report, .. } = events.next().await.expect("the pool is there") {
            return report;
        }
    }
}

/// Has a job run into its time limit, and returns where it was then. Once more, if the machine had too much to do for a
/// look.
async fn stack_at_deadline(pool: &Pool<Verbs>, verb: Verb) -> Stack {
    let stack = async || {
        let job = pool.job(verb.clone()).run_timeout(SOON).submit().await.unwrap();
        let error = job.await.unwrap_err();
        assert!(matches!(error, JobError::TimedOut { .. }), "{error}");
        error.stack().filter(|stack| !stack.frames().is_empty()).cloned()
    };
    eventually("a stack", stack).await
}

#[tokio::test]
async fn a_job_that_is_killed_at_its_deadline_says_where_it_was() {
    let mut seen = spin_to_deadline(|| looking(1), |_| {}).await;
    let expected =
        matches!(seen.error, JobError::TimedOut { stage: Stage::Running, limit, .. } if limit == TIMEOUT);
    assert!(expected, "{}", seen.error);
    let report = died(&mut seen.events).await;
    let stack = seen.stack();
    assert!(is_in(stack, &seen.positions), "{stack:?}, {:x?}", seen.positions);
    assert!(stack.frames().len() > 3, "it goes on to main: {stack:?}");
    assert_eq!((stack.threads.len(), stack.threads[0].id), (1, seen.pid));
    assert_eq!(report.stack.as_deref(), Some(stack), "the report of the death has the same");
    ends(seen.pid).await;
    seen.pool.run(echo("next")).await.unwrap();
}

#[tokio::test]
async fn a_run_timeout_has_its_stack_and_a_pool_that_takes_none_has_not() {
    stack_at_deadline(&looking(1).start().await.unwrap(), Verb::SpinForever).await;
    let pool = verbs(1).stack_at_deadline(false).start().await.unwrap();
    let error = pool.job(Verb::SpinForever).run_timeout(SOON).submit().await.unwrap().await.unwrap_err();
    assert!(matches!(error, JobError::TimedOut { .. }) && error.stack().is_none(), "{error}");
}

#[tokio::test]
async fn a_stopped_worker_is_killed_at_the_deadline_with_its_stack() {
    let seen = spin_to_deadline(|| looking(1), |pid| process::signal(pid, Signal::STOP)).await;
    assert!(is_in(seen.stack(), &seen.positions), "{:?}", seen.error);
    ends(seen.pid).await;
}

#[tokio::test]
async fn a_worker_that_another_process_traces_is_killed_in_time_and_the_outcome_says_who() {
    let tracer = RefCell::new(None);
    let seen = spin_to_deadline(|| looking(1), |pid| drop(tracer.replace(Some(Tracer::of(pid))))).await;
    let note = seen.stack().note.as_deref().expect("a note");
    let pid = tracer.borrow().as_ref().map(|tracer| tracer.0.id()).unwrap();
    assert!(note.contains(&format!("process {pid} traces it already")), "{note}");
    drop(tracer);
    ends(seen.pid).await;
}

#[tokio::test]
async fn the_outcome_leaves_with_its_stack_before_the_grace_is_over() {
    let seen = spin_to_deadline(|| looking(1).grace(NEVER), |_| {}).await;
    assert!(is_in(seen.stack(), &seen.positions), "{:?}", seen.error);
    assert!(process::is_alive(seen.pid), "its grace is not over");
}

#[tokio::test]
async fn a_job_that_gives_up_in_its_grace_says_where_it_was_and_its_worker_lives() {
    let scratch = Scratch::new();
    let file = scratch.path().join("go").display().to_string();
    let pool = looking(1).grace(NEVER).start().await.unwrap();
    let pid = pool.workers()[0].pid;
    eventually("a stack", async || {
        let _ = std::fs::remove_file(&file);
        let wait = format!("while [ ! -e {file} ]; do sleep 0.01; done");
        let job = pool.job(Verb::Shell(wait)).run_timeout(SOON).submit().await.unwrap();
        let error = job.await.unwrap_err();
        std::fs::write(&file, "").unwrap();
        assert_eq!(pool.run(echo("next")).await.unwrap(), "next");
        error.stack().filter(|stack| !stack.frames().is_empty()).cloned()
    })
    .await;
    assert_eq!((pool.workers()[0].pid, pool.status().deaths), (pid, 0));
}

#[tokio::test]
async fn no_outcome_waits_for_a_look_at_a_job_that_has_given_up() {
    let pool = looking(1).grace(NEVER).start().await.unwrap();
    let pid = pool.workers()[0].pid;
    for _ in 0..20 {
        let job = pool.job(Verb::Attend(u64::MAX)).run_timeout(Duration::from_millis(2)).submit().await;
        let error = job.unwrap().await.unwrap_err();
        assert!(matches!(error, JobError::TimedOut { .. }), "{error}");
    }
    pool.run(echo("next")).await.unwrap();
    assert_eq!((pool.workers()[0].pid, pool.status().deaths), (pid, 0));
}

/// A job gives up at once, and the worker spins in the next one by the time of the look.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_never_shows_the_next_job_of_the_worker() {
    let pool = looking(1).grace(Duration::ZERO).start().await.unwrap();
    let mut spinning = pool.job(Verb::SpinForever).timeout(TIMEOUT).submit().await.unwrap();
    let address = spinning.next_progress().await.expect("it begins").0;
    let positions = positions(pool.workers()[0].pid.unwrap(), address);
    spinning.cancel();
    let limit = Duration::from_millis(3);
    let mut kept = 0;
    for _ in 0..100 {
        let cooperative = pool.job(Verb::Attend(u64::MAX)).run_timeout(limit).submit().await.unwrap();
        let next = pool.job(Verb::SpinForever).run_timeout(limit).submit().await.unwrap();
        let (cooperative, next) = (cooperative.await.unwrap_err(), next.await.unwrap_err());
        assert!(matches!(cooperative, JobError::TimedOut { .. }), "{cooperative}");
        let stack = cooperative.stack();
        assert!(!stack.is_some_and(|stack| is_in(stack, &positions)), "{stack:?}");
        kept += usize::from(next.stack().is_some());
    }
    assert!(kept > 0, "those that do not give up have stacks");
}

#[tokio::test]
async fn whatever_a_job_waits_for_its_stack_leads_to_main() {
    let pool = looking(1).start().await.unwrap();
    let waits = [Verb::Spin, Verb::Nap(u64::MAX), Verb::Shell("sleep 1000".into())];
    for verb in waits {
        let stack = stack_at_deadline(&pool, verb.clone()).await;
        assert!(stack.frames().len() > 3, "{verb:?}: {stack:?}");
        assert_eq!(stack.threads.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_deadlines_at_one_instant_have_their_kills_and_a_stack_or_a_note_each() {
    const WORKERS: usize = 40;
    for grace in [Duration::ZERO, Duration::from_millis(100)] {
        let pool = looking(WORKERS).grace(grace).start().await.unwrap();
        idle(&pool, WORKERS).await;
        let mut jobs = Vec::new();
        for _ in 0..WORKERS {
            let nap = Verb::Nap(u64::MAX);
            jobs.push(pool.job(nap).timeout(TIMEOUT).submit().await.unwrap());
        }
        let pids: Vec<_> = pool.workers().iter().filter_map(|worker| worker.pid).collect();
        let mut seen = 0;
        for job in jobs {
            let error = job.await.unwrap_err();
            assert!(matches!(error, JobError::TimedOut { .. }), "{error}");
            // None: the machine has too much to do for that.
            let stack = error.stack().filter(|stack| !stack.frames().is_empty());
            assert!(error.stack().is_none_or(|it| stack.is_some() || it.note.is_some()), "{error:?}");
            seen += usize::from(stack.is_some());
        }
        assert!(seen > 0, "nobody was looked at");
        eventually("their ends", async || (!pids.iter().any(|&pid| process::is_alive(pid))).then_some(()))
            .await;
        idle(&pool, WORKERS).await;
    }
}

#[tokio::test]
async fn a_worker_that_dies_in_its_grace_ends_as_timed_out_with_where_it_was() {
    let mut seen = spin_to_deadline(|| looking(1).grace(NEVER), |_| {}).await;
    assert!(is_in(seen.stack(), &seen.positions), "{:?}", seen.error);
    process::signal(seen.pid, Signal::KILL);
    let report = died(&mut seen.events).await;
    assert!(report.stack.is_none(), "it died of something else: {report:?}");
    seen.pool.run(echo("next")).await.unwrap();
}
