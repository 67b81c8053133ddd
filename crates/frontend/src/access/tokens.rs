//! The table of those who may use the server: a digest of each one's token, a name, and what it may do. Does not: read
//! files or requests.

use super::pattern::PoolPattern;
use super::principal::Principal;
use super::quota::Quota;
use super::scope::Scopes;
use procpool_protocol::engine::Priority;
use ring::digest::{SHA256, digest};
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use subtle::ConstantTimeEq;

/// Somebody who may use the server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Token {
    pub(super) name: Box<str>,
    /// The digest of the secret. Without one, only a client's certificate proves the name. Default: `None`.
    pub digest: Option<TokenDigest>,
    /// Its rights. Default: nothing.
    pub scopes: Scopes,
    /// Pools that it may use. Default: empty, which stands for all.
    pub pools: Vec<PoolPattern>,
    /// Highest priority that its jobs may have. Default: high.
    pub max_priority: Priority,
    /// The part of the server that it may use. Default: no bounds.
    pub quota: Quota,
}

/// A text cannot be the name of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName(String);

impl Token {
    /// Maximum length of a name, in bytes.
    pub const LONGEST_NAME: usize = 64;

    /// Returns somebody of that name who may do nothing.
    ///
    /// # Errors
    /// When the name is empty, too long, or has other characters than letters and digits of ASCII, `.`, `_` and `-`.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !(1..=Self::LONGEST_NAME).contains(&name.len()) || !name.bytes().all(is_known) {
            return Err(InvalidName(name.into()));
        }
        Ok(Self {
            name: name.into(),
            digest: None,
            scopes: Scopes::default(),
            pools: Vec::new(),
            max_priority: Priority::High,
            quota: Quota::default(),
        })
    }
}

impl Token {
    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for InvalidName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self(name), longest) = (self, Token::LONGEST_NAME);
        write!(
            out,
            "`{name}` cannot be the name of a token; 1 to {longest} of the characters a-z, A-Z, 0-9, ., _ and - can"
        )
    }
}

impl std::error::Error for InvalidName {}

/// The SHA-256 of a token, which tells nothing of the token itself: that has too many bits to try all.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenDigest([u64; 4]);

/// A text is not a digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidDigest;

impl TokenDigest {
    /// Returns the digest of a token.
    #[must_use]
    pub fn of(token: &[u8]) -> Self {
        let digest = digest(&SHA256, token);
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(digest.as_ref().as_chunks().0) {
            *word = u64::from_be_bytes(*bytes);
        }
        Self(words)
    }
}

/// 64 digits of base 16, in small letters.
impl fmt::Display for TokenDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|word| write!(out, "{word:016x}"))
    }
}

impl fmt::Debug for TokenDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TokenDigest(…)")
    }
}

impl FromStr for TokenDigest {
    type Err = InvalidDigest;

    fn from_str(text: &str) -> Result<Self, InvalidDigest> {
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidDigest);
        }
        let mut words = [0; 4];
        for (index, word) in words.iter_mut().enumerate() {
            let digits = &text[16 * index..16 * (index + 1)];
            *word = u64::from_str_radix(digits, 16).map_err(|_| InvalidDigest)?;
        }
        Ok(Self(words))
    }
}

impl fmt::Display for InvalidDigest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(
            "a SHA-256 has 64 digits of base 16; `procpool token new NAME` prints a token with its own",
        )
    }
}

impl std::error::Error for InvalidDigest {}

/// The tokens of a server, which can be replaced while it runs. Clones are one.
///
/// ```
/// use procpool_frontend::{Scope, Token, TokenDigest, Tokens};
///
/// let mut ci = Token::new("ci").unwrap();
/// ci.digest = Some(TokenDigest::of(b"0f1e2d3c4b5a69788796a5b4c3d2e1f0"));
/// ci.scopes = [Scope::Submit, Scope::Read].into_iter().collect();
/// let tokens = Tokens::new(vec![ci]);
/// tokens.replace(Vec::new()); // nobody any longer
/// ```
#[derive(Clone)]
pub struct Tokens(Arc<RwLock<Arc<[Entry]>>>);

struct Entry {
    digest: Option<TokenDigest>,
    principal: Principal,
}

impl Tokens {
    /// Maximum number of tokens that a server should have: a request with a token is compared with each.
    pub const MOST: usize = 1024;

