//! The middleware of every route: finds out who asks, and refuses who may not.
//!
//! A server with tokens asks everybody for one, but processes of its own user and of root as far as `orders` lets in
//! those. A server without tokens takes jobs from everybody, so those routes have no middleware, and orders as `local` says.

use super::audit::{Order, path_of};
use super::principal::Principal;
use super::scope::{Scope, Scopes};
use super::sessions::{Login, SessionId};
use super::unauthorized::COOKIE_WITHOUT_ORIGIN;
use super::{Access, Tokens, unauthorized};
use crate::app::Shared;
use crate::handover::IDEMPOTENCY_KEY;
use crate::local::{self, Proof, bearer};
use crate::remote::{Operator, Peer};
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::AUTHORIZATION;
use http::request::Parts;
use std::sync::Arc;

/// Lets a request through to its route if its client may ask for that.
pub(crate) async fn authorize(
    State((shared, terms)): State<(Arc<Shared>, Terms)>,
    request: Request,
    next: Next,
) -> Response {
    let (mut head, body) = request.into_parts();
    let access = terms.access;
    let asker = match identify(&shared, access, &head).await {
        Ok(asker) => asker,
        Err(refusal) => return refusal,
    };
    if let Access::Needs(scope) = access
        && let Err(refusal) = judge(&asker, scope, &mut head).await
    {
        let (path, peer) = (path_of(&head), asker.peer(&head));
        tracing::warn!(
            principal = &**asker.principal.name(),
            peer,
            ?path,
            "refused what a client may not do"
        );
        return refusal;
    }
    let admission = match terms.runs_job.then(|| asker.principal.admit()).transpose() {
        Ok(admission) => admission,
        // A job of this key may have been there before.
        Err(exceeded) => {
            return exceeded.of_a_key(head.headers.contains_key(IDEMPOTENCY_KEY)).into_response();
        }
    };
    head.extensions.insert(asker.principal.clone());
    if let Some(session) = asker.session {
        head.extensions.insert(session);
    }
    if let Some(admission) = &admission {
        head.extensions.insert(admission.permit.clone());
    }
    let order = match access {
        Access::Needs(scope) if scope.is_of_operators() => {
            let peer = asker.peer(&head);
            Some(Order::new(terms.path, asker.principal, peer, &head))
        }
        _ => None,
    };
    let answer = next.run(Request::from_parts(head, body));
    let response = match order {
        Some(order) => order.run(answer).await,
        None => answer.await,
    };
    match admission {
        Some(admission) => admission.label(response),
        None => response,
    }
}

/// The terms of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    /// The route's path, with its parameters' names.
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    /// Whether each request is a job, and counts towards the quota of its token.
    pub(crate) runs_job: bool,
}

impl Terms {
    /// Returns whether everybody may use the route. Then nothing stands before it, and costs nothing.
    pub(crate) fn are_open(self, shared: &Shared) -> bool {
        let is_for_operators = matches!(self.access, Access::Needs(scope) if scope.is_of_operators());
        shared.app.tokens.is_none() && !is_for_operators
    }
}

/// # Errors
/// The refusal of a client that is not known, as an answer.
async fn identify(shared: &Shared, access: Access, head: &Parts) -> Result<Asker, Response> {
    match (&shared.app.tokens, access) {
        (Some(tokens), _) => match with_tokens(shared, tokens, access, head).await {
            Err(_) if access == Access::Open => Ok(Principal::nobody().into()),
            known => known,
        },
        (None, _) => by_proof(shared, head).await,
    }
}

/// # Errors
/// The refusal of a client that is known and lacks a right.
async fn judge(asker: &Asker, scope: Scope, head: &mut Parts) -> Result<(), Response> {
    let principal = &asker.principal;
    principal.needs(scope).map_err(|problem| unauthorized::insufficient(problem, scope))?;
    if principal.is_bound_to_pools() {
        let parameters = RawPathParams::from_request_parts(head, &()).await;
        let parameters = parameters.map_err(IntoResponse::into_response)?;
        let mut pools = parameters.iter().filter(|(name, _)| *name == "pool");
        pools.try_for_each(|(_, pool)| principal.needs_pool(pool)).map_err(IntoResponse::into_response)?;
    }
    Ok(())
}

