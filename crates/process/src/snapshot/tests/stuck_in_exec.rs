//! A worker whose `exec` never ends, because a process of its own traces one of its threads. The kernel lets
//! everybody wait who begins to trace it, until it is killed.

use super::*;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

/// In the environment of a copy of these tests that is to trace the thread of this number.
const TRACED: &str = "PROCPOOL_TEST_TRACED";

const COPY: &str = "snapshot::tests::stuck_in_exec::a_copy_of_these_tests_never_finishes_its_exec";

/// Does something on another thread, which may wait for ever.
fn apart<R: Send + 'static>(action: impl FnOnce() -> R + Send + 'static) -> Receiver<R> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || sender.send(action()));
    receiver
}

/// Starts a worker, and waits until its `exec` waits for the thread that is traced, and has killed it.
async fn stuck() -> (Arc<WorkerProcess>, Ends) {
    let own = std::env::current_exe().expect("a file");
    let (process, ends) = running(&own, &["--exact", COPY]).await;
    let number = pid(&process);
    let is_dead = |thread: &Pid| {
        let stat = std::fs::read_to_string(format!("/proc/{number}/task/{thread}/stat")).unwrap_or_default();
        stat.contains("(sleeper) Z")
    };
    until(|| super::super::proc::other_threads(number, MOST_THREADS).iter().any(is_dead));
    (process, ends)
}

#[tokio::test]
async fn a_worker_that_nobody_can_begin_to_trace_is_killed_all_the_same() {
    let (process, _ends) = stuck().await;
    let error =
        take(process.clone(), Threads::First, Duration::from_millis(50), ()).await.expect_err("it waits");
    assert!(matches!(error, SnapshotError::Slow { .. }), "{error}");
    // The tracer still waits.
    let asked = process.clone();
    let facts = apart(move || (asked.is_stopped(), asked.resident_memory(), asked.usage().is_some()));
    let (is_stopped, memory, is_used) = facts.recv_timeout(LONG).expect("nothing waits for the tracer");
    assert!(!is_stopped && memory.is_some() && is_used);
    let victim = process.clone();
    apart(move || victim.kill()).recv_timeout(LONG).expect("the kill waits for nothing");
    until(|| process.has_ended());
    assert_eq!(process.bury().exit.signal(), Some(Signal::KILL.as_raw()));
}

/// Is the worker, or the process that traces it; see [`stuck`]. Does nothing where the tests run.
#[test]
fn a_copy_of_these_tests_never_finishes_its_exec() {
    if let Ok(thread) = std::env::var(TRACED) {
        let thread = Pid::from_raw(thread.parse().expect("a number")).expect("a thread");
        let _traced =
            crate::os::trace::Traced::seize(thread).expect("a thread of a process of the same user");
        std::io::stdout().write_all(b"\ntraced\n").expect("it is read");
        loop {
            std::thread::park();
        }
    }
    if std::env::var_os(CROWDED).is_none() {
        return;
    }
    let (sender, numbers) = channel();
    let sleep = move || {
        sender.send(rustix::thread::gettid()).expect("it is waited for");
        std::thread::park();
    };
    let _sleeper = std::thread::Builder::new().name("sleeper".into()).spawn(sleep).expect("a thread");
    let thread = numbers.recv().expect("it runs");
    let mut tracer = Command::new(std::env::current_exe().expect("a file"));
    tracer.args(["--exact", COPY, "--nocapture"]).env(TRACED, thread.to_string()).stdout(Stdio::piped());
    let mut tracer = tracer.spawn().expect("it is started");
    let lines = BufReader::new(tracer.stdout.take().expect("a pipe")).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "traced"), "it traces");
    // Waits for ever: the traced thread is dead, but nobody removes it.
    let error = Command::new("/bin/true").exec();
    let _ = tracer.wait();
    panic!("{error}");
}
