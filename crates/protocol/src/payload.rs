//! Payloads: bytes with their encoding, and the conversion from and to typed values.
//!
//! The coordinator and the frontend pass payloads on without reading them. Only the two ends, a typed caller
//! and the worker's function, decode them.

use crate::apart::{self, Parts};
use crate::attachments::{Attachments, TooManyAttachments};
use crate::bounded;
use crate::carriage::{self, Numeric, Shape, Strict, Uncarried};
use crate::codec::{self, CodecError};
use crate::in_place;
use crate::raw::Bytes;
use serde::{Serialize, de::DeserializeOwned};
use std::any::{Any, TypeId, type_name};

/// The encoding of a payload. The numbers are the wire's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
// As wide as the adjacent field in a `Payload`. Otherwise padding follows it, which an enum around a payload
// uses for its other variants. Each move then copies those bytes in unaligned pieces, and the next move must
// wait for them. A pool would run 6 % fewer jobs a second.
#[repr(u64)]
#[non_exhaustive]
pub enum Encoding {
    /// There is no payload.
    #[default]
    None = 0,
    /// bincode's standard configuration, through serde: typed Rust callers send it.
    Bincode = 1,
    /// JSON: HTTP callers send it.
    Json = 2,
    /// Bytes that are never re-encoded: images and the like.
    Bytes = 3,
}

impl Encoding {
    /// Returns the encoding with this number on the wire, if there is one.
    pub fn from_wire(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::None,
            1 => Self::Bincode,
            2 => Self::Json,
            3 => Self::Bytes,
            _ => return None,
        })
    }

    /// Returns the name that error messages use.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Bincode => "bincode",
            Self::Json => "JSON",
            Self::Bytes => "raw bytes",
        }
    }
}

/// Encoded bytes with the name of their encoding.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Payload {
    /// The encoding of `bytes`.
    pub encoding: Encoding,
    /// The bytes, shared and not copied on clone.
    pub bytes: bytes::Bytes,
    /// The attachments: descriptors that the bytes refer to, and the rest of a value.
    pub attachments: Attachments,
}

/// A value does not fit its encoding, or bytes do not contain the expected value.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The value cannot be encoded.
    #[error("failed to encode the value as {}: {reason}", encoding.name())]
    #[non_exhaustive]
    Encode {
        /// The requested encoding.
        encoding: Encoding,
        /// The encoder's error.
        reason: String,
    },
    /// The bytes do not decode to the expected type.
    #[error("failed to decode {} bytes of {}: {reason}", length, encoding.name())]
    #[non_exhaustive]
    Decode {
        /// The payload's own encoding.
        encoding: Encoding,
        /// Length of the payload, in bytes.
        length: usize,
        /// The decoder's error.
        reason: String,
    },
    /// The encoding cannot carry the type, or the value.
    #[error("{0}")]
    Uncarried(Uncarried),
    /// The value refers to too many descriptors that must be sent with it.
    #[error("failed to encode the value: {0}")]
    TooManyAttachments(TooManyAttachments),
    /// Raw bytes were sent where a typed value is expected, or vice versa.
    #[error("expected {expected}, got {}", got.name())]
    #[non_exhaustive]
    WrongEncoding {
        /// The kind that the receiving type requires.
        expected: &'static str,
        /// The kind that arrived.
        got: Encoding,
    },
}

impl From<TooManyAttachments> for PayloadError {
    fn from(error: TooManyAttachments) -> Self {
        Self::TooManyAttachments(error)
    }
}

impl Payload {
    /// Returns the empty payload.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns a payload of these bytes, without attachments.
    pub fn new(encoding: Encoding, bytes: impl Into<bytes::Bytes>) -> Self {
        Self { encoding, bytes: bytes.into(), attachments: Attachments::NONE }
    }

    /// Returns a payload of JSON text.
    pub fn json(text: impl Into<bytes::Bytes>) -> Self {
        Self::new(Encoding::Json, text)
    }

    /// Returns a payload of raw bytes.
    pub fn raw(bytes: impl Into<bytes::Bytes>) -> Self {
        Self::new(Encoding::Bytes, bytes)
    }

