//! The answers to a client that is not known, or that lacks a scope: with the challenge of RFC 6750.

use super::scope::Scope;
use crate::kind::Kind;
use crate::problem::Problem;
use axum::response::{IntoResponse, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, StatusCode};

/// Returns the 401 of a request without a token.
pub(super) fn missing() -> Response {
    unauthorized("it brings no token", r#"Bearer realm="procpool""#)
}

/// The reason to refuse an order by the cookie of a session that does not say from which page it comes.
pub(super) const COOKIE_WITHOUT_ORIGIN: &str =
    "its cookie counts for an order only if the request has `Origin`, as those of a page of this server do";

/// Returns the 401 of such an order.
pub(super) fn without_origin() -> Response {
    unauthorized(COOKIE_WITHOUT_ORIGIN, r#"Bearer realm="procpool""#)
}

/// Returns the 401 of a request with a token that nobody has.
pub(super) fn wrong() -> Response {
    unauthorized("its token is not one of this server's", r#"Bearer realm="procpool", error="invalid_token""#)
}

/// Returns the 401 of a session that is begun on a server that has no tokens to exchange.
pub(super) fn without_tokens() -> Response {
    let detail = "failed to begin a session: this server has no tokens, and its page needs none";
    challenging(
        Problem::new(Kind::Unauthorized, StatusCode::UNAUTHORIZED, detail),
        r#"Bearer realm="procpool""#,
    )
}

/// Returns the 401 of a request whose certificate is made out to nobody in the table.
pub(super) fn uncertified() -> Response {
    unauthorized("no name of its certificate is in the file of tokens", r#"Bearer realm="procpool""#)
}

/// Adds to a 403 which scope is missing.
pub(super) fn insufficient(problem: Problem, scope: Scope) -> Response {
    let challenge = match scope {
        Scope::Submit => r#"Bearer realm="procpool", error="insufficient_scope", scope="submit""#,
        Scope::Read => r#"Bearer realm="procpool", error="insufficient_scope", scope="read""#,
        Scope::Operate => r#"Bearer realm="procpool", error="insufficient_scope", scope="operate""#,
        Scope::Debug => r#"Bearer realm="procpool", error="insufficient_scope", scope="debug""#,
        Scope::Admin => r#"Bearer realm="procpool", error="insufficient_scope", scope="admin""#,
    };
    challenging(problem, challenge)
}

fn unauthorized(reason: &str, challenge: &'static str) -> Response {
    let detail = format!("failed to take the request: {reason}; send yours as `Authorization: Bearer TOKEN`");
    challenging(Problem::new(Kind::Unauthorized, StatusCode::UNAUTHORIZED, detail), challenge)
}

fn challenging(problem: Problem, challenge: &'static str) -> Response {
    let mut response = problem.into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    response
}
