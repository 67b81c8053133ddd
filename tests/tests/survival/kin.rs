//! F16, F17, F43: what a worker starts, what that holds on to, and a worker whose parent was quicker to die.

use crate::recovers;
use procpool::Pool;
use procpool::error::Stage;
use procpool_protocol::preamble::Preamble;
use procpool_tests::binaries::binary;
use procpool_tests::library::{misbehaving_once, outcomes, verbs};
use procpool_tests::served::gone;
use procpool_tests::server::Scratch;
use procpool_tests::verbs::{Verb, Verbs};
use procpool_tests::{eventually, process};
use rustix::process::Signal;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

/// How soon a death is known and its process group gone, by the promise (FAULTS, F16 and F17): the one
/// reason to assert a time here. Of the quickest of several, as a busy machine may hold up any one of them;
/// a death that is only known by the end of a connection is held up every time.
const PROMISED: Duration = Duration::from_millis(100);
const TRIES: usize = 5;

/// A pool's only worker, and a process that has its two connections open, too.
async fn worker_and_heir(how: &str) -> (Pool<Verbs>, u32, u32) {
    let scratch = Scratch::new();
    let pool = misbehaving_once(how, 1, &scratch);
    let pool = pool.timeout(Duration::from_secs(20)).start().await.unwrap();
    let heir = pool.run(Verb::Pid).await.unwrap().parse().unwrap();
    let worker = pool.workers()[0].pid.unwrap();
    let sockets = |pid: u32| {
        let open = process::open_files(pid).into_iter();
        open.filter(|target| target.starts_with("socket:")).collect::<Vec<_>>()
    };
    assert_eq!((sockets(heir), sockets(heir).len()), (sockets(worker), 2));
    (pool, worker, heir)
}

/// Kills the worker amid a job, and says how long it took until the job had crashed.
async fn kill_amid_a_job(pool: &Pool<Verbs>, worker: u32) -> Duration {
    let mut job = pool.try_submit(Verb::Pid).unwrap();
    job.next_progress().await.expect("the job begins");
    let killed = Instant::now();
    process::kill(worker);
    let error = job.await.unwrap_err();
    let took = killed.elapsed();
    let report = error.crash_report().unwrap_or_else(|| panic!("not a crash: {error}"));
    assert_eq!((report.death.exit.signal(), report.stage), (Some(9), Stage::Running));
    took
}

#[tokio::test]
async fn a_death_is_known_though_a_child_holds_the_connections_open() {
    let mut quickest = Duration::MAX;
    for _ in 0..TRIES {
        let (pool, worker, heir) = worker_and_heir("inheritance").await;
        quickest = quickest.min(kill_amid_a_job(&pool, worker).await);
        // It is of the worker's group, and goes with it.
        gone(&[heir]).await;
        recovers(&pool, 1).await;
        assert_eq!(outcomes(&pool), [("crashed", 1), ("ok", 2)]);
    }
    assert!(quickest <= PROMISED, "{quickest:?}");
}

#[tokio::test]
async fn a_death_is_known_though_a_child_in_a_session_of_its_own_holds_the_connections_open() {
    let mut quickest = Duration::MAX;
    for _ in 0..TRIES {
        let (pool, worker, heir) = worker_and_heir("inheritance_abroad").await;
        eventually("another session", async || (process::group(heir) == Some(heir)).then_some(())).await;
        quickest = quickest.min(kill_amid_a_job(&pool, worker).await);
        recovers(&pool, 1).await;
        assert_eq!(outcomes(&pool), [("crashed", 1), ("ok", 2)]);
        // No group kill reaches it. A user who has to be sure of that needs a cgroup.
        assert!(process::is_alive(heir));
        process::kill(heir);
    }
    assert!(quickest <= PROMISED, "{quickest:?}");
}

#[tokio::test]
async fn a_workers_group_is_gone_as_soon_as_it_is() {
    let mut quickest = Duration::MAX;
    for _ in 0..TRIES {
        let pool = verbs(1).start().await.unwrap();
        let grandchild: u32 = pool.run(Verb::Grandchild).await.unwrap().parse().unwrap();
        let worker = pool.workers()[0].pid.unwrap();
        assert_eq!(process::group(grandchild), Some(worker));
        let killed = Instant::now();
        process::kill(worker);
        gone(&[worker, grandchild]).await;
        quickest = quickest.min(killed.elapsed());
        recovers(&pool, 1).await;
    }
    assert!(quickest <= PROMISED, "{quickest:?}");
}

#[tokio::test]
async fn a_child_that_leaves_the_group_outlives_its_worker_and_costs_nobody_anything() {
    let pool = verbs(1).start().await.unwrap();
    let emigrant: u32 = pool.run(Verb::Escape).await.unwrap().parse().unwrap();
    eventually("another session", async || (process::group(emigrant) == Some(emigrant)).then_some(())).await;
    let worker = pool.workers()[0].pid.unwrap();
    process::kill(worker);
    gone(&[worker]).await;
    recovers(&pool, 1).await;
    assert!(process::is_alive(emigrant), "then SURVIVAL.md is to promise more");
    process::signal(emigrant, Signal::KILL);
    assert_eq!(outcomes(&pool), [("ok", 2)]);
}

/// The shell gives its own end of both connections to a worker and ends before the worker's first
/// instruction; nobody else has the other ends.
#[tokio::test]
async fn a_worker_whose_parent_died_before_it_could_ask_for_a_signal_exits() {
    let (jobs, control) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    (&jobs.0).write_all(&Preamble::ours().to_bytes()).unwrap();
    let script = "exec 3<&0 4<&1 </dev/null >&2
        (while kill -0 $$ 2> /dev/null; do :; done; exec \"$0\") &";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).arg(binary("verbs"));
    command.stdin(OwnedFd::from(jobs.1)).stdout(OwnedFd::from(control.1)).stderr(Stdio::piped());
    let mut shell = command.kill_on_drop(true).spawn().unwrap();
    // Or this process holds the worker's ends open, too.
    drop(command);
    assert!(shell.wait().await.unwrap().success());
    // As the kernel does for a coordinator that dies.
    drop((jobs.0, control.0));
    // It is the last that has this pipe.
    let mut stderr = String::new();
    let reading = shell.stderr.take().unwrap();
    let read = async { tokio::io::BufReader::new(reading).read_to_string(&mut stderr).await };
    tokio::time::timeout(procpool_tests::PATIENCE, read).await.expect("the worker ends").unwrap();
    assert!(stderr.contains("it closed the connection"), "{stderr}");
}
