//! Promise 5: workers never outlive their coordinator, not even mid-loop, not even after `kill -9`.
//!
//! Within two seconds is part of the promise (FAULTS, F04), so here, and nowhere else, a time is asserted.

use procpool_tests::binaries::{binary, workspace};
use procpool_tests::http;
use procpool_tests::languages::node;
use procpool_tests::program::Program;
use procpool_tests::served::{gone, pool};
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, process};
use rustix::process::Signal;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Command;

const PROMISED: Duration = Duration::from_secs(2);

/// Kills the coordinator and holds the promise against the clock.
async fn kill_and_see_the_end_of(coordinator: u32, orphans: &[u32]) {
    for &pid in orphans {
        assert!(process::is_alive(pid), "{pid} of {orphans:?} ended before its coordinator");
    }
    let killed = Instant::now();
    process::kill(coordinator);
    gone(orphans).await;
    let took = killed.elapsed();
    assert!(took < PROMISED, "{orphans:?} lived on for {took:?}");
}

/// Has a worker start a process of its own; gives the two process ids, the worker's first.
async fn worker_with_child(server: &Server) -> (u32, u32) {
    let answer = server.perform(&Verb::Grandchild).await;
    let grandchild: u32 = answer.json().as_str().unwrap().parse().unwrap();
    let workers = server.workers("verbs").await;
    let parent = workers.into_iter().find(|&pid| process::children(pid).contains(&grandchild));
    (parent.expect("the worker is the parent"), grandchild)
}

#[tokio::test]
async fn idle_and_spinning_and_stopped_workers_end_with_a_killed_server() {
    let server = Server::of_verbs(4, "").await;
    let _jobs = [server.begin(&Verb::Spin).await, server.begin(&Verb::Spin).await];
    let busy = server.busy("verbs", 2).await;
    let (parent, grandchild) = worker_with_child(&server).await;
    assert!(!busy.contains(&parent));
    let mut all = server.workers("verbs").await;
    assert_eq!(all.len(), 4);
    all.push(grandchild);

    process::signal(busy[0], Signal::STOP);
    kill_and_see_the_end_of(server.pid(), &all).await;
}

#[tokio::test]
async fn the_children_of_a_stopped_worker_end_with_a_killed_server() {
    let server = Server::of_verbs(1, "").await;
    let (worker, grandchild) = worker_with_child(&server).await;
    process::signal(worker, Signal::STOP);
    kill_and_see_the_end_of(server.pid(), &[worker, grandchild]).await;
}

#[tokio::test]
async fn the_children_of_a_spinning_worker_end_with_a_killed_server() {
    let server = Server::of_verbs(1, "").await;
    let (worker, grandchild) = worker_with_child(&server).await;
    let _job = server.begin(&Verb::Spin).await;
    server.busy("verbs", 1).await;
    kill_and_see_the_end_of(server.pid(), &[worker, grandchild]).await;
}

#[tokio::test]
async fn workers_end_with_a_server_that_is_stopped_and_then_killed() {
    let server = Server::of_verbs(2, "").await;
    let _job = server.begin(&Verb::Spin).await;
    server.busy("verbs", 1).await;
    let workers = server.workers("verbs").await;
    process::signal(server.pid(), Signal::STOP);
    kill_and_see_the_end_of(server.pid(), &workers).await;
}

#[tokio::test]
async fn a_template_and_its_forks_end_with_a_killed_server() {
    let server = Server::of_verbs(2, "fork = true").await;
    let _job = server.begin(&Verb::Spin).await;
    let busy = server.busy("verbs", 1).await;
    process::watched_over(server.pid(), 3).await;
    let all = process::children(server.pid());
    assert_eq!(all.len(), 3, "a template and two workers");
    let workers = server.workers("verbs").await;
    let template = all.iter().copied().find(|pid| !workers.contains(pid)).unwrap();
    let idle = workers.iter().copied().find(|pid| !busy.contains(pid)).unwrap();
    for stopped in [template, idle] {
        process::signal(stopped, Signal::STOP);
    }
    kill_and_see_the_end_of(server.pid(), &all).await;
}

#[tokio::test]
async fn a_template_that_never_gets_ready_ends_with_a_killed_server() {
    let config = pool("rooted", &binary("rooted"), 0, "fork = true").replace("\"]", "\", \"hang\"]");
    let server = Server::with_config(&config.replace("max_workers = 0", "max_workers = 1")).await;
    let _job = http::open(server.address(), "POST", "/v1/pools/rooted/jobs", &[], b"\"\"").await;
    let template = eventually("a template in its loop", async || spinning_child(server.pid())).await;
    kill_and_see_the_end_of(server.pid(), &[template]).await;
}

