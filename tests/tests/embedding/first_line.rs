//! The line by which a program that starts the server learns where it listens.

use crate::embedded::{self, Embedded};
use procpool_tests::binaries::binary;
use procpool_tests::http;
use procpool_tests::process;
use procpool_tests::served::verbs;
use procpool_tests::server::Scratch;
use rustix::process::Signal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;
use tokio::process::Command;

/// Returns a server that logs everything on a port or socket.
fn verbose(scratch: &Scratch, listen: &str) -> Command {
    let mut command = Command::new(binary("procpool"));
    command.args(["serve", "-vvv", "--listen", listen, "--config"]);
    command.arg(scratch.write("procpool.toml", &verbs(1, ""))).env_remove("RUST_LOG");
    command.stderr(Stdio::null());
    command
}

#[tokio::test]
async fn the_first_line_says_where_the_server_listens_and_no_other_follows() {
    let scratch = Scratch::new();
    for host in ["127.0.0.1", "[::1]"] {
        let command = verbose(&scratch, &format!("{host}:0"));
        let mut server = Embedded::by(command, PathBuf::new()).await;
        let address =
            server.first_line.strip_prefix("listening on http://").and_then(|it| it.strip_suffix('\n'));
        let address: SocketAddr = address.expect("the promised words").parse().expect("an address");
        assert_eq!(server.first_line, format!("listening on http://{host}:{}\n", address.port()));
        let told =
            http::post(address, "/v1/pools/verbs/jobs", r#"{"shell":"echo noise; echo noise >&2"}"#).await;
        assert_eq!(told.status, 200, "{}", told.text());
        assert_eq!(http::get(address, "/readyz").await.status, 200);
        process::signal(server.pid(), Signal::TERM);
        let (status, rest) = server.ended().await;
        assert_eq!((status.code(), rest.as_str()), (Some(0), ""));
    }

    let socket = scratch.path().join("http.sock");
    let command = verbose(&scratch, &format!("unix:{}", socket.display()));
    let mut server = Embedded::by(command, socket).await;
    assert_eq!(server.first_line, format!("listening on unix:{}\n", server.socket.display()));
    assert_eq!(server.request("localhost", "GET", "/readyz", &[]).await.status, 200);
    process::signal(server.pid(), Signal::TERM);
    let (status, rest) = server.ended().await;
    assert_eq!((status.code(), rest.as_str()), (Some(0), ""));
}

#[tokio::test]
async fn a_server_that_does_not_come_up_prints_no_line() {
    let scratch = Scratch::new();
    let socket = scratch.path().join("http.sock");
    let config = "[pools.no]\ncommand = [\"/bin/sh\", \"-c\", \"exit 3\"]\n";
    let ended = procpool_tests::program::finish(&mut embedded::command(&scratch, config, &socket)).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
    assert!(!socket.exists());
}
