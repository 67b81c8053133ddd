//! The names of pools that a token is good for: a name, in which `*` stands for any characters.

use std::fmt;
use std::str::FromStr;

/// A name of pools.
///
/// ```
/// use procpool_frontend::PoolPattern;
///
/// let images: PoolPattern = "img-*".parse().unwrap();
/// assert!(images.matches("img-resize") && !images.matches("fib"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolPattern(Box<str>);

/// A text is not the name of pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPattern(String);

/// Maximum length of a pool's name, in bytes.
const LONGEST: usize = 64;

impl PoolPattern {
    /// Returns whether the pool has such a name.
    #[must_use]
    pub fn matches(&self, pool: &str) -> bool {
        let mut parts = self.0.split('*');
        let Some(rest) = parts.next().and_then(|first| pool.strip_prefix(first)) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        // The first place of each part leaves the most for those after it.
        let rest = parts.try_fold(rest, |rest, part| rest.find(part).map(|at| &rest[at + part.len()..]));
        rest.is_some_and(|rest| rest.ends_with(last))
    }
}

impl FromStr for PoolPattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let is_known = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*');
        if (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_known) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidPattern(text.into()))
        }
    }
}

impl fmt::Display for PoolPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Display for InvalidPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        write!(out, "`{text}` names no pools; 1 to {LONGEST} of the characters a-z, 0-9, _, - and * do")
    }
}

impl std::error::Error for InvalidPattern {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_and_the_rest_for_itself() {
        let matches = |pattern: &str, pool| pattern.parse::<PoolPattern>().unwrap().matches(pool);
        for (pattern, pools, others) in [
            ("fib", &["fib"][..], &["fi", "fibs", "afib", ""][..]),
            ("*", &["fib", ""], &[]),
            ("img-*", &["img-", "img-a"], &["img", "a-img-a"]),
            ("*-small", &["-small", "a-small"], &["a-smaller", "small"]),
            ("a*b*c", &["abc", "axbyc", "abbcc", "abcbc"], &["ab", "acb", "abcd", "cba"]),
            ("a*a", &["aa", "aba"], &["a"]),
            ("**", &["x"], &[]),
        ] {
            assert!(pools.iter().all(|pool| matches(pattern, pool)), "{pattern}");
            assert!(!others.iter().any(|pool| matches(pattern, pool)), "{pattern}");
        }
    }

    #[test]
    fn what_no_pool_can_be_called_is_no_pattern() {
        for text in ["", "Fib", "a b", "img-?", "ä", &"x".repeat(65)] {
            let error = text.parse::<PoolPattern>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` names no pools")), "{error}");
        }
    }
}
