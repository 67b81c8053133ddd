//! `/metrics`: its formats, its labels, and what it counts; and the last minutes of a pool.

use crate::client::soon;
use crate::fake::Fake;
use crate::lifetimes::{Event, holding};
use crate::server::{Server, post_text};
use procpool_frontend::{Scopes, Token, TokenDigest, Tokens};
use std::collections::BTreeSet;
use std::io::Read;

async fn scrape(server: &Server, accept: &str) -> (String, String) {
    let request = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n");
    let reply = server.ask(request).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    (reply.header("content-type").unwrap().to_owned(), reply.text().to_owned())
}

#[tokio::test]
async fn a_request_whose_client_leaves_is_counted() {
    let (engine, mut events, _release) = holding();
    let server = Server::of(engine).await;
    let mut leaving = server.connect().await;
    leaving.send(post_text("/v1/pools/fib/jobs", "", "1")).await;
    assert_eq!(soon(events.recv()).await, Some(Event::Started));
    leaving.reset();
    assert_eq!(soon(events.recv()).await, Some(Event::Dropped));
    // It is counted as the last part of it is dropped, just after its job.
    let line = r#"{route="/v1/pools/{pool}/jobs",method="POST",status="499"} 1"#;
    soon(async { while !scrape(&server, "*/*").await.1.contains(line) {} }).await;
}

#[tokio::test]
async fn the_format_follows_accept() {
    let server = Server::of(Fake::echo()).await;
    let (open_type, open) =
        scrape(&server, "application/openmetrics-text;version=1.0.0,text/plain;q=0.5").await;
    assert_eq!(open_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert!(open.ends_with("# EOF\n") && open.contains("# TYPE procpool_jobs_refused counter\n"), "{open}");
    let (text_type, text) = scrape(&server, "*/*").await;
    assert_eq!(text_type, "text/plain; version=0.0.4; charset=utf-8");
    assert!(
        !text.contains("# EOF") && text.contains("# TYPE procpool_jobs_refused_total counter\n"),
        "{text}"
    );
    for line in ["procpool_workers{pool=\"fib\",state=\"busy\"} 1", "procpool_queue_limit{pool=\"fib\"} 1024"]
    {
        assert!(text.lines().any(|it| it.starts_with(line)), "{line} is missing in {text}");
    }
}

#[tokio::test]
async fn the_last_bucket_of_each_histogram_holds_all_in_both_formats() {
    let server = Server::of(Fake::echo()).await;
    for accept in ["application/openmetrics-text", "text/plain"] {
        let (_, page) = scrape(&server, accept).await;
        let families =
            page.lines().filter_map(|line| line.strip_suffix(" histogram")?.strip_prefix("# TYPE "));
        let families: Vec<_> = families.collect();
        assert!(families.len() >= 3, "{families:?}");
        for family in families.into_iter().filter(|family| family.starts_with("procpool_job")) {
            let lines = page.lines().filter(|line| line.starts_with(family));
            let number = |line: &str| line.rsplit_once(' ').map(|(_, number)| number.to_owned());
            let of = |wanted: fn(&str) -> bool| lines.clone().find(|line| wanted(line)).and_then(number);
            let (all, count) = (of(|line| line.contains("le=\"+Inf\"")), of(|line| line.contains("_count{")));
            assert!(all.is_some() && all == count, "{family} as {accept}: {all:?} of {count:?}");
        }
    }
}

#[tokio::test]
async fn a_client_that_takes_gzip_gets_a_fraction_of_the_bytes() {
    let server = Server::of(Fake::echo()).await;
    let (_, plain) = scrape(&server, "*/*").await;
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n";
    let reply = server.ask(request).await;
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&reply.body[..]).read_to_string(&mut text).unwrap();
    let names =
        |page: &str| page.lines().filter(|line| line.starts_with("# TYPE")).map(str::to_owned).collect();
    let (plain_names, names): (Vec<_>, Vec<_>) = (names(&plain), names(&text));
    assert_eq!(names.len(), plain_names.len());
    assert!(reply.body.len() * 4 < text.len(), "{} of {}", reply.body.len(), text.len());
    let refused = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip;q=0\r\n\r\n";
    assert_eq!(server.ask(refused).await.header("content-encoding"), None);
}

