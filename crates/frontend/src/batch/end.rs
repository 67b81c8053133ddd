//! How a line of a batch ended, and how that is written.

use crate::base64;
use crate::handover;
use crate::job_problem;
use crate::problem::Problem;
use bytes::{Bytes, BytesMut};
use procpool_protocol::engine::JobLimits;
use procpool_protocol::outcome::{Finished, Refused};
use procpool_protocol::printable::printable_json;
use procpool_protocol::{Encoding, JobError, JobId, Payload};
use std::collections::VecDeque;
use std::fmt::Write as _;

/// Number of bytes at which no further outcome is added before these are taken.
const FULL: usize = 64 * 1024;

/// Length of an output from which it is passed on without a copy, in bytes.
const LONG: usize = 16 * 1024;

/// Maximum length of what is written of a long output at a time, in bytes. Whole groups of base64.
const PIECE: usize = 48 * 1024;

/// The outcome of a line.
pub(super) enum End {
    /// Its job was accepted.
    Finished(Finished),
    /// Its job was not accepted, or the line is none.
    Refused(&'static str, Problem),
}

impl End {
    pub(super) fn bad_input(problem: Problem) -> Self {
        Self::Refused("bad_input", problem)
    }

    pub(super) fn refused(problem: Problem) -> Self {
        Self::Refused("refused", problem)
    }

    /// Returns the end of a line whose job the store of jobs has lost.
    pub(super) fn gone(job: JobId) -> Self {
        Self::refused(handover::gone(job).may_have_run(true))
    }

    pub(super) fn of(error: JobError, asked: JobLimits) -> Self {
        Self::Refused(error.name(), job_problem::of_job(error, asked))
    }

    pub(super) fn of_refused(refused: Refused) -> Self {
        Self::of(refused.into(), JobLimits::default())
    }

    /// Returns the length of its output, in bytes, or `None` if no job has run.
    pub(super) fn size(&self) -> Option<usize> {
        match self {
            Self::Finished(finished) => Some(finished.result.as_ref().map_or(0, |output| output.bytes.len())),
            Self::Refused(..) => None,
        }
    }
}

/// The text of outcomes that is not taken yet.
#[derive(Debug, Default)]
pub(super) struct Answers {
    parts: VecDeque<Part>,
    /// Behind the parts.
    text: BytesMut,
    held: usize,
}

#[derive(Debug)]
enum Part {
    Text(Bytes),
    /// The rest of a long output.
    Json(Bytes),
    Raw(Bytes),
}

/// Writes the member of an output, all at once.
pub(crate) fn write_output(output: &Payload, text: &mut BytesMut) {
    match output.encoding {
        Encoding::Json => {
            text.extend_from_slice(b"\"output\":");
            one_line(&output.bytes, text);
        }
        Encoding::Bytes => {
            text.extend_from_slice(b"\"output_base64\":\"");
            base64::encode(&output.bytes, text);
            text.extend_from_slice(b"\"");
        }
        Encoding::None => text.extend_from_slice(b"\"output\":null"),
        got => {
            let error = crate::answer::unreadable("JSON or raw bytes", got);
            let body = serde_json::to_string(&Problem::from(error)).unwrap_or_else(|_| "{}".into());
            let _ = write!(text, "\"problem\":{body}");
        }
    }
}

impl Answers {
    /// Returns the number of bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.held + self.text.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.held() >= FULL
    }

    /// Writes the outcome of a line.
    pub(super) fn add(&mut self, line: u64, end: End, asked: JobLimits) {
        if self.text.capacity() < 256 {
            self.text.reserve(FULL);
        }
        let _ = write!(self.text, "{{\"line\":{line},\"outcome\":\"");
        match end {
            End::Refused(outcome, problem) => self.problem(outcome, &problem),
            End::Finished(finished) => match finished.result {
                Ok(output) => self.output(output),
                Err(error) => {
                    let outcome = error.name();
                    self.problem(outcome, &job_problem::of_job(*error, asked));
                }
            },
        }
        self.text.extend_from_slice(b"}\n");
    }

    fn problem(&mut self, outcome: &str, problem: &Problem) {
        let body = serde_json::to_string(problem).unwrap_or_else(|_| "{}".into());
        let _ = write!(self.text, "{outcome}\",\"problem\":{}", printable_json(&body));
    }

    fn output(&mut self, output: Payload) {
        self.text.extend_from_slice(b"ok\",");
        match output.encoding {
            Encoding::Json if output.bytes.len() > LONG => {
                self.text.extend_from_slice(b"\"output\":");
                self.long(Part::Json(output.bytes));
            }
            Encoding::Bytes if output.bytes.len() > LONG => {
                self.text.extend_from_slice(b"\"output_base64\":\"");
                self.long(Part::Raw(output.bytes));
                self.text.extend_from_slice(b"\"");
            }
            _ => write_output(&output, &mut self.text),
        }
    }

