//! The sessions of people who use the page.

use crate::client::Reply;
use crate::events::Source;
use crate::fake::Fake;
use crate::server::Server;
use procpool_frontend::{OrdersToken, Scope, Token, TokenDigest, Tokens};
use serde_json::json;

const SECRET: &str = "the-secret-of-ann";
const OWN: &str = "Origin: http://localhost\r\n";

fn tokens(scopes: &[Scope]) -> Tokens {
    let mut ann = Token::new("ann").unwrap();
    ann.digest = Some(TokenDigest::of(SECRET.as_bytes()));
    ann.scopes = scopes.iter().copied().collect();
    Tokens::new(vec![ann])
}

async fn ask(server: &Server, method: &str, path: &str, head: &str) -> Reply {
    server
        .ask(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{head}Content-Length: 0\r\n\r\n"))
        .await
}

/// Begins a session with this token. Returns the line that sends its cookie.
async fn sign_in(server: &Server, secret: &str) -> String {
    let reply = ask(server, "POST", "/v1/session", &format!("{OWN}Authorization: Bearer {secret}\r\n")).await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, Some("no-store")), "{reply:?}");
    let cookie = reply.header("set-cookie").expect("a cookie").to_owned();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200"), "{cookie}");
    format!("Cookie: {}\r\n", cookie.split(';').next().unwrap())
}