#[tokio::test]
async fn a_request_is_counted_by_its_template() {
    let server = Server::of(Fake::echo()).await;
    server.post("/v1/pools/fib/jobs", "1").await;
    server.post("/v1/pools/fib/jobs", "2").await;
    server.get("/v1/jobs/8f3a").await;
    server.get("/secret/path").await;
    let (_, text) = scrape(&server, "*/*").await;
    let jobs = "route=\"/v1/pools/{pool}/jobs\"";
    let expected = [
        format!("procpool_http_requests_total{{{jobs},method=\"POST\",status=\"200\"}} 2"),
        "procpool_http_requests_total{route=\"unknown\",method=\"GET\",status=\"404\"} 1".into(),
        format!("procpool_http_request_seconds_count{{{jobs}}} 2"),
        format!("procpool_http_request_seconds_bucket{{{jobs},le=\"+Inf\"}} 2"),
    ];
    for line in &expected {
        assert!(text.lines().any(|it| it == line), "{line} is missing in {text}");
    }
    assert!(!text.contains("secret") && !text.contains("8f3a"), "{text}");
}

#[tokio::test]
async fn no_label_grows_with_workers_or_jobs() {
    let server = Server::of(Fake::echo()).await;
    server.post("/v1/pools/fib/jobs", "1").await;
    let (_, text) = scrape(&server, "*/*").await;
    let allowed = "version revision pool outcome reason priority state result cause direction via route method status le";
    let allowed: BTreeSet<&str> = allowed.split(' ').collect();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let labels = line.split_once('{').map_or("", |(_, rest)| rest.rsplit_once('}').unwrap().0);
        for label in labels.split("\",").filter(|label| !label.is_empty()) {
            let (name, _) = label.split_once('=').unwrap();
            assert!(allowed.contains(name), "{line}");
        }
    }
}

#[tokio::test]
async fn a_token_of_one_pool_sees_that_pool_alone() {
    let mut token = Token::new("reader").unwrap();
    token.digest = Some(TokenDigest::of(b"the-secret-of-reader"));
    (token.scopes, token.pools) = (Scopes::ALL, vec!["down".parse().unwrap()]);
    let server = Server::with_tokens(Fake::echo(), &Tokens::new(vec![token])).await;
    assert_eq!(server.get("/metrics").await.status, 401);
    let request =
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer the-secret-of-reader\r\n\r\n";
    let page = server.ask(request).await;
    assert!(
        page.text().contains("pool=\"down\"") && !page.text().contains("pool=\"fib\""),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn a_pool_without_a_past_has_an_empty_history() {
    let server = Server::of(Fake::echo()).await;
    let none = server.get("/v1/pools/fib/history?seconds=60").await.json();
    assert_eq!((&none["pool"], &none["seconds"]), (&"fib".into(), &0.into()));
    assert_eq!(none["run_p99_us"], serde_json::json!([]));
    let unknown = server.get("/v1/pools/fob/history").await;
    assert_eq!((unknown.status, unknown.kind().as_str()), (404, "unknown_pool"));
    assert_eq!(server.get("/v1/pools/fib/history?seconds=900").await.status, 200);
    for wrong in ["seconds=0", "seconds=x", "seconds=901", "seconds=999999999", "minutes=1"] {
        let refused = server.get(&format!("/v1/pools/fib/history?{wrong}")).await;
        assert_eq!((refused.status, refused.kind().as_str()), (400, "bad_parameter"), "{wrong}");
        let problem = refused.problem();
        let parameter = wrong.split('=').next().unwrap();
        assert_eq!(problem["parameter"], parameter, "{problem}");
        let says_bound =
            problem["detail"].as_str().unwrap().contains("`seconds`: a whole number from 1 to 900");
        assert_eq!(says_bound, parameter == "seconds", "{problem}");
    }
}
