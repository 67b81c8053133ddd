//! Tagged additions to a job and to its end, which may be added or removed within a version. Unknown tags are
//! skipped.

use crate::Payload;
use crate::TraceContext;
use crate::codec::{CodecError, Decode, Encode};
use crate::engine::JobLimits;
use crate::limits::MAX_EXTRAS;
use std::fmt;
use std::time::Duration;

/// One tagged addition.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Extra {
    /// Its tag: a number of [`of_job`] or [`of_done`], by the message that carries it.
    pub tag: u16,
    /// Its value.
    pub value: Vec<u8>,
}

/// Tags in a [`Job`](crate::message::Job).
pub mod of_job {
    /// A W3C `traceparent`, as text: see [`TraceContext`](crate::TraceContext). A value that is none is ignored.
    pub const TRACEPARENT: u16 = 1;
    /// Asks for [`CPU_TIME`](super::of_done::CPU_TIME) and [`PEAK_MEMORY`](super::of_done::PEAK_MEMORY). No value.
    pub const REPORT_USAGE: u16 = 2;
    /// The rest of the input, of which the payload is a part: see [`Payload::rest`](crate::Payload::rest).
    pub const REST: u16 = 3;
    /// The payload is a [batch](crate::batch), and the answer must be one. One byte: the wire number of the
    /// inputs' encoding. Only for workers whose hello says that they accept batches.
    pub const BATCH: u16 = 4;
    /// The `tracestate` beside [`TRACEPARENT`], as text of at most 512 bytes.
    pub const TRACESTATE: u16 = 5;
}

/// Tags in a [`Done`](crate::message::Done).
pub mod of_done {
    /// The content type of a raw output, as text: see [`ContentType`](super::ContentType).
    pub const CONTENT_TYPE: u16 = 1;
    /// Processor time of the job, in nanoseconds: a little-endian `u64`.
    pub const CPU_TIME: u16 = 2;
    /// Peak resident memory of the worker at the job's end, in bytes: a little-endian `u64`.
    pub const PEAK_MEMORY: u16 = 3;
    /// Number of chunks that the job emitted and no caller read: a little-endian `u64`.
    pub const CHUNKS_DROPPED: u16 = 4;
    /// The rest of the output, of which the payload is a part: see [`Payload::rest`](crate::Payload::rest).
    pub const REST: u16 = 5;
}

impl Extra {
    /// Returns an addition without a value.
    pub fn flag(tag: u16) -> Self {
        Self { tag, value: Vec::new() }
    }

    /// Returns the rest of a payload's value, if it has one.
    pub fn rest(tag: u16, payload: &Payload) -> Option<Self> {
        payload.rest().map(|rest| Self { tag, value: rest.to_vec() })
    }

    /// Returns the additions of a job that belongs to a trace.
    pub fn of_trace(trace: &TraceContext) -> impl Iterator<Item = Self> + use<> {
        let of = |tag: u16, text: &str| Self { tag, value: text.as_bytes().to_vec() };
        let state = trace.tracestate().map(|state| of(of_job::TRACESTATE, state));
        [of(of_job::TRACEPARENT, trace.traceparent())].into_iter().chain(state)
    }

    /// Returns an addition that is a number.
    pub fn number(tag: u16, number: u64) -> Self {
        Self { tag, value: number.to_le_bytes().to_vec() }
    }
}

/// Returns the trace that a job belongs to, by its extras.
pub fn trace(extras: &[Extra]) -> Option<TraceContext> {
    let text = |tag: u16| {
        let extra = extras.iter().find(|extra| extra.tag == tag)?;
        std::str::from_utf8(&extra.value).ok()
    };
    TraceContext::parse(text(of_job::TRACEPARENT)?, text(of_job::TRACESTATE))
}

/// Returns the payload, with the rest of its value if the extra with this tag contains it.
pub fn with_rest(payload: Payload, extras: Vec<Extra>, tag: u16) -> Payload {
    match extras.into_iter().find(|extra| extra.tag == tag) {
        Some(Extra { value, .. }) => payload.with_rest(value),
        None => payload,
    }
}

/// Rejects more extras than one message may have.
pub(crate) fn check(extras: &[Extra]) -> Result<(), CodecError> {
    match extras.len() {
        0..=MAX_EXTRAS => Ok(()),
        count => Err(CodecError::TooManyExtras { count }),
    }
}

