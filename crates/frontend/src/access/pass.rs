//! The right to read a stream. A stream outlives the look at its request, so it asks again before each event: a token that
//! was revoked or a session that has ended reads nothing further.

use super::principal::Principal;
use super::sessions::{SessionId, Sessions};
use super::tokens::Tokens;
use crate::app::Shared;
use axum::extract::FromRequestParts;
use http::request::Parts;
use std::convert::Infallible;
use std::sync::Arc;

/// Who reads a stream, and by what.
pub(crate) struct Pass {
    principal: Principal,
    tokens: Option<Tokens>,
    session: Option<(Arc<Sessions>, SessionId)>,
}

impl Pass {
    /// Returns whether its token still has the same rights, and its session goes on.
    pub(crate) fn is_valid(&self) -> bool {
        self.tokens.as_ref().is_none_or(|tokens| tokens.has(&self.principal))
            && self.session.as_ref().is_none_or(|(sessions, id)| sessions.has(*id))
    }
}

impl FromRequestParts<Arc<Shared>> for Pass {
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Infallible> {
        let principal = Principal::from_request_parts(head, shared).await?;
        // `authorize` has set it if the client is known by a session.
        let session = head.extensions.get().map(|id| (shared.sessions.clone(), *id));
        Ok(Self { principal, tokens: shared.app.tokens.clone(), session })
    }
}
