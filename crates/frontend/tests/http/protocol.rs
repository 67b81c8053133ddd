//! HTTP itself: methods, paths, kept connections, both versions, and requests made to deceive.

use crate::client::{Reply, soon};
use crate::fake::Fake;
use crate::server::{Server, post_text};
use http::Request;
use http_body_util::{BodyExt, Full};
use std::time::Duration;

const JOBS: &str = "/v1/pools/fib/jobs";

#[tokio::test]
async fn an_unknown_path_is_a_problem() {
    let server = Server::of(Fake::echo()).await;
    for path in ["/nope", "/v1/pools/", "/v1/pools/fib/jobs/", "//"] {
        let reply = server.get(path).await;
        assert_eq!((reply.status, reply.kind().as_str()), (404, "not_found"), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_that_lists_the_right_ones() {
    let server = Server::of(Fake::echo()).await;
    for (method, path, allowed) in [
        ("GET", JOBS, "POST"),
        ("HEAD", "/v1/pools/x/jobs", "POST"),
        ("POST", "/compute", "GET"),
        ("DELETE", "/v1/pools", "GET,HEAD"),
        ("BREW", "/", "GET,HEAD"),
    ] {
        let mut connection = server.connect().await;
        connection.send(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let reply = connection.head().await;
        assert_eq!((reply.status, reply.header("allow")), (405, Some(allowed)), "{method} {path}");
        assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    }
    assert_eq!(server.get(JOBS).await.kind(), "method_not_allowed");
}

#[tokio::test]
async fn head_has_the_heads_of_get_and_no_body() {
    let server = Server::of(Fake::echo()).await;
    let mut connection = server.connect().await;
    for path in ["/", "/livez", "/v1/pools", "/problems/failed"] {
        connection.send(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let head = connection.head().await;
        // If a body had come, it would stand where this answer's head is read.
        let got = connection.get(path).await;
        assert_eq!((head.status, got.status), (200, 200), "{path}");
        assert_eq!(head.header("content-length"), got.header("content-length"), "{path}");
    }
}

#[tokio::test]
async fn one_connection_carries_many_requests_also_after_problems() {
    let server = Server::of(Fake::echo()).await;
    let mut connection = server.connect().await;
    for round in 0..20 {
        let body = round.to_string();
        connection.send(crate::server::post_text(JOBS, "", &body)).await;
        assert_eq!(connection.reply().await.text(), body);
        assert_eq!(connection.get("/nope").await.status, 404);
        connection.send(crate::server::post_text(JOBS, "", "{")).await;
        assert_eq!(connection.reply().await.status, 400);
    }
}

#[tokio::test]
async fn http_1_0_is_answered_and_closed() {
    let server = Server::of(Fake::echo()).await;
    let mut connection = server.connect().await;
    connection.send("GET / HTTP/1.0\r\n\r\n").await;
    assert_eq!(connection.reply().await.text(), "OK");
    assert_eq!(connection.rest().await, "");
}

/// Sends `request` and gives the first answer's status, with everything that comes after it.
async fn deceive(request: &str) -> (Reply, String) {
    let server = Server::of(Fake::echo()).await;
    let mut connection = server.connect().await;
    connection.send(request).await;
    let reply = connection.reply().await;
    (reply, connection.rest().await)
}

#[tokio::test]
async fn a_request_with_two_lengths_is_refused_and_its_connection_closed() {
    let (reply, rest) = deceive(&format!(
        "POST {JOBS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n40 "
    ))
    .await;
    assert_eq!((reply.status, rest.as_str()), (400, ""));
}

#[tokio::test]
async fn a_length_beside_chunks_is_refused_and_nothing_more_is_read_from_the_connection() {
    let smuggled = "GET /compute?n=666 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let before = post_text(JOBS, "", "41");

    for both in
        ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 4"]
    {
        let both = format!(
            "POST {JOBS} HTTP/1.1\r\nHost: localhost\r\n{both}\r\n\r\n2\r\n40\r\n0\r\n\r\n{smuggled}"
        );
        for (jobs, request) in
            [both.as_bytes().to_vec(), [&before, both.as_bytes()].concat()].iter().enumerate()
        {
            let engine = Fake::echo();
            let server = Server::of(engine.clone()).await;
            let mut connection = server.connect().await;
            connection.send(request).await;
            for _ in 0..jobs {
                assert_eq!(connection.reply().await.status, 200);
            }
            let reply = connection.reply().await;
            assert_eq!((reply.status, reply.header("connection")), (400, Some("close")), "{both}");
            assert_eq!((connection.rest().await.as_str(), engine.jobs_seen()), ("", jobs), "{both}");
        }
    }
}

#[tokio::test]
async fn broken_framing_reaches_no_pool() {
    for broken in [
        "Transfer-Encoding: gzip\r\n\r\n40",
        "Transfer-Encoding: chunked, identity\r\n\r\n2\r\n40\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nxyz\r\n40\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n40\r\n0\r\n\r\n",
        "Content-Length: -2\r\n\r\n40",
        "Content-Length: 2 2\r\n\r\n40",
        "Bad Header: 1\r\nContent-Length: 2\r\n\r\n40",
    ] {
        let engine = Fake::echo();
        let server = Server::of(engine.clone()).await;
        let mut connection = server.connect().await;
        connection.send(format!("POST {JOBS} HTTP/1.1\r\nHost: localhost\r\n{broken}")).await;
        let rest = connection.rest().await;
        assert!(rest.starts_with("HTTP/1.1 400 "), "{broken:?}: {rest}");
        assert_eq!(rest.matches("HTTP/1.1").count(), 1, "{broken:?}: {rest}");
        assert_eq!(engine.jobs_seen(), 0, "{broken:?}");
    }
}

#[tokio::test]
async fn a_head_that_two_readers_may_read_differently_reaches_no_pool() {
    let chunks = "\r\n\r\n2\r\n40\r\n0\r\n\r\n";
    let own = "Host: localhost\r\n";
    for (target, lines) in [
        (JOBS, ""),
        (JOBS, "Host:\r\n"),
        (JOBS, "Host: localhost\r\nHost: localhost\r\n"),
        (JOBS, "Host: evil.example@127.0.0.1\r\n"),
        (JOBS, "Host: localhost:abc\r\n"),
        (JOBS, "Host: localhost:99999999\r\n"),
        (JOBS, "Host: ::1\r\n"),
        ("http://localhost/v1/pools/fib/jobs", ""),
        ("http://localhost/v1/pools/fib/jobs", "Host: evil.example\r\n"),
        ("http://localhost:3000/v1/pools/fib/jobs", own),
        ("http://evil.example@localhost/v1/pools/fib/jobs", own),
        (JOBS, "Host: localhost\r\nTransfer-Encoding: gzip, chunked\r\n"),
        (JOBS, "Host: localhost\r\nTransfer-Encoding: identity, chunked\r\n"),
        (JOBS, "Host: localhost\r\nTransfer-Encoding: chunked, chunked\r\n"),
        (JOBS, "Host: localhost\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n"),
    ] {
        let engine = Fake::echo();
        let server = Server::of(engine.clone()).await;
        let mut connection = server.connect().await;
        let coding = if lines.contains("Transfer-Encoding") { "" } else { "Transfer-Encoding: chunked\r\n" };
        let head = format!("POST {target} HTTP/1.1\r\n{lines}{coding}");
        let ask = format!("{}{chunks}", head.trim_end());
        connection.send(format!("{ask}{ask}")).await;
        let rest = connection.rest().await;
        assert!(rest.starts_with("HTTP/1.1 400 "), "{target} {lines:?}: {rest}");
        assert_eq!(rest.matches("HTTP/1.1 ").count(), 1, "{target} {lines:?}: {rest}");
        assert_eq!(engine.jobs_seen(), 0, "{target} {lines:?}");
    }
}

#[tokio::test]
async fn a_head_in_its_other_forms_is_taken() {
    let server = Server::of(Fake::echo()).await;
    for head in [
        "POST http://localhost/v1/pools/fib/jobs HTTP/1.1\r\nHost: LOCALHOST:80",
        "POST /v1/pools/fib/jobs HTTP/1.1\r\nHost: [::1]:3000",
        "POST /v1/pools/fib/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Encoding: IDENTITY",
        "POST /v1/pools/fib/jobs HTTP/1.0",
    ] {
        let reply = server.ask(format!("{head}\r\nContent-Length: 2\r\n\r\n40")).await;
        assert_eq!((reply.status, reply.text()), (200, "40"), "{head}");
    }
}

#[tokio::test]
async fn an_http_2_request_names_one_host() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    let (mut client, _) = server.http2().await;
    for (host, status) in
        [("localhost", 200), ("LOCALHOST:80", 200), ("evil.example", 400), ("localhost:1", 400)]
    {
        let request = Request::post(format!("http://localhost{JOBS}")).header("host", host);
        let response = soon(client.send_request(request.body(Full::from("40")).unwrap())).await.unwrap();
        assert_eq!(response.status(), status, "{host}");
    }
    assert_eq!(engine.jobs_seen(), 2);
}

#[tokio::test]
async fn cleartext_http_2_gets_and_posts() {
    let server = Server::of(Fake::echo()).await;
    let (mut client, _) = server.http2().await;
    let request = Request::get("http://localhost/").body(Full::default()).unwrap();
    let response = soon(client.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "OK");

    let post = Request::post(format!("http://localhost{JOBS}"));
    let request = post.body(Full::from("40")).unwrap();
    let response = soon(client.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers().contains_key("server-timing"));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "40");
}

#[tokio::test]
async fn the_origin_rule_knows_http_2s_authority() {
    let server = Server::of(Fake::echo()).await;
    let (mut client, _) = server.http2().await;
    for (authority, status) in [("evil.example", 403), ("localhost", 200)] {
        let request = Request::get(format!("http://{authority}/compute")).body(Full::default()).unwrap();
        assert_eq!(soon(client.send_request(request)).await.unwrap().status(), status, "{authority}");
    }
}

#[tokio::test]
async fn an_http_2_connection_without_requests_is_closed() {
    let server = Server::with(Fake::echo(), |config| {
        config.keep_alive_timeout = Duration::from_millis(100);
    })
    .await;
    let (mut client, ended) = server.http2().await;
    let request = Request::get("http://localhost/").body(Full::default()).unwrap();
    assert_eq!(soon(client.send_request(request)).await.unwrap().status(), 200);
    soon(ended).await.unwrap();
    assert!(client.is_closed());
}