/// The content type of raw bytes: `type/subtype`, in the characters of an HTTP token, without parameters.
///
/// ```
/// use procpool_protocol::extras::ContentType;
///
/// assert_eq!(ContentType::new("image/png").unwrap().as_str(), "image/png");
/// assert!(ContentType::new("text/html; charset=utf-8").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ContentType(Box<str>);

/// The text is not a content type.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no content type: `type/subtype` is needed, such as `image/png`, without parameters and with at most \
     {} bytes",
    ContentType::MAX_LEN
)]
#[non_exhaustive]
pub struct InvalidContentType {
    /// The text, cut to fit a message.
    pub text: String,
}

impl ContentType {
    /// Maximum length, in bytes.
    pub const MAX_LEN: usize = 255;

    /// Wraps a text that is a content type.
    ///
    /// # Errors
    /// When it is not `type/subtype`, is too long, or has characters that are not allowed in a token (RFC
    /// 9110, 5.6.2).
    pub fn new(text: &str) -> Result<Self, InvalidContentType> {
        let is_token = |part: &str| !part.is_empty() && part.bytes().all(is_token_byte);
        let is_valid = text.len() <= Self::MAX_LEN
            && text.split_once('/').is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype));
        match is_valid {
            true => Ok(Self(text.into())),
            false => Err(InvalidContentType { text: text.chars().take(Self::MAX_LEN).collect() }),
        }
    }

    /// Returns the text, as in a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContentType {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl From<&ContentType> for Extra {
    fn from(content_type: &ContentType) -> Self {
        Self { tag: of_done::CONTENT_TYPE, value: content_type.as_str().as_bytes().to_vec() }
    }
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// A report of a job beside its status and output: the worker's part, and the coordinator's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct JobReport {
    /// The content type of a raw output.
    pub content_type: Option<ContentType>,
    /// Processor time of the job, if requested.
    pub cpu_time: Option<Duration>,
    /// Peak resident memory of the worker at the job's end, in bytes, if requested.
    pub peak_memory: Option<u64>,
    /// Number of chunks that were dropped because no caller read them, if any.
    pub chunks_dropped: Option<u64>,
    /// Number of attempts, if processor time and memory were requested. Not an extra.
    pub attempts: Option<u32>,
    /// Process id of the last worker that held the job, if processor time and memory were requested. Not an
    /// extra.
    pub worker: Option<u32>,
    /// The answers of a [batch](crate::batch) before its job panicked, if any. Not an extra.
    pub answers: Option<Payload>,
    /// The limits that the caller asked for, where the report outlives the request. Not an extra.
    pub asked: Option<JobLimits>,
}

/// A known extra has an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidExtra {
    /// The content type is malformed.
    #[error(transparent)]
    ContentType(#[from] InvalidContentType),
    /// A number that does not have 8 bytes.
    #[error("the extra {tag} is a number of 8 bytes and has {length}")]
    #[non_exhaustive]
    Number {
        /// The extra's tag.
        tag: u16,
        /// Length of the extra's value, in bytes.
        length: usize,
    },
}

impl JobReport {
    /// Reads the extras of a [`Done`](crate::message::Done). Returns `None` if there are none,
    /// which is the usual case.
    ///
    /// # Errors
    /// When a known one has an invalid value.
    pub fn of(extras: &[Extra]) -> Result<Option<Box<Self>>, InvalidExtra> {
        if extras.is_empty() {
            return Ok(None);
        }
        let mut report = Box::<Self>::default();
        for Extra { tag, value } in extras {
            match *tag {
                of_done::CONTENT_TYPE => {
                    report.content_type = Some(ContentType::new(&String::from_utf8_lossy(value))?);
                }
                of_done::CPU_TIME => report.cpu_time = Some(Duration::from_nanos(number(*tag, value)?)),
                of_done::CHUNKS_DROPPED => report.chunks_dropped = Some(number(*tag, value)?),
                of_done::PEAK_MEMORY => report.peak_memory = Some(number(*tag, value)?),
                _ => {}
            }
        }
        Ok(Some(report))
    }
}

fn number(tag: u16, value: &[u8]) -> Result<u64, InvalidExtra> {
    let bytes = value.try_into().map_err(|_| InvalidExtra::Number { tag, length: value.len() })?;
    Ok(u64::from_le_bytes(bytes))
}
