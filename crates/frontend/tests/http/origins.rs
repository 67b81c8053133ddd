//! Web pages of other sites run no jobs and read nothing. The rules' many cases are the unit tests of `origin` and
//! `embedded`; here is where they apply.

use crate::client::Reply;
use crate::fake::Fake;
use crate::server::{Server, post_text};

const FOREIGN: [&str; 4] = [
    "Origin: https://evil.example",
    "Origin: null",
    "Sec-Fetch-Site: cross-site",
    "Sec-Fetch-Site: same-site",
];

#[tokio::test]
async fn every_route_that_runs_a_job_refuses_a_foreign_page() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    for header in FOREIGN {
        let get = format!("GET /compute HTTP/1.1\r\nHost: localhost\r\n{header}\r\n\r\n");
        let post = post_text("/v1/pools/fib/jobs", header, "40");
        let reload = post_text("/v1/pools/fib/reload", header, "");
        for request in [get.into_bytes(), post, reload] {
            let reply = server.ask(request).await;
            assert_eq!((reply.status, reply.kind().as_str()), (403, "foreign_origin"), "{header}");
        }
    }
    assert_eq!(engine.jobs_seen(), 0);
}

#[tokio::test]
async fn a_page_of_this_server_may_run_jobs() {
    let server = Server::of(Fake::echo()).await;
    let headers =
        format!("Origin: http://localhost:{}\r\nSec-Fetch-Site: same-origin", server.address.port());
    let text = String::from_utf8(post_text("/v1/pools/fib/jobs", &headers, "40")).unwrap();
    let text = text.replace("Host: localhost", &format!("Host: localhost:{}", server.address.port()));
    assert_eq!(server.ask(text).await.status, 200);
}

#[tokio::test]
async fn a_local_server_asked_by_a_foreign_name_runs_no_job_unless_that_name_is_allowed() {
    let ask = "GET /compute HTTP/1.1\r\nHost: jobs.example:3000\r\n\r\n";
    let server = Server::of(Fake::echo()).await;
    assert_eq!(server.ask(ask).await.status, 403);
    let server = Server::with(Fake::echo(), |config| {
        config.allowed_hosts = vec!["jobs.example".into()];
    })
    .await;
    assert_eq!(server.ask(ask).await.status, 200);
}

/// Every route that there is, and some that there are not.
const ROUTES: [&str; 12] = [
    "GET /",
    "GET /compute",
    "POST /v1/pools/fib/jobs",
    "POST /v1/pools/fib/reload",
    "GET /v1/pools",
    "GET /v1/pools/fib",
    "GET /v1/pools/fib/workers",
    "GET /readyz",
    "GET /readyz?pool=fib",
    "GET /problems/crashed",
    "OPTIONS /v1/pools/fib/jobs",
    "GET /nowhere",
];

#[tokio::test]
async fn every_route_but_livez_is_closed_to_foreign_pages_and_names() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    server.health.serving();
    let foreign = FOREIGN.map(|header| format!("Host: localhost\r\n{header}"));
    let rebound = "Host: evil.example".to_owned();
    for headers in foreign.into_iter().chain([rebound]) {
        for route in ROUTES {
            let ask = format!("{route} HTTP/1.1\r\n{headers}\r\nContent-Length: 0\r\n\r\n");
            let reply = server.ask(ask).await;
            assert_eq!((reply.status, reply.kind().as_str()), (403, "foreign_origin"), "{route} {headers}");
            let detail = reply.problem()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains("allowed_hosts") || detail.contains("curl"), "the way out: {detail}");
        }
        let ask = format!("GET /livez HTTP/1.1\r\n{headers}\r\n\r\n");
        assert_eq!(server.ask(ask).await.text(), "OK", "{headers}");
    }
    assert_eq!(engine.jobs_seen(), 0);
}

#[tokio::test]
async fn a_link_on_another_site_leads_to_the_page_and_to_nothing_else() {
    let server = Server::of(Fake::echo()).await;
    let head = "Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate";
    let ask = async |path: &str| server.ask(format!("GET {path} HTTP/1.1\r\n{head}\r\n\r\n")).await;
    let page = ask("/dashboard").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    #[cfg(feature = "docs-ui")]
    assert_eq!(ask("/docs").await.status, 200);
    for path in
        ["/openapi.json", "/dashboard/main.js", "/v1/events", "/v1/session", "/dashboard/", "/dashboardx"]
    {
        assert_eq!(ask(path).await.status, 403, "{path}");
    }
}

/// Returns a request for the only job that GET runs.
async fn compute(server: &Server, headers: &str) -> Reply {
    server.ask(format!("GET /compute?n=1 HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n")).await
}

#[tokio::test]
async fn what_a_page_may_have_embedded_runs_no_job() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    for headers in [
        "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image",
        "Sec-Fetch-Dest: script",
        "Sec-Fetch-Mode: no-cors",
        "Accept: image/avif,image/webp,image/*,*/*;q=0.8",
        "User-Agent: Mozilla/5.0\r\nAccept: */*",
        "Accept: text/html\r\nReferer: http://evil.example/page",
        "Purpose: prefetch",
    ] {
        let reply = compute(&server, headers).await;
        assert_eq!((reply.status, reply.kind().as_str()), (403, "foreign_origin"), "{headers}");
        let problem = reply.problem();
        assert!(problem["detail"].as_str().unwrap().contains("POST"), "the way out: {problem}");
    }
    assert_eq!(engine.jobs_seen(), 0);
    for headers in [
        "User-Agent: curl/8.9.1\r\nAccept: */*",
        "User-Agent: Mozilla/5.0\r\nAccept: text/html,image/webp,*/*\r\nSec-Fetch-Site: none\r\nSec-Fetch-Mode: navigate",
    ] {
        assert_eq!(compute(&server, headers).await.text(), "Result: 1", "{headers}");
    }
}

#[tokio::test]
async fn no_method_but_get_and_post_runs_a_job() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    for method in ["HEAD", "POST", "PUT", "OPTIONS", "TRACE", "get"] {
        let mut connection = server.connect().await;
        connection
            .send(format!("{method} /compute HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"))
            .await;
        let head = connection.head().await;
        assert_eq!((head.status, head.header("allow")), (405, Some("GET")), "{method}");
    }
    for method in ["GET", "HEAD", "PUT", "OPTIONS", "post"] {
        let mut connection = server.connect().await;
        connection.send(format!("{method} /v1/pools/fib/jobs HTTP/1.1\r\nHost: localhost\r\n\r\n")).await;
        let head = connection.head().await;
        assert_eq!((head.status, head.header("allow")), (405, Some("POST")), "{method}");
    }
    assert_eq!(engine.jobs_seen(), 0);
}
