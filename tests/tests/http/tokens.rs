//! A server with tokens: who gets in, how the file is read again, and what orders leave in the log.

use procpool_tests::binaries::binary;
use procpool_tests::http::{self, Answer};
use procpool_tests::program::{Ended, finish};
use procpool_tests::served::verbs;
use procpool_tests::server::{Scratch, Server};
use procpool_tests::{PATIENCE, process};
use rustix::process::Signal;
use std::path::Path;
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::process::{ChildStderr, Command};

const STATUS: &str = "/v1/pools/verbs";
const RELOAD: &str = "/v1/pools/verbs/reload";

/// Makes a token by the command, in the file of the scratch directory.
async fn new_token(scratch: &Scratch, name: &str, scopes: &str) -> String {
    let mut command = Command::new(binary("procpool"));
    command.args(["token", "new", name, "--scope", scopes, "--file"]).arg(scratch.path().join("tokens.toml"));
    let Ended { code, stdout, stderr } = finish(&mut command).await;
    assert_eq!(code, Some(0), "{stderr}");
    stdout.trim_end().to_owned()
}

async fn ask(server: &Server, method: &str, path: &str, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    http::request(server.address(), method, path, &[("Authorization", &bearer)], b"").await
}

/// Returns the first line with these words.
async fn line_with(log: &mut Lines<BufReader<ChildStderr>>, words: &str) -> String {
    let found = async {
        while let Some(line) = log.next_line().await.expect("a log") {
            if line.contains(words) {
                return line;
            }
        }
        panic!("the log ended without {words:?}");
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no line with {words:?}"))
}

fn with_tokens() -> String {
    format!("[server]\ntokens = \"tokens.toml\"\n{}", verbs(1, ""))
}

#[tokio::test]
async fn a_server_with_tokens_lets_their_bearers_in_and_reads_the_file_again_at_sighup() {
    let scratch = Scratch::new();
    let reader = new_token(&scratch, "reader", "read").await;
    let file = scratch.path().join("tokens.toml");
    let (server, log) = Server::logging_in(Command::new(binary("procpool")), scratch, &with_tokens()).await;
    let mut log = BufReader::new(log).lines();
    // A process of the server's user, too: the port is no proof.
    assert_eq!(http::get(server.address(), STATUS).await.status, 401);
    assert_eq!(http::get(server.address(), "/livez").await.status, 200);
    assert_eq!(ask(&server, "GET", STATUS, &reader).await.status, 200);
    assert_eq!(ask(&server, "POST", RELOAD, &reader).await.status, 403);

    let operator = new_token(&server.scratch, "operator", "operate").await;
    assert_eq!(
        ask(&server, "POST", RELOAD, &operator).await.status,
        401,
        "the file is read when it is said so"
    );
    process::signal(server.pid(), Signal::HUP);
    line_with(&mut log, "the tokens were read again").await;
    assert_eq!(ask(&server, "POST", RELOAD, &operator).await.status, 200);
    let line = line_with(&mut log, "principal=\"operator\"").await;
    for field in [
        "procpool::audit",
        "principal=\"operator\"",
        "order=\"POST /v1/pools/{pool}/reload\"",
        RELOAD,
        "result=\"200\"",
        "127.0.0.1",
    ] {
        assert!(line.contains(field), "{field} in {line}");
    }
    assert!(!line.contains(&operator));

    let both = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "[tokens.reader]\n").unwrap();
    process::signal(server.pid(), Signal::HUP);
    let line = line_with(&mut log, "failed to read the tokens again").await;
    assert!(line.contains("missing key `scopes`"), "{line}");
    assert_eq!(ask(&server, "GET", STATUS, &reader).await.status, 200, "those from before count");

    // Such as a file that is being written.
    std::fs::write(&file, "").unwrap();
    process::signal(server.pid(), Signal::HUP);
    line_with(&mut log, "there is no token in the file").await;
    assert_eq!(ask(&server, "GET", STATUS, &reader).await.status, 200, "those from before count");

    let operator_alone = &both[both.rfind("[tokens").unwrap()..];
    std::fs::write(&file, operator_alone).unwrap();
    process::signal(server.pid(), Signal::HUP);
    line_with(&mut log, "the tokens were read again").await;
    assert_eq!(ask(&server, "GET", STATUS, &reader).await.status, 401, "revoked");
}

#[tokio::test]
async fn the_order_to_read_the_configuration_reads_the_tokens_too_but_not_to_rehearse() {
    let scratch = Scratch::new();
    let admin = new_token(&scratch, "admin", "admin").await;
    let server = Server::by_command(Command::new(binary("procpool")), scratch, &with_tokens()).await;
    let reader = new_token(&server.scratch, "reader", "read").await;
    for (order, status) in [("?dry_run=true", 401), ("", 200)] {
        let path = format!("/v1/config/reload{order}");
        assert_eq!(ask(&server, "POST", &path, &admin).await.status, 200, "{order}");
        assert_eq!(ask(&server, "GET", STATUS, &reader).await.status, status, "{order}");
    }
    assert_eq!(ask(&server, "POST", "/v1/config/reload", &reader).await.status, 403);
}

async fn over_socket(path: &Path, method: &str, target: &str, headers: &[(&str, &str)]) -> u16 {
    let stream = UnixStream::connect(path).await.expect("the socket");
    let sent = http::send(stream, "localhost", method, target, headers, b"").await.expect("a request");
    http::finish(sent).await.expect("an answer").status
}

#[tokio::test]
async fn the_servers_user_needs_no_token_on_a_unix_socket_and_a_proxy_of_his_does() {
    let scratch = Scratch::new();
    let reader = new_token(&scratch, "reader", "read").await;
    let socket = scratch.path().join("http.sock");
    let config = scratch.write("procpool.toml", &with_tokens());
    let mut command = Command::new(binary("procpool"));
    command
        .arg("serve")
        .arg("--listen")
        .arg(format!("unix:{}", socket.display()))
        .arg("--config")
        .arg(config);
    let mut server = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().expect("the server starts");
    let mut lines = BufReader::new(server.stdout.take().expect("a piped stdout")).lines();
    let first = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("a line in time");
    assert!(first.expect("a line").is_some_and(|line| line.starts_with("listening on unix:")));
    for (method, path) in [("GET", STATUS), ("POST", RELOAD), ("GET", "/v1/pools/verbs/quarantine")] {
        assert_eq!(over_socket(&socket, method, path, &[]).await, 200, "{path}");
        let through_a_proxy = [("X-Forwarded-For", "192.0.2.7")];
        assert_eq!(over_socket(&socket, method, path, &through_a_proxy).await, 401, "{path}");
    }
    let passed_on = [("X-Forwarded-For", "192.0.2.7"), ("Authorization", &*format!("Bearer {reader}"))];
    assert_eq!(over_socket(&socket, "GET", STATUS, &passed_on).await, 200);
    assert_eq!(over_socket(&socket, "POST", RELOAD, &passed_on).await, 403);
    server.kill().await.expect("the server is killed");
}
