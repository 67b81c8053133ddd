//! hyper's answer to a body of 2^64 - 1 or 2^64 - 2 bytes, lengths that it keeps for meanings of its own: it calls the head too
//! large, before any code of ours sees the request. So the answer is put right on its way out.

use std::io::IoSlice;

const REFUSED: &[u8] = b"HTTP/1.1 431 Request Header Fields Too Large\r\n";
const INSTEAD: &[u8] = b"HTTP/1.1 413 Payload Too Large\r\n";

/// Returns the answer to send in the place of hyper's, if this is hyper's as a whole.
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
    fn only_that_answer_is_put_right() {
        let slices = [IoSlice::new(REFUSED), IoSlice::new(b"content-length: 0\r\n\r\n")];
        let expected = b"HTTP/1.1 413 Payload Too Large\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(put_right(&slices).as_deref(), Some(&expected[..]));
        assert_eq!(put_right(&slices[..1]), None);
        assert_eq!(put_right(&[IoSlice::new(b"HTTP/1.1 200 OK\r\n\r\n")]), None);
    }
}
