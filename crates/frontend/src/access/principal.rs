//! Who asks: a name, and what it may do. Every request of a route has one.

use super::metered::{Admission, Meter, QuotaExceeded};
use super::pattern::PoolPattern;
use super::quota::Quota;
use super::scope::{Scope, Scopes};
use super::tokens::{Token, TokenDigest};
use crate::kind::Kind;
use crate::problem::Problem;
use crate::remote::{Operator, Peer};
use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{Extensions, StatusCode};
use procpool_protocol::engine::{ClientName, Priority};
use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, LazyLock};

/// The name of clients of a server without tokens.
const ANONYMOUS: &str = "anonymous";

/// Who asks.
#[derive(Clone)]
pub(crate) struct Principal(Arc<Rights>);

struct Rights {
    name: ClientName,
    scopes: Scopes,
    /// Empty: all.
    pools: Vec<PoolPattern>,
    max_priority: Priority,
    quota: Quota,
    meter: Meter,
    is_tenant: bool,
    /// That of its token, so that one which was replaced is told from the new one.
    digest: Option<TokenDigest>,
}

impl Principal {
    pub(super) fn with(token: Token, meter: Meter) -> Self {
        Self(Arc::new(Rights {
            name: (*token.name).into(),
            scopes: token.scopes,
            pools: token.pools,
            max_priority: token.max_priority,
            quota: token.quota,
            meter,
            is_tenant: true,
            digest: token.digest,
        }))
    }

    fn without_token(name: &str, scopes: Scopes) -> Self {
        Self(Arc::new(Rights {
            name: name.into(),
            scopes,
            pools: Vec::new(),
            max_priority: Priority::High,
            quota: Quota::default(),
            meter: Meter::default(),
            is_tenant: false,
            digest: None,
        }))
    }

    /// Returns who uses a server without tokens.
    pub(crate) fn anonymous() -> Self {
        static ONE: LazyLock<Principal> =
            LazyLock::new(|| Principal::without_token(ANONYMOUS, Scopes::ANONYMOUS));
        ONE.clone()
    }

    /// Returns who sends a request to a server without tokens: the user whom the kernel names, or anybody.
    fn of_everybody(extensions: &Extensions) -> Self {
        if let Some(Operator(process)) = extensions.get() {
            return Self::user(process.uid, Scopes::ANONYMOUS);
        }
        let user = extensions.get::<Arc<Peer>>().and_then(|peer| peer.user());
        user.cloned().unwrap_or_else(Self::anonymous)
    }

    /// Returns somebody who may do nothing.
    pub(super) fn nobody() -> Self {
        static ONE: LazyLock<Principal> =
            LazyLock::new(|| Principal::without_token(ANONYMOUS, Scopes::default()));
        ONE.clone()
    }

    /// Returns a user of this machine, as the kernel names him. No token has such a name.
    pub(crate) fn user(uid: u32, scopes: Scopes) -> Self {
        Self::without_token(&format!("uid:{uid}"), scopes)
    }

    /// Returns the bearer of the token for orders.
    pub(super) fn of_orders_token() -> Self {
        static ONE: LazyLock<Principal> =
            LazyLock::new(|| Principal::without_token("orders:token", Scopes::OPERATORS));
        ONE.clone()
    }

