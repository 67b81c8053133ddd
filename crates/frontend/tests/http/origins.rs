//! Web pages of other sites run no jobs. The rule's many cases are the unit tests of `origin`; here is
//! where it applies.

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

#[tokio::test]
async fn what_runs_no_job_is_open_to_every_page() {
    let server = Server::of(Fake::echo()).await;
    for path in ["/", "/livez", "/problems/crashed"] {
        let ask = format!("GET {path} HTTP/1.1\r\nHost: evil.example\r\nOrigin: null\r\n\r\n");
        assert_eq!(server.ask(ask).await.status, 200, "{path}");
    }
}
