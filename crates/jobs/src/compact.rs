//! Copies of payloads that are held for long.
//!
//! A payload may be a small part of a large buffer, which is used again once the payload is dropped. It may count
//! towards the bytes that a server holds for its requests. Neither is meant for an hour.

use bytes::Bytes;
use procpool_protocol::Payload;

/// Maximum number of bytes that are copied on the calling thread. A megabyte takes a tenth of a millisecond or so.
const COPIED_INLINE: usize = 1 << 20;

/// Returns the same payload in memory of its own. Descriptors are not part of it.
pub(crate) async fn compact(payload: &Payload) -> Payload {
    let bytes = if payload.bytes.len() <= COPIED_INLINE {
        Bytes::copy_from_slice(&payload.bytes)
    } else {
        let long = payload.bytes.clone();
        let copied = tokio::task::spawn_blocking(move || Bytes::copy_from_slice(&long)).await;
        // The runtime ends, and all that is held ends with it.
        copied.unwrap_or_else(|_| payload.bytes.clone())
    };
    with_bytes(payload, bytes)
}

/// The same for a chunk of a stream, which is short.
pub(crate) fn compact_chunk(chunk: &Payload) -> Payload {
    with_bytes(chunk, Bytes::copy_from_slice(&chunk.bytes))
}

fn with_bytes(payload: &Payload, bytes: Bytes) -> Payload {
    let copy = Payload::new(payload.encoding, bytes);
    match payload.rest() {
        Some(rest) => copy.with_rest(Bytes::copy_from_slice(rest)),
        None => copy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_copy_is_the_same_payload_of_any_length() {
        for length in [0, 1, COPIED_INLINE, COPIED_INLINE + 1] {
            let payload = Payload::raw(vec![7; length]);
            assert_eq!(compact(&payload).await, payload);
            assert_eq!(compact_chunk(&payload), payload);
        }
        let with_rest = Payload::json("1").with_rest("2");
        assert_eq!(compact(&with_rest).await.rest(), with_rest.rest());
    }
}
