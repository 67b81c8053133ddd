//! The end of `procpool serve`: what was accepted is finished, and nothing is left behind.

use procpool_tests::http::{self, get};
use procpool_tests::served::{gone, verbs};
use procpool_tests::server::{Scratch, Server};
use procpool_tests::terminal::Terminal;
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, process};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::net::TcpStream;

const STOPS: [(Signal, i32); 2] = [(Signal::INT, 130), (Signal::TERM, 143)];

/// Waits until nobody listens there: the drain has begun.
async fn closed(address: SocketAddr) {
    let refused = async || TcpStream::connect(address).await.is_err().then_some(());
    eventually("the port to be closed", refused).await;
}

/// Nothing is there that a server has made: no process, dead or alive, no socket, no directory.
fn assert_nothing_left(server: &Server, workers: &[u32]) {
    for &pid in workers {
        assert_eq!(process::state(pid), None, "worker {pid} was not reaped");
    }
    assert_eq!(server.scratch.leftovers(), [] as [PathBuf; 0]);
}

#[tokio::test]
async fn a_running_job_and_a_queued_one_are_finished_before_the_server_ends() {
    for (stop, _) in STOPS {
        let mut server = Server::of_verbs(1, "").await;
        let go = server.scratch.path().join("go.txt");
        let running = server.begin(&Verb::WaitFor(go.display().to_string())).await;
        let workers = server.busy("verbs", 1).await;
        let queued = server.begin(&Verb::Echo("me too".into())).await;
        eventually("a queued job", async || (server.pool("verbs").await["queued"] == 1).then_some(())).await;

        process::signal(server.pid(), stop);
        closed(server.address()).await;
        assert!(process::is_alive(workers[0]));
        std::fs::write(&go, "").unwrap();
        let (running, queued) = (http::finish(running).await.unwrap(), http::finish(queued).await.unwrap());
        assert_eq!((running.status, running.json()), (200, go.to_str().unwrap().into()));
        assert_eq!((queued.status, queued.text()), (200, "\"me too\""));
        assert_eq!(server.ended().await.code(), Some(0), "{stop:?}");
        assert_nothing_left(&server, &workers);
    }
}

#[tokio::test]
async fn an_idle_server_ends_with_0_and_leaves_nothing() {
    for (stop, _) in STOPS {
        let mut server = Server::start().await;
        let mut workers = Vec::new();
        for pool in ["compute", "fib", "ping"] {
            workers.extend(server.workers(pool).await);
        }
        assert_eq!(workers.len(), 3);
        process::signal(server.pid(), stop);
        assert_eq!(server.ended().await.code(), Some(0), "{stop:?}");
        assert_nothing_left(&server, &workers);
    }
}

