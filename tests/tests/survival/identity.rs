//! F27, F44: which descriptors a worker has, and who is taken for a worker.

use procpool_protocol::frame::Kind;
use procpool_protocol::handshake::{Connection, Hello, Mode};
use procpool_protocol::message::json_frame;
use procpool_protocol::preamble::Preamble;
use procpool_tests::library::{idle, verbs};
use procpool_tests::process;
use procpool_tests::served::misbehaving;
use procpool_tests::server::Server;
use std::collections::BTreeSet;
use std::path::Path;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::process::ChildStderr;

#[tokio::test]
async fn eight_workers_that_start_at_once_share_no_descriptor() {
    let pool = verbs(8).start().await.unwrap();
    idle(&pool, 8).await;
    let mut all = Vec::new();
    for pid in pool.workers().iter().filter_map(|worker| worker.pid) {
        let open = process::open_files(pid);
        let kinds: Vec<_> = open.iter().map(|target| target.split(':').next().unwrap()).collect();
        // Standard input, output and error; jobs and control. Its page is open no more when it is mapped.
        assert_eq!(kinds, ["pipe", "pipe", "pipe", "socket", "socket"], "{open:?}");
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let inode = |line: &str| line.split_whitespace().nth(4).unwrap().to_owned();
        let pages: Vec<_> =
            maps.lines().filter(|line| line.contains("/memfd:procpool-page")).map(inode).collect();
        assert_eq!(pages.len(), 1, "{maps}");
        all.extend(open);
        all.extend(pages);
    }
    let different: BTreeSet<_> = all.iter().collect();
    assert_eq!((all.len(), different.len()), (48, 48), "{all:?}");
}

/// Reads logs until a line has these words.
async fn logged(logs: ChildStderr, words: &str) {
    let mut lines = BufReader::new(logs).lines();
    let search = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains(words) {
                return;
            }
        }
        panic!("the logs ended without `{words}`");
    };
    let found = tokio::time::timeout(procpool_tests::PATIENCE, search).await;
    found.unwrap_or_else(|_| panic!("nothing was logged with `{words}`"));
}

#[tokio::test]
async fn a_connection_that_comes_late_or_twice_or_from_elsewhere_is_refused_and_logged() {
    let ways = [
        ("bequeath_token", "this token is not expected, or not any more"),
        ("same_connection_twice", "this token was used for such a connection already"),
        ("lend_token", "the token belongs to another process"),
        ("wrong_token", "this token is not expected, or not any more"),
        ("garbage_for_hello", "turned a connection away"),
    ];
    for (how, words) in ways {
        let (server, logs) = Server::with_logs(&misbehaving(&[how], "")).await;
        let _job = server.begin(&procpool_tests::verbs::Verb::Pid).await;
        logged(logs, words).await;
        assert_eq!(procpool_tests::http::get(server.address(), "/livez").await.status, 200, "{how}");
    }
}

/// The socket of a server.
fn socket(server: &Server) -> std::path::PathBuf {
    server.scratch.leftovers()[0].join("s")
}

/// What the server says to a stranger who connects and sends this.
async fn reply(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut reply = Vec::new();
    let read = tokio::time::timeout(procpool_tests::PATIENCE, stream.read_to_end(&mut reply)).await;
    read.expect("it hangs up").unwrap();
    String::from_utf8_lossy(&reply).into_owned()
}

#[tokio::test]
async fn a_stranger_is_turned_away_and_the_pool_does_not_notice() {
    let server = Server::of_verbs(1, "").await;
    let hello = Hello {
        connection: Connection::Jobs,
        token: "0".repeat(32),
        pid: std::process::id(),
        job: "verbs".into(),
        contract: 1,
        schema_hash: None,
        modes: vec![Mode::Jobs],
        sdk: "stranger".into(),
        build: None,
        page: false,
        arenas: false,
    };
    let hello = json_frame(Kind::Hello, &hello).unwrap().to_bytes();
    let reply = reply(&socket(&server), &[&Preamble::ours().to_bytes()[..], &hello].concat()).await;
    assert!(reply.contains("this token is not expected"), "{reply}");
    assert_eq!(server.perform(&procpool_tests::verbs::Verb::Echo("mine".into())).await.text(), "\"mine\"");
    assert_eq!(server.pool("verbs").await["deaths"], 0);
}
