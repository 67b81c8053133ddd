//! Every route with no token, a wrong one, and one of each scope.

use crate::fake::{Fake, ID_TEXT, SUSPECT};
use crate::server::Server;
use procpool_frontend::{Access, Scope, Token, TokenDigest, Tokens, routes};

/// The only routes that need no token. They tell nothing of what is running.
const OPEN: [&str; 9] = [
    "/",
    "/livez",
    "/readyz",
    "/problems/{name}",
    "/docs",
    "/docs/{file}",
    "/v1/session",
    "/dashboard",
    "/dashboard/{file}",
];

const PARTS: [(&str, &str); 10] = [
    // Otherwise it does not end.
    ("/v1/events", "/v1/events?pools=nowhere"),
    ("/dashboard/{file}", "/dashboard/main.js"),
    ("{pool}", "fib"),
    ("{worker}", "fib-0"),
    ("{death}", "1"),
    ("{fingerprint}", SUSPECT),
    ("{name}", "crashed"),
    ("{schedule}", "nightly"),
    ("{id}", ID_TEXT),
    ("{file}", "docs.js"),
];

fn secret(scope: Scope) -> String {
    format!("the-secret-of-{scope}")
}

/// Returns a table with a token of each scope, which has no other.
fn one_of_each() -> Tokens {
    let token = |scope: Scope| {
        let mut token = Token::new(scope.name()).unwrap();
        token.digest = Some(TokenDigest::of(secret(scope).as_bytes()));
        token.scopes = [scope].into_iter().collect();
        token
    };
    Tokens::new(Scope::ALL.into_iter().map(token).collect())
}

/// Returns the status, the problem's type and the challenge of a request with this `Authorization`.
async fn ask(server: &Server, method: &str, path: &str, token: Option<&str>) -> (u16, String, String) {
    let credentials = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\n{credentials}Content-Length: 1\r\nConnection: close\r\n\r\n1"
    );
    let reply = server.ask(request).await;
    let kind = if reply.status < 400 { String::new() } else { reply.kind() };
    (reply.status, kind, reply.header("www-authenticate").unwrap_or_default().to_owned())
}

#[tokio::test]
async fn every_route_asks_for_its_scope_and_no_other_opens_it() {
    let server = Server::with_tokens(Fake::echo(), &one_of_each()).await;
    server.health.serving();
    for (method, path, access) in routes() {
        let place = PARTS.iter().fold(path.to_owned(), |path, (part, value)| path.replace(part, value));
        assert!(!place.contains('{'), "{place}: name a value for the parameter in PARTS");
        let Access::Needs(needed) = access else {
            assert!(OPEN.contains(&path), "{method} {path} needs no scope: is that meant?");
            let status = if method == "POST" { 401 } else { 200 };
            for token in [None, Some("wrong")] {
                assert_eq!(ask(&server, method.as_str(), &place, token).await.0, status, "{method} {path}");
            }
            continue;
        };
        let missing = ask(&server, method.as_str(), &place, None).await;
        assert_eq!((missing.0, &*missing.1), (401, "unauthorized"), "{method} {path}");
        assert_eq!(missing.2, r#"Bearer realm="procpool""#);
        for wrong in ["", "wrong", &secret(needed)[1..], &(secret(needed) + "x")] {
            let refused = ask(&server, method.as_str(), &place, Some(wrong)).await;
            assert_eq!((refused.0, &*refused.1), (401, "unauthorized"), "{method} {path} {wrong}");
            assert!(refused.2.ends_with(r#"error="invalid_token""#), "{refused:?}");
        }
        for scope in Scope::ALL {
            let (status, kind, challenge) = ask(&server, method.as_str(), &place, Some(&secret(scope))).await;
            if scope == needed {
                assert!(![401, 403].contains(&status), "{method} {path} {scope}: {status} {kind}");
            } else {
                assert_eq!((status, &*kind), (403, "forbidden"), "{method} {path} {scope}");
                let named = format!(r#"error="insufficient_scope", scope="{needed}""#);
                assert!(challenge.ends_with(&named), "{method} {path} {scope}: {challenge}");
            }
        }
    }
}

#[tokio::test]
async fn a_head_needs_the_scope_of_its_get() {
    let server = Server::with_tokens(Fake::echo(), &one_of_each()).await;
    for (token, status) in [(String::new(), 401), (secret(Scope::Submit), 403), (secret(Scope::Read), 200)] {
        let mut connection = server.connect().await;
        let head = format!(
            "HEAD /v1/pools HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        );
        connection.send(head).await;
        assert_eq!(connection.head().await.status, status, "{token}");
    }
}
