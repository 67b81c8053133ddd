//! The only file that names bincode.
//!
//! Header messages use its native derive under a constant limit. Typed payloads use its serde side. bincode
//! 2.0.1 is its last release (RUSTSEC-2025-0141). To replace it, only this file must change.

use bincode::config::{self, Config};
use bincode::de::Decoder;
use bincode::enc::Encoder;
use bincode::enc::write::Writer;
use bincode::error::{DecodeError, EncodeError};

use crate::apart;
use crate::carriage::{self, Complete, Shape, Strict};
pub use bincode::{Decode, Encode};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeSeed;
use smallvec::SmallVec;
use std::cell::RefCell;

/// A flag in a header message that is not sent: it takes no bytes, and is read as `false`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LocalFlag(pub(crate) bool);

impl Encode for LocalFlag {
    fn encode<E: Encoder>(&self, _: &mut E) -> Result<(), EncodeError> {
        Ok(())
    }
}

impl<C> Decode<C> for LocalFlag {
    fn decode<D: Decoder<Context = C>>(_: &mut D) -> Result<Self, DecodeError> {
        Ok(Self::default())
    }
}

bincode::impl_borrow_decode!(LocalFlag);

/// A header message as bytes. The short ones of a job and its answer need no allocation.
pub type HeaderBytes = SmallVec<[u8; 32]>;

/// Number of bytes in memory that decoding one header message may use: eight times the largest header.
const HEADER_BUDGET: usize = 8 * crate::limits::MAX_HEADER as usize;

/// bincode's standard configuration (little-endian, variable-length integers) with the budget.
fn header_config() -> impl Config {
    config::standard().with_limit::<HEADER_BUDGET>()
}

/// A message cannot be encoded or decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The value cannot be encoded.
    #[error("failed to encode a header message: {0}")]
    Encode(EncodeError),
    /// The bytes are not the message.
    #[error("failed to decode a header message: {0}")]
    Decode(DecodeError),
    /// The bytes are not the typed value, or exceed a bound of [`crate::bounded`].
    #[error("{reason}")]
    #[non_exhaustive]
    Value {
        /// The decoder's error.
        reason: String,
    },
    /// bincode cannot carry the value. See [`crate::carriage`].
    #[error("bincode cannot carry it: {reason}")]
    #[non_exhaustive]
    Uncarried {
        /// The part that cannot be carried.
        reason: String,
    },
    /// The bytes contain more than the message.
    #[error("what was expected takes {len} bytes and was followed by {extra} more")]
    #[non_exhaustive]
    Trailing {
        /// Number of bytes that the message or value needs.
        len: usize,
        /// Number of remaining bytes.
        extra: usize,
    },
    /// The JSON is not the message.
    #[error("failed to read a JSON message: {0}")]
    Json(String),
    /// A message larger than the maximum header.
    #[error("a header message of {size} bytes exceeds the limit of {limit}")]
    #[non_exhaustive]
    TooLarge {
        /// Its size, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// A job, or its end, with more extras than allowed.
    #[error("a message with {count} extras exceeds the limit of {}", crate::limits::MAX_EXTRAS)]
    #[non_exhaustive]
    TooManyExtras {
        /// The number of extras.
        count: usize,
    },
}

