//! Who asks, for the page, which shows only what one may do. Refuses nobody.

use super::authorize::{by_session, with_tokens};
use super::principal::Principal;
use super::scope::Scope;
use super::sessions::Login;
use super::tokens::TokenDigest;
use super::{Access, unauthorized};
use crate::app::Shared;
use crate::local::{self, bearer};
use axum::response::Response;
use http::HeaderMap;
use http::request::Parts;
use serde::Serialize;

/// Somebody who looks at the page.
#[derive(Debug, Serialize)]
pub(crate) struct Who {
    name: String,
    scopes: Vec<&'static str>,
    /// Patterns of the pools that it may use. Empty: all.
    pools: Vec<String>,
    /// A session says so.
    signed_in: bool,
    /// A token could give it further rights.
    needs_token: bool,
    /// `GET /v1/hosts` has the hosts of a cluster.
    has_hosts: bool,
}

/// Returns who sends this request.
pub(crate) async fn who(shared: &Shared, head: &Parts) -> Who {
    let session = by_session(shared, head).map(|asker| asker.principal);
    let signed_in = session.is_some();
    let has_tokens = shared.app.tokens.is_some();
    let (principal, is_operator) = match (session, &shared.app.tokens) {
        (Some(principal), _) => (principal, !has_tokens),
        (None, Some(tokens)) => {
            let known = with_tokens(shared, tokens, Access::Needs(Scope::Read), head).await;
            (known.map_or_else(|_| Principal::nobody(), |asker| asker.principal), false)
        }
        (None, None) => (Principal::anonymous(), local::prove(shared, head).await.is_ok()),
    };
    // Without tokens, everybody may do what needs no proof, and a proof is all that an operator needs.
    let may = |scope: Scope| {
        let by_proof = !has_tokens && (!scope.is_of_operators() || is_operator);
        principal.may(scope) || by_proof
    };
    let takes_token = has_tokens || shared.app.config.orders_token.is_some();
    Who {
        name: principal.name().to_string(),
        scopes: Scope::ALL.into_iter().filter(|scope| may(*scope)).map(Scope::name).collect(),
        pools: principal.pools(),
        signed_in,
        needs_token: takes_token && !Scope::ALL.into_iter().all(may),
        has_hosts: shared.app.admin.hosts().is_some(),
    }
}

/// Begins a session for the token of a request. Returns the value of the cookie.
///
/// # Errors
/// The answer to a request without a token of this server.
pub(crate) fn begin_session(shared: &Shared, headers: &HeaderMap) -> Result<Option<String>, Box<Response>> {
    if shared.app.tokens.is_none() && shared.app.config.orders_token.is_none() {
        return Err(Box::new(unauthorized::without_tokens()));
    }
    let given = bearer(headers).ok_or_else(|| Box::new(unauthorized::missing()))?;
    let is_known = shared.app.tokens.as_ref().is_some_and(|tokens| tokens.of_bearer(given).is_some());
    let is_of_orders = || shared.app.config.orders_token.as_ref().is_some_and(|token| token.is(given));
    let login = match is_known {
        true => Login::Token(TokenDigest::of(given)),
        false if is_of_orders() => Login::Orders,
        false => return Err(Box::new(unauthorized::wrong())),
    };
    Ok(shared.sessions.begin(login))
}
