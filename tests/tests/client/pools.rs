//! Pools and workers by the command line: tables for people, forms for programs, orders.

use crate::{command, printed, procpool, refused};
use procpool_tests::eventually;
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;
use serde_json::Value;
use std::process::Stdio;

#[tokio::test]
async fn pools_are_a_table_json_lines_or_names() {
    let server = Server::start().await;
    let list = async |form: &str| procpool(&server, &["pool", "list", "-o", form]).await;
    let table = list("table").await;
    let lines: Vec<_> = printed(&table).lines().collect();
    assert_eq!(lines.len(), 4, "{table:?}");
    assert!(lines[0].starts_with("NAME      STATE   WORKERS"), "{table:?}");
    assert!(lines[2].starts_with("fib       ready   "), "{table:?}");
    assert_eq!(printed(&list("name").await), "compute\nfib\nping\n");
    let json: Value = serde_json::from_str(printed(&list("json").await)).unwrap();
    assert_eq!(json["pools"][1]["name"], "fib");
    let lines = list("jsonl").await;
    let names: Vec<Value> = printed(&lines).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((names.len(), &names[2]["name"]), (3, &Value::from("ping")));
    let shown = procpool(&server, &["pool", "show", "fib"]).await;
    assert!(printed(&shown).starts_with("name: fib\nexecutable: "), "{shown:?}");
    assert!(printed(&shown).contains("\nworkers:\n  idle: "), "{shown:?}");
}

#[tokio::test]
async fn pools_are_paused_resumed_and_reloaded() {
    let server = Server::start().await;
    let pool = async |verb: &str| procpool(&server, &["pool", verb, "fib"]).await;
    assert_eq!(printed(&pool("pause").await), "fib paused\n");
    let list = procpool(&server, &["pool", "list"]).await;
    assert!(printed(&list).contains("\nfib       paused   "), "{list:?}");
    assert_eq!(printed(&pool("resume").await), "fib resumed\n");
    assert_eq!(printed(&pool("reload").await), "fib reloaded\n");
    let ended = procpool(&server, &["pool", "pause", "none"]).await;
    assert!(refused(&ended, 4).ends_with("; `procpool pool list` shows the pools"), "{ended:?}");
}

#[tokio::test]
async fn workers_are_listed_with_their_jobs() {
    let server = Server::of_verbs(2, "").await;
    let busy = server.begin(&Verb::Spin).await;
    server.busy("verbs", 1).await;
    let list = procpool(&server, &["worker", "list", "verbs"]).await;
    let lines: Vec<_> = printed(&list).lines().collect();
    assert!(lines[0].starts_with("ID"), "{list:?}");
    let with_job = lines.iter().filter(|line| line.contains("   busy   "));
    assert_eq!((lines.len(), with_job.count()), (3, 1), "{list:?}");
    let names = procpool(&server, &["worker", "list", "-o", "name"]).await;
    assert_eq!(printed(&names), "verbs-0\nverbs-1\n");
    drop(busy);
}

#[tokio::test]
async fn a_quarantine_is_listed_and_cleared() {
    let server = Server::of_verbs(1, "poison_deaths = 1").await;
    let abort = procpool(&server, &["job", "submit", "verbs", "\"abort\""]).await;
    assert_eq!(abort.code, Some(6), "{abort:?}");
    let again = procpool(&server, &["job", "submit", "verbs", "\"abort\""]).await;
    assert!(refused(&again, 4).contains("`procpool pool quarantine verbs`"), "{again:?}");
    let quarantine =
        async |more: &[&str]| procpool(&server, &[&["pool", "quarantine", "verbs"][..], more].concat()).await;
    let table = quarantine(&[]).await;
    assert!(printed(&table).lines().nth(1).is_some_and(|line| line.contains("   yes   ")), "{table:?}");
    let names = quarantine(&["-o", "name"]).await;
    let fingerprint = printed(&names).lines().next().expect("a fingerprint").to_owned();
    assert_eq!(printed(&quarantine(&["--clear", &fingerprint]).await), "pool: verbs\ncleared: 1\n");
    assert!(refused(&quarantine(&["--clear", &fingerprint]).await, 4).contains(&fingerprint));
}

