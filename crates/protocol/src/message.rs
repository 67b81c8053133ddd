//! The header messages of frames: the content of each [`Kind`] besides its payload.
//!
//! Frozen per protocol version: a positional encoding cannot gain a field, so additions are sent in `extras`.

use crate::codec::{self, CodecError, Decode, Encode};
use crate::extras;
pub use crate::extras::Extra;
use crate::failure::Failure;
use crate::frame::{Frame, Kind};
#[cfg(doc)]
use crate::limits::MAX_EXTRAS;
use crate::limits::{MAX_JSON, cut};
use crate::payload::{Encoding, Payload};
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;

/// Header of [`Kind::Job`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Job {
    /// The job's public id: 128 random bits, big-endian.
    pub id: [u8; 16],
    /// 1 for the first attempt.
    pub attempt: u32,
    /// Remaining time until the deadline, in nanoseconds. `None` if there is no deadline.
    pub remaining_nanos: Option<u64>,
    /// The wire number of the encoding in which the caller wants a typed output.
    pub reply: u8,
    /// Number of chunks that the job may send at once. `None` if no caller reads chunks: the worker drops
    /// them.
    pub credit: Option<u32>,
    /// Tagged additions, at most [`MAX_EXTRAS`]: see [`extras::of_job`]. Unknown tags are skipped.
    pub extras: Vec<Extra>,
}

impl Job {
    /// Returns the remaining time as a duration.
    pub fn remaining(&self) -> Option<Duration> {
        self.remaining_nanos.map(Duration::from_nanos)
    }

    /// Returns whether the caller asks for processor time and peak memory.
    pub fn asks_for_usage(&self) -> bool {
        self.extras.iter().any(|extra| extra.tag == extras::of_job::REPORT_USAGE)
    }

    /// Returns the encoding of the inputs, if the payload is a [batch](crate::batch) of them.
    pub fn batch(&self) -> Option<Encoding> {
        let extra = self.extras.iter().find(|extra| extra.tag == extras::of_job::BATCH)?;
        Encoding::from_wire(*extra.value.first()?)
    }

    /// Returns the encoding in which the caller wants a typed output.
    pub fn reply_encoding(&self) -> Option<Encoding> {
        Encoding::from_wire(self.reply)
    }
}

/// Header of [`Kind::Done`].
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Done {
    /// How it ended; with [`Status::Ok`] the payload is the output.
    pub status: Status,
    /// Time that the function took, in nanoseconds, by the worker's clock.
    pub run_nanos: u64,
    /// Tagged additions, at most [`MAX_EXTRAS`]: see [`extras::of_done`]. Unknown tags are skipped.
    pub extras: Vec<Extra>,
}

/// How a job ended, as the worker reports it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Status {
    /// The function returned an output.
    Ok,
    /// The input cannot be decoded; the function did not run.
    BadInput {
        /// The decoder's error.
        message: String,
    },
    /// The function returned an error.
    Failed(Failure),
    /// The function panicked. The coordinator replaces the worker.
    Panicked {
        /// The panic's message.
        message: String,
        /// `file:line:column`, if known.
        location: Option<String>,
    },
    /// The function noticed its cancel flag and stopped.
    Cancelled,
    /// The encoded output is larger than the connection's limit and was not sent.
    TooLarge {
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// The function broke: it threw an exception, or hit a bug. The input is not the cause, and the worker is
    /// not replaced.
    Broke(Failure),
}

/// Header of [`Kind::Progress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Progress {
    /// Number of completed units.
    pub done: u64,
    /// Total number of units, if known.
    pub total: Option<u64>,
}

/// Header of [`Kind::Credit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Credit {
    /// Number of further chunks that may be sent.
    pub chunks: u32,
}

macro_rules! bincode_header {
    ($($message:ty => $kind:ident),+ $(,)?) => {$(
        impl $message {
            /// Returns the message as a frame, without payload.
            ///
            /// # Errors
            /// When the message is larger than the maximum header.
            pub fn to_frame(&self, sequence: u64) -> Result<Frame, CodecError> {
                Ok(Frame::new(Kind::$kind, sequence, codec::encode_header(self)?))
            }

            /// Reads the message from a frame's header.
            ///
            /// # Errors
            /// When the bytes are not exactly this message.
            pub fn from_frame(frame: &Frame) -> Result<Self, CodecError> {
                codec::decode_header(&frame.header)
            }
        }
    )+};
}
bincode_header!(Job => Job, Done => Done, Progress => Progress, Credit => Credit);

impl Done {
    /// Returns the message as the last frame of its job, with `payload` as the output.
    ///
    /// # Errors
    /// When the message is larger than the maximum header.
    pub fn into_frame(mut self, sequence: u64, payload: Payload) -> Result<Frame, CodecError> {
        if let Status::BadInput { message } | Status::Panicked { message, .. } = &mut self.status {
            *message = cut(std::mem::take(message));
        }
        if let Status::Panicked { location, .. } = &mut self.status {
            *location = location.take().map(cut);
        }
        Ok(self.to_frame(sequence)?.with_payload(payload).ending())
    }

    /// Reads a job's end and rejects one with too many extras, which bincode cannot check.
    ///
    /// # Errors
    /// When the bytes are not exactly an end, or it has more than [`MAX_EXTRAS`] extras.
    pub fn checked(frame: &Frame) -> Result<Self, CodecError> {
        let done = Self::from_frame(frame)?;
        extras::check(&done.extras)?;
        Ok(done)
    }
}

impl Job {
    /// Reads a job and rejects one with too many extras, which bincode cannot check.
    ///
    /// # Errors
    /// When the bytes are not exactly a job, or it has more than [`MAX_EXTRAS`] extras.
    pub fn checked(frame: &Frame) -> Result<Self, CodecError> {
        let job = Self::from_frame(frame)?;
        extras::check(&job.extras)?;
        Ok(job)
    }
}

/// Returns a failure as the header of [`Kind::StartFailed`] or [`Kind::MessageFailed`].
///
/// # Errors
/// When the failure is larger than the maximum header.
pub fn failure_frame(kind: Kind, failure: &Failure) -> Result<Frame, CodecError> {
    Ok(Frame::new(kind, 0, codec::encode_header(failure)?))
}

/// Reads the failure of [`failure_frame`].
///
/// # Errors
/// When the bytes are not exactly a failure.
pub fn failure_of(frame: &Frame) -> Result<Failure, CodecError> {
    codec::decode_header(&frame.header)
}

/// Returns a frame with a JSON header, for the handshake and descriptions, which must be able to grow.
///
/// # Errors
/// When the value cannot be serialized or is larger than [`MAX_JSON`].
pub fn json_frame<T: Serialize>(kind: Kind, value: &T) -> Result<Frame, CodecError> {
    let text = serde_json::to_vec(value).map_err(|e| CodecError::Json(e.to_string()))?;
    if text.len() > MAX_JSON {
        return Err(CodecError::TooLarge { size: text.len(), limit: MAX_JSON });
    }
    Ok(Frame::new(kind, 0, text))
}

/// Reads the value of [`json_frame`].
///
/// # Errors
/// When the header is not that JSON.
pub fn json_of<T: DeserializeOwned>(frame: &Frame) -> Result<T, CodecError> {
    serde_json::from_slice(&frame.header).map_err(|e| CodecError::Json(e.to_string()))
}
