//! The sessions of people who use the page: a browser's `EventSource` cannot send `Authorization`, so a token is exchanged
//! for a cookie. A session has no rights of its own; it stands for its token, and ends with it.

use super::tokens::TokenDigest;
use http::header::{COOKIE, ORIGIN};
use http::{HeaderMap, HeaderValue, Method};
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Time after which a session ends.
const LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// Maximum number of sessions. Above it, the oldest one ends.
const MOST: usize = 256;

/// Maximum number of sessions of one token. Above it, its oldest one ends.
const MOST_OF_ONE: usize = 16;

/// Returns the name of the cookie. Browsers take that of TLS only from the host itself, over TLS: another host of the
/// same domain can set the other one, so a server with TLS does not look at it.
const fn name(is_tls: bool) -> &'static str {
    if is_tls { "__Host-procpool_session" } else { "procpool_session" }
}

/// One session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SessionId(TokenDigest);

/// The secret for which a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Login {
    /// The token with this digest.
    Token(TokenDigest),
    /// The token for orders.
    Orders,
}

/// The sessions of a server, bounded in number and age.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<Store>);

impl Sessions {
    /// Begins a session. Returns the value of its cookie, or `None` if the system has no random numbers.
    pub(crate) fn begin(&self, login: Login) -> Option<String> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let secret = bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string never fails.
            let _ = write!(text, "{byte:02x}");
            text
        });
        self.lock().begin(TokenDigest::of(secret.as_bytes()), login, Instant::now());
        Some(secret)
    }

    /// Returns the session of a request with the secret for which it stands. A request that changes something comes from a
    /// page of this server, as its `Origin` says; others were refused before.
    pub(crate) fn login(
        &self,
        method: &Method,
        headers: &HeaderMap,
        is_tls: bool,
    ) -> Option<(SessionId, Login)> {
        if lacks_origin(method, headers) {
            return None;
        }
        let id = TokenDigest::of(cookie(headers, is_tls)?.as_bytes());
        Some((SessionId(id), self.lock().login(id, Instant::now())?))
    }

    /// Returns whether a request has the cookie of a session, and nothing that says from which page it comes.
    pub(crate) fn lacks_only_origin(&self, method: &Method, headers: &HeaderMap, is_tls: bool) -> bool {
        lacks_origin(method, headers) && self.login(&Method::GET, headers, is_tls).is_some()
    }

    /// Returns whether a session goes on.
    pub(crate) fn has(&self, SessionId(id): SessionId) -> bool {
        self.lock().login(id, Instant::now()).is_some()
    }

    /// Ends the session of a request.
    pub(crate) fn end(&self, headers: &HeaderMap, is_tls: bool) {
        if let Some(secret) = cookie(headers, is_tls) {
            self.lock().sessions.remove(&TokenDigest::of(secret.as_bytes()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the `Set-Cookie` of a session, or of its end if there is no secret.
pub(crate) fn set_cookie(secret: Option<&str>, is_tls: bool) -> Option<HeaderValue> {
    let (name, secure) = (name(is_tls), if is_tls { "; Secure" } else { "" });
    let age = if secret.is_some() { LIFETIME.as_secs() } else { 0 };
    let secret = secret.unwrap_or_default();
    let text = format!("{name}={secret}; Path=/; HttpOnly; SameSite=Strict; Max-Age={age}{secure}");
    HeaderValue::try_from(text).ok()
}

fn lacks_origin(method: &Method, headers: &HeaderMap) -> bool {
    !method.is_safe() && !headers.contains_key(ORIGIN)
}

/// Returns the value of the only cookie of a session.
fn cookie(headers: &HeaderMap, is_tls: bool) -> Option<&str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut found = pairs.flat_map(|pairs| pairs.split(';')).filter_map(|pair| {
        let (own, value) = pair.trim().split_once('=')?;
        (own == name(is_tls)).then_some(value)
    });
    let only = found.next()?;
    found.next().is_none().then_some(only)
}

/// The sessions by the digest of their secret, so that the time of a search tells nothing of it.
#[derive(Debug, Default)]
struct Store {
    sessions: BTreeMap<TokenDigest, Session>,
}

#[derive(Clone, Copy, Debug)]
struct Session {
    login: Login,
    until: Instant,
}

impl Store {
    fn begin(&mut self, id: TokenDigest, login: Login, now: Instant) {
        self.sessions.retain(|_, session| session.until > now);
        self.make_room(MOST_OF_ONE, |session| session.login == login);
        self.make_room(MOST, |_| true);
        self.sessions.insert(id, Session { login, until: now + LIFETIME });
    }

    /// Ends the oldest of these sessions if there are as many as there may be.
    fn make_room(&mut self, most: usize, is_meant: impl Fn(&Session) -> bool) {
        let meant = || self.sessions.iter().filter(|(_, session)| is_meant(session));
        let oldest = meant().min_by_key(|(_, session)| session.until).map(|(id, _)| *id);
        if meant().count() >= most
            && let Some(oldest) = oldest
        {
            self.sessions.remove(&oldest);
        }
    }

    fn login(&self, id: TokenDigest, now: Instant) -> Option<Login> {
        self.sessions.get(&id).filter(|session| session.until > now).map(|session| session.login)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> TokenDigest {
        TokenDigest::of(number.to_string().as_bytes())
    }

    #[test]
    fn a_session_ends_by_its_age() {
        let (mut store, now) = (Store::default(), Instant::now());
        store.begin(id(1), Login::Orders, now);
        assert_eq!(store.login(id(1), now + LIFETIME / 2), Some(Login::Orders));
        assert_eq!(store.login(id(1), now + LIFETIME), None);
        assert_eq!(store.login(id(2), now), None);
        store.begin(id(2), Login::Orders, now + LIFETIME);
        assert_eq!(store.sessions.len(), 1, "and is forgotten");
    }

    #[test]
    fn sessions_are_bounded_for_each_token_and_together() {
        let (mut store, now) = (Store::default(), Instant::now());
        let at = |number: usize| now + Duration::from_secs(number as u64);
        for number in 0..=MOST_OF_ONE {
            store.begin(id(number), Login::Orders, at(number));
        }
        assert_eq!(store.sessions.len(), MOST_OF_ONE);
        assert_eq!((store.login(id(0), now), store.login(id(1), now)), (None, Some(Login::Orders)));
        for number in 100..100 + 2 * MOST {
            store.begin(id(number), Login::Token(id(number)), at(number));
        }
        assert_eq!(store.sessions.len(), MOST);
        assert_eq!(store.login(id(1), now), None, "the oldest went first");
    }

    #[test]
    fn one_cookie_of_ours_counts_and_two_are_none() {
        let found = |values: &[&'static str], is_tls| {
            let headers: HeaderMap = values.iter().map(|it| (COOKIE, HeaderValue::from_static(it))).collect();
            cookie(&headers, is_tls).map(str::to_owned)
        };
        assert_eq!(found(&["a=b; procpool_session=x"], false).as_deref(), Some("x"));
        assert_eq!(found(&["a=b", "__Host-procpool_session=y; c=d"], true).as_deref(), Some("y"));
        assert_eq!(found(&["procpool_session=x; procpool_session=y"], false), None);
        assert_eq!(found(&["xprocpool_session=x"], false), None);
    }

    #[test]
    fn over_tls_only_the_cookie_counts_that_no_other_host_can_set() {
        let sessions = Sessions::default();
        let secret = sessions.begin(Login::Orders).unwrap();
        let headers = |name: &str| {
            HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(format!("{name}={secret}")).unwrap())])
        };
        let is_known = |name: &str, is_tls| sessions.login(&Method::GET, &headers(name), is_tls).is_some();
        assert!(is_known("__Host-procpool_session", true) && !is_known("procpool_session", true));
        assert!(is_known("procpool_session", false) && !is_known("__Host-procpool_session", false));
    }

    #[test]
    fn an_order_by_cookie_comes_from_a_page() {
        let sessions = Sessions::default();
        let secret = sessions.begin(Login::Orders).unwrap();
        let cookie = HeaderValue::try_from(format!("procpool_session={secret}")).unwrap();
        let mut headers = HeaderMap::from_iter([(COOKIE, cookie)]);
        let (id, login) = sessions.login(&Method::GET, &headers, false).unwrap();
        assert_eq!((login, sessions.has(id)), (Login::Orders, true));
        assert_eq!(sessions.login(&Method::POST, &headers, false), None);
        assert!(sessions.lacks_only_origin(&Method::POST, &headers, false));
        headers.insert(ORIGIN, HeaderValue::from_static("http://localhost"));
        assert_eq!(sessions.login(&Method::POST, &headers, false), Some((id, Login::Orders)));
        sessions.end(&headers, false);
        assert_eq!(sessions.login(&Method::GET, &headers, false), None);
        assert!(!sessions.has(id) && !sessions.lacks_only_origin(&Method::POST, &headers, false));
    }

    #[test]
    fn a_cookie_is_for_this_host_and_no_script() {
        let text = |secret, is_tls| set_cookie(secret, is_tls).unwrap().to_str().unwrap().to_owned();
        let plain = "procpool_session=x; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200";
        assert_eq!(text(Some("x"), false), plain);
        assert_eq!(text(Some("x"), true), format!("__Host-{plain}; Secure"));
        assert!(
            text(None, false).contains("procpool_session=; ") && text(None, false).ends_with("Max-Age=0")
        );
    }
}