#[tokio::test]
async fn a_token_becomes_a_cookie_that_says_who_asks_until_it_is_given_back() {
    let server = Server::with_tokens(Fake::echo(), &tokens(&[Scope::Read, Scope::Operate])).await;
    let stranger = ask(&server, "GET", "/v1/session", "").await.json();
    let nobody = json!({
        "name": "anonymous", "scopes": [], "pools": [], "signed_in": false, "needs_token": true, "has_hosts": false,
    });
    assert_eq!(stranger, nobody);
    assert_eq!(ask(&server, "GET", "/v1/pools", "").await.status, 401);

    let cookie = sign_in(&server, SECRET).await;
    assert_eq!(ask(&server, "GET", "/v1/pools", &cookie).await.status, 200);
    let who = ask(&server, "GET", "/v1/session", &cookie).await.json();
    let ann = json!({
        "name": "ann", "scopes": ["read", "operate"], "pools": [], "signed_in": true, "needs_token": true, "has_hosts": false,
    });
    assert_eq!(who, ann);

    let ended = ask(&server, "DELETE", "/v1/session", &format!("{OWN}{cookie}")).await;
    assert!(ended.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert_eq!(ask(&server, "GET", "/v1/pools", &cookie).await.status, 401);
}

#[tokio::test]
async fn a_wrong_token_begins_no_session() {
    let server = Server::with_tokens(Fake::echo(), &tokens(&[Scope::Read])).await;
    for head in ["", "Authorization: Bearer wrong\r\n"] {
        let reply = ask(&server, "POST", "/v1/session", head).await;
        assert_eq!((reply.status, reply.header("set-cookie")), (401, None), "{head}");
    }
}

#[tokio::test]
async fn a_session_has_the_rights_that_its_token_has_now() {
    let tokens = tokens(&[Scope::Read]);
    let server = Server::with_tokens(Fake::echo(), &tokens).await;
    let cookie = sign_in(&server, SECRET).await;
    let order = || ask(&server, "POST", "/v1/pools/fib/pause", &cookie);
    let refused = order().await;
    assert_eq!(refused.status, 401, "no page of this server asks");
    assert!(refused.problem()["detail"].as_str().unwrap().contains("`Origin`"), "{refused:?}");
    let from_page = format!("{OWN}{cookie}");
    let order = || ask(&server, "POST", "/v1/pools/fib/pause", &from_page);
    assert_eq!(order().await.status, 403);
    let mut ann = Token::new("ann").unwrap();
    ann.digest = Some(TokenDigest::of(SECRET.as_bytes()));
    ann.scopes = [Scope::Operate].into_iter().collect();
    tokens.replace(vec![ann]);
    assert_eq!(order().await.status, 200);
    tokens.replace(Vec::new());
    assert_eq!(order().await.status, 401, "it ends with its token");
}

#[tokio::test]
async fn a_stream_ends_with_its_session_and_with_its_token() {
    let engine = Fake::echo();
    let tokens = tokens(&[Scope::Read, Scope::Debug]);
    let server = Server::with_tokens(engine.clone(), &tokens).await;
    let cookie = sign_in(&server, SECRET).await;
    let bearer = format!("Authorization: Bearer {SECRET}\r\n");
    let logs = async |proof: &str| {
        let head = format!("Accept: text/event-stream\r\n{proof}");
        Source::at(&server, "/v1/workers/fib-1/logs", &head).await
    };
    let (mut by_cookie, mut by_token) = (logs(&cookie).await, logs(&bearer).await);
    let mut board = Source::at(&server, "/v1/events", &cookie).await;
    engine.output.write("one");
    assert_eq!(by_cookie.next().await.unwrap().id, Some(1));
    assert_eq!(by_token.next().await.unwrap().id, Some(1));

    ask(&server, "DELETE", "/v1/session", &format!("{OWN}{cookie}")).await;
    engine.output.write("two");
    assert_eq!(by_cookie.next().await, None, "it has signed out");
    while board.next().await.is_some() {}
    assert_eq!(by_token.next().await.unwrap().id, Some(2), "it needs no session");

    let mut ann = Token::new("ann").unwrap();
    ann.digest = Some(TokenDigest::of(b"another-secret-of-ann"));
    ann.scopes = [Scope::Read, Scope::Debug].into_iter().collect();
    tokens.replace(vec![ann]);
    engine.output.write("three");
    assert_eq!(by_token.next().await, None, "its token is another one now");
}

#[tokio::test]
async fn a_foreign_page_cannot_use_the_cookie() {
    let server = Server::with_tokens(Fake::echo(), &tokens(&[Scope::Operate])).await;
    let cookie = sign_in(&server, SECRET).await;
    for foreign in ["Origin: http://localhost:8080\r\n", "Origin: null\r\n", "Sec-Fetch-Site: same-site\r\n"]
    {
        let reply = ask(&server, "POST", "/v1/pools/fib/pause", &format!("{foreign}{cookie}")).await;
        assert_eq!((reply.status, &*reply.kind()), (403, "foreign_origin"), "{foreign}");
    }
}

#[tokio::test]
async fn without_tokens_the_one_for_orders_begins_a_session() {
    let token = "0123456789abcdef";
    let server = Server::with(Fake::echo(), |config| {
        config.orders_token = Some(OrdersToken::new(token).unwrap());
    })
    .await;
    let scopes = |who: serde_json::Value| who["scopes"].clone();
    let stranger = ask(&server, "GET", "/v1/session", "").await.json();
    assert_eq!(
        (&stranger["needs_token"], scopes(stranger.clone())),
        (&json!(true), json!(["submit", "read"]))
    );
    let cookie = sign_in(&server, token).await;
    let who = ask(&server, "GET", "/v1/session", &cookie).await.json();
    assert_eq!(scopes(who), json!(["submit", "read", "operate", "debug", "admin"]));
    let order = ask(&server, "POST", "/v1/pools/fib/pause", &format!("{OWN}{cookie}")).await;
    assert_eq!(order.status, 200);
    let detail = |reply: &Reply| reply.problem()["detail"].as_str().unwrap().to_owned();
    let order = ask(&server, "POST", "/v1/pools/fib/pause", &cookie).await;
    assert_eq!((order.status, &*order.kind()), (403, "not_local"));
    assert!(detail(&order).contains("its cookie counts for an order only if"), "{}", detail(&order));
    let order = ask(&server, "POST", "/v1/pools/fib/pause", "Cookie: procpool_session=0\r\n").await;
    assert!(
        detail(&order).contains("`orders_token_file`") && !detail(&order).contains("cookie"),
        "{}",
        detail(&order)
    );
}

#[tokio::test]
async fn a_server_without_any_token_tells_of_none() {
    let server = Server::of(Fake::echo()).await;
    for head in ["", OWN, "Cookie: procpool_session=0\r\n"] {
        let refused = ask(&server, "POST", "/v1/pools/fib/pause", head).await;
        assert_eq!((refused.status, &*refused.kind()), (403, "not_local"));
        let text = refused.text();
        assert!(!["token", "cookie", "Origin"].iter().any(|word| text.contains(word)), "{text}");
    }
    let refused = ask(&server, "POST", "/v1/session", &format!("{OWN}Authorization: Bearer x\r\n")).await;
    assert_eq!((refused.status, refused.header("set-cookie")), (401, None));
    assert!(refused.text().contains("this server has no tokens"), "{}", refused.text());
}
