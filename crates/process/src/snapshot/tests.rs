//! Snapshots of real processes: running, stopped, dying, traced by another, with many threads.

mod stuck_in_exec;
mod uninterruptible;

use super::*;
use crate::Executable;
use crate::WorkerLimits;
use crate::os::spawn::{Ends, SpawnRequest, TakenUp, spawn};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;

const LONG: Duration = Duration::from_secs(30);

/// In the environment of a copy of these tests that is to have [`THREADS`].
const CROWDED: &str = "PROCPOOL_TEST_CROWDED";

/// Number of threads of that copy that only sleep.
const THREADS: usize = 5;

/// Starts a program. Its output is read by nobody, and must not be closed before its end.
async fn running(program: impl AsRef<Path>, args: &[&str]) -> (Arc<WorkerProcess>, Ends) {
    let executable = Executable::path(program).expect("a program").with_args(args.iter().copied());
    let request = SpawnRequest {
        pinned: executable.pin().expect("it can be opened"),
        env: vec![(CROWDED.into(), "1".into())],
        current_dir: None,
        limits: WorkerLimits::default(),
        descriptors: Vec::new(),
        welcome: bytes::Bytes::new(),
    };
    let spawned = spawn(request, TakenUp::default()).await.expect("it is spawned");
    (Arc::new(WorkerProcess::Child(spawned.process)), spawned.ends)
}

async fn sleep() -> Arc<WorkerProcess> {
    running("/bin/sleep", &["1000"]).await.0
}

/// Never waits for anything, and ends soon after these tests, however they end.
async fn spin() -> Arc<WorkerProcess> {
    running("/bin/sh", &["-c", "while kill -0 $PPID; do :; done"]).await.0
}

fn pid(process: &WorkerProcess) -> Pid {
    Pid::from_raw(process.pid().cast_signed()).expect("a process")
}

fn status(process: &WorkerProcess, field: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid())).expect("it is there");
    let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field");
    line.trim().to_owned()
}

#[track_caller]
fn until(question: impl Fn() -> bool) {
    let start = Instant::now();
    while !question() {
        assert!(start.elapsed() < LONG, "the answer never comes");
        std::thread::yield_now();
    }
}

/// A thread that was not released itself is released when the one that traced it has ended.
fn until_untraced(process: &WorkerProcess) {
    until(|| status(process, "TracerPid:") == "0");
}

#[tokio::test]
async fn a_process_that_runs_or_sleeps_is_seen_and_goes_on() {
    for process in [sleep().await, spin().await] {
        for threads in [Threads::First, Threads::All] {
            let snapshot = take(process.clone(), threads, LONG, ()).await.expect("a snapshot");
            let [thread] = &snapshot.threads[..] else { panic!("one thread: {snapshot:?}") };
            assert_eq!(thread.id, process.pid());
            assert!(!thread.name.is_empty());
            let of_code = |it: &&procpool_stacks::Mapping| {
                it.executable && (it.start..it.end).contains(&thread.registers.ip)
            };
            assert!(snapshot.mappings.iter().any(|it| of_code(&it)), "{snapshot:?}");
            assert!(thread.stack.len() > 256 && thread.stack.len() <= procpool_stacks::MOST_STACK);
            assert_eq!(thread.stack_start, thread.registers.sp - 128);
            until_untraced(&process);
            assert!(!status(&process, "State:").starts_with('T') && !process.is_stopped());
        }
        let killed = Some(Signal::KILL.as_raw());
        process.kill();
        assert_eq!(process.bury().exit.signal(), killed);
    }
}

#[tokio::test]
async fn a_process_that_was_stopped_stays_stopped() {
    let process = sleep().await;
    kill_process(pid(&process), Signal::STOP).expect("it is there");
    until(|| process.is_stopped());
    take(process.clone(), Threads::All, LONG, ()).await.expect("a snapshot");
    until(|| status(&process, "State:").starts_with("T (stopped)"));
    assert_eq!(status(&process, "TracerPid:"), "0");
    kill_process(pid(&process), Signal::CONT).expect("it is there");
    until(|| status(&process, "State:").starts_with('S'));
    process.kill();
    process.bury();
}

#[tokio::test]
async fn no_signal_is_lost() {
    // Counts until it is told to end, and says whether all have come.
    let script = "n=0; trap 'n=$((n+1))' USR1; trap 'exit $n' TERM; while kill -0 $PPID; do :; done";
    let (process, _ends) = running("/bin/sh", &["-c", script]).await;
    let caught = || u64::from_str_radix(&status(&process, "SigCgt:"), 16).expect("a set");
    until(|| caught() & 0x4200 == 0x4200);
    for _ in 0..100 {
        kill_process(pid(&process), Signal::USR1).expect("it is there");
        take(process.clone(), Threads::First, LONG, ()).await.expect("a snapshot");
        until(|| {
            status(&process, "SigPnd:").ends_with("000") && status(&process, "ShdPnd:").ends_with("000")
        });
    }
    kill_process(pid(&process), Signal::TERM).expect("it is there");
    until(|| process.has_ended());
    assert_eq!(process.bury().exit.code(), Some(100));
}

#[tokio::test]
async fn a_dead_process_has_no_stack() {
    let process = sleep().await;
    kill_process(pid(&process), Signal::KILL).expect("it is there");
    until(|| process.has_ended());
    let zombie = take(process.clone(), Threads::All, LONG, ()).await.expect_err("it is dead");
    assert!(zombie.is_gone(), "{zombie}");
    process.bury();
    let reaped = take(process, Threads::First, LONG, ()).await.expect_err("it is reaped");
    assert!(reaped.is_gone(), "{reaped}");
}