#[tokio::test]
async fn deaths_are_listed_counted_in_groups_and_shown_one_by_one() {
    // Names of functions may come too late on a busy machine. Last words do not.
    let server = Server::of_verbs(1, "crash_stacks = false").await;
    assert_eq!(printed(&procpool(&server, &["deaths", "-o", "name"]).await), "");
    for row in [7, 8] {
        let job = format!(r#"{{"last_words": ["row {row} has no price"]}}"#);
        assert_eq!(procpool(&server, &["job", "submit", "verbs", &job]).await.code, Some(6));
    }
    let table = procpool(&server, &["deaths", "--pool", "verbs"]).await;
    let lines: Vec<_> = printed(&table).lines().collect();
    assert!(lines[0].starts_with("ID") && lines[1].starts_with("2 "), "{table:?}");
    assert!(lines[2].contains("SIGABRT: row # has no price"), "{table:?}");
    assert_eq!(printed(&procpool(&server, &["deaths", "-o", "name", "--limit", "1"]).await), "2\n");
    let groups = procpool(&server, &["deaths", "--group"]).await;
    let group = printed(&groups).lines().nth(1).expect("a group").to_owned();
    assert!(group.contains("   verbs   2       2 "), "{groups:?}");
    let id = group.split(' ').next().unwrap();
    assert_eq!(printed(&procpool(&server, &["deaths", "--in", id, "-o", "name"]).await), "2\n1\n");
    let one = procpool(&server, &["deaths", "1"]).await;
    assert!(printed(&one).contains("stderr: [\"row 7 has no price\"]\n"), "{one:?}");
    assert!(refused(&procpool(&server, &["deaths", "3"]).await, 4).contains("GET /v1/deaths"));
}

#[tokio::test]
async fn what_a_worker_writes_is_printed_and_followed_until_it_dies() {
    let server = Server::of_verbs(1, "poison_deaths = 0").await;
    let mut follower =
        command(&server.address().to_string(), &["worker", "logs", "verbs-0", "-f", "-o", "name"]);
    let follower = follower.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let say = r#"{"shell": "echo one >&2; echo two >&2"}"#;
    assert_eq!(procpool(&server, &["job", "submit", "verbs", say]).await.code, Some(0));
    let logs = procpool(&server, &["worker", "logs", "verbs-0"]).await;
    let lines: Vec<_> = printed(&logs).lines().collect();
    assert!(lines.len() == 2 && lines[1].contains(" stderr ") && lines[1].ends_with(" two"), "{logs:?}");
    let jsonl = procpool(&server, &["worker", "logs", "verbs-0", "-o", "jsonl"]).await;
    assert!(printed(&jsonl).lines().all(|line| line.starts_with(r#"{"number":"#)), "{jsonl:?}");
    let words = r#"{"last_words": ["out of cheese"]}"#;
    assert_eq!(procpool(&server, &["job", "submit", "verbs", words]).await.code, Some(6));
    let ended = follower.wait_with_output().await.unwrap();
    // It may have come when the worker was dead.
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(
        ended.status.code() == Some(4) || said == "one\ntwo\nout of cheese\n",
        "{said:?} {:?}",
        ended.status
    );
    let gone = procpool(&server, &["worker", "logs", "verbs-0"]).await;
    assert!(refused(&gone, 4).contains("GET /v1/deaths/1"), "{gone:?}");
}

#[tokio::test]
async fn health_is_a_command_with_docker_s_exit_codes() {
    let server = Server::start().await;
    assert_eq!(printed(&procpool(&server, &["health"]).await), "OK\n");
    assert_eq!(printed(&procpool(&server, &["health", "--live"]).await), "OK\n");
    assert_eq!(printed(&procpool(&server, &["health", "--pool", "fib"]).await), "OK\n");
    refused(&procpool(&server, &["health", "--pool", "none"]).await, 1);
    let address = server.address().to_string();
    drop(server);
    eventually("the server to be gone", async || {
        let ended = procpool_tests::program::finish(&mut crate::command(&address, &["health"])).await;
        (ended.code == Some(1)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_configuration_is_read_again_or_the_difference_shown() {
    let config = |queue: u32| procpool_tests::served::verbs(1, &format!("queue = {queue}"));
    let server = Server::with_config(&config(7)).await;
    server.scratch.write("procpool.toml", &config(8));
    let rehearsed = procpool(&server, &["config", "reload", "--dry-run"]).await;
    assert!(printed(&rehearsed).starts_with("applied: false\n"), "{rehearsed:?}");
    let applied = procpool(&server, &["config", "reload", "-o", "json"]).await;
    let report: Value = serde_json::from_str(printed(&applied)).unwrap();
    assert_eq!((&report["applied"], &report["changed"][0]["settings"][0]), (&true.into(), &"queue".into()));
    server.scratch.write("procpool.toml", "[pools.verbs]\n");
    let wrong = procpool(&server, &["config", "reload"]).await;
    assert!(refused(&wrong, 1).contains("procpool.toml:1:"), "{wrong:?}");
}
