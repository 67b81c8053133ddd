//! F15, F22, F26, F30, F31: what runs out, or would without a bound: memory, patience, descriptors,
//! processes.

use procpool_tests::http::{self, get};
use procpool_tests::served::{pool, verbs};
use procpool_tests::server::{Scratch, Server, shell};
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, other_user, process};
use rustix::process::Resource;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// How much a server's memory may grow by what it must not keep, in bytes: a third of what it is sent, at most.
const GROWTH: u64 = 8 << 20;

#[tokio::test]
async fn a_flood_of_output_is_drained_and_not_kept() {
    let server = Server::of_verbs(1, "").await;
    let bytes = 64 << 20;
    for flood in [Verb::Flood, Verb::FloodStderr] {
        assert_eq!(server.perform(&flood(1 << 20)).await.status, 200);
        let before = process::resident_memory(server.pid());
        assert_eq!(server.perform(&flood(bytes)).await.text(), format!("\"{bytes}\""));
        let after = process::resident_memory(server.pid());
        assert!(after < before + GROWTH, "from {before} to {after} bytes");
    }
    server.idle("verbs", 1).await;
    assert_eq!(server.pool("verbs").await["deaths"], 0);
}

#[tokio::test]
async fn jobs_that_a_full_queue_refuses_leave_nothing_in_memory() {
    let server = Server::of_verbs(1, "queue = 1").await;
    let running = server.begin(&Verb::Obey).await;
    server.busy("verbs", 1).await;
    let queued = server.begin(&Verb::Echo("patience".into())).await;
    eventually("a queued job", async || (server.pool("verbs").await["queued"] == 1).then_some(())).await;
    let large = Verb::Echo("x".repeat(128 << 10));
    let refuse = async |count: u64| {
        for _ in 0..count {
            let refused = server.perform(&large).await;
            assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
        }
        process::resident_memory(server.pid())
    };
    let before = refuse(20).await;
    let after = refuse(200).await;
    assert!(after < before + GROWTH, "from {before} to {after} bytes");
    drop(running);
    assert_eq!(http::finish(queued).await.unwrap().text(), "\"patience\"");
    let status = server.pool("verbs").await;
    assert_eq!((&status["jobs"]["refused"], &status["jobs"]["ok"]), (&220.into(), &1.into()));
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_holds_no_worker_and_is_given_up() {
    let config = format!("[server]\nwrite_timeout = \"300ms\"\n{}", verbs(1, ""));
    let server = Server::with_config(&config).await;
    server.idle("verbs", 1).await;
    let size = 16 << 20;
    let unread = server.begin(&Verb::Large(size)).await;
    let done = async || (server.pool("verbs").await["jobs"]["ok"] == 1).then_some(());
    eventually("the result", done).await;
    assert_eq!(server.perform(&Verb::Echo("next".into())).await.text(), "\"next\"");
    // sleep: longer than the server's patience with a client that takes nothing.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let whole = http::finish(unread).await.is_ok_and(|answer| answer.body.len() >= size);
    assert!(!whole, "it was still written to");
    assert_eq!(server.pool("verbs").await["deaths"], 0);
}

/// Less than 20 % of a processor is the promise (FAULTS, F30), so here a time is asserted.
#[tokio::test]
async fn a_server_without_descriptors_waits_for_some_and_recovers() {
    let limit = 64;
    let server =
        Server::by_command(shell(&format!("ulimit -n {limit}")), Scratch::new(), &verbs(1, "")).await;
    server.idle("verbs", 1).await;
    let mut connections = JoinSet::new();
    for _ in 0..200 {
        let connection = TcpStream::connect(server.address());
        // Some wait in the listener's backlog, the last ones for a place in it.
        connections.spawn(async { (connection.await, std::future::pending::<()>().await) });
    }
    let exhausted = async || (process::descriptors(server.pid()) >= limit).then_some(());
    eventually("descriptors to run out", exhausted).await;
    let before = process::cpu_time(server.pid());
    // sleep: the time over which the processor is watched.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let spent = process::cpu_time(server.pid()) - before;
    assert!(spent < Duration::from_millis(200), "{spent:?} in 1 s");

    connections.shutdown().await;
    assert_eq!(server.perform(&Verb::Echo("again".into())).await.text(), "\"again\"");
    process::kill(server.workers("verbs").await[0]);
    server.idle("verbs", 1).await;
    assert_eq!(server.perform(&Verb::Echo("and again".into())).await.text(), "\"and again\"");
}

/// Sets how many processes there may be of the user of `pid` for it to start another one; `None` for as
/// many as ever. Asked for by that user: not every root may do so for others.
fn limit_processes(pid: u32, most: Option<u64>) {
    let most = most.or(rustix::process::getrlimit(Resource::Nproc).maximum);
    let most = most.map_or("unlimited".into(), |most| most.to_string());
    let user = std::fs::metadata(format!("/proc/{pid}")).expect("the process runs").uid();
    let mut command = std::process::Command::new("prlimit");
    command.uid(user).gid(user).args(["--pid", &pid.to_string(), &format!("--nproc={most}:")]);
    let status = command.status().expect("prlimit starts");
    assert!(status.success(), "failed to limit the processes of {pid}");
}

#[tokio::test]
async fn a_server_that_may_start_no_more_processes_loses_no_job_and_recovers() {
    let config = |worker: &Path| pool("verbs", worker, 1, "").replace("max_workers = 1", "max_workers = 8");
    let Some(server) = other_user::server(config).await else {
        return;
    };
    server.idle("verbs", 1).await;
    limit_processes(server.pid(), Some(1));
    let mut jobs = Vec::new();
    for n in 0..32 {
        jobs.push(server.begin(&Verb::Nap(20_000 + n)).await);
    }
    for job in jobs {
        let answer = http::finish(job).await.unwrap();
        assert_eq!((answer.status, answer.text()), (200, "\"awake\""));
    }
    let status = server.pool("verbs").await;
    assert_eq!((&status["jobs"]["ok"], &status["workers"]["idle"]), (&32.into(), &1.into()), "{status}");

    // The only one dies, and no other can be started.
    process::kill(server.workers("verbs").await[0]);
    let failing = async || (server.pool("verbs").await["backoff_ms"].is_u64()).then_some(());
    eventually("starts to fail", failing).await;
    assert_eq!(get(server.address(), "/livez").await.status, 200);
    limit_processes(server.pid(), None);
    let again = async || (server.perform(&Verb::Echo("again".into())).await.status == 200).then_some(());
    eventually("a worker that starts", again).await;
}
