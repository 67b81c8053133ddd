//! Whether bytes are JSON that a worker can decode: decided here, so that a typing error costs no
//! worker. The bytes are looked at and passed on as they are, never written anew.

use crate::kind::Kind;
use crate::problem::Problem;
use bytes::Bytes;
use http::StatusCode;
use procpool_protocol::limits::MAX_DEPTH;
use serde_json::value::RawValue;

/// Deepest nesting that `serde_json` decodes on the worker's side: it refuses the level that reaches
/// its limit.
const DEEPEST: usize = MAX_DEPTH as usize - 1;

/// Maximum length of a text that is checked on the calling thread, in bytes. A megabyte takes a millisecond
/// or so, and the threads that answer health checks should not be held up for longer than a fraction of that.
const CHECKED_INLINE: usize = 128 * 1024;

/// Returns `bytes` if they are one JSON text.
///
/// # Errors
/// A `bad_input` problem with line and column.
pub(crate) async fn checked(bytes: Bytes) -> Result<Bytes, Problem> {
    if bytes.is_empty() {
        return Err(bad_input("the body is empty; send the job's input as JSON, `null` if it takes none"));
    }
    let checked = if bytes.len() <= CHECKED_INLINE { check(&bytes) } else { elsewhere(bytes.clone()).await };
    checked.map(|()| bytes).map_err(|fault| {
        let problem = bad_input(&format!("the body {}", fault.detail));
        match fault.place {
            Some((line, column)) => problem.with("line", &line).with("column", &column),
            None => problem,
        }
    })
}

/// Checks a line of a batch, or returns `None` if it is too long to be checked on the calling thread.
pub(crate) fn check_line(text: &[u8]) -> Option<Result<(), Problem>> {
    (text.len() <= CHECKED_INLINE).then(|| check(text).map_err(Fault::of_line))
}

/// Checks a line of a batch on a thread for long work.
pub(crate) async fn checked_line(text: Bytes) -> Result<(), Problem> {
    elsewhere(text).await.map_err(Fault::of_line)
}

/// The reason for which a text is not JSON that can be decoded.
#[derive(Debug)]
struct Fault {
    detail: String,
    /// Line and column.
    place: Option<(usize, usize)>,
}

impl Fault {
    fn of_line(self) -> Problem {
        let problem = bad_input(&format!("the line {}", self.detail));
        match self.place {
            Some((_, column)) => problem.with("column", &column),
            None => problem,
        }
    }
}

async fn elsewhere(text: Bytes) -> Result<(), Fault> {
    match tokio::task::spawn_blocking(move || check(&text)).await {
        Ok(checked) => checked,
        Err(gone) => std::panic::resume_unwind(gone.into_panic()),
    }
}

fn check(text: &[u8]) -> Result<(), Fault> {
    serde_json::from_slice::<&RawValue>(text).map_err(|error| {
        let place = Some((error.line(), error.column()));
        Fault { detail: format!("is not valid JSON: {error}"), place }
    })?;
    let depth = depth(text);
    if depth > DEEPEST {
        let detail = format!("is nested {depth} levels deep; at most {DEEPEST} can be decoded");
        return Err(Fault { detail, place: None });
    }
    Ok(())
}

/// Returns the deepest nesting of a text that is known to be JSON. (The syntax check alone does not recurse
/// and takes any depth.)
fn depth(json: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = json.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    deepest
}

fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => return,
            _ => {}
        }
    }
}

fn bad_input(detail: &str) -> Problem {
    Problem::new(Kind::BadInput, StatusCode::BAD_REQUEST, format!("bad input: {detail}")).outcome("bad_input")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        [vec![b'['; levels], vec![b']'; levels]].concat()
    }

    #[test]
    fn the_depth_limit_is_exactly_what_the_workers_decoder_takes() {
        for levels in [DEEPEST, DEEPEST + 1] {
            let decodes = serde_json::from_slice::<serde_json::Value>(&nested(levels)).is_ok();
            assert_eq!(check(&nested(levels)).is_ok(), decodes, "{levels} levels");
        }
        assert!(check(&nested(1_000_000)).is_err());
    }

    #[test]
    fn brackets_in_strings_are_not_nesting() {
        assert_eq!(depth(br#"{"[[[\"{{{":["]]\\"]}"#), 2);
        assert_eq!(depth(b"40"), 0);
    }

    #[tokio::test]
    async fn a_syntax_error_is_told_with_line_and_column() {
        let problem = checked(Bytes::from_static(b"{\n  \"n\": 4x\n}")).await.unwrap_err();
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!((&json["line"], &json["column"]), (&2.into(), &9.into()), "{json}");
        assert_eq!(json["outcome"], "bad_input");
        let line = serde_json::to_value(check_line(b"4x").unwrap().unwrap_err()).unwrap();
        assert_eq!((&line["column"], &line["line"]), (&2.into(), &serde_json::Value::Null), "{line}");
    }

    #[test]
    fn what_is_not_one_json_text_in_utf8_is_refused() {
        for bad in [&b""[..], b" ", b"4 5", b"\"\xff\"", b"{a:1}", b"[1,]", b"NaN", b"\xef\xbb\xbf1"] {
            assert!(check(bad).is_err(), "{:?}", String::from_utf8_lossy(bad));
        }
        for good in [&b"null"[..], b" 40\n", b"\"ping\"", b"-0.5e3", "\"é\"".as_bytes()] {
            assert!(check(good).is_ok(), "{:?}", String::from_utf8_lossy(good));
        }
    }

    #[tokio::test]
    async fn a_long_text_is_given_back_as_the_same_bytes() {
        let long = Bytes::from(format!("\"{}\"", "x".repeat(2 * CHECKED_INLINE)));
        let same = checked(long.clone()).await.unwrap();
        assert_eq!(same.as_ptr(), long.as_ptr());
        assert!(checked(long.slice(1..)).await.is_err());
    }
}