#[tokio::test]
async fn workers_end_with_a_killed_service_that_uses_the_library() {
    let service = Program::example("web_server").await;
    let _job = http::open(service.address, "GET", "/compute", &[], b"").await;
    let spinning = eventually("a worker in its loop", async || spinning_child(service.pid())).await;
    let workers = process::children(service.pid());
    assert!(workers.contains(&spinning));
    kill_and_see_the_end_of(service.pid(), &workers).await;
}

#[tokio::test]
async fn the_one_worker_of_run_once_ends_with_its_killed_caller() {
    let scratch = Scratch::new();
    let mut command = Command::new(binary("examples/fib"));
    command.env("TMPDIR", scratch.path()).env_remove("XDG_RUNTIME_DIR");
    let caller = command.stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
    let pid = caller.id().unwrap();
    let worker = eventually("a worker in its loop", async || spinning_child(pid)).await;
    kill_and_see_the_end_of(pid, &[worker]).await;
}

/// Scripts that start a child, tell its process id, and compute for ever, so that they never serve.
const PYTHON_BEFORE_SERVE: &str = "import subprocess, sys
child = subprocess.Popen([\"/bin/sleep\", \"1000\"])
with open(sys.argv[1], \"w\") as told:
    told.write(f\"{child.pid}\\n\")
while True:
    pass
";
const NODE_BEFORE_SERVE: &str = "const child = require('node:child_process').spawn('/bin/sleep', ['1000']);
require('node:fs').writeFileSync(process.argv[2], `${child.pid}\\n`);
for (;;);
";

/// Starts a worker of this script, and expects that it and its child end with the server.
async fn ends_before_it_serves(interpreter: &str, script: &str) {
    let scratch = Scratch::new();
    let (script, told) = (scratch.write("worker.txt", script), scratch.path().join("told.txt"));
    let config = format!(
        "[pools.loop]\ncommand = [{interpreter:?}, {script:?}, {told:?}]\nmin_workers = 0\nmax_workers = 1\n"
    );
    let server = Server::with_config(&config).await;
    let _job = http::open(server.address(), "POST", "/v1/pools/loop/jobs", &[], b"1").await;
    let child = eventually("the script's child", async || {
        std::fs::read_to_string(&told).ok()?.strip_suffix('\n')?.parse::<u32>().ok()
    });
    let child = child.await;
    let is_parent = |pid: &u32| process::children(*pid).contains(&child);
    let worker =
        process::children(server.pid()).into_iter().find(is_parent).expect("the worker is the parent");
    process::watched_over(server.pid(), 1).await;
    kill_and_see_the_end_of(server.pid(), &[worker, child]).await;
}

#[tokio::test]
async fn a_worker_in_python_that_computes_before_it_serves_ends_with_a_killed_server() {
    ends_before_it_serves("python3", PYTHON_BEFORE_SERVE).await;
}

#[tokio::test]
async fn a_worker_in_node_that_computes_before_it_serves_ends_with_a_killed_server() {
    if let Some(node) = node() {
        ends_before_it_serves(&node, NODE_BEFORE_SERVE).await;
    }
}

/// Node cannot ask to be continued when its parent dies.
#[tokio::test]
async fn a_stopped_worker_in_node_and_its_child_end_with_a_killed_server() {
    let Some(node) = node() else { return };
    let fixture = workspace().join("sdk/node/test/conformance-fixture.js");
    let config =
        format!("[pools.node]\ncommand = [{node:?}, {fixture:?}]\nmin_workers = 1\nmax_workers = 1\n");
    let server = Server::with_config(&config).await;
    let answer = http::post(server.address(), "/v1/pools/node/jobs", r#"{"op":"child"}"#).await;
    let child: u32 = answer.text().parse().expect("a process id");
    // One that is idle and stopped would be replaced.
    let spin = br#"{"op":"spin","ms":600000}"#;
    let _job = http::open(server.address(), "POST", "/v1/pools/node/jobs", &[], spin).await;
    let worker = server.busy("node", 1).await[0];
    process::watched_over(server.pid(), 1).await;
    process::signal(worker, Signal::STOP);
    kill_and_see_the_end_of(server.pid(), &[worker, child]).await;
}

/// Returns a child whose guard is at its post while its main thread is on a processor.
fn spinning_child(pid: u32) -> Option<u32> {
    let is_guarded =
        |&pid: &u32| std::fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|it| it.count() > 1);
    process::children(pid).into_iter().filter(is_guarded).find(|&child| process::state(child) == Some('R'))
}