impl From<EncodeError> for CodecError {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

impl From<DecodeError> for CodecError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

/// Encodes a header message.
///
/// # Errors
/// When it is larger than [`crate::limits::MAX_HEADER`].
pub fn encode_header<T: Encode>(message: &T) -> Result<HeaderBytes, CodecError> {
    // Nearly all of them are short, and bincode writes byte by byte, which is cheap in a fixed buffer.
    let mut short = [0; 64];
    if let Ok(len) = bincode::encode_into_slice(message, &mut short, header_config()) {
        return Ok(HeaderBytes::from_slice(&short[..len]));
    }
    let bytes = bincode::encode_to_vec(message, header_config())?;
    let limit = crate::limits::MAX_HEADER as usize;
    if bytes.len() > limit {
        return Err(CodecError::TooLarge { size: bytes.len(), limit });
    }
    Ok(bytes.into())
}

/// Decodes a header message that uses exactly all of `bytes`.
///
/// # Errors
/// When the bytes are not the message, claim more memory than the budget, or are followed by others.
pub fn decode_header<T: Decode<()>>(bytes: &[u8]) -> Result<T, CodecError> {
    let (message, len) = bincode::decode_from_slice(bytes, header_config())?;
    nothing_after(len, bytes)?;
    Ok(message)
}

/// Encodes a typed value with bincode's standard configuration.
///
/// # Errors
/// When its `Serialize` fails, omits a field, or needs a feature that bincode lacks (a sequence of unknown
/// length).
pub fn encode_typed<T: Serialize + ?Sized>(value: &T) -> Result<Bytes, CodecError> {
    encode_as(value, &carriage::UNKNOWN)
}

/// Encodes a typed value, and checks that its parts have the places of this shape.
pub(crate) fn encode_as<T: Serialize + ?Sized>(
    value: &T,
    shape: &'static Shape,
) -> Result<Bytes, CodecError> {
    let mut collected = Collected::default();
    encode_into(value, shape, &mut collected)?;
    Ok(collected.into_bytes())
}

/// Encodes a value like [`encode_as`], but may omit a large [`Bytes`](crate::Bytes) in the value. Then it
/// also returns that string, with the offset of the empty string in its place.
pub(crate) fn encode_apart<T: Serialize + ?Sized>(
    value: &T,
    shape: &'static Shape,
) -> Result<(Bytes, Option<(usize, Bytes)>), CodecError> {
    let mut collected = Collected { leaves_out: true, ..Collected::default() };
    encode_into(value, shape, &mut collected)?;
    let apart = collected.apart.take();
    Ok((collected.into_bytes(), apart))
}

fn encode_into<T: Serialize + ?Sized>(
    value: &T,
    shape: &'static Shape,
    collected: &mut Collected,
) -> Result<(), CodecError> {
    let refused = RefCell::new(None);
    let strict = Strict { inner: value, rules: Complete { shape, refused: &refused } };
    let encoded = bincode::serde::encode_into_writer(strict, collected, config::standard());
    encoded.map_err(|error| match refused.take() {
        Some(reason) => CodecError::Uncarried { reason },
        None => encode_error(error),
    })
}

/// The bytes written so far. Most values are short. A value that fits on the stack becomes `Bytes` by a
/// single allocation of its own length; a `Vec` with spare capacity needs two.
#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) bytes: SmallVec<[u8; 128]>,
    leaves_out: bool,
    /// The omitted string, and its place.
    pub(crate) apart: Option<(usize, Bytes)>,
}

impl Collected {
    fn into_bytes(self) -> Bytes {
        let bytes = self.bytes;
        if bytes.spilled() { bytes.into_vec().into() } else { Bytes::copy_from_slice(&bytes) }
    }
}

impl Writer for Collected {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        // The length is compared first, because the compiler knows it for most writes.
        if bytes.len() >= apart::MIN_LENGTH
            && self.leaves_out
            && self.apart.is_none()
            && let Some(string) = apart::offered(bytes)
            && apart::leave_out(self, string)
        {
            return Ok(());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }
}

/// Returns the encoded length that precedes a string of `length` bytes.
pub(crate) fn length(length: usize) -> SmallVec<[u8; 16]> {
    let mut written = [0; 9];
    // Nine bytes are enough for every number.
    let end = bincode::encode_into_slice(length as u64, &mut written, config::standard()).unwrap_or(0);
    SmallVec::from_slice(&written[..end])
}

/// Decodes a value from exactly all of `bytes` with `seed`. bincode bounds nothing here and allocates the
/// announced lengths. Therefore `seed` must bound them (see [`crate::bounded`]).
pub(crate) fn decode_typed<'de, S: DeserializeSeed<'de>>(
    bytes: &'de [u8],
    seed: S,
) -> Result<S::Value, CodecError> {
    let (value, len) =
        bincode::serde::seed_decode_from_slice(seed, bytes, config::standard()).map_err(value_error)?;
    nothing_after(len, bytes)?;
    Ok(value)
}

fn nothing_after(len: usize, bytes: &[u8]) -> Result<(), CodecError> {
    match bytes.len() - len {
        0 => Ok(()),
        extra => Err(CodecError::Trailing { len, extra }),
    }
}

fn encode_error(error: EncodeError) -> CodecError {
    match error {
        EncodeError::OtherString(reason) => CodecError::Value { reason },
        other => other.into(),
    }
}

/// Converts an error of bincode, which is displayed as Rust code. A sentence from procpool or serde is
/// extracted.
fn value_error(error: DecodeError) -> CodecError {
    let reason = match error {
        DecodeError::OtherString(reason) => reason,
        DecodeError::UnexpectedEnd { additional } => format!("{additional} bytes are missing"),
        DecodeError::Utf8 { inner } => inner.to_string(),
        DecodeError::Serde(_) => return CodecError::Uncarried { reason: carriage::LOOKS.into() },
        other => format!("{other:?}"),
    };
    CodecError::Value { reason }
}
