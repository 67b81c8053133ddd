//! Requests that reach no worker: wrong place, wrong method, wrong type, too large, from a foreign page.

use procpool_tests::http::{finish, get, post, request};
use procpool_tests::served;
use procpool_tests::server::Server;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const FIB: &str = "/v1/pools/fib/jobs";

#[tokio::test]
async fn a_pool_that_is_not_there_is_404_with_those_that_are() {
    let server = Server::start().await;
    let answer = post(server.address(), "/v1/pools/none/jobs", "40").await;
    assert_eq!((answer.status, answer.header("retry-after")), (404, None));
    let problem = answer.problem();
    assert_eq!((&problem["reason"], &problem["may_have_run"]), (&"unknown_pool".into(), &false.into()));
    assert_eq!(problem["known"], serde_json::json!(["compute", "fib", "ping"]));
    assert!(problem.get("outcome").is_none(), "it was never accepted: {problem}");

    let elsewhere = get(server.address(), "/v2/pools").await;
    assert_eq!((elsewhere.status, &elsewhere.problem()["type"]), (404, &"/problems/not_found".into()));
}

#[tokio::test]
async fn a_method_that_a_path_does_not_take_is_405_with_those_it_takes() {
    let server = Server::start().await;
    for (method, path, allowed) in [
        ("GET", FIB, "POST"),
        ("PUT", FIB, "POST"),
        ("POST", "/", "GET,HEAD"),
        ("DELETE", "/v1/pools", "GET,HEAD"),
    ] {
        let answer = request(server.address(), method, path, &[], b"").await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{method} {path}");
        assert_eq!(answer.problem()["type"], "/problems/method_not_allowed");
    }
}

#[tokio::test]
async fn a_body_of_a_type_that_no_job_takes_is_415() {
    let server = Server::start().await;
    for header in [
        ("Content-Type", "text/plain"),
        ("Content-Type", "multipart/form-data; boundary=x"),
        ("Content-Encoding", "gzip"),
    ] {
        let answer = request(server.address(), "POST", FIB, &[header], b"40").await;
        assert_eq!(answer.status, 415, "{header:?}");
        let problem = answer.problem();
        assert_eq!(problem["type"], "/problems/unsupported_media_type");
        assert_eq!(problem["accepted"], serde_json::json!(["application/json", "application/octet-stream"]));
    }
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_413_before_it_is_sent() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let too_much = 64 * 1024 * 1024 + 1;
    let head = format!("POST {FIB} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {too_much}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = finish(stream).await.unwrap();
    assert_eq!((answer.status, &answer.problem()["limit"]), (413, &(64 * 1024 * 1024).into()));
}

#[tokio::test]
async fn a_body_is_taken_up_to_the_configured_size_and_not_a_byte_beyond() {
    let config = format!("[server]\nmax_body = 1000\n{}", served::verbs(1, ""));
    let server = Server::with_config(&config).await;
    let echo = |length: usize| {
        let frame = r#"{"echo":""}"#.len();
        format!(r#"{{"echo":"{}"}}"#, "x".repeat(length - frame))
    };
    assert_eq!(post(server.address(), "/v1/pools/verbs/jobs", &echo(1000)).await.status, 200);
    let answer = post(server.address(), "/v1/pools/verbs/jobs", &echo(1001)).await;
    assert_eq!((answer.status, &answer.problem()["limit"]), (413, &1000.into()));
}

#[tokio::test]
async fn an_input_larger_than_the_pool_takes_is_413_too() {
    let server = Server::of_verbs(1, "max_payload = 100").await;
    let answer =
        post(server.address(), "/v1/pools/verbs/jobs", &format!("{{\"echo\":\"{}\"}}", "x".repeat(90))).await;
    assert_eq!(answer.status, 413);
    let small = post(server.address(), "/v1/pools/verbs/jobs", r#"{"echo":"x"}"#).await;
    assert_eq!((small.status, small.text()), (200, "\"x\""));
}

#[tokio::test]
async fn an_unknown_or_malformed_parameter_is_400_rather_than_ignored() {
    let server = Server::start().await;
    for (query, parameter) in
        [("timout=1s", "timout"), ("timeout=1", "timeout"), ("run_timeout=soon", "run_timeout")]
    {
        let answer = post(server.address(), &format!("{FIB}?{query}"), "10").await;
        assert_eq!((answer.status, &answer.problem()["parameter"]), (400, &parameter.into()), "{query}");
    }
}

#[tokio::test]
async fn pages_of_other_sites_may_run_no_job() {
    let server = Server::start().await;
    for header in [("Origin", "https://evil.example"), ("Origin", "null"), ("Sec-Fetch-Site", "cross-site")] {
        for (method, path) in [("POST", FIB), ("GET", "/compute?n=1")] {
            let answer = request(server.address(), method, path, &[header], b"10").await;
            assert_eq!(answer.status, 403, "{method} {path} {header:?}");
            assert_eq!(answer.problem()["type"], "/problems/foreign_origin");
        }
    }
    assert_eq!(server.pool("fib").await["run"]["count"], 0);

    let own = format!("http://{}", server.address());
    let answer = request(server.address(), "POST", FIB, &[("Origin", &own)], b"10").await;
    assert_eq!((answer.status, answer.text()), (200, "55"));
}

#[tokio::test]
async fn a_name_that_was_rebound_to_this_machine_may_run_no_job() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request = "GET /compute?n=1 HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(finish(stream).await.unwrap().status, 403);
}
