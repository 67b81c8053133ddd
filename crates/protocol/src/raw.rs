//! [`Bytes`]: bytes that are never re-encoded, alone or in a value.

use crate::{apart, in_place};
use serde::{Deserialize, Serialize};

/// Raw bytes as a job's input or output: never re-encoded, `application/octet-stream` over HTTP.
///
/// A job whose `Input` or `Output` is exactly this type exchanges it as
/// [`Encoding::Bytes`](crate::Encoding::Bytes), regardless of its `ENCODING`.
///
/// In another type, as in `(Params, Bytes)`, it is a byte string of that type's encoding. If that is bincode,
/// - the first one of at least 256 KiB in the input or output of a job is not copied, as if it were alone.
///   This requires that the rest of the value has at most 16 KiB;
/// - the receiver reads each of at least 64 KiB in place, as a part of the payload. It holds the whole
///   payload in memory.
///
/// A `Vec<u8>` in its place is copied byte by byte.
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
/// let image = Bytes::from(vec![7; 1 << 20]);
/// let payload = Payload::encode_apart(&(64_u32, image.clone()), Encoding::Bincode)?;
/// let (width, received): <Thumbnail as Job>::Input = payload.decode()?;
/// assert_eq!((width, received.as_ptr()), (64, image.as_ptr()));
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
        apart::offering(&self.0, || serializer.serialize_bytes(&self.0))
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

            fn visit_str<E>(self, text: &str) -> Result<Bytes, E> {
                Ok(text.as_bytes().to_vec().into())
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element::<u8>()? {
                    bytes.push(byte);
                }
                Ok(bytes.into())
            }
        }
        // As bytes, `serde_json` would take a string that is neither UTF-8 nor JSON.
        if deserializer.is_human_readable() {
            return deserializer.deserialize_any(Visitor);
        }
        // Not `byte_buf`, which would request a copy.
        deserializer.deserialize_bytes(Visitor)
    }
}
