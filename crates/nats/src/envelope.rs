//! The form of messages: a version, a line of JSON, and the payload as its worker wrote it.
//!
//! `PP1 {"pool":"fib",…}\n` and then bytes. People can read the head with the tools of NATS.
//!
//! Version 2 is that of messages whose payload is elsewhere. A build that does not know of this leaves them alone, and does
//! not take them for messages with an empty payload.

use bytes::{BufMut, Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The newest version that this build reads.
pub const VERSION: u32 = 2;

/// The version of a message that the first builds read rightly.
const WHOLE: u32 = 1;

/// Maximum length of a head, in bytes. The standard error of a crash is its longest part.
pub const MAX_HEAD: usize = 64 << 10;

/// A message cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// A newer build wrote it.
    #[error("version {0} of a message is newer than this build, which reads up to {VERSION}")]
    Newer(u32),
    /// It is no message of procpool.
    #[error("the message is not one of procpool: {0}")]
    Foreign(String),
}

/// Writes a head and a payload. The head is cut by nobody: its writer bounds it.
///
/// # Errors
/// When the head has more than [`MAX_HEAD`] bytes.
pub fn seal<T: Serialize>(head: &T, payload: &[u8]) -> Result<Bytes, HeadTooLarge> {
    seal_as(WHOLE, head, payload)
}

/// Writes a message that builds of version 1 would misread, if `is_new`: its payload is elsewhere, or it has to wait. They
/// leave it alone. Writes any other for all builds.
pub(crate) fn seal_new<T: Serialize>(is_new: bool, head: &T, payload: &[u8]) -> Result<Bytes, HeadTooLarge> {
    seal_as(if is_new { VERSION } else { WHOLE }, head, payload)
}

fn seal_as<T: Serialize>(version: u32, head: &T, payload: &[u8]) -> Result<Bytes, HeadTooLarge> {
    let head = serde_json::to_vec(head).map_err(|_| HeadTooLarge { length: 0 })?;
    if head.len() > MAX_HEAD {
        return Err(HeadTooLarge { length: head.len() });
    }
    let mut bytes = BytesMut::with_capacity(head.len() + payload.len() + 16);
    bytes.put_slice(format!("PP{version} ").as_bytes());
    bytes.put_slice(&head);
    bytes.put_u8(b'\n');
    bytes.put_slice(payload);
    Ok(bytes.freeze())
}

/// The head of a message is too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the head of a message has {length} bytes, and at most {MAX_HEAD} fit")]
pub struct HeadTooLarge {
    /// Its length, in bytes.
    pub length: usize,
}

/// Reads a head and its payload, which shares the bytes.
///
/// # Errors
/// When a newer build wrote the message, or something else did.
pub fn open<T: DeserializeOwned>(bytes: &Bytes) -> Result<(T, Bytes), Unreadable> {
    let foreign = |why: &str| Unreadable::Foreign(why.to_owned());
    let rest = bytes.strip_prefix(b"PP").ok_or_else(|| foreign("it does not begin with PP"))?;
    let digits = rest.iter().take(9).take_while(|byte| byte.is_ascii_digit()).count();
    let version = std::str::from_utf8(&rest[..digits]).ok().and_then(|text| text.parse().ok());
    let is_spaced = rest.get(digits) == Some(&b' ');
    let version: u32 = version.filter(|_| is_spaced).ok_or_else(|| foreign("it names no version"))?;
    if version > VERSION {
        return Err(Unreadable::Newer(version));
    }
    let start = 2 + digits + 1;
    let head = bytes.get(start..).ok_or_else(|| foreign("it has no head"))?;
    let length = head.iter().take(MAX_HEAD + 1).position(|&byte| byte == b'\n');
    let length = length.ok_or_else(|| foreign("its head has no end"))?;
    let value = serde_json::from_slice(&head[..length]).map_err(|error| foreign(&error.to_string()))?;
    Ok((value, bytes.slice(start + length + 1..)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_comes_back_byte_by_byte() {
        let sealed = seal(&"head", b"\n\0PP2\n").unwrap();
        assert_eq!(open::<String>(&sealed), Ok(("head".to_owned(), Bytes::from_static(b"\n\0PP2\n"))));
    }

    #[test]
    fn a_newer_message_is_told_from_a_foreign_one() {
        let open = |text: &'static str| open::<String>(&Bytes::from_static(text.as_bytes()));
        assert_eq!(open("PP3 whatever"), Err(Unreadable::Newer(3)));
        for text in ["", "PP", "PPx", "PP1", "PP1 ", "PP1 \"a\"", "PP1 {}\n", "PP99999999999 \n", "hello"] {
            assert!(matches!(open(text), Err(Unreadable::Foreign(_))), "{text:?} {:?}", open(text));
        }
    }

    #[test]
    fn a_large_head_is_refused_on_both_sides() {
        let large = "x".repeat(MAX_HEAD);
        assert_eq!(seal(&large, b""), Err(HeadTooLarge { length: MAX_HEAD + 2 }));
        let forged = Bytes::from(format!("PP1 \"{large}\"\n"));
        assert!(matches!(open::<String>(&forged), Err(Unreadable::Foreign(_))));
    }
}
