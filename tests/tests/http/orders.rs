//! Who may change what is running: over loopback or by the orders socket by the kernel's word, by a token, and nobody else.

use procpool_tests::binaries::binary;
use procpool_tests::http::{self, Answer};
use procpool_tests::program::{Ended, finish};
use procpool_tests::served::verbs;
use procpool_tests::server::{Scratch, Server, TAKES_ORDERS};
use procpool_tests::{eventually, other_user, process, served};
use rustix::process::Signal;
use std::fs::Permissions;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use tokio::process::Command;

const RELOAD: &str = "/v1/pools/verbs/reload";
const TOKEN: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";

async fn over_tcp(server: &Server, headers: &[(&str, &str)]) -> Answer {
    http::request(server.address(), "POST", RELOAD, headers, b"").await
}

/// The user of nobody, and of no server here.
const STRANGER: u32 = 65_534;

/// Returns the output of a Python program that runs as this user with the server's host and port, and may
/// call `order()`.
async fn run_as(user: u32, server: &Server, program: &str) -> String {
    let script = format!(
        "import socket, struct, sys\n\
         def order(headers=''):\n  \
           s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n  \
           s.sendall(('POST {RELOAD} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\nContent-Length: 0\\r\\n' + headers + '\\r\\n').encode())\n  \
           return s\n{program}"
    );
    let address = server.address();
    let mut python = Command::new("python3");
    python.args(["-c", &script, &address.ip().to_string(), &address.port().to_string()]);
    let Ended { code, stdout, stderr } = finish(python.uid(user).gid(user).current_dir("/")).await;
    assert_eq!(code, Some(0), "{stderr}");
    stdout
}

/// Returns the status of an order that this user gives over loopback.
async fn order_as(user: u32, server: &Server) -> String {
    let answer = run_as(user, server, "print(order().makefile().readline())").await;
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn the_servers_user_and_root_give_orders_over_loopback_and_no_proxy_does() {
    for config in [verbs(1, ""), format!("[server]\norders = true\n{}", verbs(1, ""))] {
        let server = Server::with_config(&config).await;
        for sign in ["X-Forwarded-For", "Via", "Forwarded", "CF-Connecting-IP"] {
            let answer = over_tcp(&server, &[(sign, "127.0.0.1")]).await;
            assert_eq!(
                (answer.status, &answer.problem()["type"]),
                (403, &"/problems/not_local".into()),
                "{sign}"
            );
        }
        assert_eq!(server.pool("verbs").await["generation"], 0);
        assert_eq!(over_tcp(&server, &[]).await.status, 200);
        assert_eq!(server.pool("verbs").await["generation"], 1);
    }
    let config = |worker: &Path| served::pool("verbs", worker, 1, "");
    let Some(server) = other_user::server(config).await else { return };
    let owner = std::fs::metadata(format!("/proc/{}", server.pid())).unwrap().uid();
    assert_eq!(order_as(0, &server).await, "200");
    assert_eq!(order_as(owner, &server).await, "200");
    assert_eq!(order_as(STRANGER, &server).await, "403");
    assert_eq!(server.pool("verbs").await["generation"], 2);
}

#[tokio::test]
async fn everybody_on_this_machine_reaches_the_port_and_another_user_gives_no_orders_there() {
    for closed in [TAKES_ORDERS, "[server]\norders = \"off\"\n"] {
        let server = Server::with_config(&(closed.to_owned() + &verbs(1, ""))).await;
        let answer = over_tcp(&server, &[("Authorization", &format!("Bearer {TOKEN}"))]).await;
        let problem = answer.problem();
        assert_eq!((answer.status, &problem["type"]), (403, &"/problems/not_local".into()));
        assert!(problem["detail"].as_str().unwrap().contains("curl --unix-socket"), "{problem}");
        assert_eq!(server.pool("verbs").await["generation"], 0);
    }
    if other_user::can_be_had() {
        let server = Server::with_config(&verbs(1, "")).await;
        let headers = format!("'Authorization: Bearer {TOKEN}\\r\\n'");
        let answer = run_as(STRANGER, &server, &format!("print(order({headers}).makefile().read())")).await;
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("user 65534 asks"), "{answer}");
        assert_eq!(server.pool("verbs").await["generation"], 0);
    }
}

