//! A server that ends with the process that started it, and with no other.

use crate::embedded::{Embedded, command};
use procpool_tests::process;
use procpool_tests::served::{gone, verbs};
use procpool_tests::server::{Scratch, shell};
use procpool_tests::verbs::Verb;
use procpool_tests::{PATIENCE, eventually};
use rustix::process::Signal;
use std::path::Path;
use std::process::Stdio;
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::runtime::Handle;

/// Returns a host program: a shell that starts the server on a socket in the directory and does not end before it.
fn host(scratch: &Scratch, socket: &Path) -> Command {
    let config = scratch.write("procpool.toml", &verbs(2, ""));
    let mut host = Command::new("/bin/sh");
    host.args(["-c", "\"$@\" --exit-with-parent & echo $! > \"$0\"; wait"])
        .arg(scratch.path().join("pid.txt"));
    host.arg(procpool_tests::binaries::binary("procpool")).args(["serve", "--listen"]);
    host.arg(format!("unix:{}", socket.display())).arg("--config").arg(config);
    host.env("TMPDIR", scratch.path()).env_remove("XDG_RUNTIME_DIR").env_remove("RUST_LOG");
    host
}

async fn workers(host: &Embedded) -> Vec<u32> {
    let answer = host.request("localhost", "GET", "/v1/pools/verbs/workers", &[]).await.json();
    let workers = answer["workers"].as_array().cloned().unwrap_or_default();
    let pids: Vec<_> = workers.iter().filter_map(|it| u32::try_from(it["pid"].as_u64()?).ok()).collect();
    assert_eq!(pids.len(), 2, "{answer}");
    pids
}

#[tokio::test]
async fn a_killed_host_leaves_neither_server_nor_workers_nor_socket() {
    let scratch = Scratch::new();
    let socket = scratch.path().join("http.sock");
    let mut host = Embedded::by(host(&scratch, &socket), socket.clone()).await;
    host.workers("idle", 2).await;
    let server: u32 =
        std::fs::read_to_string(scratch.path().join("pid.txt")).unwrap().trim().parse().unwrap();
    let mut all = workers(&host).await;
    all.push(server);
    // A client that outlives the host, too, gets its answer.
    let go = scratch.path().join("go.txt");
    let waiting = host.begin(&Verb::WaitFor(go.display().to_string())).await;
    host.workers("busy", 1).await;

    process::kill(host.pid());
    host.child.wait().await.unwrap();
    let closed = async || UnixStream::connect(&socket).await.is_err().then_some(());
    eventually("the drain to begin", closed).await;
    assert!(process::is_alive(server), "it finishes what it has accepted");
    std::fs::write(&go, "").unwrap();
    assert_eq!(procpool_tests::http::finish(waiting).await.unwrap().status, 200);
    gone(&all).await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn the_end_of_the_thread_that_started_the_server_is_not_the_end_of_the_host() {
    let scratch = Scratch::new();
    let socket = scratch.path().join("http.sock");
    let mut server = command(&scratch, &verbs(1, ""), &socket);
    server.arg("--exit-with-parent").stdout(Stdio::piped()).kill_on_drop(true);
    let runtime = Handle::current();
    let starting = std::thread::spawn(move || {
        let _inside = runtime.enter();
        server.spawn().unwrap()
    });
    let mut server = Embedded::announced(starting.join().unwrap(), socket).await;
    for _ in 0..3 {
        assert_eq!(server.perform(&Verb::Echo("there".into())).await.json(), "there");
    }
    process::signal(server.pid(), Signal::TERM);
    assert_eq!(server.ended().await.0.code(), Some(0));
}

#[tokio::test]
async fn a_server_whose_host_ended_while_it_started_does_not_stay() {
    let scratch = Scratch::new();
    let config = scratch.write("procpool.toml", &verbs(1, ""));
    // The shell becomes the server, and its standard output has no reader.
    let mut server = shell("true");
    server.args(["serve", "--listen", "127.0.0.1:0", "--exit-with-parent", "--config"]).arg(config);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = server.stdout(writer).stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let ended = tokio::time::timeout(PATIENCE, child.wait()).await.expect("the server ends");
    assert_eq!(ended.unwrap().code(), Some(0));
}
