//! Logs are for people, and people go away: nothing depends on anybody reading them.

use procpool_tests::eventually;
use procpool_tests::http::get;
use procpool_tests::library::echo;
use procpool_tests::served::verbs;
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;
use tokio::io::{AsyncBufReadExt, BufReader};

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
    procpool_tests::process::signal(server.pid(), rustix::process::Signal::TERM);
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
    procpool_tests::process::signal(server.pid(), rustix::process::Signal::TERM);
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
