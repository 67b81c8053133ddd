//! A batch: the request with its lines, and the answer lines as they come. Does not: print them.

use crate::jobs::written;
use crate::request::Request;
use crate::target::Target;
use crate::upload::Upload;
use http::HeaderValue;
use http::header::ACCEPT;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// JSON, one value a line.
const LINES: &str = "application/x-ndjson";

/// Maximum length of an answer line, in bytes. An output of raw bytes comes in base64.
const LONGEST: usize = 1 << 30;

/// Maximum number of outcomes that are told apart. There are about a dozen.
const OUTCOMES: usize = 64;

/// How the lines of a batch are run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Batch {
    /// The pool.
    pub pool: String,
    /// Whether answers come as jobs end, and not in the order of the lines.
    pub unordered: bool,
    /// Maximum time for each line.
    pub timeout: Option<Duration>,
    /// The priority of each line.
    pub priority: Option<String>,
    /// Whose turn it is.
    pub tenant: Option<String>,
    /// With this, line N runs at most once under the key `PREFIX:N`.
    pub key_prefix: Option<String>,
}

impl Batch {
    /// Returns a batch for a pool.
    #[must_use]
    pub fn to(pool: impl Into<String>) -> Self {
        Self { pool: pool.into(), ..Self::default() }
    }

    /// Returns the request.
    #[must_use]
    pub fn request(&self, lines: Upload) -> Request {
        let target = Target::new("/v1/pools").segment(&self.pool).segment("batch");
        let target = target.maybe("order", self.unordered.then_some("none"));
        let target = target.maybe("timeout", written(self.timeout).as_deref());
        let target = target.maybe("priority", self.priority.as_deref());
        let target = target.maybe("tenant", self.tenant.as_deref());
        let target = target.maybe("key_prefix", self.key_prefix.as_deref());
        Request::post(target).body(LINES, lines).header(ACCEPT, HeaderValue::from_static(LINES))
    }
}

/// The part of an answer line that is counted. Nothing of the rest is copied.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    outcome: Cow<'a, str>,
}

/// An answer is not one of a batch.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAnswer {
    /// A line is no answer.
    #[error("line {number} of the answer is not an outcome: {reason}")]
    Line {
        /// The number of the line in the answer, from 1.
        number: u64,
        /// The parser's error.
        reason: serde_json::Error,
    },
    /// A line is too long to hold.
    #[error("line {number} of the answer is longer than {LONGEST} bytes")]
    TooLong {
        /// The number of the line in the answer, from 1.
        number: u64,
    },
}

/// Counts the answers of a batch, whose bytes come in any pieces.
#[derive(Debug, Default)]
pub struct Tally {
    ok: u64,
    others: BTreeMap<String, u64>,
    /// A line that has begun.
    open: Vec<u8>,
}

impl Tally {
    /// Takes a piece of the answer, and passes whole lines to `write`, many at a time.
    ///
    /// # Errors
    /// When a line is no answer. The lines before it have been passed on.
    pub fn take<E: From<InvalidAnswer>>(
        &mut self,
        piece: &[u8],
        mut write: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some(last) = piece.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(self.extend(piece)?);
        };
        let (mut whole, rest) = piece.split_at(last + 1);
        if !self.open.is_empty() {
            let first = whole.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let (end, others) = whole.split_at(first);
            self.extend(end)?;
            let line = std::mem::take(&mut self.open);
            self.count_all(&line)?;
            write(&line)?;
            whole = others;
        }
        if !whole.is_empty() {
            self.count_all(whole)?;
            write(whole)?;
        }
        Ok(self.extend(rest)?)
    }

    /// Returns the number of answers.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.ok + self.not_ok()
    }

    /// Returns the number of lines with another outcome than `ok`.
    #[must_use]
    pub fn not_ok(&self) -> u64 {
        self.others.values().sum()
    }

    /// Returns whether a line has begun that has not ended.
    #[must_use]
    pub fn is_in_a_line(&self) -> bool {
        !self.open.is_empty()
    }

    fn extend(&mut self, piece: &[u8]) -> Result<(), InvalidAnswer> {
        if self.open.len() + piece.len() > LONGEST {
            return Err(InvalidAnswer::TooLong { number: self.answered() + 1 });
        }
        self.open.extend_from_slice(piece);
        Ok(())
    }

    fn count_all(&mut self, lines: &[u8]) -> Result<(), InvalidAnswer> {
        for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
            let number = self.answered() + 1;
            let answer: Line<'_> =
                serde_json::from_slice(line).map_err(|reason| InvalidAnswer::Line { number, reason })?;
            self.count(&answer.outcome);
        }
        Ok(())
    }

    fn count(&mut self, outcome: &str) {
        if outcome == "ok" {
            self.ok += 1;
        } else if let Some(count) = self.others.get_mut(outcome) {
            *count += 1;
        } else {
            let name = if self.others.len() < OUTCOMES { outcome } else { "another outcome" };
            *self.others.entry(name.into()).or_default() += 1;
        }
    }
}

