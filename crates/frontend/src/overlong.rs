//! The two lengths of a body that hyper takes for a head that is too large: 2^64 - 1 and 2^64 - 2, which it keeps for meanings
//! of its own. It answers them with 431 before any code of ours sees the request, and so the answer is put right on its way
//! out. A head that comes in many pieces gets hyper's answer. Reads no socket.

use std::io::IoSlice;

/// Both lengths, without their last digit.
const LENGTH: &[u8] = b"1844674407370955161";

const REFUSED: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\n";
const INSTEAD: &[u8] = b"HTTP/1.1 413 Payload Too Large\r\n";

/// Whether a part of a head announces such a body.
pub(crate) fn is_announced(head: &[u8]) -> bool {
    head.split(|byte| *byte == b'\n').any(|line| {
        let value = line.split_at_checked(NAME.len()).filter(|(name, _)| name.eq_ignore_ascii_case(NAME));
        value.is_some_and(|(_, value)| is_overlong(value.trim_ascii()))
    })
}

const NAME: &[u8] = b"content-length:";

fn is_overlong(value: &[u8]) -> bool {
    let zeros = value.iter().take_while(|digit| **digit == b'0').count();
    matches!(value[zeros..].strip_prefix(LENGTH), Some(b"4" | b"5"))
}

/// What to send in the place of hyper's answer, if this is it as a whole.
pub(crate) fn put_right(answer: &[IoSlice<'_>]) -> Option<Vec<u8>> {
    let answer: Vec<u8> = answer.iter().flat_map(|slice| slice.iter().copied()).take(MOST).collect();
    let rest = answer.strip_prefix(REFUSED).filter(|rest| rest.ends_with(b"\r\n\r\n"))?;
    Some([INSTEAD, rest].concat())
}

/// More than that answer has, in bytes.
const MOST: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lengths_that_hyper_does_not_take_are_known_in_any_head() {
        let head = |line: &str| format!("POST / HTTP/1.1\r\nHost: h\r\n{line}\r\n\r\n");
        for line in [
            "Content-Length: 18446744073709551615",
            "content-length:18446744073709551614",
            "CONTENT-LENGTH: \t00018446744073709551615 ",
        ] {
            assert!(is_announced(head(line).as_bytes()), "{line}");
        }
        for line in [
            "Content-Length: 18446744073709551613",
            "Content-Length: 18446744073709551616",
            "Content-Length: 184467440737095516150",
            "X-Content-Length: 18446744073709551615",
            "Content-Length: 2",
            "Content-Length:",
        ] {
            assert!(!is_announced(head(line).as_bytes()), "{line}");
        }
    }

    #[test]
    fn only_that_answer_is_put_right() {
        let slices = [IoSlice::new(REFUSED), IoSlice::new(b"content-length: 0\r\n\r\n")];
        let expected = b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(put_right(&slices).as_deref(), Some(&expected[..]));
        assert_eq!(put_right(&slices[..1]), None);
        assert_eq!(put_right(&[IoSlice::new(b"HTTP/1.1 200 OK\r\n\r\n")]), None);
    }
}
