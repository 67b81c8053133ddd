//! A configuration that is read again while jobs run: pools come, go and change, and a bad one changes nothing.

use procpool_tests::binaries::binary;
use procpool_tests::library::echo;
use procpool_tests::served::pool;
use procpool_tests::server::{Server, TAKES_ORDERS};
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, http, process};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::io::{AsyncBufReadExt, BufReader};

const RELOAD: &str = "/v1/config/reload";

/// Returns a configuration that takes orders, with these pools of `verbs` and their keys.
fn config(pools: &[(&str, &str)]) -> String {
    let pools: String = pools.iter().map(|(name, keys)| pool(name, &binary("verbs"), 2, keys)).collect();
    format!("{TAKES_ORDERS}{pools}")
}

/// Replaces the server's configuration and has it read.
async fn reload(server: &Server, pools: &[(&str, &str)]) -> Value {
    server.scratch.write("procpool.toml", &config(pools));
    let answer = server.order(RELOAD).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

/// Sends jobs to one pool until told to stop. Returns how many went well, and every other answer.
async fn load(server: Arc<Server>, pool: &'static str, stop: Arc<AtomicBool>) -> (usize, Vec<String>) {
    let (mut done, mut others) = (0, Vec::new());
    while !stop.load(Ordering::Relaxed) {
        let answer = server.perform_in(pool, &echo("well")).await;
        if answer.status == 200 {
            done += 1;
        } else {
            others.push(answer.text().to_owned());
        }
    }
    (done, others)
}

#[tokio::test]
async fn pools_come_go_and_change_under_load_and_no_job_fails() {
    let server = Arc::new(Server::with_config(&config(&[("verbs", ""), ("other", "")])).await);
    let stop = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = ["verbs", "verbs", "verbs", "other"]
        .map(|pool| tokio::spawn(load(server.clone(), pool, stop.clone())))
        .into();

    let added = reload(&server, &[("verbs", ""), ("other", ""), ("new", "")]).await;
    assert_eq!((&added["added"], &added["applied"]), (&json!(["new"]), &json!(true)));
    assert_eq!(added["unchanged"], json!(["other", "verbs"]));
    assert_eq!(server.perform_in("new", &echo("here")).await.text(), r#""here""#);

    for (keys, replaced) in [("queue = 77", false), ("queue = 77\nnice = 1", true), ("nice = 2", true)] {
        let both = async || Some(server.workers("verbs").await).filter(|workers| workers.len() == 2);
        let before = eventually("both workers", both).await;
        let changed = reload(&server, &[("verbs", keys), ("other", ""), ("new", "")]).await;
        let [verbs] = changed["changed"].as_array().unwrap().as_slice() else { panic!("{changed}") };
        assert_eq!((&verbs["pool"], &verbs["replaced"]), (&json!("verbs"), &json!(replaced)), "{keys}");
        let is_new = async || {
            let workers = server.workers("verbs").await;
            (workers.is_empty() || workers.iter().all(|pid| !before.contains(pid))).then_some(())
        };
        if replaced {
            eventually("the new pool", is_new).await;
            let gone = async || (!before.iter().any(|&pid| process::is_alive(pid))).then_some(());
            eventually("the end of the old pool", gone).await;
        } else {
            assert_eq!(server.pool("verbs").await["queue_limit"], 77);
            assert_eq!(server.workers("verbs").await, before);
        }
    }

    // A pool that is removed ends what it has.
    let gate = server.scratch.path().join("gate.txt");
    let waits = Verb::WaitFor(gate.display().to_string());
    let last = {
        let (server, waits) = (server.clone(), waits.clone());
        tokio::spawn(async move { server.perform_in("new", &waits).await })
    };
    let begun = async || (server.pool("new").await["running"] == 1).then_some(());
    eventually("the job to begin", begun).await;
    let removed = reload(&server, &[("verbs", "nice = 2"), ("other", "")]).await;
    assert_eq!((&removed["removed"], &removed["changed"]), (&json!(["new"]), &json!([])));
    let late = server.perform_in("new", &echo("late")).await;
    assert_eq!((late.status, late.json()["reason"].as_str()), (404, Some("unknown_pool")));
    std::fs::write(gate, "").unwrap();
    assert_eq!(last.await.unwrap().status, 200);

    stop.store(true, Ordering::Relaxed);
    for client in clients {
        let (done, others) = client.await.unwrap();
        assert!(done > 0 && others.is_empty(), "{done} went well; {others:?}");
    }
}

#[tokio::test]
async fn a_configuration_with_a_mistake_changes_nothing_and_names_file_line_and_reason() {
    let (server, logs) = Server::with_logs(&config(&[("verbs", "")])).await;
    let log = tokio::spawn(async move {
        let mut lines = BufReader::new(logs).lines();
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("procpool.toml:7:1: unknown key `qeue`") {
                return true;
            }
        }
        false
    });
    let both = async || Some(server.workers("verbs").await).filter(|workers| workers.len() == 2);
    let workers = eventually("both workers", both).await;
    for (pools, needed) in [
        (config(&[("verbs", "qeue = 1")]), "procpool.toml:7:1: unknown key `qeue`; did you mean `queue`?"),
        ("[pools".to_owned(), "procpool.toml:1:"),
        (config(&[("verbs", "max_attempts = 2")]), "idempotent"),
        (format!("{TAKES_ORDERS}[pools.verbs]\ncommand = [\"/nowhere/worker\"]\n"), "procpool.toml:4:11: "),
    ] {
        server.scratch.write("procpool.toml", &pools);
        let answer = server.order(RELOAD).await;
        assert_eq!((answer.status, answer.problem()["reason"].as_str()), (422, Some("invalid")), "{pools}");
        assert!(answer.problem()["detail"].as_str().unwrap().contains(needed), "{}", answer.text());
    }
    assert!(log.await.unwrap(), "the log says it, too");
    // One that does not start: the others are not touched either.
    let bad = pool("bad", std::path::Path::new("/bin/false"), 1, "start_timeout = \"5s\"");
    server.scratch.write("procpool.toml", &format!("{}{bad}", config(&[("verbs", "queue = 5")])));
    let answer = server.order(RELOAD).await;
    assert_eq!(
        (answer.status, answer.problem()["reason"].as_str()),
        (502, Some("start")),
        "{}",
        answer.text()
    );
    assert_eq!(server.pool("verbs").await["queue_limit"], 1024);
    assert_eq!(server.workers("verbs").await, workers);
    assert_eq!(http::get(server.address(), "/v1/pools/bad").await.status, 404);
    assert_eq!(server.perform(&echo("on")).await.text(), r#""on""#);
}

#[tokio::test]
async fn a_rehearsal_shows_the_difference_and_what_an_operator_changed_stays() {
    let server = Server::with_config(&config(&[("verbs", "")])).await;
    server.scratch.write("procpool.toml", &config(&[("verbs", "queue = 5"), ("new", "")]));
    let shown = server.order(&format!("{RELOAD}?dry_run=true")).await.json();
    assert_eq!((&shown["added"], &shown["applied"]), (&json!(["new"]), &json!(false)));
    assert_eq!(server.pool("verbs").await["queue_limit"], 1024);

    let patch = json!({"queue": 9, "max_workers": 3}).to_string();
    let patched = server.order_with("PATCH", "/v1/pools/verbs", patch.as_bytes()).await;
    assert_eq!(patched.status, 200, "{}", patched.text());
    assert_eq!(server.pool("verbs").await["max_workers"], 3);
    reload(&server, &[("verbs", "queue = 5"), ("new", "")]).await;
    let pool = server.pool("verbs").await;
    assert_eq!((&pool["queue_limit"], &pool["max_workers"]), (&json!(5), &json!(3)));
    let worker =
        http::get(server.address(), "/v1/pools/verbs/workers").await.json()["workers"][0]["id"].clone();
    let killed =
        server.order_by("DELETE", &format!("/v1/workers/{}?how=kill", worker.as_str().unwrap())).await;
    assert_eq!(killed.json(), json!({"worker": worker, "pool": "verbs", "how": "kill"}));

    server.scratch.write(
        "procpool.toml",
        &config(&[("verbs", "queue = 5")]).replace("[server]", "[server]\nmax_streams = 9"),
    );
    assert_eq!(server.order(RELOAD).await.json()["restart"], json!(["server.max_streams"]));
    assert_eq!(
        server.order(RELOAD).await.json()["restart"],
        json!(["server.max_streams"]),
        "until it restarts"
    );
}

#[tokio::test]
async fn a_hang_up_reads_the_configuration_and_the_executables_again() {
    let server = Server::with_config(&config(&[("verbs", "")])).await;
    server.scratch.write("procpool.toml", &config(&[("verbs", ""), ("new", "")]));
    process::signal(server.pid(), Signal::HUP);
    let there = async || (http::get(server.address(), "/v1/pools/new").await.status == 200).then_some(());
    eventually("the new pool", there).await;
}

#[tokio::test]
async fn a_pool_that_takes_the_place_of_a_paused_one_is_paused() {
    let server = Server::with_config(&config(&[("verbs", "")])).await;
    assert_eq!(server.order("/v1/pools/verbs/pause").await.status, 200);
    let changed = reload(&server, &[("verbs", "nice = 1")]).await;
    assert_eq!(changed["changed"][0]["replaced"], json!(true), "{changed}");
    assert_eq!(server.pool("verbs").await["paused"], json!(true));
    assert_eq!(server.order("/v1/pools/verbs/resume").await.status, 200);
    assert_eq!(server.perform_in("verbs", &echo("again")).await.status, 200);
}
