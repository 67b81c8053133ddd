//! The other state that a worker inherits of its server, or does not: signals, session, environment, limits.

use procpool_tests::binaries::binary;
use procpool_tests::served::verbs;
use procpool_tests::server::{Scratch, Server, shell};
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, http, process};
use rustix::process::Signal;
use tokio::process::Command;

/// The bit of SIGPIPE, which Rust's runtime ignores in every program.
const SIGPIPE: u64 = 1 << (13 - 1);

/// Returns a server of one worker, started in this way.
async fn server(command: Command) -> Server {
    let server = Server::by_command(command, Scratch::new(), &verbs(1, "")).await;
    server.idle("verbs", 1).await;
    server
}

/// Returns a set of signals in `/proc/<pid>/status`.
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

/// Returns the soft and the hard limit of open files of a process.
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

#[tokio::test]
async fn a_server_that_was_started_with_its_stop_signals_blocked_ends_by_them() {
    for stop in [Signal::TERM, Signal::INT] {
        let mut command = Command::new("/usr/bin/env");
        command.arg("--block-signal=TERM,INT,HUP").arg(binary("procpool"));
        let mut server = server(command).await;
        process::signal(server.pid(), stop);
        assert!(server.ended().await.success());
    }
}

/// The state that a worker has of its server, but for its own: signals, descriptors, environment.
#[derive(Debug, PartialEq, Eq)]
struct State {
    signals: Vec<String>,
    open: Vec<String>,
    environment: Vec<u8>,
    leads: bool,
}

impl State {
    fn of(pid: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let signals = status.lines().filter(|line| line.starts_with("Sig") || line.starts_with("NoNewPrivs"));
        let kind = |target: String| target.split(':').next().unwrap_or_default().to_owned();
        Some(Self {
            signals: signals.filter(|line| !line.starts_with("SigQ")).map(str::to_owned).collect(),
            open: process::open_files(pid).into_iter().map(kind).collect(),
            environment: std::fs::read(format!("/proc/{pid}/environ")).ok()?,
            leads: process::session(pid) == Some(pid) && process::group(pid) == Some(pid),
        })
    }
}

/// Returns the idle worker with at least this number: which one it is, and its state.
async fn idle_from(server: &Server, number: u64) -> (u64, State) {
    eventually("an idle worker", async || {
        let answer = http::get(server.address(), "/v1/pools/verbs/workers").await.json();
        let idle = answer["workers"].as_array()?.iter().find(|worker| worker["state"] == "idle")?.clone();
        let its_number = idle["id"].as_str()?.rsplit_once('-')?.1.parse().ok()?;
        let state = State::of(u32::try_from(idle["pid"].as_u64()?).ok()?)?;
        (its_number >= number).then_some((its_number, state))
    })
    .await
}

#[tokio::test]
async fn the_thousandth_worker_is_born_as_the_first_one_was() {
    const STARTS: u64 = 1000;
    let mut command = Command::new("/usr/bin/env");
    command.args(["--block-signal=USR1", "--ignore-signal=CHLD"]).arg(binary("procpool"));
    let server = Server::by_command(command, Scratch::new(), &verbs(1, "process_per_job = true")).await;
    let (_, first) = idle_from(&server, 0).await;
    for _ in 0..STARTS {
        assert_eq!(server.perform(&Verb::Echo("next".into())).await.text(), "\"next\"");
    }
    let (number, last) = idle_from(&server, STARTS).await;
    assert_eq!(last, first, "worker {number}");
    assert!(first.leads);
    assert_eq!(first.open, ["/dev/null", "pipe", "pipe", "socket", "socket"]);
}
