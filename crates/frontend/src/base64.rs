//! Writes bytes as base64 (RFC 4648, with padding), for JSON that carries raw bytes.

use bytes::{BufMut, BytesMut};

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Appends the base64 of `bytes`. Pieces whose lengths are multiples of 3, but for the last, can be written one after the
/// other.
pub(crate) fn encode(bytes: &[u8], text: &mut BytesMut) {
    text.reserve(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |index: usize| u32::from(group.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        let letters = [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift & 63) as usize]);
        let used = group.len() + 1;
        text.put_slice(&letters[..used]);
        text.put_bytes(b'=', 4 - used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_standard_are_right() {
        let examples = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (bytes, expected) in examples {
            let mut text = BytesMut::new();
            encode(bytes.as_bytes(), &mut text);
            assert_eq!(text, expected.as_bytes());
        }
    }

    #[test]
    fn pieces_of_whole_groups_are_the_whole() {
        let bytes: Vec<u8> = (0..=255).collect();
        let (mut whole, mut pieces) = (BytesMut::new(), BytesMut::new());
        encode(&bytes, &mut whole);
        bytes.chunks(48).for_each(|piece| encode(piece, &mut pieces));
        assert_eq!(whole, pieces);
    }
}