#[tokio::test]
async fn a_connection_that_is_only_kept_open_does_not_hold_up_the_end() {
    let mut server = Server::of_verbs(1, "").await;
    let _silent = TcpStream::connect(server.address()).await.unwrap();
    assert_eq!(get(server.address(), "/livez").await.status, 200);
    process::signal(server.pid(), Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_second_signal_is_immediate_and_leaves_nothing_either() {
    for (stop, code) in STOPS {
        let mut server = Server::of_verbs(2, "").await;
        let running = server.begin(&Verb::Spin).await;
        server.busy("verbs", 1).await;
        let workers = server.workers("verbs").await;
        process::signal(server.pid(), stop);
        closed(server.address()).await;
        process::signal(server.pid(), stop);
        assert_eq!(server.ended().await.code(), Some(code));
        // Cut off, unless the news of the job's end was faster.
        if let Ok(answer) = http::finish(running).await {
            assert_eq!((answer.status, &answer.problem()["outcome"]), (503, &"shut_down".into()));
        }
        gone(&workers).await;
        assert_nothing_left(&server, &workers);
    }
}

#[tokio::test]
async fn the_drain_limit_ends_jobs_as_shut_down_and_tells_their_clients() {
    let config = format!("[server]\ndrain_limit = \"300ms\"\n{}", verbs(1, ""));
    let mut server = Server::with_config(&config).await;
    let running = server.begin(&Verb::Spin).await;
    let workers = server.busy("verbs", 1).await;
    let queued = server.begin(&Verb::Echo("too late".into())).await;
    eventually("a queued job", async || (server.pool("verbs").await["queued"] == 1).then_some(())).await;
    process::signal(server.pid(), Signal::TERM);

    let running = http::finish(running).await.unwrap();
    let problem = running.problem();
    assert_eq!((running.status, running.header("retry-after")), (503, None), "it may have run");
    assert_eq!((&problem["outcome"], &problem["stage"]), (&"shut_down".into(), &"running".into()));
    let queued = http::finish(queued).await.unwrap();
    let problem = queued.problem();
    assert_eq!((queued.status, queued.header("retry-after")), (503, Some("1")), "it cannot have run");
    assert_eq!((&problem["outcome"], &problem["stage"]), (&"shut_down".into(), &"queued".into()));
    assert_eq!(server.ended().await.code(), Some(0));
    assert_nothing_left(&server, &workers);
}

#[tokio::test]
async fn a_request_on_an_open_connection_is_not_accepted_while_draining() {
    let mut server = Server::of_verbs(1, "").await;
    let go = server.scratch.path().join("go.txt");
    let running = server.begin(&Verb::WaitFor(go.display().to_string())).await;
    server.busy("verbs", 1).await;
    let mut kept = TcpStream::connect(server.address()).await.unwrap();
    process::signal(server.pid(), Signal::TERM);
    closed(server.address()).await;
    // A request that arrives now: the connection is closed, or says that it will not take the job.
    let request =
        b"POST /v1/pools/verbs/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n\"pid\"";
    let _ = tokio::io::AsyncWriteExt::write_all(&mut kept, request).await;
    if let Ok(answer) = http::finish(kept).await {
        assert_eq!(answer.status, 503, "{}", answer.text());
    }
    std::fs::write(&go, "").unwrap();
    assert_eq!(http::finish(running).await.unwrap().status, 200);
    assert_eq!(server.ended().await.code(), Some(0));
}

#[tokio::test]
async fn a_worker_that_is_killed_during_the_drain_costs_only_its_job() {
    let mut server = Server::of_verbs(1, "").await;
    let running = server.begin(&Verb::Spin).await;
    let workers = server.busy("verbs", 1).await;
    let queued = server.begin(&Verb::Echo("still served".into())).await;
    eventually("a queued job", async || (server.pool("verbs").await["queued"] == 1).then_some(())).await;
    process::signal(server.pid(), Signal::TERM);
    closed(server.address()).await;
    process::kill(workers[0]);
    assert_eq!(http::finish(running).await.unwrap().status, 502);
    assert_eq!(http::finish(queued).await.unwrap().text(), "\"still served\"");
    assert_eq!(server.ended().await.code(), Some(0));
    assert_nothing_left(&server, &workers);
}

/// Returns a server of one worker in the foreground of a terminal.
async fn in_a_terminal(terminal: &Terminal, shell: &str) -> Server {
    let server = Server::by_command(terminal.command(shell), Scratch::new(), &verbs(1, "")).await;
    server.idle("verbs", 1).await;
    server
}

#[tokio::test]
async fn a_server_whose_terminal_is_closed_finishes_its_jobs_and_ends() {
    for shell in [
        "exec env --default-signal=HUP \"$0\" \"$@\"",
        "exec env --default-signal=HUP \"$0\" \"$@\" < /dev/null 2> /dev/null",
    ] {
        let terminal = Terminal::open();
        let mut server = in_a_terminal(&terminal, shell).await;
        let go = server.scratch.path().join("go.txt");
        let running = server.begin(&Verb::WaitFor(go.display().to_string())).await;
        let workers = server.busy("verbs", 1).await;

        drop(terminal);
        closed(server.address()).await;
        // A shell tells its children again what the terminal has told them.
        process::signal(server.pid(), Signal::HUP);
        process::signal(server.pid(), Signal::HUP);
        std::fs::write(&go, "").unwrap();
        assert_eq!(http::finish(running).await.unwrap().status, 200, "{shell}");
        assert_eq!(server.ended().await.code(), Some(0), "{shell}");
        assert_nothing_left(&server, &workers);
    }
}

#[tokio::test]
async fn a_stop_signal_after_a_closed_terminal_is_immediate() {
    let terminal = Terminal::open();
    let mut server = in_a_terminal(&terminal, "exec env --default-signal=HUP \"$0\" \"$@\"").await;
    let _running = server.begin(&Verb::Spin).await;
    server.busy("verbs", 1).await;
    drop(terminal);
    closed(server.address()).await;
    process::signal(server.pid(), Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(143));
}

#[tokio::test]
async fn a_server_that_ignores_the_end_of_its_terminal_serves_on_without_a_reload() {
    let terminal = Terminal::open();
    let mut server = in_a_terminal(&terminal, "exec env --ignore-signal=HUP \"$0\" \"$@\"").await;
    drop(terminal);
    process::signal(server.pid(), Signal::HUP);
    assert_eq!(server.perform(&Verb::Echo("as before".into())).await.text(), "\"as before\"");
    assert_eq!(server.pool("verbs").await["generation"], 0);
    process::signal(server.pid(), Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0));
}
