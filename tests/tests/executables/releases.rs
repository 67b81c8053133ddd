//! Releases behind a symbolic link, and reloads that find nothing new.

use procpool_tests::binaries::{self, binary};
use procpool_tests::replaceable::Replaceable;
use procpool_tests::served::pool as table;
use procpool_tests::server::{Scratch, Server, TAKES_ORDERS, shell};
use procpool_tests::verbs::Verb;
use std::os::unix::fs::symlink;
use tokio::io::AsyncReadExt;

fn config(worker: &Replaceable) -> String {
    TAKES_ORDERS.to_owned() + &table("verbs", &worker.path(), 1, "")
}

async fn reload(server: &Server) -> serde_json::Value {
    let answer = server.order("/v1/pools/verbs/reload").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test]
async fn a_server_that_was_started_inside_a_release_link_reloads_the_new_release() {
    let (releases, scratch) = (Scratch::new(), Scratch::new());
    let orders = scratch.path().join("orders.sock");
    let current = releases.path().join("current");
    for number in ["1", "2"] {
        let release = releases.path().join(number);
        std::fs::create_dir(&release).unwrap();
        binaries::copy("verbs", &release.join("worker"));
        std::fs::write(release.join("number"), number).unwrap();
        let config = format!(
            "[server]\norders = {orders:?}\n[pools.verbs]\ncommand = [\"./worker\"]\ncurrent_dir = \".\"\n\
             min_workers = 1\nmax_workers = 1\n"
        );
        std::fs::write(release.join("p.toml"), config).unwrap();
    }
    symlink("1", &current).unwrap();
    // The configuration is named by a relative path, in the directory into which the shell went.
    let script = format!("cd {}; set -- serve --listen 127.0.0.1:0 --config p.toml", current.display());
    let server = Server::by_command(shell(&script), scratch, "").await;
    let release = async || {
        let found = releases.path().join("found.txt");
        let look = format!("(cat number; readlink /proc/$PPID/exe) > {}", found.display());
        server.perform(&Verb::Shell(look)).await;
        std::fs::read_to_string(found).unwrap()
    };
    let before = release().await;
    assert!(before.starts_with('1'), "{before}");

    std::fs::remove_file(&current).unwrap();
    symlink("2", &current).unwrap();
    let report = reload(&server).await;
    assert_eq!(report, serde_json::json!({"pool": "verbs", "generation": 1}));
    server.idle("verbs", 1).await;
    let after = release().await;
    assert!(after.starts_with('2') && after.trim_end().ends_with("/worker"), "{after}");
}

#[tokio::test]
async fn a_reload_that_finds_the_very_same_file_says_so_in_its_answer_and_in_the_log() {
    let worker = Replaceable::new("verbs");
    let (mut server, mut logs) = Server::with_logs(&config(&worker)).await;
    server.idle("verbs", 1).await;
    let same = serde_json::json!({"pool": "verbs", "generation": 1, "same_file": true});
    assert_eq!(reload(&server).await, same);
    worker.become_binary("verbs");
    assert_eq!(reload(&server).await, serde_json::json!({"pool": "verbs", "generation": 2}));

    procpool_tests::process::signal(server.pid(), rustix::process::Signal::TERM);
    server.ended().await;
    let mut text = String::new();
    logs.read_to_string(&mut text).await.unwrap();
    let sentence =
        format!("reloaded; the executable is the very same file as before: {}", worker.path().display());
    assert_eq!(text.matches(&sentence).count(), 1, "{text}");
}

#[tokio::test]
async fn a_script_that_was_not_replaced_is_the_very_same_file_too() {
    let worker = Replaceable::new("verbs");
    let script = format!("exec {}", binary("verbs").display());
    worker.become_script(&script);
    let server = Server::with_config(&config(&worker)).await;
    assert_eq!(reload(&server).await["same_file"], true);
    worker.become_script(&script);
    assert_eq!(reload(&server).await.get("same_file"), None);
}