/// The kernel's table has the socket of a process that closed it as root's.
#[tokio::test]
async fn who_sends_an_order_and_is_gone_is_not_taken_for_root() {
    if !other_user::can_be_had() {
        return;
    }
    let server = Server::with_config(&verbs(1, "")).await;
    server.idle("verbs", 1).await;
    process::watched_over(server.pid(), 1).await;
    let before = process::descriptors(server.pid());
    let reset = "s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))";
    let half_closed = "s.shutdown(socket.SHUT_WR)";
    for end in ["", reset, half_closed] {
        let program = format!("for _ in range(100):\n  s = order()\n  {end}\n  s.close()\n");
        assert_eq!(run_as(STRANGER, &server, &program).await, "");
    }
    let quiet = async || (process::descriptors(server.pid()) <= before).then_some(());
    eventually("every connection to be done", quiet).await;
    assert_eq!(server.pool("verbs").await["generation"], 0);
    assert_eq!(order_as(0, &server).await, "200");
}

#[tokio::test]
async fn who_brings_the_token_gives_orders_over_tcp_and_a_token_that_others_read_is_refused() {
    let scratch = Scratch::new();
    let file = scratch.write("token.txt", &format!("{TOKEN}\n"));
    std::fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    let config = format!("[server]\norders_token_file = {file:?}\n{}", verbs(1, ""));
    let server = Server::with_config(&config).await;
    let bearer = format!("Bearer {TOKEN}");
    assert_eq!(over_tcp(&server, &[("Authorization", &bearer[..bearer.len() - 1])]).await.status, 403);
    assert_eq!(over_tcp(&server, &[]).await.status, 403);
    assert_eq!(server.pool("verbs").await["generation"], 0);
    assert_eq!(over_tcp(&server, &[("Authorization", &bearer)]).await.status, 200);
    assert_eq!(server.pool("verbs").await["generation"], 1);

    std::fs::set_permissions(&file, Permissions::from_mode(0o644)).unwrap();
    let config = scratch.write("p.toml", &config);
    for command in ["check", "serve"] {
        let mut procpool = Command::new(binary("procpool"));
        let Ended { code, stderr, .. } = finish(procpool.arg(command).arg("--config").arg(&config)).await;
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains("chmod 600") && !stderr.contains(TOKEN), "{stderr}");
    }
}

#[tokio::test]
async fn the_orders_socket_is_its_users_alone_and_goes_with_the_server() {
    let mut server = Server::with_config(&(TAKES_ORDERS.to_owned() + &verbs(1, ""))).await;
    let path = server.scratch.path().join("orders.sock");
    let found = std::fs::metadata(&path).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.mode() & 0o777, 0o600);
    assert_eq!(server.order(RELOAD).await.status, 200);

    // A second server does not take it away.
    let config = server.scratch.write("p.toml", &(TAKES_ORDERS.to_owned() + &verbs(1, "")));
    let mut second = Command::new(binary("procpool"));
    second.args(["serve", "--listen", "127.0.0.1:0", "--config"]).arg(config);
    let Ended { code, stderr, .. } = finish(&mut second).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("another process listens there"), "{stderr}");
    assert_eq!(server.order(RELOAD).await.status, 200);

    process::signal(server.pid(), Signal::TERM);
    assert_eq!(server.ended().await.code(), Some(0));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_killed_servers_orders_socket_is_taken_over_by_the_next() {
    let config = TAKES_ORDERS.to_owned() + &verbs(1, "");
    let scratch = Scratch::new();
    let place = format!("[server]\norders = {:?}\n{}", scratch.path().join("orders.sock"), verbs(1, ""));
    let mut first = Server::with_config(&place).await;
    process::kill(first.pid());
    first.ended().await;
    assert!(scratch.path().join("orders.sock").exists());
    let next = Server::by_command(Command::new(binary("procpool")), scratch, &config).await;
    assert_eq!(next.order(RELOAD).await.status, 200);
}

#[tokio::test]
async fn another_users_process_is_hung_up_on_even_if_it_reaches_the_socket() {
    if !other_user::can_be_had() {
        return;
    }
    let server = Server::with_config(&(TAKES_ORDERS.to_owned() + &verbs(1, ""))).await;
    let path = server.scratch.path().join("orders.sock");
    std::fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    let script = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
                  try:\n  s.sendall(b'POST /v1/pools/verbs/reload HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 0\\r\\n\\r\\n')\n  \
                  print(len(s.recv(100)))\nexcept OSError:\n  print(0)\n";
    let mut stranger = Command::new("python3");
    stranger.args(["-c", script]).arg(&path).uid(65_534).gid(65_534).current_dir("/");
    let Ended { code, stdout, stderr } = finish(&mut stranger).await;
    assert_eq!((code, stdout.trim()), (Some(0), "0"), "{stderr}");
    assert_eq!(server.order(RELOAD).await.status, 200);
    assert_eq!(server.pool("verbs").await["generation"], 1);
}
