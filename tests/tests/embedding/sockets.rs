//! The Unix socket of a server: who gets in, what may be asked, and to whom its name belongs.

use crate::embedded::{Embedded, command};
use procpool_tests::program::{Ended, finish};
use procpool_tests::server::Scratch;
use procpool_tests::verbs::Verb;
use procpool_tests::{eventually, http, other_user, process, served::verbs};
use rustix::process::Signal;
use std::fs::Permissions;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::process::Command;

const RELOAD: &str = "/v1/pools/verbs/reload";

#[tokio::test]
async fn a_socket_serves_its_user_under_any_host_and_goes_with_the_server() {
    let scratch = Scratch::new();
    let mut server = Embedded::start(&scratch, &verbs(1, "")).await;
    assert_eq!(server.first_line, format!("listening on unix:{}\n", server.socket.display()));
    let found = std::fs::metadata(&server.socket).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.mode() & 0o777, 0o600);

    for host in ["localhost", "procpool", "evil.example:3000", "127.0.0.1"] {
        assert_eq!(server.request(host, "GET", "/v1/pools", &[]).await.status, 200, "{host}");
    }
    let foreign = server.request("procpool", "GET", "/v1/pools", &[("Origin", "http://evil.example")]).await;
    assert_eq!(foreign.status, 403, "a proxy may have passed a page's request on");
    assert_eq!(server.perform(&Verb::Echo("there".into())).await.json(), "there");

    process::signal(server.pid(), Signal::TERM);
    let (status, _) = server.ended().await;
    assert_eq!(status.code(), Some(0));
    assert!(!server.socket.exists());
}

#[tokio::test]
async fn a_peer_of_the_socket_gives_orders_and_no_proxy_does() {
    let scratch = Scratch::new();
    let server = Embedded::start(&scratch, &verbs(1, "")).await;
    for sign in ["X-Forwarded-For", "Via"] {
        let refused = server.request("localhost", "POST", RELOAD, &[(sign, "127.0.0.1")]).await;
        assert_eq!(refused.problem()["type"], "/problems/not_local", "{sign}");
    }
    assert_eq!(server.request("jobs.example", "POST", RELOAD, &[]).await.status, 403);
    assert_eq!(server.request("localhost", "POST", RELOAD, &[]).await.status, 200);
    assert_eq!(server.pool().await["generation"], 1);

    let scratch = Scratch::new();
    let server = Embedded::start(&scratch, &format!("[server]\norders = \"off\"\n{}", verbs(1, ""))).await;
    assert_eq!(server.request("localhost", "POST", RELOAD, &[]).await.status, 403);
}

#[tokio::test]
async fn a_dead_servers_socket_is_replaced_and_one_in_use_is_named() {
    let scratch = Scratch::new();
    let mut first = Embedded::start(&scratch, &verbs(1, "")).await;
    process::kill(first.pid());
    first.ended().await;
    assert!(first.socket.exists());

    let next = Embedded::start(&scratch, &verbs(1, "")).await;
    let Ended { code, stdout, stderr } = finish(&mut command(&scratch, &verbs(1, ""), &next.socket)).await;
    assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
    let expected =
        format!("failed to listen on unix:{}: another process listens there", next.socket.display());
    assert!(stderr.contains(&expected), "{stderr}");
    assert_eq!(next.perform(&Verb::Echo("there".into())).await.json(), "there");
}

#[tokio::test]
async fn a_socket_in_a_directory_that_others_may_write_to_is_refused() {
    let scratch = Scratch::new();
    let open = scratch.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, Permissions::from_mode(0o777)).unwrap();
    let mut server = command(&scratch, &verbs(1, ""), &open.join("http.sock"));
    let Ended { code, stderr, .. } = finish(&mut server).await;
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("others may replace files"), "{stderr}");
}

#[tokio::test]
async fn a_socket_that_another_server_has_taken_over_is_not_removed() {
    let scratch = Scratch::new();
    let mut first = Embedded::start(&scratch, &verbs(1, "")).await;
    std::fs::remove_file(&first.socket).unwrap();
    let next = Embedded::start(&scratch, &verbs(1, "")).await;
    process::signal(first.pid(), Signal::TERM);
    first.ended().await;
    assert_eq!(next.perform(&Verb::Echo("there".into())).await.json(), "there");
}

#[tokio::test]
async fn a_process_of_another_user_is_hung_up_on_unread() {
    if !other_user::can_be_had() {
        return;
    }
    let scratch = Scratch::new();
    let server = Embedded::start(&scratch, &verbs(1, "")).await;
    let script = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\n\
                  try:\n  s.connect(sys.argv[1])\n  \
                  s.sendall(b'GET /livez HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')\n  print(len(s.recv(100)))\n\
                  except PermissionError: print('kept out')\nexcept OSError: print(0)\n";
    for (mode, met) in [(0o600, "kept out"), (0o666, "0")] {
        std::fs::set_permissions(&server.socket, Permissions::from_mode(mode)).unwrap();
        let mut stranger = Command::new("python3");
        stranger.args(["-c", script]).arg(&server.socket).uid(65_534).gid(65_534).current_dir("/");
        let Ended { code, stdout, stderr } = finish(&mut stranger).await;
        assert_eq!((code, stdout.trim()), (Some(0), met), "{stderr}");
    }
    assert_eq!(server.request("localhost", "GET", "/livez", &[]).await.status, 200);
}

#[tokio::test]
async fn the_cap_of_one_address_does_not_count_for_the_socket() {
    let scratch = Scratch::new();
    let config = format!("[server]\nmax_connections_per_peer = 1\n{}", verbs(1, ""));
    let server = Embedded::start(&scratch, &config).await;
    let waiting = server.begin(&Verb::Obey).await;
    server.workers("busy", 1).await;
    assert_eq!(server.request("localhost", "GET", "/v1/pools", &[]).await.status, 200);
    drop(waiting);
}

#[tokio::test]
async fn a_client_that_hangs_up_on_the_socket_cancels_its_job_and_one_that_is_done_sending_waits() {
    let scratch = Scratch::new();
    let server = Embedded::start(&scratch, &verbs(1, "")).await;
    let gone: UnixStream = server.begin(&Verb::Obey).await;
    server.workers("busy", 1).await;
    drop(gone);
    server.workers("idle", 1).await;
    let cancelled = async || (server.pool().await["jobs"]["cancelled"] == 1).then_some(());
    eventually("a cancelled job", cancelled).await;

    let go = scratch.path().join("go.txt");
    let mut waiting = server.begin(&Verb::WaitFor(go.display().to_string())).await;
    waiting.shutdown().await.unwrap();
    server.workers("busy", 1).await;
    std::fs::write(&go, "").unwrap();
    assert_eq!(http::finish(waiting).await.unwrap().status, 200);

    let mut gone_later = server.begin(&Verb::Obey).await;
    gone_later.shutdown().await.unwrap();
    server.workers("busy", 1).await;
    drop(gone_later);
    server.workers("idle", 1).await;
}
