//! The bodies that a request may have.

use crate::fake::Fake;
use crate::server::Server;
use procpool_protocol::{Encoding, Payload};

const JOBS: &str = "/v1/pools/fib/jobs";

#[tokio::test]
async fn json_comes_as_json_as_a_form_and_without_a_type() {
    for header in [
        "content-type: application/json",
        "content-type: application/json; charset=utf-8",
        "content-type: application/ld+json",
        "content-type: application/x-www-form-urlencoded",
        "x-nothing: here",
    ] {
        let engine = Fake::echo();
        let server = Server::of(engine.clone()).await;
        let reply = server.post_as(JOBS, header, "40").await;
        assert_eq!((reply.status, reply.text()), (200, "40"), "{header}");
        assert_eq!(engine.only_job().input, Payload::json("40"));
    }
}

#[tokio::test]
async fn raw_bytes_travel_both_ways_unread() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    let bytes: Vec<u8> = (0..=255).collect();
    let reply = server.post_as(JOBS, "content-type: application/octet-stream", &bytes).await;
    assert_eq!((reply.status, &reply.body), (200, &bytes));
    assert_eq!(reply.header("content-type"), Some("application/octet-stream"));
    assert_eq!(engine.only_job().input.encoding, Encoding::Bytes);
}

#[tokio::test]
async fn no_bytes_at_all_are_raw_bytes_too() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    let reply = server.post_as(JOBS, "content-type: application/octet-stream", "").await;
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    assert_eq!(engine.only_job().input, Payload::raw(&b""[..]));
}

#[tokio::test]
async fn any_other_type_is_refused_and_told_what_is_accepted() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    for header in ["content-type: text/plain", "content-type: image/png", "content-encoding: gzip"] {
        let reply = server.post_as(JOBS, header, "40").await;
        assert_eq!((reply.status, reply.kind().as_str()), (415, "unsupported_media_type"), "{header}");
        let problem = reply.problem();
        assert!(problem["detail"].as_str().unwrap().contains("application/octet-stream"));
        assert_eq!(problem["accepted"][0], "application/json");
    }
    assert_eq!(engine.jobs_seen(), 0);
}

#[tokio::test]
async fn invalid_json_costs_no_worker_and_says_where() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    let reply = server.post(JOBS, "[1,\n 2,,]").await;
    assert_eq!((reply.status, reply.kind().as_str()), (400, "bad_input"));
    let problem = reply.problem();
    assert_eq!((&problem["line"], &problem["column"]), (&2.into(), &4.into()), "{problem}");
    assert_eq!((&problem["outcome"], &problem["may_have_run"]), (&"bad_input".into(), &false.into()));
    assert_eq!(reply.header("job-id"), None, "it was never accepted");
    assert_eq!(engine.jobs_seen(), 0);
}

#[tokio::test]
async fn an_empty_body_is_told_to_be_null() {
    let server = Server::of(Fake::echo()).await;
    let reply = server.post(JOBS, "").await;
    assert_eq!((reply.status, reply.kind().as_str()), (400, "bad_input"));
    assert!(reply.problem()["detail"].as_str().unwrap().contains("`null`"));
    assert_eq!(server.post(JOBS, "null").await.text(), "null");
}

#[tokio::test]
async fn nesting_deeper_than_workers_decode_is_refused_at_the_door() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
    assert_eq!(server.post(JOBS, &nested(127)).await.status, 200);
    for levels in [128, 1_000_000] {
        let reply = server.post(JOBS, &nested(levels)).await;
        assert_eq!((reply.status, reply.kind().as_str()), (400, "bad_input"), "{levels}");
    }
    assert_eq!(engine.jobs_seen(), 1);
}

#[tokio::test]
async fn a_worker_that_answers_nothing_is_answered_with_nothing() {
    let server = Server::of(Fake::ending(|_| Ok(Payload::none()))).await;
    let reply = server.post(JOBS, "1").await;
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    assert_eq!(reply.header("content-type"), None);
}

#[tokio::test]
async fn a_worker_that_answers_in_bincode_has_an_unreadable_output() {
    let server = Server::of(Fake::ending(|_| Ok(Payload::new(Encoding::Bincode, vec![40])))).await;
    let reply = server.post(JOBS, "1").await;
    assert_eq!((reply.status, reply.kind().as_str()), (500, "unreadable_output"));
    assert_eq!(reply.problem()["outcome"], "ok");
}
