//! Logs are for people, and people go away: nothing depends on anybody reading them.

use procpool_tests::binaries::binary;
use procpool_tests::eventually;
use procpool_tests::http::get;
use procpool_tests::library::echo;
use procpool_tests::served::{misbehaving, verbs};
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;
use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;

#[tokio::test]
async fn a_log_reader_that_goes_away_costs_nothing() {
    let (mut server, logs) = Server::with_logs(&verbs(1, "poison_deaths = 0")).await;
    drop(logs);
    for _ in 0..3 {
        let crashed = server.perform(&Verb::Abort).await;
        assert_eq!(crashed.status, 502, "{}", crashed.text());
        let answer = server.perform(&echo("on we go")).await;
        assert_eq!((answer.status, answer.text()), (200, "\"on we go\""));
    }
    procpool_tests::process::signal(server.pid(), Signal::TERM);
    assert!(server.ended().await.success());
}

#[tokio::test]
async fn a_log_reader_that_stalls_stops_nothing() {
    let (mut server, logs) = Server::with_logs(&verbs(1, "")).await;
    // A pipe holds 64 KiB, and each of these jobs is told in several lines.
    for _ in 0..1_000 {
        assert_eq!(server.perform(&echo("hello")).await.status, 200);
    }
    assert_eq!(get(server.address(), "/livez").await.status, 200);
    procpool_tests::process::signal(server.pid(), Signal::TERM);
    assert!(server.ended().await.success());
    drop(logs);
}

#[tokio::test]
async fn a_full_server_answers_probes_and_says_in_its_log_that_it_is_full() {
    let config = format!("[server]\nmax_connections = 1\n{}", verbs(1, ""));
    let (server, logs) = Server::with_logs(&config).await;
    let begun = server.scratch.path().join("begun.txt");
    let _job = server.begin(&Verb::SpinOnceBegun(begun.display().to_string())).await;
    eventually("the job to begin", async || begun.exists().then_some(())).await;
    for path in ["/livez", "/readyz"] {
        assert_eq!(get(server.address(), path).await.status, 200);
    }
    assert_eq!(get(server.address(), "/v1/pools").await.status, 503);
    let mut lines = BufReader::new(logs).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        if line.contains("WARN") && line.contains("max_connections") {
            return;
        }
    }
    panic!("the log ended");
}

/// Frames of the flood, each of which `h2` warns of.
const FLOOD: usize = 100_000;

/// Returns the log of a server that is run by this command, and flooded over HTTP/2 with answers to PINGs
/// that it did not send.
async fn log_of_a_flooded_server(command: Command) -> Vec<String> {
    let (mut server, logs) = Server::logging(command, &verbs(1, "")).await;
    let log = tokio::spawn(async {
        let (mut lines, mut log) = (BufReader::new(logs).lines(), Vec::new());
        while let Some(line) = lines.next_line().await.unwrap() {
            log.push(line);
        }
        log
    });
    let mut client = TcpStream::connect(server.address()).await.unwrap();
    let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
    let ping = |flags| [&[0, 0, 8, 6, flags, 0, 0, 0, 0][..], b"procpool"].concat();
    client.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..]].concat()).await.unwrap();
    let acknowledged = ping(1);
    for _ in 0..FLOOD / 1_000 {
        client.write_all(&acknowledged.repeat(1_000)).await.unwrap();
    }
    // The answer to one that is meant comes after all of them.
    client.write_all(&ping(0)).await.unwrap();
    let mut answers = Vec::new();
    while !answers.windows(acknowledged.len()).any(|frame| frame == acknowledged) {
        assert_ne!(client.read_buf(&mut answers).await.unwrap(), 0, "the server gave the connection up");
    }
    procpool_tests::process::signal(server.pid(), Signal::TERM);
    assert!(server.ended().await.success());
    log.await.unwrap()
}

#[tokio::test]
async fn a_client_that_floods_a_connection_with_pongs_writes_nothing_into_the_log() {
    for verbosity in [&[][..], &["-vv"]] {
        let mut command = Command::new(binary("procpool"));
        command.args(verbosity);
        let log = log_of_a_flooded_server(command).await;
        assert!(!log.iter().any(|line| line.contains("h2::") || line.contains("PING")), "{log:?}");
    }
}

#[tokio::test]
async fn a_flood_of_warnings_that_somebody_asked_for_is_bounded_and_counted() {
    let mut command = Command::new(binary("procpool"));
    command.env("RUST_LOG", "warn");
    let log = log_of_a_flooded_server(command).await;
    let (left_out, written): (Vec<_>, Vec<_>) = log
        .iter()
        .filter(|line| line.contains(" h2::") || line.contains("of h2::"))
        .partition(|line| line.starts_with('('));
    let left_out = left_out.iter().map(|line| {
        let words: Vec<_> = line.split(' ').collect();
        assert_eq!(words[1..4], ["more", "lines", "of"], "{line}");
        words[0][1..].parse::<usize>().unwrap()
    });
    assert!(written.len() < FLOOD / 50, "{} lines", written.len());
    assert_eq!(left_out.sum::<usize>() + written.len(), FLOOD, "each line is written or counted");
}

#[tokio::test]
async fn a_worker_that_starts_when_the_server_stops_is_no_failure_in_its_log() {
    let (mut server, mut logs) = Server::with_logs(&misbehaving(&["silent"], "")).await;
    let job = server.begin(&echo("hello")).await;
    let starting = async || (server.pool("verbs").await["workers"]["starting"] == 1).then_some(());
    eventually("a worker that does not come up", starting).await;
    drop(job);
    procpool_tests::process::signal(server.pid(), Signal::TERM);
    assert!(server.ended().await.success());
    let mut log = String::new();
    logs.read_to_string(&mut log).await.unwrap();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("failed to start a worker")).collect();
    assert!(lines.iter().any(|line| line.contains("DEBUG") && line.contains("shut_down")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("WARN")), "{lines:?}");
}
