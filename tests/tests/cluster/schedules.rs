//! Schedules of pools of a cluster: each server has them, each may die, and each run is one job.

use crate::stage::{Stage, accepted, ended, lines, log};
use procpool_tests::binaries::binary;
use procpool_tests::eventually;
use procpool_tests::http::get;
use procpool_tests::process::signal;
use procpool_tests::server::{Scratch, Server, TAKES_ORDERS};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::process::Command;

/// Starts a server with schedules, and with orders.
async fn front(stage: &Stage, more: &str) -> Server {
    let config = format!("{TAKES_ORDERS}{}", stage.config(more));
    Server::by_command(Command::new(binary("procpool")), Scratch::new(), &config).await
}

/// Returns a schedule of a pool, each run of which writes this line.
fn schedule(stage: &Stage, (name, pool): (&str, &str), cron: &str, rules: &str) -> String {
    let input = serde_json::to_string(&log(stage, name, 0)).unwrap();
    let file = stage.scratch.write(&format!("{name}.json"), &input);
    format!("[schedules.{name}]\ncron = {cron:?}\npool = {pool:?}\ninput_file = {file:?}\n{rules}\n")
}

/// Returns a schedule as a server shows it.
async fn shown(front: &Server, name: &str) -> Value {
    let answer = get(front.address(), "/v1/schedules").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let all = answer.json()["schedules"].as_array().expect("a list").clone();
    all.into_iter().find(|it| it["name"] == name).expect("the schedule")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn runs(stage: &Stage, name: &str) -> usize {
    lines(stage).iter().filter(|line| *line == name).count()
}

#[tokio::test]
async fn servers_that_are_killed_submit_each_run_once() {
    const RUNS: u64 = 24;
    let Some(stage) = Stage::start().await else { return };
    let _node = stage.node().await;
    // The seconds of one minute. The schedule is there before any server is.
    let soon = now() + 5;
    let first = if soon % 60 + RUNS > 60 { soon - soon % 60 + 60 } else { soon };
    let (minute, hour) = (first / 60 % 60, first / 3600 % 24);
    let cron = format!("{}-{} {minute} {hour} * * *", first % 60, first % 60 + RUNS - 1);
    let entry = json!({ "done": first - 1, "left_out": 0, "pool": "once", "sent": true });
    publish(stage.port, "pp.procpool.c.tick", &entry.to_string());
    let more = schedule(&stage, ("tick", "once"), &cron, "overlap = \"queue\"\nmissed = \"all\"");
    let mut fronts = [front(&stage, &more).await, front(&stage, &more).await];
    eventually("the first second", async || (now() >= first).then_some(())).await;
    for (nth, count) in [2, 5, 8, 11, 14, 17].into_iter().enumerate() {
        eventually("runs", async || (runs(&stage, "tick") >= count).then_some(())).await;
        let killed = &mut fronts[nth % 2];
        signal(killed.pid(), Signal::KILL);
        killed.ended().await;
        *killed = front(&stage, &more).await;
    }
    let count = usize::try_from(RUNS).unwrap();
    eventually("all runs", async || (runs(&stage, "tick") >= count).then_some(())).await;
    // Both have looked at the schedule since, and agree.
    for front in &fronts {
        eventually("the last run", async || {
            let tick = shown(front, "tick").await;
            (tick["last"]["outcome"] == "ok" && tick["left_out"] == 0).then_some(())
        })
        .await;
        // A job that came after any further run.
        let path = accepted(front, "once", &log(&stage, "after", 0)).await;
        assert_eq!(ended(front, &path).await["outcome"], "ok");
    }
    assert_eq!(runs(&stage, "tick"), count);
}

#[tokio::test]
async fn a_run_that_a_dead_server_has_noted_becomes_its_job_under_the_same_id() {
    let Some(stage) = Stage::start().await else { return };
    let _node = stage.node().await;
    let more = schedule(&stage, ("rare", "once"), "0 0 1 1 *", "");
    let id = "019a1c2e5b007d3f8a1b2c3d4e5f6071";
    let at = now();
    // As a server leaves it that dies before it submits the job.
    let last = json!({ "at": at, "job": id });
    let entry = json!({ "done": at, "left_out": 0, "last": last, "pool": "once", "sent": false });
    publish(stage.port, "pp.procpool.c.rare", &entry.to_string());
    let fronts = [front(&stage, &more).await, front(&stage, &more).await];
    for front in &fronts {
        let last = eventually("its end", async || {
            let last = shown(front, "rare").await["last"].clone();
            (last["state"] == "finished").then_some(last)
        })
        .await;
        assert_eq!((&last["job"], &last["outcome"]), (&json!(id), &json!("ok")));
    }
    // As one leaves it that dies before it marks the job as submitted.
    publish(stage.port, "pp.procpool.c.rare", &entry.to_string());
    let path = accepted(&fronts[0], "once", &log(&stage, "after", 0)).await;
    assert_eq!(ended(&fronts[0], &path).await["outcome"], "ok");
    // A run by hand follows that one, on any server.
    let answer = fronts[1].order("/v1/schedules/rare/run").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let by_hand = answer.json()["job"].clone();
    for front in &fronts {
        eventually("its end", async || {
            let last = shown(front, "rare").await["last"].clone();
            (last["job"] == by_hand && last["outcome"] == "ok").then_some(())
        })
        .await;
    }
    assert_eq!(runs(&stage, "rare"), 2, "the first one has run once");
}

#[tokio::test]
async fn schedules_of_the_cluster_wait_for_its_servers_and_others_do_not() {
    let Some(mut stage) = Stage::start().await else { return };
    let _node = stage.node().await;
    let here = procpool_tests::served::pool("here", &binary("verbs"), 1, "");
    let one = schedule(&stage, ("shared", "again"), "* * * * * *", "overlap = \"queue\"");
    let other = schedule(&stage, ("alone", "here"), "* * * * * *", "overlap = \"queue\"");
    let front = front(&stage, &format!("{here}{one}{other}")).await;
    let further = async |stage: &Stage, name: &str| {
        let count = runs(stage, name);
        eventually("a further run", async || (runs(stage, name) > count + 1).then_some(())).await;
    };
    further(&stage, "shared").await;
    further(&stage, "alone").await;
    stage.kill_server().await;
    further(&stage, "alone").await;
    let last = shown(&front, "shared").await["last"].clone();
    assert!(last["job"].is_string(), "what was known before: {last}");
    stage.resume();
    further(&stage, "shared").await;
    further(&stage, "alone").await;
}

/// Publishes a message to the server at this port.
fn publish(port: u16, subject: &str, text: &str) {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    let mut writer = stream.try_clone().expect("its other end");
    write!(writer, "CONNECT {{\"verbose\":false}}\r\nPUB {subject} {}\r\n{text}\r\nPING\r\n", text.len())
        .unwrap();
    let mut said = BufReader::new(stream).lines();
    assert!(said.any(|line| line.expect("a line").starts_with("PONG")), "the server has read it");
}