#[test]
fn a_process_that_another_traces_says_who() {
    let reason = super::forbidden::reason(&super::forbidden::Facts { tracer: Some(7), ..Default::default() });
    assert!(reason.contains("process 7 traces it already"), "{reason}");
}

#[tokio::test]
async fn looks_at_one_process_wait_for_each_other() {
    let process = spin().await;
    let looks: Vec<_> =
        (0..20).map(|_| tokio::spawn(take(process.clone(), Threads::All, LONG, ()))).collect();
    for look in looks {
        look.await.expect("it is not given up").expect("a snapshot");
    }
    // One that is left behind by somebody who had no time is waited for, too.
    for _ in 0..20 {
        let _ = take(process.clone(), Threads::First, Duration::ZERO, ()).await;
        take(process.clone(), Threads::First, LONG, ()).await.expect("a snapshot");
    }
    let (traces, is_tracing) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let traced = process.clone();
    let tracer = std::thread::spawn(move || {
        // The tracer of a look that was given up ends when it can.
        let _traced = std::iter::repeat_with(|| traced.seize()).find_map(Result::ok);
        traces.send(()).expect("it is waited for");
        let _ = ended.recv();
    });
    is_tracing.recv().expect("it traces");
    let error =
        take(process.clone(), Threads::First, Duration::from_millis(20), ()).await.expect_err("it is taken");
    assert!(matches!(error, SnapshotError::Busy | SnapshotError::Slow { .. }), "{error}");
    drop(end);
    tracer.join().expect("it ends");
    take(process.clone(), Threads::First, LONG, ()).await.expect("it is free again");
    process.kill();
    process.bury();
}

#[tokio::test]
async fn the_end_of_a_worker_is_no_stop_of_it() {
    // Many deaths amid a snapshot, with several threads at each point of it.
    for round in 0..60 {
        let process = spin().await;
        let (victim, number) = (process.clone(), pid(&process));
        let killer = std::thread::spawn(move || {
            for _ in 0..round * 50 {
                std::hint::spin_loop();
            }
            victim.kill();
        });
        match take(process.clone(), Threads::All, LONG, ()).await {
            Ok(snapshot) => assert_eq!(snapshot.threads[0].id, process.pid()),
            Err(error) => assert!(error.is_gone(), "{error}"),
        }
        killer.join().expect("it kills");
        assert!(process.was_killed(), "a stop is no end that was found");
        until(|| process.has_ended());
        assert_eq!(process.bury().exit.signal(), Some(Signal::KILL.as_raw()));
        assert!(!std::fs::exists(format!("/proc/{number}")).unwrap_or(true), "nothing is left of it");
    }
}

/// Other threads of a traced process become zombies that only their tracer can remove.
#[tokio::test]
async fn all_threads_are_seen_and_none_holds_up_the_death_of_its_process() {
    let own = std::env::current_exe().expect("a file");
    let name = "snapshot::tests::a_copy_of_these_tests_has_many_threads";
    for is_killed in [false, true] {
        let (process, _ends) = running(&own, &["--exact", name]).await;
        let sleepers = || {
            let threads = super::proc::other_threads(pid(&process), MOST_THREADS);
            threads.into_iter().filter(|it| super::proc::thread_name(pid(&process), *it) == "sleeper").count()
        };
        until(|| sleepers() == THREADS);
        if !is_killed {
            let (shown, beyond) = super::proc::threads_beside(pid(&process), 1);
            assert!(shown.len() == 1 && beyond >= THREADS - 1, "{beyond} of {THREADS}");
            let snapshot = take(process.clone(), Threads::All, LONG, ()).await.expect("a snapshot");
            assert_eq!(snapshot.threads[0].id, process.pid(), "the first thread comes first");
            let found = snapshot.threads.iter().filter(|it| it.name == "sleeper");
            assert_eq!(found.count(), THREADS);
        }
        let taking = take(process.clone(), Threads::All, LONG, ());
        let victim = process.clone();
        let killer = std::thread::spawn(move || victim.kill());
        let _ = taking.await;
        killer.join().expect("it kills");
        until(|| process.has_ended());
        assert_eq!(process.bury().exit.signal(), Some(Signal::KILL.as_raw()));
    }
}

/// Does nothing where the tests run; see [`CROWDED`].
#[test]
fn a_copy_of_these_tests_has_many_threads() {
    if std::env::var_os(CROWDED).is_none() {
        return;
    }
    let sleeper = || std::thread::Builder::new().name("sleeper".into()).spawn(std::thread::park);
    let sleepers: Vec<_> = (0..THREADS).map(|_| sleeper().expect("a thread")).collect();
    sleepers.into_iter().for_each(|sleeper| sleeper.join().expect("it sleeps"));
}

#[tokio::test]
async fn a_snapshot_that_has_no_time_changes_nothing() {
    let process = spin().await;
    for _ in 0..50 {
        let _ = take(process.clone(), Threads::All, Duration::ZERO, ()).await;
    }
    until_untraced(&process);
    take(process.clone(), Threads::All, LONG, ()).await.expect("a snapshot");
    assert!(status(&process, "State:").starts_with('R'));
    process.kill();
    process.bury();
}
