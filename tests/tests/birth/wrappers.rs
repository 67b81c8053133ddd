//! Workers that are started by a program which stays their parent, such as a shell without `exec`.

use procpool_tests::binaries::binary;
use procpool_tests::process;
use procpool_tests::program::{Ended, finish};
use procpool_tests::served::gone;
use procpool_tests::server::{Scratch, Server};
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, http};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;

/// Returns a server whose only worker is a child of a shell; the shell's process id, and the worker's.
async fn wrapped() -> (Server, u32, u32) {
    let line = format!("{}; true", binary("verbs").display());
    let config = format!(
        "[pools.verbs]\ncommand = [\"/bin/sh\", \"-c\", {line:?}]\nmin_workers = 1\nmax_workers = 1\n"
    );
    let server = Server::with_config(&config).await;
    server.idle("verbs", 1).await;
    let (shell, worker) = inside(&server).await;
    (server, shell, worker)
}

async fn inside(server: &Server) -> (u32, u32) {
    let worker = server.perform(&Verb::Pid).await.json().as_str().unwrap().parse().unwrap();
    let shell = server.workers("verbs").await[0];
    assert_eq!(process::children(shell), [worker]);
    (shell, worker)
}

#[tokio::test]
async fn a_worker_inside_a_wrapper_does_its_jobs_and_is_replaced_with_it() {
    let (server, shell, worker) = wrapped().await;
    let group = Pid::from_raw(i32::try_from(shell).unwrap()).unwrap();
    kill_process_group(group, Signal::KILL).unwrap();
    gone(&[shell, worker]).await;
    let (shell, worker) = inside(&server).await;

    // The wrapper alone, and the worker alone.
    process::kill(shell);
    gone(&[shell, worker]).await;
    let (shell, worker) = inside(&server).await;
    process::kill(worker);
    gone(&[shell, worker]).await;
    inside(&server).await;
    assert_eq!(server.pool("verbs").await["deaths"], 3);
}

#[tokio::test]
async fn a_killed_worker_inside_a_wrapper_fails_its_own_job_only() {
    let (server, shell, worker) = wrapped().await;
    let (job, busy) = server.begin_spinning("").await;
    assert_eq!(busy, [shell]);
    process::kill(worker);
    let problem = http::finish(job).await.unwrap().problem();
    assert_eq!((&problem["outcome"], &problem["crash"]["pid"]), (&"crashed".into(), &shell.into()));
    inside(&server).await;
}

#[tokio::test]
async fn a_wrapper_and_its_worker_end_with_a_killed_server() {
    for spins in [false, true] {
        let (server, shell, worker) = wrapped().await;
        if spins {
            server.begin_spinning("").await;
        }
        process::kill(server.pid());
        gone(&[shell, worker]).await;
    }
}

#[tokio::test]
async fn wrappers_that_replace_themselves_pass_the_connections_on() {
    for wrapper in
        [&["nice", "-n", "5"][..], &["env", "-i"], &["setsid", "--wait"], &["sh", "-c", "exec \"$0\""]]
    {
        let verbs = binary("verbs").display().to_string();
        let command: Vec<_> = wrapper.iter().copied().chain([verbs.as_str()]).collect();
        let server = Server::with_config(&format!(
            "[pools.verbs]\ncommand = {command:?}\nmin_workers = 1\nmax_workers = 1\n"
        ))
        .await;
        let works =
            async || (server.perform(&Verb::Echo("on".into())).await.text() == "\"on\"").then_some(());
        eventually(&format!("a worker of {wrapper:?}"), works).await;
    }
}

/// As Node's `child_process` and `npx` do.
#[tokio::test]
async fn a_wrapper_that_closes_the_connections_is_named_with_the_way_out() {
    let scratch = Scratch::new();
    let wrapper = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:]))";
    let verbs = binary("verbs").display().to_string();
    let config = format!("[pools.verbs]\ncommand = [\"python3\", \"-c\", {wrapper:?}, {verbs:?}]\n");
    let file = scratch.write("procpool.toml", &config);
    let mut server = Command::new(binary("procpool"));
    server.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(file);
    let Ended { code, stderr, .. } = finish(&mut server).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("a program between closes descriptors 3 and 4"), "{stderr}");
    assert!(stderr.contains("name the interpreter and its script in the command"), "{stderr}");
}
