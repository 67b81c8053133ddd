//! The rights of a token beside its scopes, and who needs none.

use crate::fake::Fake;
use crate::server::{Server, post_text};
use procpool_frontend::{Scopes, Token, TokenDigest, Tokens};
use procpool_protocol::engine::Priority;
use serde_json::json;
use std::os::unix::fs::MetadataExt;

const JOBS: &str = "/v1/pools/fib/jobs";
const CI: &str = "Authorization: Bearer the-secret-of-ci";

fn ci(change: impl FnOnce(&mut Token)) -> Tokens {
    let mut token = Token::new("ci").unwrap();
    token.digest = Some(TokenDigest::of(b"the-secret-of-ci"));
    token.scopes = Scopes::ALL;
    change(&mut token);
    Tokens::new(vec![token])
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{CI}\r\n\r\n")
}

#[tokio::test]
async fn a_job_carries_the_name_of_its_token_which_is_its_tenant_unless_it_names_one() {
    let engine = Fake::echo();
    let server = Server::with_tokens(engine.clone(), &ci(|_| {})).await;
    assert_eq!(server.post_as(JOBS, CI, "1").await.status, 200);
    assert_eq!(server.post_as(&format!("{JOBS}?tenant=alice"), CI, "1").await.status, 200);
    assert_eq!(server.ask(get("/compute?n=1")).await.status, 200);
    let seen = engine.seen.lock().unwrap();
    let tenants: Vec<_> = seen.iter().map(|job| job.tenant.as_deref()).collect();
    assert_eq!(tenants, [Some("ci"), Some("alice"), Some("ci")]);
    assert!(seen.iter().all(|job| job.principal.as_deref() == Some("ci")));
}

#[tokio::test]
async fn without_tokens_everybody_is_anonymous_and_no_tenant() {
    let engine = Fake::echo();
    let server = Server::of(engine.clone()).await;
    assert_eq!(server.post_as(JOBS, CI, "1").await.status, 200, "a token is passed over");
    let job = engine.only_job();
    assert_eq!((job.principal.as_deref(), job.tenant.as_deref()), (Some("anonymous"), None));
}

#[tokio::test]
async fn a_token_is_good_for_its_pools_alone_and_sees_no_others() {
    let server =
        Server::with_tokens(Fake::echo(), &ci(|token| token.pools = vec!["f*".parse().unwrap()])).await;
    assert_eq!(server.post_as(JOBS, CI, "1").await.status, 200);
    for (method, path) in [
        ("POST", "/v1/pools/down/jobs"),
        ("POST", "/v1/pools/d%6fwn/jobs"),
        ("GET", "/v1/pools/down"),
        ("GET", "/v1/pools/nowhere"),
        ("GET", "/compute?n=1"),
        ("POST", "/v1/pools/down/reload"),
        ("DELETE", "/v1/pools/down/quarantine"),
        ("DELETE", "/v1/pools/down/quarantine/00000000deadbeef"),
    ] {
        let reply = server
            .ask(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{CI}\r\nContent-Length: 1\r\n\r\n1"))
            .await;
        assert_eq!((reply.status, reply.kind().as_str()), (403, "forbidden"), "{path}");
        assert!(reply.problem()["pool"].is_string(), "{path}");
    }
    let pools = server.ask(get("/v1/pools")).await.json();
    let names: Vec<_> = pools["pools"].as_array().unwrap().iter().map(|pool| &pool["name"]).collect();
    assert_eq!(names, [&json!("fib")]);
}

#[tokio::test]
async fn a_priority_above_the_ceiling_is_refused_and_none_gets_what_it_may_have() {
    let engine = Fake::echo();
    let server = Server::with_tokens(engine.clone(), &ci(|token| token.max_priority = Priority::Low)).await;
    for asked in ["high", "normal"] {
        let reply = server.post_as(&format!("{JOBS}?priority={asked}"), CI, "1").await;
        assert_eq!((reply.status, reply.kind().as_str()), (403, "forbidden"), "{asked}");
        assert_eq!(reply.problem()["max_priority"], "low");
    }
    assert_eq!(server.post_as(JOBS, CI, "1").await.status, 200);
    assert_eq!(engine.only_job().priority, Priority::Low);
}

#[tokio::test]
async fn a_replaced_table_counts_from_the_next_request() {
    let tokens = ci(|_| {});
    let server = Server::with_tokens(Fake::echo(), &tokens).await;
    let mut connection = server.connect().await;
    connection.send(post_text(JOBS, CI, "1")).await;
    assert_eq!(connection.reply().await.status, 200);
    tokens.replace(Vec::new());
    connection.send(post_text(JOBS, CI, "1")).await;
    assert_eq!(connection.reply().await.status, 401);
}

#[tokio::test]
async fn two_tokens_are_none() {
    let server = Server::with_tokens(Fake::echo(), &ci(|_| {})).await;
    assert_eq!(server.post_as(JOBS, &format!("{CI}\r\n{CI}"), "1").await.status, 401);
}

#[tokio::test]
async fn who_may_not_see_the_pools_is_not_told_them_by_a_probe() {
    let server = Server::with_tokens(Fake::echo(), &ci(|_| {})).await;
    server.health.serving();
    let reply = server.get("/readyz?pool=nowhere").await;
    assert_eq!((reply.status, &reply.problem()["known"]), (404, &json!([])));
    let known = server.ask(get("/readyz?pool=nowhere")).await.problem()["known"].clone();
    assert_eq!(known, json!(["down", "fib"]));
}

#[tokio::test]
async fn beside_tokens_the_kernels_word_counts_on_the_port_only_if_that_is_set_and_no_proxy_shows() {
    let user = std::fs::metadata("/proc/self").unwrap().uid();
    for (owner, status) in [(Some(user), 200), (None, 401)] {
        let server =
            Server::with_tokens_and(Fake::echo(), &ci(|_| {}), |config| config.orders_of = owner).await;
        for path in [JOBS, "/v1/pools/fib/reload"] {
            assert_eq!(server.post(path, "1").await.status, status, "{path}");
            let through_a_proxy = server.post_as(path, "Via: 1.1 proxy", "1").await;
            assert_eq!((through_a_proxy.status, through_a_proxy.kind().as_str()), (401, "unauthorized"));
            // Who brings a token means it.
            assert_eq!(server.post_as(path, "Authorization: Bearer no", "1").await.status, 401, "{path}");
        }
    }
}
