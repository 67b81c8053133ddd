//! The extras that a worker reports beside status and output: the content type of raw bytes, and the
//! resources that the job used.

use procpool_tests::binaries::binary;
use procpool_tests::http::{Answer, request};
use procpool_tests::large::{ECHO, PICTURE, input};
use procpool_tests::served;
use procpool_tests::server::Server;
use procpool_tests::verbs::Verb;

const RAW: (&str, &str) = ("Content-Type", "application/octet-stream");

async fn raw(server: &Server, query: &str, what: u8, length: usize) -> Answer {
    let path = format!("/v1/pools/large/jobs{query}");
    request(server.address(), "POST", &path, &[RAW], &input(what, 1, length)).await
}

#[tokio::test]
async fn raw_bytes_reach_an_http_client_under_the_type_that_their_function_said() {
    let server = Server::with_config(&served::pool("large", &binary("large"), 1, "")).await;
    // In the frame, and in shared memory.
    for length in [10, 4 << 20] {
        let picture = raw(&server, "", PICTURE, length).await;
        assert_eq!((picture.status, picture.body.len()), (200, length));
        assert_eq!(picture.header("content-type"), Some("image/png"));
        assert_eq!(picture.header("content-security-policy"), Some("sandbox"));
        let bytes = raw(&server, "", ECHO, length).await;
        assert_eq!(bytes.header("content-type"), Some("application/octet-stream"), "of the next job");
    }
}

#[tokio::test]
async fn what_a_job_used_is_told_to_a_client_that_asks() {
    let server = Server::of_verbs(1, "").await;
    let body = serde_json::to_vec(&Verb::Burn(20)).unwrap();
    let burn = async |query: &str| {
        let path = format!("/v1/pools/verbs/jobs{query}");
        let answer = request(server.address(), "POST", &path, &[], &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.header("server-timing").unwrap().to_owned()
    };
    assert!(!burn("").await.contains("cpu;dur"));
    let timing = burn("?usage=true").await;
    let metric = |name: &str| {
        let value = timing.split(", ").find_map(|metric| metric.strip_prefix(name));
        value
            .unwrap_or_else(|| panic!("{name} is missing in {timing}"))
            .trim_matches('"')
            .parse::<f64>()
            .unwrap()
    };
    assert!(metric("cpu;dur=") >= 20.0, "{timing}");
    assert!(metric("memory;desc=") > 100_000.0, "{timing}");
}

/// Returns the answer of a worker that tells this extra with its output, which is raw bytes.
async fn answer_with(extra: &str) -> Answer {
    let server = Server::with_config(&served::misbehaving(&[&format!("extra={extra}")], "")).await;
    server.perform(&Verb::Pid).await
}

#[tokio::test]
async fn an_extra_that_nobody_knows_is_passed_over() {
    let answer = answer_with("30583:anything").await;
    assert_eq!((answer.status, answer.text()), (200, "raw"));
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
}

#[tokio::test]
async fn a_known_extra_with_a_bad_value_is_a_breach_of_the_protocol() {
    for (extra, said) in [
        ("1:text/html\r\nSet-Cookie: a=b", "is no content type"),
        ("1:text/html; charset=utf-8", "is no content type"),
        ("2:soon", "the extra 2 is a number of 8 bytes and has 4"),
    ] {
        let answer = answer_with(extra).await;
        assert_eq!(answer.status, 502, "{extra}: {}", answer.text());
        let problem = answer.problem();
        assert_eq!(problem["outcome"], "protocol_error", "{problem}");
        assert!(problem["violation"].as_str().unwrap().contains(said), "{problem}");
        assert_eq!(answer.header("set-cookie"), None);
    }
}
