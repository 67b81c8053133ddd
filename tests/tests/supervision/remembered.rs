//! Deaths that a server remembers: found by their job and in groups, bounded however many there are, and with the
//! pools that were removed. And what living workers write.

use procpool_tests::binaries::binary;
use procpool_tests::eventually;
use procpool_tests::http::{self, Answer};
use procpool_tests::process;
use procpool_tests::served;
use procpool_tests::server::{Scratch, Server, TAKES_ORDERS};
use procpool_tests::verbs::Verb;
use serde_json::{Value, json};
use std::path::Path;

const DEATHS: &str = "/v1/pools/verbs/deaths";

/// Returns a server with one worker, which remembers few deaths and saves failed jobs.
async fn server(settings: &str, of_pool: &str) -> Server {
    let pool = served::verbs(1, &format!("save_failed_jobs = \"failed\"\npoison_deaths = 0\n{of_pool}"));
    Server::with_config(&format!("{TAKES_ORDERS}{settings}\n{pool}")).await
}

async fn deaths(server: &Server) -> Vec<Value> {
    let listed = server.order_by("GET", DEATHS).await;
    assert_eq!(listed.status, 200, "{}", listed.text());
    listed.json()["deaths"].as_array().unwrap().clone()
}

fn last_words(words: &str) -> Verb {
    Verb::LastWords(vec![words.into()])
}

#[tokio::test]
async fn a_crash_is_found_at_once_by_its_job_with_its_group_and_the_commands_to_have_it_again() {
    // Names of functions may come too late on a busy machine. Its last words do not.
    let server = server("", "crash_stacks = false").await;
    for (row, count) in [(7, 1), (812, 2)] {
        let crashed = server.perform(&last_words(&format!("row {row} has no price"))).await;
        assert_eq!(crashed.status, 502, "{}", crashed.text());
        // A client that hears of the crash finds the death: nothing is waited for.
        let death = deaths(&server).await.remove(0);
        assert_eq!(death["signature"], "SIGABRT: row # has no price");
        assert_eq!((&death["cause"], &death["signal_name"]), (&json!("crashed"), &json!("SIGABRT")));
        assert_eq!(death["job"].as_str(), crashed.header("job-id"));
        assert!(death["payload"]["bytes"].as_u64() > Some(0), "{death}");
        assert_eq!(death["stderr"][0], format!("row {row} has no price"));
        let replay = death["replay"].as_str().expect("a file");
        assert!(Path::new(replay).is_file(), "{replay}");
        assert_eq!(death["commands"][0], format!("procpool replay {replay}"));
        let groups = server.order_by("GET", &format!("{DEATHS}?by=group")).await.json();
        assert_eq!(
            (&groups["groups"][0]["count"], &groups["groups"][0]["group"]),
            (&json!(count), &death["group"])
        );
    }
}

#[tokio::test]
async fn a_worker_that_is_killed_at_a_deadline_is_remembered_with_the_job_that_it_did_not_give_up() {
    let server = server("", "grace = \"10ms\"\nstack_at_deadline = false").await;
    let path = "/v1/pools/verbs/jobs?timeout=300ms";
    let late = http::post(server.address(), path, &serde_json::to_string(&Verb::Spin).unwrap()).await;
    assert_eq!(late.status, 504, "{}", late.text());
    let death = eventually("a death", async || deaths(&server).await.pop()).await;
    assert_eq!((&death["cause"], &death["signature"]), (&json!("timed_out"), &json!("timed out")));
    assert_eq!(death["job"].as_str(), late.header("job-id"));
    let replay = death["replay"].as_str().expect("the file was there before the death");
    assert!(Path::new(replay).is_file(), "{replay}");
}

#[tokio::test]
async fn more_deaths_than_are_remembered_are_counted_all_the_same() {
    let server = server("max_deaths = 5", "").await;
    for row in 0..20 {
        let crashed = server.perform(&last_words(&format!("row {row} has no price"))).await;
        assert_eq!(crashed.status, 502, "{}", crashed.text());
    }
    let ids: Vec<_> = deaths(&server).await.iter().filter_map(|death| death["id"].as_u64()).collect();
    assert_eq!(ids, [20, 19, 18, 17, 16]);
    let groups = server.order_by("GET", &format!("{DEATHS}?by=group")).await.json();
    assert_eq!(groups["groups"][0]["count"], 20, "{groups}");
    // A worker that exits because it is told to is no death.
    let idle = server.workers("verbs").await;
    assert_eq!(server.order_by("DELETE", "/v1/workers/verbs-20?how=retire").await.status, 200);
    eventually("another worker", async || (server.workers("verbs").await != idle).then_some(())).await;
    assert_eq!(deaths(&server).await[0]["id"], 20);
}

