//! Scripts are not pinned: an edit is in force from the next start on, and is said.

use procpool_tests::binaries::binary;
use procpool_tests::process::{kill, signal};
use procpool_tests::server::{Scratch, Server};
use procpool_tests::{eventually, http};
use rustix::process::Signal;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// Kills the only worker and waits for the next.
async fn replace_worker(server: &Server) {
    let only = async || match server.workers("verbs").await[..] {
        [only] => Some(only),
        _ => None,
    };
    let old = eventually("one worker", only).await;
    kill(old);
    eventually("another worker", async || only().await.filter(|&new| new != old)).await;
    server.idle("verbs", 1).await;
}

#[tokio::test]
async fn a_worker_that_starts_with_an_edited_script_is_a_warning_until_the_reload() {
    let scratch = Scratch::new();
    let script = format!("exec {}\n", binary("verbs").display());
    let path = scratch.write("worker.sh", &script);
    let config = "[pools.verbs]\ncommand = [\"/bin/sh\", \"worker.sh\"]\ncurrent_dir = \".\"\nmin_workers = 1\nmax_workers = 1\n";
    let (mut server, mut logs) = Server::logging_in(Command::new(binary("procpool")), scratch, config).await;
    server.idle("verbs", 1).await;
    replace_worker(&server).await;

    std::fs::write(&path, format!("# edited\n{script}")).unwrap();
    replace_worker(&server).await;
    replace_worker(&server).await;
    let reload = http::post(server.address(), "/v1/pools/verbs/reload", "").await;
    assert_eq!(reload.status, 200, "{}", reload.text());
    replace_worker(&server).await;

    signal(server.pid(), Signal::TERM);
    server.ended().await;
    let mut log = String::new();
    logs.read_to_string(&mut log).await.unwrap();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("a script has changed")).collect();
    assert!(matches!(warnings[..], [line] if line.contains("worker.sh")), "{log}");
}