    /// Returns the table. Names and digests should be unique; the first of two counts.
    #[must_use]
    pub fn new(tokens: Vec<Token>) -> Self {
        Self(Arc::new(RwLock::new(entries(tokens, &[]))))
    }

    /// Replaces the table. Requests that are in flight go on, and count towards the new quota of their name.
    pub fn replace(&self, tokens: Vec<Token>) {
        // Built before the lock that each request takes.
        let new = entries(tokens, &self.entries());
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = new;
    }

    /// Returns who has this token. Takes as long for every token of the same length, right or wrong.
    pub(crate) fn of_bearer(&self, token: &[u8]) -> Option<Principal> {
        self.of_digest(TokenDigest::of(token))
    }

    /// Returns who has the token with this digest, as [`of_bearer`](Self::of_bearer) does.
    pub(crate) fn of_digest(&self, given: TokenDigest) -> Option<Principal> {
        let is_given = |entry: &Entry| entry.digest.is_some_and(|own| own.0.ct_eq(&given.0).into());
        let entries = self.entries();
        let found = entries.iter().fold(
            None,
            |found, entry| {
                if is_given(entry) { found.or(Some(entry)) } else { found }
            },
        );
        found.map(|entry| entry.principal.clone())
    }

    /// Returns whether a principal is as it was: one of these tokens with the same rights, or one that needs no token.
    pub(crate) fn has(&self, principal: &Principal) -> bool {
        principal.tenant().is_none_or(|name| self.named(&name).is_some_and(|it| it.has_rights_of(principal)))
    }

    /// Returns who has this name.
    pub(crate) fn named(&self, name: &str) -> Option<Principal> {
        let entries = self.entries();
        let found = entries.iter().find(|entry| &**entry.principal.name() == name);
        found.map(|entry| entry.principal.clone())
    }

    fn entries(&self) -> Arc<[Entry]> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries();
        out.debug_set().entries(entries.iter().map(|entry| entry.principal.name())).finish()
    }
}

fn entries(tokens: Vec<Token>, before: &[Entry]) -> Arc<[Entry]> {
    let entry = |token: Token| {
        let same = before.iter().find(|entry| **entry.principal.name() == *token.name);
        let meter = same.map(|entry| entry.principal.meter()).unwrap_or_default();
        Entry { digest: token.digest, principal: Principal::with(token, meter) }
    };
    tokens.into_iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scope;

    fn token(name: &str, secret: &[u8]) -> Token {
        let mut token = Token::new(name).unwrap();
        token.digest = Some(TokenDigest::of(secret));
        token.scopes = Scopes::from_iter([Scope::Read]);
        token
    }

    #[test]
    fn a_digest_is_that_of_the_standard_and_reads_as_it_is_written() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(TokenDigest::of(b"abc").to_string(), abc);
        assert_eq!(abc.to_uppercase().parse(), Ok(TokenDigest::of(b"abc")));
        for text in ["", &abc[1..], &format!("{abc}0"), &abc.replace('b', "g"), &"+0".repeat(32)] {
            assert_eq!(text.parse::<TokenDigest>(), Err(InvalidDigest), "{text}");
        }
    }

    #[test]
    fn a_token_finds_its_name_and_a_replaced_one_nothing() {
        let nobodys = Token::new("by-certificate").unwrap();
        let tokens = Tokens::new(vec![token("a", b"one"), token("b", b"two"), nobodys]);
        let name = |secret: &[u8]| tokens.of_bearer(secret).map(|found| found.name().to_string());
        assert_eq!(name(b"one").as_deref(), Some("a"));
        assert_eq!(name(b"two").as_deref(), Some("b"));
        assert_eq!((name(b""), name(b"three")), (None, None));
        assert!(tokens.named("by-certificate").is_some() && tokens.named("c").is_none());
        tokens.clone().replace(vec![token("c", b"three")]);
        assert_eq!((name(b"one"), name(b"three").as_deref()), (None, Some("c")));
    }

    #[test]
    fn a_name_is_a_word() {
        for name in ["ci", "ci.example-1_A", &"x".repeat(64)] {
            assert!(Token::new(name).is_ok(), "{name}");
        }
        for name in ["", "a b", "user:0", "ä", &"x".repeat(65)] {
            assert!(Token::new(name).unwrap_err().to_string().contains(name));
        }
    }
}
