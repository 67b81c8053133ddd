//! The first program of Node's worker-threads tutorial: answers `"ping"` with `"pong"`.
//!
//! The contract and the function; `main.rs` beside it makes them an executable. Serves a pool's jobs
//! and a `Worker`'s messages alike.
//!
//! ```
//! assert_eq!(procpool_ping::ping("ping").unwrap(), "pong");
//! ```

#![forbid(unsafe_code)]

use procpool_worker::{Failure, Job, Schema};
use serde_json::json;

/// The contract: text in, text out.
#[derive(Clone, Copy, Debug)]
pub struct Ping;

impl Job for Ping {
    const NAME: &'static str = "ping";
    const BUILD: Option<&'static str> = Some(env!("CARGO_PKG_VERSION"));
    const IDEMPOTENT: bool = true;
    type Input = String;
    type Output = String;

    fn schema() -> Option<Schema> {
        Some(Schema::new(
            json!({ "type": "string", "const": "ping" }),
            json!({ "type": "string", "const": "pong" }),
        ))
    }
}

/// Answers `ping`.
///
/// # Errors
/// Code `not_ping` for anything else.
pub fn ping(text: &str) -> Result<String, Failure> {
    if text == "ping" {
        return Ok("pong".to_owned());
    }
    let quoted: String = text.chars().take(40).collect();
    Err(Failure::new(format!("expected \"ping\", got {quoted:?}")).with_code("not_ping"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ping_is_answered_with_pong() {
        assert_eq!(ping("ping"), Ok("pong".to_owned()));
    }

    #[test]
    fn anything_else_is_refused_by_name_but_not_at_length() {
        for text in ["", "Ping", "pong", "ping "] {
            let failure = ping(text).unwrap_err();
            assert_eq!(failure.code(), "not_ping");
            assert_eq!(failure.message(), format!("expected \"ping\", got {text:?}"));
        }
        assert!(ping(&"x".repeat(1_000_000)).unwrap_err().message().len() < 100);
    }
}
