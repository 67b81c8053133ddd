//! What else a worker inherits of its server, and what not: signals, session, environment, limits.

use procpool_tests::binaries::binary;
use procpool_tests::process;
use procpool_tests::served::verbs;
use procpool_tests::server::{Scratch, Server, shell};
use procpool_tests::verbs::Verb;
use tokio::process::Command;

/// The bit of SIGPIPE, which Rust's runtime ignores in every program.
const SIGPIPE: u64 = 1 << (13 - 1);

/// A server of one worker, started in this way.
async fn server(command: Command) -> Server {
    let server = Server::by_command(command, Scratch::new(), &verbs(1, "")).await;
    server.idle("verbs", 1).await;
    server
}

/// A set of signals in `/proc/<pid>/status`.
fn signals(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{status}"));
    u64::from_str_radix(line.trim_start_matches(':').trim(), 16).expect("a set of signals")
}

#[tokio::test]
async fn a_worker_blocks_no_signal_and_ignores_none_whatever_its_server_does() {
    let mut command = Command::new("/usr/bin/env");
    command.args(["--block-signal=TERM,USR1", "--ignore-signal=CHLD,HUP,INT"]).arg(binary("procpool"));
    let server = server(command).await;
    let own = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    assert_ne!((signals(&own, "SigBlk"), signals(&own, "SigIgn") & !SIGPIPE), (0, 0), "{own}");
    for _ in 0..2 {
        let worker = server.workers("verbs").await[0];
        let status = std::fs::read_to_string(format!("/proc/{worker}/status")).unwrap();
        assert_eq!((signals(&status, "SigBlk"), signals(&status, "SigIgn")), (0, SIGPIPE), "{status}");
        process::kill(worker);
        assert_eq!(server.perform(&Verb::Echo("next".into())).await.text(), "\"next\"");
    }
}

#[tokio::test]
async fn a_worker_leads_a_session_and_a_group_of_its_own() {
    let server = Server::of_verbs(2, "").await;
    for worker in server.workers("verbs").await {
        assert_eq!((process::session(worker), process::group(worker)), (Some(worker), Some(worker)));
    }
}

#[tokio::test]
async fn nothing_in_a_workers_environment_speaks_of_procpool() {
    let server =
        server(shell("export PROCPOOL_SOCKET=/a PROCPOOL_COORDINATOR=1 PROCPOOL_LISTEN=127.0.0.1:0")).await;
    let worker = server.workers("verbs").await[0];
    let environment = std::fs::read(format!("/proc/{worker}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    assert!(environment.contains("PATH=") && !environment.contains("PROCPOOL_"), "{environment}");
}

/// The soft and the hard limit of open files of a process.
fn open_files(pid: u32) -> [String; 2] {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).expect("a limit");
    let mut values = line.split_whitespace().map(str::to_owned);
    [values.next().unwrap(), values.next().unwrap()]
}

#[tokio::test]
async fn a_workers_soft_limit_of_open_files_is_the_one_that_its_server_was_started_with() {
    let server = server(shell("ulimit -Sn 512; ulimit -Hn 1024")).await;
    assert_eq!(open_files(server.pid()), ["1024", "1024"]);
    for _ in 0..2 {
        let worker = server.workers("verbs").await[0];
        assert_eq!(open_files(worker), ["512", "1024"]);
        process::kill(worker);
        server.perform(&Verb::Echo("next".into())).await;
    }
}

#[tokio::test]
async fn where_memory_runs_out_the_kernel_takes_a_worker_rather_than_its_server() {
    let score = |pid: u32| {
        let score = std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
        score.trim().parse::<i32>().unwrap()
    };
    let raised = "echo 700 > /proc/$$/oom_score_adj";
    for script in ["true", raised] {
        let server = server(shell(script)).await;
        let (own, worker) = (score(server.pid()), score(server.workers("verbs").await[0]));
        assert_eq!(worker, (own + 500).min(1000), "the server has {own}");
    }
}