    /// Encodes `value` as `encoding`, except that a [`Bytes`] is always used unchanged.
    ///
    /// # Errors
    /// When the value cannot be represented, or its `Serialize` fails. JSON has no map with non-string keys
    /// and no NaN. bincode cannot omit a field (see [`crate::carriage`]). Only a [`Bytes`] can be raw bytes.
    pub fn encode<T: Serialize + 'static>(value: &T, encoding: Encoding) -> Result<Self, PayloadError> {
        if let Some(Bytes(bytes)) = (value as &dyn Any).downcast_ref() {
            return Ok(Self::raw(bytes.clone()));
        }
        let failed = |reason: String| PayloadError::Encode { encoding, reason };
        let bytes = match encoding {
            Encoding::Bincode => codec::encode_as(value, shape_of::<T>()?).map_err(unencoded::<T>)?,
            Encoding::Json => {
                let strict = Strict { inner: value, rules: Numeric };
                serde_json::to_vec(&strict).map_err(|e| failed(e.to_string()))?.into()
            }
            Encoding::None | Encoding::Bytes => {
                return Err(failed("only procpool's Bytes type is sent as it is".into()));
            }
        };
        Ok(Self::new(encoding, bytes))
    }

    /// Encodes a job's input or output like [`encode`](Self::encode), with one exception for values in
    /// bincode. Their first [`Bytes`] of at least 256 KiB becomes the payload, without a copy. The
    /// [`rest`](Self::rest) of the value is sent with it.
    ///
    /// # Errors
    /// As for [`encode`](Self::encode).
    pub fn encode_apart<T: Serialize + 'static>(value: &T, encoding: Encoding) -> Result<Self, PayloadError> {
        if encoding != Encoding::Bincode || (value as &dyn Any).is::<Bytes>() {
            return Self::encode(value, encoding);
        }
        match codec::encode_apart(value, shape_of::<T>()?).map_err(unencoded::<T>)? {
            (encoded, None) => Ok(Self::new(encoding, encoded)),
            (encoded, Some((offset, string))) => match apart::rest(&encoded, offset) {
                Some(rest) => Ok(Self::new(encoding, string).with_rest(rest)),
                None => Self::encode(value, encoding),
            },
        }
    }

    /// Returns the rest of a value of which [`bytes`](Self::bytes) is a part, or `None` for a value in one
    /// piece. It is sent as an [extra](crate::extras).
    pub fn rest(&self) -> Option<&bytes::Bytes> {
        self.attachments.rest()
    }

    /// Returns the same payload as a part of a value with this rest.
    #[must_use]
    pub fn with_rest(mut self, rest: impl Into<bytes::Bytes>) -> Self {
        self.attachments = self.attachments.with_rest(rest.into());
        self
    }

    /// Returns the same value in one piece, if no [`rest`](Self::rest) can be sent with it.
    #[must_use]
    pub fn joined(self) -> Self {
        match self.rest().and_then(|rest| Some(Parts::of(rest, &self.bytes)?.join())) {
            Some(bytes) => Self::new(self.encoding, bytes),
            None => self,
        }
    }

    /// Decodes a value from a peer.
    ///
    /// [`crate::limits::MAX_DEPTH`] bounds the depth, and the payload's length bounds the number of elements.
    /// Therefore hostile bytes cost at most as much as legitimate ones of the same length.
    ///
    /// # Errors
    /// When the bytes are not a `T` in the payload's encoding, bytes remain, or a bound is exceeded.
    pub fn decode<T: DeserializeOwned + 'static>(&self) -> Result<T, PayloadError> {
        let mut raw: Option<T> = None;
        if let Some(slot) = (&mut raw as &mut dyn Any).downcast_mut::<Option<Bytes>>() {
            *slot = match self.encoding {
                Encoding::Bytes => Some(Bytes(self.bytes.clone())),
                Encoding::None => Some(Bytes::default()),
                _ => None,
            };
        }
        if let Some(value) = raw {
            return Ok(value);
        }
        let failed = |reason: String| PayloadError::Decode {
            encoding: self.encoding,
            length: self.bytes.len(),
            reason,
        };
        match self.encoding {
            Encoding::Bincode if self.rest().is_some() => self.decode_parts(),
            Encoding::Bincode => {
                let decoded = in_place::of(&self.bytes, || bounded::from_bincode(&self.bytes));
                decoded.map_err(|error| match error {
                    CodecError::Uncarried { reason } => uncarried::<T>(reason),
                    other => failed(other.to_string()),
                })
            }
            Encoding::Json => serde_json::from_slice(&self.bytes).map_err(|e| failed(e.to_string())),
            got @ (Encoding::None | Encoding::Bytes) => {
                Err(PayloadError::WrongEncoding { expected: "JSON or bincode", got })
            }
        }
    }

    /// Decodes a value in two parts.
    fn decode_parts<T: DeserializeOwned + 'static>(&self) -> Result<T, PayloadError> {
        let parts = self.rest().and_then(|rest| Parts::of(rest, &self.bytes));
        let parts = parts.ok_or_else(|| PayloadError::Decode {
            encoding: self.encoding,
            length: self.bytes.len(),
            reason: "they are a part of a value without a rest".into(),
        })?;
        match parts.decode(bounded::from_bincode) {
            Some(value) => Ok(value),
            // The type has a list of numbers in that place, or the error is that of the whole value.
            None => Self::new(self.encoding, parts.join()).decode(),
        }
    }
}

fn shape_of<T: 'static>() -> Result<&'static Shape, PayloadError> {
    carriage::shape_of(TypeId::of::<T>()).map_err(|refused| PayloadError::Uncarried(refused.clone()))
}

fn unencoded<T>(error: CodecError) -> PayloadError {
    match error {
        CodecError::Uncarried { reason } => uncarried::<T>(reason),
        other => PayloadError::Encode { encoding: Encoding::Bincode, reason: other.to_string() },
    }
}

fn uncarried<T>(reason: String) -> PayloadError {
    PayloadError::Uncarried(Uncarried { type_name: type_name::<T>(), reason })
}
