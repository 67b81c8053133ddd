//! Jobs of a cluster that fail and are tried again, over HTTP.

use crate::stage::{Stage, accepted, ended, workers};
use procpool_tests::binaries::binary;
use procpool_tests::eventually;
use procpool_tests::http::get;
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::Verb;
use rustix::process::Signal;
use tokio::process::Command;

#[tokio::test]
async fn a_job_that_kills_two_workers_is_tried_again_on_the_host_that_is_left() {
    let Some(stage) = Stage::start().await else { return };
    let retry = "max_attempts = 1\nretry = { max_attempts = 3, first = \"4s\", factor = 1 }";
    let config = stage.config("").replace("max_attempts = 5", retry);
    let file = stage.scratch.write("retry.toml", &config);
    let front = Server::by_command(Command::new(binary("procpool")), Scratch::new(), &config).await;
    let mut node = stage.node_of(&file).await;
    let runs = stage.scratch.path().join("runs").display().to_string();
    let line = format!("echo $PPID >> {runs}; test $(wc -l < {runs}) -ge 3 || kill -9 $PPID; sleep 0.2");
    let path = accepted(&front, "again", &Verb::Shell(line)).await;
    let waits = eventually("the end of its first attempt", async || {
        let job = get(front.address(), &path).await.json();
        (job["state"] == "queued" && job["attempt"] == 1).then_some(job)
    })
    .await;
    assert_eq!(waits["may_have_run"], true, "{waits}");
    let run_at = waits["run_at"].as_str().expect("a time").to_owned();
    node.signal(Signal::KILL);
    node.ended().await;
    let _next = stage.node_of(&file).await;
    let done = ended(&front, &path).await;
    assert_eq!((&done["outcome"], &done["attempt"]), (&"ok".into(), &3.into()), "{done}");
    assert!(done["finished_at"].as_str() >= Some(run_at.as_str()), "{done} before {run_at}");
    assert_eq!(workers(&stage, "runs").len(), 3);
}
