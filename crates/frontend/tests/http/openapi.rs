//! The OpenAPI document and its page, as clients get them.

use crate::described::undescribed;
use crate::fake::Fake;
use crate::server::Server;
use procpool_frontend::{HttpConfig, OrdersToken, PoolPattern, Scope, Token, TokenDigest, Tokens};
use serde_json::json;

#[tokio::test]
async fn the_document_has_the_pools_with_the_types_of_their_workers() {
    let server = Server::of(Fake::echo()).await;
    let reply = server.get("/openapi.json").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let document = reply.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["jsonSchemaDialect"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(document["components"]["schemas"]["fib.input"], json!({ "type": "integer" }));
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.contains_key("/v1/pools/fib/jobs") && paths.contains_key("/v1/pools/down/jobs"));
    assert!(paths["/v1/pools/fib/jobs"]["post"]["responses"]["502"].is_object());
}

#[tokio::test]
async fn a_client_that_has_the_document_is_told_so_while_it_stays_the_same() {
    let server = Server::of(Fake::echo()).await;
    let first = server.get("/openapi.json").await;
    let tag = first.header("etag").unwrap();
    let asked = format!(
        "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: {tag}\r\nConnection: close\r\n\r\n"
    );
    let again = server.ask(asked).await;
    assert_eq!((again.status, again.header("etag"), again.text()), (304, Some(tag), ""));
    assert_eq!(again.header("cache-control"), Some("private, no-cache"));
    assert_eq!(server.get("/openapi.json?version=3.2").await.status, 400, "there is one version");
}

#[tokio::test]
async fn a_token_of_some_pools_sees_these_alone() {
    let token = |name: &str, pool: Option<&str>| {
        let mut token = Token::new(name).unwrap();
        token.digest = Some(TokenDigest::of(name.as_bytes()));
        token.scopes = [Scope::Read].into_iter().collect();
        token.pools = pool.map(|pool| pool.parse::<PoolPattern>().unwrap()).into_iter().collect();
        token
    };
    let server =
        Server::with_tokens(Fake::echo(), &Tokens::new(vec![token("one", Some("fib")), token("all", None)]))
            .await;
    for (name, sees_down) in [("one", false), ("all", true), ("one", false)] {
        let asked = format!(
            "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {name}\r\nConnection: close\r\n\r\n"
        );
        let document = server.ask(asked).await.json();
        assert!(document["paths"].get("/v1/pools/fib/jobs").is_some(), "{name}");
        assert_eq!(document["paths"].get("/v1/pools/down/jobs").is_some(), sees_down, "{name}");
        assert_eq!(document["paths"]["/v1/pools"]["get"]["security"], json!([{ "bearer": ["read"] }]));
    }
    assert_eq!(server.get("/openapi.json").await.status, 401);
}

#[tokio::test]
async fn the_document_describes_all_that_is_sent() {
    let token = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
    let with_token = |config: &mut HttpConfig| config.orders_token = Some(OrdersToken::new(token).unwrap());
    let server = Server::with(Fake::echo(), with_token).await;
    let document = server.get("/openapi.json").await.json();
    let mut missing = Vec::new();
    for (route, path) in [
        ("/v1/deaths", "/v1/deaths"),
        ("/v1/deaths", "/v1/deaths?by=group"),
        ("/v1/deaths/{death}", "/v1/deaths/3"),
        ("/v1/deaths/groups", "/v1/deaths/groups"),
        ("/v1/pools", "/v1/pools"),
        ("/v1/pools/{pool}", "/v1/pools/fib?usage=true"),
        ("/v1/pools/{pool}/deaths", "/v1/pools/fib/deaths"),
        ("/v1/pools/{pool}/history", "/v1/pools/fib/history"),
        ("/v1/pools/{pool}/quarantine", "/v1/pools/fib/quarantine"),
        ("/v1/pools/{pool}/workers", "/v1/pools/fib/workers?usage=true"),
        ("/v1/workers/{worker}", "/v1/workers/fib-1"),
        ("/v1/workers/{worker}/stack", "/v1/workers/fib-1/stack?threads=all"),
    ] {
        let proof = format!("Authorization: Bearer {token}\r\nConnection: close\r\n");
        let reply = server.ask(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{proof}\r\n")).await;
        assert_eq!(reply.status, 200, "{path}: {}", reply.text());
        let schema =
            &document["paths"][route]["get"]["responses"]["200"]["content"]["application/json"]["schema"];
        missing
            .extend(undescribed(&document, schema, &reply.json()).into_iter().map(|member| (path, member)));
    }
    assert!(missing.is_empty(), "describe in crates/frontend/assets/openapi: {missing:#?}");
}

#[cfg(feature = "docs-ui")]
#[tokio::test]
async fn the_page_and_its_files_come_from_this_server_under_a_strict_policy() {
    let server = Server::of(Fake::echo()).await;
    let page = server.get("/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    assert!(
        !page.text().contains("http") && !page.text().contains("<script>") && !page.text().contains("style=")
    );
    let files: Vec<&str> = page.text().split(['"', '\'']).filter(|part| part.starts_with("docs/")).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    for file in files {
        let reply = server.get(&format!("/{file}")).await;
        assert_eq!((reply.status, reply.header("x-content-type-options")), (200, Some("nosniff")), "{file}");
        let is_large = reply.header("content-length").unwrap().parse::<u64>().unwrap() > 10_000;
        assert_eq!(reply.header("content-encoding"), is_large.then_some("gzip"), "{file}");
    }
    let unknown = server.get("/docs/index.js").await;
    assert_eq!((unknown.status, unknown.kind().as_str()), (404, "not_found"));
}
