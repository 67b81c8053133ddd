//! Payloads: bytes that say how they are encoded, and typed values on their way in and out of them.
//!
//! The coordinator and the frontend pass payloads on unread. Only the two ends, a typed caller and
//! the worker's function, look inside.

use crate::attachments::{Attachments, TooManyAttachments};
use crate::bounded;
use crate::carriage::{self, Numeric, Strict, Uncarried};
use crate::codec::{self, CodecError};
use crate::in_place;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::any::{Any, TypeId, type_name};

/// How a payload is encoded. The numbers are the wire's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
// As wide as what stands beside it in a `Payload`. Otherwise padding follows it, which an enum around a payload uses for
// its other variants; then each move copies those bytes in unaligned pieces that the next one has to wait for, and a pool
// runs 6 % fewer jobs a second.
#[repr(u64)]
pub enum Encoding {
    /// There is no payload.
    #[default]
    None = 0,
    /// bincode's standard configuration, through serde: what typed Rust callers send.
    Bincode = 1,
    /// JSON: what HTTP callers send.
    Json = 2,
    /// Bytes that are never re-encoded: images and the like.
    Bytes = 3,
}

impl Encoding {
    /// The encoding with this number on the wire, if there is one.
    pub fn from_wire(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::None,
            1 => Self::Bincode,
            2 => Self::Json,
            3 => Self::Bytes,
            _ => return None,
        })
    }

    /// The name that error messages use.
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
pub struct Payload {
    /// How `bytes` is to be read.
    pub encoding: Encoding,
    /// The bytes, shared and not copied on clone.
    pub bytes: bytes::Bytes,
    /// What the bytes refer to and is sent beside them.
    pub attachments: Attachments,
}

/// Raw bytes as a job's input or output: never re-encoded, `application/octet-stream` over HTTP.
///
/// A job whose `Input` or `Output` is exactly this type exchanges it as [`Encoding::Bytes`],
/// whatever its `ENCODING` says.
///
/// Nested in another type, as in `(Params, Bytes)`, it is an ordinary byte string of that type's encoding. The receiver
/// reads one of at least 64 KiB in place where it came as bincode: such a `Bytes` is a part of its payload, and keeps all
/// of it. A `Vec<u8>` in its place is copied byte by byte.
///
/// ```
/// use procpool_protocol::{Bytes, Encoding, Job, Payload};
///
/// struct Thumbnail;
/// impl Job for Thumbnail {
///     const NAME: &'static str = "thumbnail";
///     type Input = (u32, Bytes);
///     type Output = Bytes;
/// }
///
/// let payload = Payload::encode(&(64, Bytes::from(vec![7; 1 << 20])), Encoding::Bincode)?;
/// let (width, image): <Thumbnail as Job>::Input = payload.decode()?;
/// assert_eq!(width, 64);
/// assert!(payload.bytes.as_ptr_range().contains(&image.as_ptr()));
/// # Ok::<(), procpool_protocol::PayloadError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bytes(pub bytes::Bytes);

impl<T: Into<bytes::Bytes>> From<T> for Bytes {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Bytes;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(bytes.to_vec().into())
            }

            fn visit_borrowed_bytes<E>(self, bytes: &'de [u8]) -> Result<Bytes, E> {
                Ok(Bytes(in_place::taken(bytes)))
            }

            fn visit_byte_buf<E>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
                Ok(bytes.into())
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element::<u8>()? {
                    bytes.push(byte);
                }
                Ok(bytes.into())
            }
        }
        // Not `byte_buf`, which would ask for a copy.
        deserializer.deserialize_bytes(Visitor)
    }
}

/// A value does not fit its encoding, or bytes do not hold the value that was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// The value cannot be encoded.
    #[error("failed to encode the value as {}: {reason}", encoding.name())]
    Encode {
        /// The encoding that was asked for.
        encoding: Encoding,
        /// What the encoder says.
        reason: String,
    },
    /// The bytes do not decode to the expected type.
    #[error("failed to decode {} bytes of {}: {reason}", length, encoding.name())]
    Decode {
        /// How the payload says that it is encoded.
        encoding: Encoding,
        /// Length of the payload, in bytes.
        length: usize,
        /// What the decoder says.
        reason: String,
    },
    /// Its encoding cannot carry the type, or the value.
    #[error("{0}")]
    Uncarried(Uncarried),
    /// The value refers to too much that has to be sent beside it.
    #[error("failed to encode the value: {0}")]
    TooManyAttachments(#[from] TooManyAttachments),
    /// Raw bytes were sent where a typed value is expected, or the other way round.
    #[error("expected {expected}, got {}", got.name())]
    WrongEncoding {
        /// What the receiving type takes.
        expected: &'static str,
        /// What came.
        got: Encoding,
    },
}

impl Payload {
    /// No payload.
    pub fn none() -> Self {
        Self::default()
    }

    /// A payload of these bytes, to which nothing is attached.
    pub fn new(encoding: Encoding, bytes: impl Into<bytes::Bytes>) -> Self {
        Self { encoding, bytes: bytes.into(), attachments: Attachments::NONE }
    }

    /// A payload of JSON text.
    pub fn json(text: impl Into<bytes::Bytes>) -> Self {
        Self::new(Encoding::Json, text)
    }

    /// A payload of raw bytes.
    pub fn raw(bytes: impl Into<bytes::Bytes>) -> Self {
        Self::new(Encoding::Bytes, bytes)
    }

    /// Encodes `value` as `encoding`, except that a [`Bytes`] is always taken as it is.
    ///
    /// # Errors
    /// When the value cannot be represented: a map with non-string keys or a NaN in JSON, a field that is left out in
    /// bincode (see [`crate::carriage`]), a type that is not [`Bytes`] as raw bytes, a `Serialize` that fails.
    pub fn encode<T: Serialize + 'static>(value: &T, encoding: Encoding) -> Result<Self, PayloadError> {
        if let Some(Bytes(bytes)) = (value as &dyn Any).downcast_ref() {
            return Ok(Self::raw(bytes.clone()));
        }
        let failed = |reason: String| PayloadError::Encode { encoding, reason };
        let bytes = match encoding {
            Encoding::Bincode => encode_bincode(value)?,
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

    /// Decodes a value that came from a peer.
    ///
    /// Depth is bounded by [`crate::limits::MAX_DEPTH`] and the number of elements by the
    /// payload's length, so hostile bytes cost no more than honest ones of the same length.
    ///
    /// # Errors
    /// When the bytes are not a `T` in the payload's encoding, bytes are left over, or a bound is
    /// exceeded.
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
}

fn encode_bincode<T: Serialize + 'static>(value: &T) -> Result<bytes::Bytes, PayloadError> {
    let shape =
        carriage::shape_of(TypeId::of::<T>()).map_err(|refused| PayloadError::Uncarried(refused.clone()))?;
    codec::encode_as(value, shape).map_err(|error| match error {
        CodecError::Uncarried { reason } => uncarried::<T>(reason),
        other => PayloadError::Encode { encoding: Encoding::Bincode, reason: other.to_string() },
    })
}

fn uncarried<T>(reason: String) -> PayloadError {
    PayloadError::Uncarried(Uncarried { type_name: type_name::<T>(), reason })
}
