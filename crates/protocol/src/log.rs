//! [`LogRecord`]: a log record that a worker's code writes, with its level and its job.

use crate::codec::CodecError;
use crate::frame::{Frame, Kind};
use crate::limits::{MAX_JSON, cut, cut_to};
use crate::message::{json_frame, json_of};
use serde::{Deserialize, Serialize};

/// The severity of a log record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something is unusual and may be a problem.
    Warn,
    /// Information for operators.
    Info,
    /// Information for developers.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// Returns the level's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The header of [`Kind::Log`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRecord {
    /// The severity.
    pub level: LogLevel,
    /// The text.
    pub message: String,
    /// The logger's name: the part of the worker's code that writes the record, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
}

/// Maximum length that fits a header, for message and target together, even if JSON escapes each byte as six.
const CERTAIN: usize = MAX_JSON / 16;

impl LogRecord {
    /// Returns the record as a frame, with its texts cut to fit. `job` is the sequence number of its job, or
    /// 0.
    ///
    /// # Errors
    /// When it cannot be serialized.
    pub fn into_frame(self, job: u64) -> Result<Frame, CodecError> {
        let record = Self { message: cut(self.message), target: self.target.map(cut), ..self };
        let frame = match json_frame(Kind::Log, &record) {
            Err(CodecError::TooLarge { .. }) => {
                let short = |text| cut_to(CERTAIN, text);
                json_frame(
                    Kind::Log,
                    &Self { message: short(record.message), target: record.target.map(short), ..record },
                )
            }
            frame => frame,
        };
        frame.map(|frame| Frame { sequence: job, ..frame })
    }

    /// Reads the record of a frame, and cuts its texts to [`MAX_TEXT`](crate::limits::MAX_TEXT).
    ///
    /// # Errors
    /// When the header is not a record.
    pub fn from_frame(frame: &Frame) -> Result<Self, CodecError> {
        let record: Self = json_of(frame)?;
        Ok(Self { message: cut(record.message), target: record.target.map(cut), ..record })
    }
}
