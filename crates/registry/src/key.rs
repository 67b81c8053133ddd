//! Idempotency keys: their text, to whom they belong, and the fingerprint of their request.

use std::fmt;
use std::sync::Arc;

/// The text of an idempotency key: 1 to 255 visible ASCII characters.
///
/// ```
/// use procpool_registry::{InvalidKey, KeyText};
///
/// // A string of RFC 8941, as the draft asks for, and the bare form that many clients send.
/// assert_eq!(KeyText::parse(b"\"8e03978e\"")?, KeyText::parse(b"8e03978e")?);
/// assert_eq!(KeyText::parse(b"two words"), Err(InvalidKey::NotVisible(b' ')));
/// # Ok::<(), InvalidKey>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyText(Arc<str>);

impl KeyText {
    /// Maximum length, in bytes.
    pub const MAX: usize = 255;

    /// Parses the value of an `Idempotency-Key` header: a quoted string, or the same without quotes.
    ///
    /// # Errors
    /// Returns the reason for which the value is not a key.
    pub fn parse(header: &[u8]) -> Result<Self, InvalidKey> {
        let header = header.trim_ascii();
        let text = match header.strip_prefix(b"\"") {
            Some(rest) => unquoted(rest)?,
            None => header.to_vec(),
        };
        if text.is_empty() {
            return Err(InvalidKey::Empty);
        }
        if text.len() > Self::MAX {
            return Err(InvalidKey::TooLong(text.len()));
        }
        if let Some(&byte) = text.iter().find(|byte| !byte.is_ascii_graphic()) {
            return Err(InvalidKey::NotVisible(byte));
        }
        Ok(Self(text.iter().map(|&byte| char::from(byte)).collect::<String>().into()))
    }

    /// Returns the key without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for KeyText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// Returns the characters of a string after its opening quote.
fn unquoted(rest: &[u8]) -> Result<Vec<u8>, InvalidKey> {
    let mut text = Vec::with_capacity(rest.len().min(KeyText::MAX));
    let mut bytes = rest.iter().copied();
    loop {
        match bytes.next() {
            Some(b'"') if bytes.len() == 0 => return Ok(text),
            Some(b'\\') => match bytes.next() {
                Some(escaped @ (b'"' | b'\\')) => text.push(escaped),
                _ => return Err(InvalidKey::Quoting),
            },
            None | Some(b'"') => return Err(InvalidKey::Quoting),
            Some(byte) => text.push(byte),
        }
    }
}

/// The value of the header is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidKey {
    /// No character.
    #[error("the Idempotency-Key is empty; send 1 to {} visible ASCII characters", KeyText::MAX)]
    Empty,
    /// Too many characters: their number.
    #[error("the Idempotency-Key has {0} characters; the maximum is {max}", max = KeyText::MAX)]
    TooLong(usize),
    /// The first byte that is not visible ASCII.
    #[error("the Idempotency-Key has the byte {0:#04x}; only visible ASCII characters are allowed")]
    NotVisible(u8),
    /// An opening quote without its end, or something behind the end.
    #[error(
        "the Idempotency-Key opens with a quote and is no quoted string; close it, or leave the quotes out"
    )]
    Quoting,
}

/// A key with its scope. Equal texts of different principals or pools are different keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The authenticated client, or `None` for anonymous clients, which share one scope.
    pub principal: Option<Arc<str>>,
    /// The pool.
    pub pool: Arc<str>,
    /// The client's text.
    pub text: KeyText,
}

/// A digest of everything in a request that decides what runs: body, content type, encoding of the
/// reply. The caller computes it with a hash that resists collisions. Timeouts are no part of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, ..] = self.0;
        write!(out, "Fingerprint({a:02x}{b:02x}{c:02x}{d:02x}…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(header: &str) -> Result<String, InvalidKey> {
        KeyText::parse(header.as_bytes()).map(|key| key.as_str().to_owned())
    }

    #[test]
    fn quoted_and_bare_keys_are_the_same() {
        for header in ["k-1", "\"k-1\"", "  k-1 ", " \"k-1\"\t"] {
            assert_eq!(parsed(header).as_deref(), Ok("k-1"), "{header:?}");
        }
        assert_eq!(parsed(r#""a\"b\\c""#).as_deref(), Ok(r#"a"b\c"#));
        assert_eq!(parsed(r#"a"b\c"#).as_deref(), Ok(r#"a"b\c"#));
    }

    #[test]
    fn a_key_has_1_to_255_characters() {
        assert_eq!(parsed(""), Err(InvalidKey::Empty));
        assert_eq!(parsed("\"\""), Err(InvalidKey::Empty));
        assert!(parsed(&"k".repeat(255)).is_ok());
        assert_eq!(parsed(&"k".repeat(256)), Err(InvalidKey::TooLong(256)));
    }

    #[test]
    fn a_key_is_visible_ascii() {
        assert_eq!(parsed("a b"), Err(InvalidKey::NotVisible(b' ')));
        assert_eq!(parsed("\"a b\""), Err(InvalidKey::NotVisible(b' ')));
        assert_eq!(parsed("é"), Err(InvalidKey::NotVisible(0xc3)));
        assert_eq!(parsed("a\u{7f}"), Err(InvalidKey::NotVisible(0x7f)));
    }

    #[test]
    fn every_key_survives_its_quoting_and_every_other_text_is_refused() {
        // Few characters, so that quotes and escapes meet often, and lengths on both sides of the bound.
        const BYTES: &[u8] = b"a~!\"\\\"\\ \x7f\xff";
        let mut state = 1_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap_or_default() % below
        };
        for _ in 0..20_000 {
            let length = if next(20) == 0 { 250 + next(10) } else { next(12) };
            let text: Vec<u8> = (0..length).map(|_| BYTES[next(BYTES.len())]).collect();
            let is_key = (1..=KeyText::MAX).contains(&length) && text.iter().all(u8::is_ascii_graphic);
            let mut quoted = vec![b'"'];
            for &byte in &text {
                quoted.extend((byte == b'"' || byte == b'\\').then_some(b'\\'));
                quoted.push(byte);
            }
            quoted.push(b'"');
            let parsed = KeyText::parse(&quoted);
            assert_eq!(parsed.is_ok(), is_key, "{quoted:?}: {parsed:?}");
            assert!(parsed.is_err() || parsed.is_ok_and(|key| key.as_str().as_bytes() == text));
            // A bare text, or whatever a quote at its beginning makes of it.
            if let Ok(key) = KeyText::parse(&text) {
                assert!(!key.as_str().is_empty() && key.as_str().len() <= KeyText::MAX);
                assert!(key.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }

    #[test]
    fn quotes_are_closed_once_and_at_the_end() {
        for header in ["\"", "\"a", "\"a\"b", "\"a\\", "\"a\\b\"", "\"a\";x=1"] {
            assert_eq!(parsed(header), Err(InvalidKey::Quoting), "{header:?}");
        }
    }
}
