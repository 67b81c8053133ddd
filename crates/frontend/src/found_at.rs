//! The address at which a client has found this server, for commands that it copies. A Unix socket has none: what a client
//! calls the host there leads nowhere.

use crate::app::Shared;
use crate::death_view::quoted;
use crate::head as heads;
use crate::remote::{Operator, Peer};
use axum::extract::FromRequestParts;
use http::request::Parts;
use std::convert::Infallible;
use std::sync::Arc;

/// The beginning of every address of this server, as `http://localhost:3000`.
pub(crate) struct FoundAt {
    origin: Option<String>,
    has_tokens: bool,
}

impl FoundAt {
    /// Returns the command that sends a `POST` without a body, or `None` where the client has come by a Unix socket.
    pub(crate) fn post(&self, path: &str) -> Option<String> {
        let address = quoted(&format!("{}{path}", self.origin.as_ref()?));
        // Double quotes, in which a shell puts the token in its place.
        let token = if self.has_tokens { r#"-H "Authorization: Bearer $PROCPOOL_TOKEN" "# } else { "" };
        Some(format!("curl -X POST {token}{address}"))
    }
}

impl FromRequestParts<Arc<Shared>> for FoundAt {
    type Rejection = Infallible;

    async fn from_request_parts(head: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Infallible> {
        let is_on_socket = head.extensions.get::<Operator>().is_some()
            || head.extensions.get::<Arc<Peer>>().is_some_and(|peer| peer.process().is_some());
        let host = heads::check(head.version, &head.uri, &head.headers).ok().flatten();
        let scheme = if shared.app.tls.is_some() { "https" } else { "http" };
        let origin = host.filter(|_| !is_on_socket).map(|host| format!("{scheme}://{host}"));
        Ok(Self { origin, has_tokens: shared.app.tokens.is_some() })
    }
}