pub(super) async fn with_tokens(
    shared: &Shared,
    tokens: &Tokens,
    access: Access,
    head: &Parts,
) -> Result<Asker, Response> {
    if let Some(asker) = by_orders_socket(head, Scopes::ALL) {
        return Ok(asker);
    }
    if head.headers.contains_key(AUTHORIZATION) {
        return by_token(shared, tokens, head).ok_or_else(|| {
            if access != Access::Open {
                let (path, peer) = (path_of(head), peer_of(head));
                tracing::warn!(?path, peer, "refused a request with an unknown token");
            }
            unauthorized::wrong()
        });
    }
    if let Some(asker) = by_session(shared, head) {
        return Ok(asker);
    }
    if access == Access::Open {
        // The kernel is not asked for that.
        return Ok(Principal::nobody().into());
    }
    if let Some(names) = head.extensions.get::<Arc<Peer>>().and_then(|peer| peer.certified_names()) {
        let known = names.iter().find_map(|name| tokens.named(name));
        return known.map(Asker::from).ok_or_else(|| {
            tracing::warn!(?names, peer = peer_of(head), "refused a certificate that names no client");
            unauthorized::uncertified()
        });
    }
    let missing = || match lacks_only_origin(shared, head) {
        true => unauthorized::without_origin(),
        false => unauthorized::missing(),
    };
    let proof = local::by_kernel(shared, head).await.map_err(|_| missing())?;
    Ok(Asker::proved(proof, Scopes::ALL))
}

fn by_token(shared: &Shared, tokens: &Tokens, head: &Parts) -> Option<Asker> {
    let given = bearer(&head.headers)?;
    let of_orders = || {
        let token = shared.app.config.orders_token.as_ref()?;
        token.is(given).then(Principal::of_orders_token)
    };
    Some(tokens.of_bearer(given).or_else(of_orders)?.into())
}

/// On a server without tokens, an order needs a proof.
async fn by_proof(shared: &Shared, head: &Parts) -> Result<Asker, Response> {
    if let Some(asker) = by_orders_socket(head, Scopes::OPERATORS) {
        return Ok(asker);
    }
    if let Some(asker) = by_session(shared, head) {
        return Ok(asker);
    }
    match local::prove(shared, head).await {
        Ok(proof) => Ok(Asker::proved(proof, Scopes::OPERATORS)),
        Err(reason) => {
            let (path, peer) = (path_of(head), peer_of(head));
            let reason = if lacks_only_origin(shared, head) { COOKIE_WITHOUT_ORIGIN.into() } else { reason };
            tracing::warn!(?path, peer, "refused an order: {reason}");
            let has_token = shared.app.config.orders_token.is_some();
            Err(local::unproved(&reason, has_token).into_response())
        }
    }
}

/// Returns whether a request would be that of a session, if it said from which page it comes.
fn lacks_only_origin(shared: &Shared, head: &Parts) -> bool {
    shared.sessions.lacks_only_origin(&head.method, &head.headers, shared.app.tls.is_some())
}

/// Returns who has begun the session of a request, if its token still counts.
pub(super) fn by_session(shared: &Shared, head: &Parts) -> Option<Asker> {
    let is_tls = shared.app.tls.is_some();
    let (session, login) = shared.sessions.login(&head.method, &head.headers, is_tls)?;
    let principal = match (login, &shared.app.tokens) {
        (Login::Token(digest), Some(tokens)) => tokens.of_digest(digest),
        (Login::Token(_), None) => None,
        (Login::Orders, _) => shared.app.config.orders_token.as_ref().map(|_| Principal::of_orders_token()),
    }?;
    Some(Asker { principal, proof: None, session: Some(session) })
}

fn by_orders_socket(head: &Parts, scopes: Scopes) -> Option<Asker> {
    let &Operator(process) = head.extensions.get()?;
    Some(Asker::proved(Proof::Socket(process), scopes))
}

/// A client, and what has proved who it is.
pub(super) struct Asker {
    pub(super) principal: Principal,
    proof: Option<Proof>,
    /// The session by which it is known.
    session: Option<SessionId>,
}

impl From<Principal> for Asker {
    fn from(principal: Principal) -> Self {
        Self { principal, proof: None, session: None }
    }
}

impl Asker {
    fn proved(proof: Proof, scopes: Scopes) -> Self {
        let principal = match proof {
            Proof::Token => Principal::of_orders_token(),
            Proof::Process(uid) => Principal::user(uid, scopes),
            Proof::Unix(process) | Proof::Socket(process) => Principal::user(process.uid, scopes),
        };
        Self { principal, proof: Some(proof), session: None }
    }

    /// Returns from where it asks, for the log.
    fn peer(&self, head: &Parts) -> String {
        match self.proof {
            Some(Proof::Unix(process)) => format!("unix, {process}"),
            Some(Proof::Socket(process)) => format!("the orders socket, {process}"),
            _ => peer_of(head),
        }
    }
}

fn peer_of(head: &Parts) -> String {
    head.extensions.get::<Arc<Peer>>().map_or_else(String::new, |peer| format!("{peer:?}"))
}