impl fmt::Display for Tally {
    /// Writes `3 ok, 1 crashed, 2 failed`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ok", self.ok)?;
        self.others.iter().try_for_each(|(outcome, count)| write!(out, ", {count} {outcome}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &[u8] = b"{\"line\":1,\"outcome\":\"ok\",\"output\":6765}\n\
        {\"outcome\":\"failed\",\"line\":2,\"problem\":{\"outcome\":\"failed\",\"detail\":\"\\n\"}}\n\
        {\"line\":3,\"outcome\":\"o\\u006b\",\"output\":{\"outcome\":\"x\"}}\n";

    fn taken(piece: usize) -> (Tally, Vec<u8>) {
        let (mut tally, mut written) = (Tally::default(), Vec::new());
        for piece in ANSWER.chunks(piece) {
            let write = |lines: &[u8]| {
                assert!(lines.ends_with(b"\n"));
                written.extend_from_slice(lines);
                Ok::<_, InvalidAnswer>(())
            };
            tally.take(piece, write).unwrap();
        }
        (tally, written)
    }

    #[test]
    fn answers_are_counted_and_passed_on_however_their_bytes_arrive() {
        for piece in 1..=ANSWER.len() {
            let (tally, written) = taken(piece);
            assert_eq!(written, ANSWER, "{piece}");
            assert_eq!(tally.to_string(), "2 ok, 1 failed", "{piece}");
            assert_eq!((tally.answered(), tally.not_ok(), tally.is_in_a_line()), (3, 1, false));
        }
    }

    #[test]
    fn a_line_that_is_no_answer_is_named_and_those_before_it_are_counted() {
        let mut tally = Tally::default();
        let error =
            tally.take(b"{\"outcome\":\"ok\"}\n<html>\n", |_| Ok::<_, InvalidAnswer>(())).unwrap_err();
        assert!(error.to_string().starts_with("line 2 of the answer is not an outcome"), "{error}");
        assert_eq!(tally.answered(), 1);
    }

    #[test]
    fn outcomes_are_told_apart_within_bounds() {
        let mut tally = Tally::default();
        for n in 0..1000 {
            tally.count(&format!("outcome-{n}"));
        }
        assert_eq!((tally.others.len(), tally.not_ok()), (OUTCOMES + 1, 1000));
    }

    #[test]
    fn the_request_says_how_lines_are_run() {
        let batch = Batch {
            unordered: true,
            timeout: Some(Duration::from_secs(2)),
            key_prefix: Some("/a b.jsonl".into()),
            ..Batch::to("fib")
        };
        let request = batch.request(Upload::empty());
        assert_eq!(
            request.line(),
            "POST /v1/pools/fib/batch?order=none&timeout=2s&key_prefix=%2Fa%20b.jsonl"
        );
        assert_eq!(Batch::to("fib").request(Upload::empty()).line(), "POST /v1/pools/fib/batch");
    }
}
