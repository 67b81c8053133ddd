//! The token that proves over TCP that a client may give orders. Does not: read files or requests.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

/// A secret that is sent as `Authorization: Bearer …` with every order.
///
/// ```
/// use procpool_frontend::OrdersToken;
///
/// assert!(OrdersToken::new("0f1e2d3c4b5a69788796a5b4c3d2e1f0").is_ok());
/// assert!(OrdersToken::new("short").is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct OrdersToken(Arc<[u8]>);

/// A text cannot be a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidToken {
    /// It has fewer than [`OrdersToken::SHORTEST`] or more than [`OrdersToken::LONGEST`] characters.
    Length(usize),
    /// It holds what a header cannot: a space, a control character, or a letter beyond ASCII.
    Character,
}

impl OrdersToken {
    /// Minimum number of characters: 16, too many to try all.
    pub const SHORTEST: usize = 16;
    /// Maximum number of characters: 1024.
    pub const LONGEST: usize = 1024;

    /// Takes a text without spaces.
    ///
    /// # Errors
    /// When it is too short or too long, or not of visible ASCII characters.
    pub fn new(text: &str) -> Result<Self, InvalidToken> {
        match text.len() {
            length if !(Self::SHORTEST..=Self::LONGEST).contains(&length) => {
                Err(InvalidToken::Length(length))
            }
            _ if !text.bytes().all(|byte| byte.is_ascii_graphic()) => Err(InvalidToken::Character),
            _ => Ok(Self(text.as_bytes().into())),
        }
    }

    /// Returns whether it is this one. Takes as long for a token that is nearly right as for one that is all
    /// wrong.
    pub(crate) fn is(&self, given: &[u8]) -> bool {
        let pairs = self.0.iter().zip(given);
        let differences = pairs.fold(0, |all, (one, other)| black_box(all | (one ^ other)));
        self.0.len() == given.len() && differences == 0
    }
}

/// Says nothing of the secret.
impl fmt::Debug for OrdersToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("OrdersToken(…)")
    }
}

impl fmt::Display for InvalidToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shortest, longest) = (OrdersToken::SHORTEST, OrdersToken::LONGEST);
        match self {
            Self::Length(length) => {
                write!(out, "it has {length} characters; {shortest} to {longest} are taken")
            }
            Self::Character => {
                out.write_str("it holds a space or a character that is no visible ASCII letter")
            }
        }
    }
}

impl std::error::Error for InvalidToken {}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0123456789abcdef";

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = OrdersToken::new(TEXT).unwrap();
        assert!(token.is(TEXT.as_bytes()));
        for other in ["", "0123456789abcde", "0123456789abcdeF", "0123456789abcdef0", "x123456789abcdef"] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_token_fits_a_header_and_is_long_enough() {
        for text in ["", "0123456789abcde", "0123456789abcde f", "0123456789abcde\n", "0123456789abcdeé"] {
            assert!(OrdersToken::new(text).is_err(), "{text:?}");
        }
        assert!(OrdersToken::new(&"x".repeat(1024)).is_ok() && OrdersToken::new(&"x".repeat(1025)).is_err());
    }

    #[test]
    fn nothing_that_is_written_down_holds_it() {
        assert!(!format!("{:?}", OrdersToken::new(TEXT).unwrap()).contains("0123"));
    }
}
