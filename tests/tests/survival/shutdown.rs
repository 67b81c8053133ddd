//! F18: told to stop at any moment, whatever it is doing, a server ends in order and leaves nothing.

use procpool_tests::binaries::binary;
use procpool_tests::http::{self, Answer};
use procpool_tests::served::{misbehaving, verbs};
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::Verb;
use procpool_tests::{PATIENCE, eventually, process};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::process::Command;

#[tokio::test]
async fn a_server_that_is_told_to_stop_at_any_moment_of_its_start_leaves_nothing() {
    for moment in 0..20 {
        let scratch = Scratch::new();
        let config = scratch.write("procpool.toml", &verbs(4, ""));
        let mut command = Command::new(binary("procpool"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(config);
        command.env("TMPDIR", scratch.path()).env_remove("XDG_RUNTIME_DIR").stdout(Stdio::null());
        let mut server = command.kill_on_drop(true).spawn().unwrap();
        // sleep: the moment; whichever it is, what follows has to hold.
        tokio::time::sleep(Duration::from_millis(moment * 4)).await;
        process::signal(server.id().unwrap(), Signal::TERM);
        let status = tokio::time::timeout(PATIENCE, server.wait()).await.unwrap().unwrap();
        // Before it can catch the signal it has nothing that it could leave.
        assert!(status.code() == Some(0) || status.signal() == Some(15), "{moment}: {status}");
        assert_eq!(scratch.leftovers(), [] as [PathBuf; 0], "{moment}");
    }
}

/// One client's answers, one job after another, until nobody listens any longer.
async fn ask(server: SocketAddr) -> Vec<Answer> {
    let mut answers = Vec::new();
    let body = serde_json::to_vec(&Verb::Nap(3_000)).unwrap();
    let json = [("Content-Type", "application/json")];
    while let Ok(job) = http::try_open(server, "POST", "/v1/pools/verbs/jobs", &json, &body).await {
        // A connection that was no longer accepted has no answer.
        answers.extend(http::finish(job).await);
    }
    answers
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_under_load_answers_what_it_accepted() {
    for moment in 0..5 {
        let mut server = Server::of_verbs(2, "").await;
        let clients: Vec<_> = (0..4).map(|_| tokio::spawn(ask(server.address()))).collect();
        // sleep: the moment; whichever it is, what follows has to hold.
        tokio::time::sleep(Duration::from_millis(50 + moment * 7)).await;
        process::signal(server.pid(), Signal::TERM);
        let mut ok = 0;
        for client in clients {
            for answer in client.await.unwrap() {
                match answer.status {
                    200 => ok += 1,
                    503 => assert_eq!(answer.problem()["may_have_run"], false),
                    _ => panic!("{answer:?}"),
                }
            }
        }
        assert!(ok > 0, "no job was done before the moment");
        assert_eq!(server.ended().await.code(), Some(0));
        assert_eq!(server.scratch.leftovers(), [] as [PathBuf; 0]);
    }
}

#[tokio::test]
async fn a_server_that_is_told_to_stop_while_its_pool_backs_off_ends_at_the_drain_limit() {
    let config = format!("[server]\ndrain_limit = \"300ms\"\n{}", misbehaving(&["exit"], ""));
    let mut server = Server::with_config(&config).await;
    let waiting = server.begin(&Verb::Pid).await;
    let backs_off = async || server.pool("verbs").await["backoff_ms"].is_u64().then_some(());
    eventually("the pool to back off", backs_off).await;
    process::signal(server.pid(), Signal::TERM);
    let answer = http::finish(waiting).await.unwrap();
    assert_eq!((answer.status, &answer.problem()["may_have_run"]), (503, &false.into()));
    assert_eq!(server.ended().await.code(), Some(0));
    assert_eq!(server.scratch.leftovers(), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn a_second_signal_ends_a_server_whose_pool_backs_off_at_once() {
    let mut server = Server::with_config(&misbehaving(&["exit"], "")).await;
    let _waiting = server.begin(&Verb::Pid).await;
    let backs_off = async || server.pool("verbs").await["backoff_ms"].is_u64().then_some(());
    eventually("the pool to back off", backs_off).await;
    process::signal(server.pid(), Signal::TERM);
    let closed = async || TcpStream::connect(server.address()).await.is_err().then_some(());
    eventually("the port to be closed", closed).await;
    process::signal(server.pid(), Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(143));
    assert_eq!(server.scratch.leftovers(), [] as [PathBuf; 0]);
}