#[tokio::test]
async fn deaths_of_a_removed_pool_stay() {
    let other = served::pool("other", &binary("verbs"), 1, "");
    let server = Server::with_config(&format!("{TAKES_ORDERS}{}{other}", served::verbs(1, ""))).await;
    assert_eq!(server.perform(&Verb::Exit(3)).await.status, 502);
    server.scratch.write("procpool.toml", &format!("{TAKES_ORDERS}{other}"));
    let reloaded = server.order("/v1/config/reload").await;
    assert_eq!(
        (reloaded.status, &reloaded.json()["removed"]),
        (200, &json!(["verbs"])),
        "{}",
        reloaded.text()
    );
    let [death] = &deaths(&server).await[..] else { panic!("not one death") };
    assert_eq!((&death["pool"], &death["signature"]), (&json!("verbs"), &json!("exit code 3")));
    let all = server.order_by("GET", "/v1/deaths?pool=verbs").await.json();
    assert_eq!(all["deaths"][0]["id"], death["id"]);
}

#[tokio::test]
async fn a_death_at_a_deadline_has_the_fingerprint_of_its_payload_and_nothing_is_held_against_that() {
    let pool = served::verbs(1, "grace = \"10ms\"\nstack_at_deadline = false");
    let server = Server::with_config(&format!("{TAKES_ORDERS}\n{pool}")).await;
    let path = "/v1/pools/verbs/jobs?timeout=300ms";
    let mut fingerprints = Vec::new();
    for verb in [Verb::Spin, Verb::Spin, Verb::Burn(600_000)] {
        let input = serde_json::to_string(&verb).unwrap();
        let late = http::post(server.address(), path, &input).await;
        let death = eventually("the death of its worker", async || {
            let all = deaths(&server).await;
            all.into_iter().find(|death| death["job"].as_str() == late.header("job-id"))
        })
        .await;
        assert_eq!((&death["cause"], &death["payload"]["deaths"]), (&json!("timed_out"), &json!(0)));
        fingerprints.push(death["payload"]["fingerprint"].as_str().expect("a fingerprint").to_owned());
    }
    assert_eq!(fingerprints[0], fingerprints[1]);
    assert_ne!(fingerprints[0], fingerprints[2]);
}

#[tokio::test]
async fn a_worker_that_does_not_get_ready_in_time_is_remembered_with_the_reason_and_its_last_lines() {
    let scratch = Scratch::new();
    let (flag, verbs) = (scratch.path().join("started"), binary("verbs"));
    let script = format!(
        "if [ -e {flag} ]; then echo stuck in the mud >&2; exec sleep 1000; fi; touch {flag}; exec {verbs}",
        flag = flag.display(),
        verbs = verbs.display()
    );
    let server = Server::with_config(&format!(
        "{TAKES_ORDERS}\n[pools.verbs]\ncommand = [\"/bin/sh\", \"-c\", \"{script}\"]\nmin_workers = 1\n\
         max_workers = 1\nstart_timeout = \"5s\"\n"
    ))
    .await;
    process::kill(server.workers("verbs").await[0]);
    let death = eventually("a start that failed", async || {
        deaths(&server).await.into_iter().find(|death| death["cause"] == "start")
    })
    .await;
    assert_eq!(death["stderr"], json!(["stuck in the mud"]));
    let error = death["error"].as_str().unwrap();
    assert!(error.contains("killed for not being introduced within 5s"), "{error}");
    assert_eq!(death["summary"], error);
    assert!(death["signature"].as_str().unwrap().starts_with("start failed: "), "{death}");
    assert!(death["pid"].as_u64() > Some(0));
}

#[tokio::test]
async fn what_a_living_worker_writes_is_shown_with_its_job_and_gone_with_the_worker() {
    let server = server("", "").await;
    let logs = async || server.order_by("GET", "/v1/workers/verbs-0/logs").await;
    assert_eq!(logs().await.json()["lines"], json!([]));
    let said = server.perform(&Verb::Shell("echo one >&2; echo two >&2".into())).await;
    assert_eq!(said.status, 200, "{}", said.text());
    // They are read before the end of their job counts.
    let shown = logs().await.json();
    let lines: Vec<_> = shown["lines"].as_array().unwrap().iter().map(|line| &line["text"]).collect();
    assert_eq!(lines, [&json!("one"), &json!("two")], "{shown}");
    for line in shown["lines"].as_array().unwrap() {
        assert_eq!((line["job"].as_str(), &line["stream"]), (said.header("job-id"), &json!("stderr")));
    }
    assert_eq!(server.perform(&last_words("out of cheese")).await.status, 502);
    let gone = logs().await;
    assert_eq!((gone.status, kind(&gone).as_str()), (410, "/problems/worker_gone"), "{}", gone.text());
    let death = server.order_by("GET", gone.problem()["death"].as_str().unwrap()).await.json();
    assert_eq!(death["stderr"], json!(["out of cheese"]));
    let unknown = server.order_by("GET", "/v1/workers/verbs-9/logs").await;
    assert_eq!((unknown.status, &unknown.problem()["known"]), (404, &json!(["verbs-1"])));
}

fn kind(answer: &Answer) -> String {
    answer.problem()["type"].as_str().unwrap_or_default().to_owned()
}