    fn long(&mut self, part: Part) {
        let length = match &part {
            Part::Text(bytes) | Part::Json(bytes) | Part::Raw(bytes) => bytes.len(),
        };
        self.held += self.text.len() + length;
        self.parts.push_back(Part::Text(self.text.split().freeze()));
        self.parts.push_back(part);
    }

    /// Returns the next bytes to send, or `None` if there are none.
    pub(super) fn next(&mut self) -> Option<Bytes> {
        let (bytes, short): (&mut Bytes, fn(&[u8], &mut BytesMut)) = match self.parts.front_mut() {
            None => return (!self.text.is_empty()).then(|| self.text.split().freeze()),
            Some(Part::Text(text)) => {
                let text = std::mem::take(text);
                self.held -= text.len();
                self.parts.pop_front();
                return Some(text);
            }
            Some(Part::Json(rest)) => (rest, one_line),
            Some(Part::Raw(rest)) => (rest, base64::encode),
        };
        let piece = bytes.split_to(bytes.len().min(PIECE));
        let is_last = bytes.is_empty();
        self.held -= piece.len();
        if is_last {
            self.parts.pop_front();
        }
        let mut written = BytesMut::new();
        short(&piece, &mut written);
        Some(written.freeze())
    }
}

/// Writes JSON on one line. An end of line in it stands between tokens, where it has no meaning.
pub(crate) fn one_line(json: &[u8], text: &mut BytesMut) {
    let start = text.len();
    text.extend_from_slice(json);
    for byte in &mut text[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::outcome::Timing;
    use serde_json::Value;

    fn ended(output: Payload) -> End {
        End::Finished(Finished::new(JobId::from_bits(1), Timing::default(), Ok(output)))
    }

    /// Returns the lines that these outcomes become.
    fn written(ends: impl IntoIterator<Item = End>) -> Vec<Value> {
        let mut answers = Answers::default();
        for (index, end) in ends.into_iter().enumerate() {
            answers.add(index as u64 + 1, end, JobLimits::default());
        }
        let text: Vec<u8> = std::iter::from_fn(|| answers.next()).flatten().collect();
        assert_eq!(answers.held(), 0);
        text.split_inclusive(|byte| *byte == b'\n')
            .map(|line| serde_json::from_slice(line).unwrap())
            .collect()
    }

    #[test]
    fn an_output_is_its_own_json_or_base64() {
        let lines = written([
            ended(Payload::json("{\"a\":\n [1,\r\n2]}")),
            ended(Payload::raw(&b"\xff\x00"[..])),
            ended(Payload::new(Encoding::None, Bytes::new())),
        ]);
        assert_eq!(lines[0], serde_json::json!({"line": 1, "outcome": "ok", "output": {"a": [1, 2]}}));
        assert_eq!(lines[1], serde_json::json!({"line": 2, "outcome": "ok", "output_base64": "/wA="}));
        assert_eq!(lines[2], serde_json::json!({"line": 3, "outcome": "ok", "output": null}));
    }

    #[test]
    fn long_outputs_stay_in_their_lines() {
        let text = format!("\"{}\"", "x".repeat(3 * PIECE));
        let raw = vec![7; 3 * PIECE + 1];
        let mut base64 = BytesMut::new();
        base64::encode(&raw, &mut base64);
        let lines = written([
            ended(Payload::json("1")),
            ended(Payload::json(text.clone())),
            ended(Payload::raw(raw)),
            ended(Payload::json("2")),
        ]);
        assert_eq!(lines[1]["output"].as_str().unwrap().len(), 3 * PIECE);
        assert_eq!(lines[2]["output_base64"].as_str().unwrap().as_bytes(), base64);
        assert_eq!((&lines[0]["output"], &lines[3]["output"]), (&1.into(), &2.into()));
    }

    #[test]
    fn an_error_is_its_name_and_its_problem() {
        let error = JobError::panicked("no\nline", None);
        let failed = Finished::new(JobId::from_bits(1), Timing::default(), Err(error.into()));
        let lines = written([End::Finished(failed)]);
        assert_eq!((&lines[0]["line"], &lines[0]["outcome"]), (&1.into(), &"panicked".into()));
        assert_eq!(lines[0]["problem"]["type"], "/problems/panicked");
        assert_eq!(lines[0]["problem"]["may_have_run"], true);
    }
}
