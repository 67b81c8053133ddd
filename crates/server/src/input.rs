//! The input of `procpool run`: read within bounds, and JSON. Starts nothing.

use procpool_protocol::Payload;
use procpool_protocol::printable::is_unprintable;
use serde::de::IgnoredAny;
use std::io::{self, Read};

/// Maximum length of an input that an error message quotes, in characters.
const MAX_QUOTED: usize = 40;

/// The input cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// Standard input cannot be read.
    #[error("failed to read the input from standard input: {0}")]
    Read(io::Error),
    /// Standard input holds something else.
    #[error(
        "failed to read the input: standard input holds the configuration; name a file with --config, or write the input out"
    )]
    Taken,
    /// There is more of it than the pool takes.
    #[error("failed to read the input: it is longer than the pool's max_payload of {limit} bytes")]
    TooLong {
        /// The bound, in bytes.
        limit: u32,
    },
    /// It is not JSON.
    #[error("the input is not JSON: {reason}{}", hint(input))]
    NotJson {
        /// The input, or its beginning.
        input: String,
        /// The parser's error, with the position.
        reason: serde_json::Error,
    },
}

impl From<io::Error> for InputError {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

/// Reads all of `source`, which may hold at most `limit` bytes.
pub(crate) fn read_all(source: impl Read, limit: u32) -> Result<Vec<u8>, InputError> {
    let mut input = Vec::new();
    source.take(u64::from(limit) + 1).read_to_end(&mut input)?;
    match u32::try_from(input.len()) {
        Ok(length) if length <= limit => Ok(input),
        _ => Err(InputError::TooLong { limit }),
    }
}

/// Returns the input as a payload, if it is JSON.
pub(crate) fn checked(input: Vec<u8>) -> Result<Payload, InputError> {
    match serde_json::from_slice::<IgnoredAny>(&input) {
        Ok(IgnoredAny) => Ok(Payload::json(input)),
        Err(reason) => {
            let input = String::from_utf8_lossy(&input).chars().take(MAX_QUOTED + 1).collect();
            Err(InputError::NotJson { input, reason })
        }
    }
}

/// Returns a hint about quotes. The shell takes quotes away, so a bare word is usually a JSON string that
/// lost them.
fn hint(input: &str) -> String {
    let input = input.trim();
    let bare_word = !input.is_empty()
        && input.chars().count() <= MAX_QUOTED
        && !input.contains(['"', '\'', '{', '[', '\\'])
        && !input.contains(is_unprintable);
    if bare_word {
        return format!("; for a JSON string, quote it past the shell: '\"{input}\"'");
    }
    "; quote JSON past the shell with single quotes, such as '{\"width\": 64}'; an input of nothing is null"
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(input: &str) -> String {
        checked(input.as_bytes().to_vec()).unwrap_err().to_string()
    }

    #[test]
    fn json_is_taken_as_it_is_written() {
        for input in ["40", "\"ping\"", " [1, 2] ", "null", "{\"a\":1.50}"] {
            assert_eq!(checked(input.into()).unwrap(), Payload::json(input));
        }
    }

    #[test]
    fn a_bare_word_is_answered_with_the_same_word_quoted() {
        let error = refusal("ping");
        assert!(error.starts_with("the input is not JSON: expected value at line 1 column 1"), "{error}");
        assert!(error.ends_with("'\"ping\"'"), "{error}");
    }

    #[test]
    fn other_inputs_get_the_position_and_a_general_hint_on_one_line() {
        for input in ["", "{width: 64}", "{\"a\": 1", "[1,\n2", &"x".repeat(1000)] {
            let error = refusal(input);
            assert!(error.contains(" at line ") && error.contains("single quotes"), "{error}");
            assert!(!error.contains('\n') && error.len() < 300, "{error}");
        }
    }

    #[test]
    fn input_is_read_up_to_the_limit_and_no_further() {
        assert_eq!(read_all(&b"1234"[..], 4).unwrap(), b"1234");
        assert!(matches!(read_all(io::repeat(b'1'), 4), Err(InputError::TooLong { limit: 4 })));
    }
}