    /// Returns the token's name, `uid:N` for a user of this machine, or `anonymous`.
    pub(crate) fn name(&self) -> &ClientName {
        &self.0.name
    }

    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.0.scopes.has(scope)
    }

    /// Returns whether it may see the same as another, by the same token.
    pub(super) fn has_rights_of(&self, other: &Self) -> bool {
        (self.0.scopes, &self.0.pools, self.0.digest) == (other.0.scopes, &other.0.pools, other.0.digest)
    }

    pub(crate) fn is_bound_to_pools(&self) -> bool {
        !self.0.pools.is_empty()
    }

    /// Returns the patterns of the pools that it may use. Empty: all.
    pub(super) fn pools(&self) -> Vec<String> {
        self.0.pools.iter().map(ToString::to_string).collect()
    }

    pub(crate) fn may_use(&self, pool: &str) -> bool {
        self.0.pools.is_empty() || self.0.pools.iter().any(|pattern| pattern.matches(pool))
    }

    /// Returns the tenant of a job that names none.
    pub(crate) fn tenant(&self) -> Option<ClientName> {
        self.0.is_tenant.then(|| self.0.name.clone())
    }

    /// Returns the priority of a job that asks for this one.
    ///
    /// # Errors
    /// A 403 problem if the job asks for more than it may have. A job that asks for none gets what it may have.
    pub(crate) fn priority(&self, asked: Option<Priority>) -> Result<Priority, Problem> {
        let ceiling = self.0.max_priority;
        match asked {
            // High is the least.
            Some(asked) if asked < ceiling => {
                let detail = format!("the priority {asked} is above `{ceiling}`, the highest of its jobs");
                Err(self.forbidden(&detail).with("max_priority", ceiling.as_str()))
            }
            Some(asked) => Ok(asked),
            None => Ok(ceiling.max(Priority::default())),
        }
    }

    /// Takes the part of a job from the quota. The [`Permit`](super::Permit) that this gives is held until the job has
    /// ended.
    ///
    /// # Errors
    /// A 429 problem that says when there is room again.
    pub(crate) fn admit(&self) -> Result<Admission, QuotaExceeded> {
        self.0.meter.take(self.0.quota)
    }

    pub(super) fn meter(&self) -> Meter {
        self.0.meter.clone()
    }

    /// # Errors
    /// A 403 problem that names the missing scope.
    pub(super) fn needs(&self, scope: Scope) -> Result<(), Problem> {
        if self.may(scope) {
            return Ok(());
        }
        let name = scope.name();
        Err(self.forbidden(&format!("it needs the scope `{name}`")).with("missing_scope", name))
    }

    /// # Errors
    /// A 403 problem that names the pool.
    pub(crate) fn needs_pool(&self, pool: &str) -> Result<(), Problem> {
        if self.may_use(pool) {
            return Ok(());
        }
        let pool: String = pool.chars().take(64).collect();
        Err(self.forbidden(&format!("the pool `{pool}` is not one of its pools")).with("pool", &pool))
    }

    /// # Errors
    /// A 403 problem for a token of some pools.
    pub(crate) fn needs_all_pools(&self) -> Result<(), Problem> {
        if self.is_bound_to_pools() { Err(self.forbidden("it needs a token of all pools")) } else { Ok(()) }
    }

    fn forbidden(&self, reason: &str) -> Problem {
        let name = &**self.name();
        let detail = format!("failed to take the request: `{name}` may not: {reason}");
        Problem::new(Kind::Forbidden, StatusCode::FORBIDDEN, detail)
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name().fmt(out)
    }
}

/// `authorize` has set it on every route of a server with tokens, and on those for operators.
impl<S: Send + Sync> FromRequestParts<S> for Principal {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(|| Self::of_everybody(&parts.extensions)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_gets_the_priority_that_it_asks_for_up_to_the_ceiling() {
        use Priority::{High, Low, Normal};
        for (ceiling, asked, got) in [
            (High, Some(High), Some(High)),
            (High, None, Some(Normal)),
            (Normal, Some(High), None),
            (Normal, None, Some(Normal)),
            (Low, None, Some(Low)),
            (Low, Some(Normal), None),
            (Low, Some(Low), Some(Low)),
        ] {
            let mut token = Token::new("a").unwrap();
            token.max_priority = ceiling;
            assert_eq!(
                Principal::with(token, Meter::default()).priority(asked).ok(),
                got,
                "{ceiling} {asked:?}"
            );
        }
    }

    #[test]
    fn only_a_token_is_a_tenant_by_itself() {
        let token = Principal::with(Token::new("ci").unwrap(), Meter::default());
        assert_eq!(token.tenant().as_deref(), Some("ci"));
        assert!(Principal::anonymous().tenant().is_none());
        assert!(Principal::user(0, Scopes::ALL).tenant().is_none());
    }
}
