//! Who may do what. `scope` has the words, `tokens` the table of those who may, `principal` is who asks, and
//! `authorize` the middleware of every route. `audit` writes down who gave an order.
//! `sessions` are for people with browsers, and `who` tells their page what they may do. `pass` asks again while a stream lasts.
//! `quota` bounds how much one token may use, and `metered` counts it.

mod audit;
mod authorize;
mod metered;
mod pass;
mod pattern;
mod principal;
mod quota;
mod scope;
mod sessions;
mod tokens;
mod unauthorized;
mod who;

pub use pattern::{InvalidPattern, PoolPattern};
pub use quota::Quota;
pub use scope::{Scope, Scopes, UnknownScope};
pub use tokens::{InvalidDigest, InvalidName, Token, TokenDigest, Tokens};

pub(crate) use authorize::{Terms, authorize};
pub(crate) use metered::Permit;
pub(crate) use pass::Pass;
pub(crate) use principal::Principal;
pub(crate) use sessions::{Sessions, set_cookie};
pub(crate) use who::{begin_session, who};

/// The right that a route asks of its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Nothing: it tells nothing of what is running.
    Open,
    /// This scope.
    Needs(Scope),
}

impl From<Scope> for Access {
    fn from(scope: Scope) -> Self {
        Self::Needs(scope)
    }
}
