//! Decides by the headers in which encoding a body is. Looks at no byte of the body.

use crate::kind::Kind;
use crate::problem::Problem;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use procpool_protocol::Encoding;

/// Content types of JSON lines, of which only one is registered with anybody.
const LINES: [&str; 5] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/x-jsonlines",
    "application/json-lines",
];

/// Returns the encoding that a job's input claims to have: [`Encoding::Json`] or [`Encoding::Bytes`].
///
/// Parameters (`; charset=utf-8`) are not looked at: JSON is UTF-8 by definition and is checked to be.
///
/// # Errors
/// A problem that names what is accepted.
pub(crate) fn input_encoding(headers: &HeaderMap) -> Result<Encoding, Problem> {
    match essence(headers)? {
        Some(essence) => by_essence(&essence),
        None => Ok(Encoding::Json),
    }
}

/// Checks that a batch claims to be of JSON lines, or of nothing in particular.
///
/// # Errors
/// A problem that names what is accepted.
pub(crate) fn check_lines(headers: &HeaderMap) -> Result<(), Problem> {
    let essence = essence(headers)?;
    match essence.as_deref() {
        None | Some("text/plain") => Ok(()),
        Some(essence) if LINES.contains(&essence) => Ok(()),
        Some(other) if matches!(by_essence(other), Ok(Encoding::Json)) => Ok(()),
        Some(other) => {
            let other: String = other.chars().take(200).collect();
            let detail = format!(
                "failed to read the batch: its content type {other:?} is not accepted; send JSON lines as {}",
                LINES[0]
            );
            Err(refused(detail, &LINES))
        }
    }
}

/// Returns the content type without its parameters, in small letters.
fn essence(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut codings = headers.get_all(CONTENT_ENCODING).iter();
    if let Some(coding) = codings.find(|coding| !is_identity(coding)) {
        return Err(unsupported(&format!("content encoding {coding:?}")));
    }
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let Some(value) = types.next() else {
        return Ok(None);
    };
    let essence = value.to_str().ok().and_then(|text| text.split(';').next());
    match essence.map(|essence| essence.trim().to_ascii_lowercase()) {
        Some(essence) if types.next().is_none() => Ok(Some(essence)),
        _ => Err(unsupported("content type")),
    }
}

/// Returns whether a list of codings has only those that do nothing. Their names are the same in capital
/// letters.
fn is_identity(codings: &HeaderValue) -> bool {
    let mut codings = codings.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    codings.all(|coding| coding.eq_ignore_ascii_case(b"identity"))
}

fn by_essence(essence: &str) -> Result<Encoding, Problem> {
    match essence {
        "application/json" | "text/json" | "application/x-www-form-urlencoded" => Ok(Encoding::Json),
        "application/octet-stream" => Ok(Encoding::Bytes),
        other if other.ends_with("+json") => Ok(Encoding::Json),
        other => Err(unsupported(&format!("content type {other:?}"))),
    }
}

fn unsupported(what: &str) -> Problem {
    let what: String = what.chars().take(200).collect();
    let detail = format!(
        "failed to read the body: its {what} is not accepted; send JSON as application/json (or as a form, as \
         `curl -d` does), or raw bytes as application/octet-stream, without a content encoding"
    );
    refused(detail, &["application/json", "application/octet-stream"])
}

fn refused(detail: String, accepted: &[&str]) -> Problem {
    Problem::new(Kind::UnsupportedMediaType, StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
        .with("accepted", accepted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &'static str) -> Option<Encoding> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
        input_encoding(&headers).ok()
    }

    #[test]
    fn json_comes_under_several_names_and_under_none() {
        assert_eq!(input_encoding(&HeaderMap::new()).ok(), Some(Encoding::Json));
        for json in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/vnd.api+json",
            "text/json",
            "application/x-www-form-urlencoded",
        ] {
            assert_eq!(of(json), Some(Encoding::Json), "{json}");
        }
    }

    #[test]
    fn raw_bytes_come_under_one_name_and_the_rest_is_refused() {
        assert_eq!(of("application/octet-stream"), Some(Encoding::Bytes));
        for refused in ["text/plain", "multipart/form-data; boundary=x", "image/png", "", "json"] {
            assert_eq!(of(refused), None, "{refused}");
        }
    }

    #[test]
    fn json_lines_come_under_several_names_and_raw_bytes_are_none() {
        let check = |value| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(value))]);
            check_lines(&headers).is_ok()
        };
        assert!(check_lines(&HeaderMap::new()).is_ok());
        for lines in
            ["application/x-ndjson", "Application/JSONL; charset=utf-8", "text/plain", "application/json"]
        {
            assert!(check(lines), "{lines}");
        }
        for refused in ["application/octet-stream", "multipart/form-data; boundary=x", "text/csv", ""] {
            assert!(!check(refused), "{refused}");
        }
    }

    #[test]
    fn two_types_and_compressed_bodies_are_refused() {
        let mut two = HeaderMap::new();
        two.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        two.append(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        assert!(input_encoding(&two).is_err());
        let coded = |coding| HeaderMap::from_iter([(CONTENT_ENCODING, HeaderValue::from_static(coding))]);
        for refused in ["gzip", "identity, gzip", "gzip,identity", "x-identity", ""] {
            assert!(input_encoding(&coded(refused)).is_err(), "{refused}");
        }
        for taken in ["identity", "IDENTITY", "Identity", "identity, IDENTITY"] {
            assert!(input_encoding(&coded(taken)).is_ok(), "{taken}");
        }
    }
}
