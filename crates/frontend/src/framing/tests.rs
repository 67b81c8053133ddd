//! Requests in a row, whole and in pieces.

use super::*;

/// Returns the framing of these bytes, which come in pieces of this length.
fn read_by(bytes: &[u8], piece: usize) -> Framing {
    let mut framing = Framing::default();
    bytes.chunks(piece).for_each(|piece| framing.read(piece));
    framing
}

/// Returns the number of heads, and the first that is ambiguous, however the bytes are cut.
#[track_caller]
fn read(text: &str) -> (u64, Option<u64>) {
    let seen = |piece| {
        let framing = read_by(text.as_bytes(), piece);
        (framing.heads, framing.ambiguous())
    };
    let whole = seen(usize::MAX);
    for piece in 1..40 {
        assert_eq!(seen(piece), whole, "in pieces of {piece}: {text:?}");
    }
    whole
}

const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

fn post(headers: &str, body: &str) -> String {
    format!("POST /jobs HTTP/1.1\r\nHost: h\r\n{headers}\r\n\r\n{body}")
}

#[test]
fn a_length_beside_a_coding_is_ambiguous_in_either_order_and_any_case() {
    for headers in [
        "Content-Length: 4\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 4",
        "content-LENGTH:0\r\nX: y\r\ntransfer-ENCODING:chunked",
        "Transfer-Encoding: chunked\nContent-Length: 4",
    ] {
        assert_eq!(read(&post(headers, "0\r\n\r\n")), (1, Some(1)), "{headers}");
        assert_eq!(read(&[GET, &post(headers, "0\r\n\r\n"), GET].concat()), (3, Some(2)), "{headers}");
    }
    let zeros = format!("Content-Length: {}2", "0".repeat(50));
    assert_eq!(read(&post(&zeros, "40")).1, Some(1), "a length that others may cut");
}

#[test]
fn a_line_says_the_same_whole_and_in_pieces() {
    let long = |length: usize| format!("X: {}", "x".repeat(length - 3));
    let spaced = |length: usize| format!("Content-Length: 4{}", " ".repeat(length - 17));
    let plain = [
        "Content-Length : 4",
        "Content-Length",
        "Content",
        ":",
        "X:Content-Length: 4",
        &long(63),
        &long(64),
        &long(65),
    ];
    let lengths = ["\t Content-Length: 4", "Content-Length:\t4 \t", &spaced(63), &spaced(64), &spaced(65)];
    let coding = "\t transfer-Encoding:chunked";
    for (headers, is_length) in [(&plain[..], false), (&lengths[..], true)] {
        for header in headers {
            let ambiguous = is_length.then_some(1);
            assert_eq!(
                read(&post(&format!("{header}\r\n{coding}"), "0\r\n\r\n")),
                (1, ambiguous),
                "{header}"
            );
            assert_eq!(read(&post(&format!("{coding}\n{header}"), "0\r\n\r\n")), (1, ambiguous), "{header}");
        }
    }
}

#[test]
fn requests_in_a_row_are_counted_and_bodies_are_not_read() {
    let both = "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let sized = post(&format!("Content-Length: {}", both.len()), both);
    let size = both.len();
    let chunked = post(
        "Transfer-Encoding: chunked",
        &format!("{size:x};a=\"b\"\r\n{both}\r\n00{size:X}\r\n{both}\r\n0\r\nContent-Length: 1\r\n\r\n"),
    );
    let empty = post("Content-Length: 0", "");
    let all = [GET, &sized, "\r\n\r\n", &chunked, &empty, &chunked, &sized, GET].concat();
    assert_eq!(read(&all), (7, None));
    assert_eq!(read(&[&all, both].concat()), (8, Some(8)));
}

#[test]
fn after_a_body_that_hyper_may_end_elsewhere_nothing_is_believed() {
    let both = post("Content-Length: 1\r\nTransfer-Encoding: chunked", "0\r\n\r\n");
    for body in [
        "0\r\na: b\n\nX\r\n\r\n".to_owned(),
        "0\r\na: b\n\nPOST / HTTP/1.1\r\nContent-Length: 99999999\n\nz\r\n\r\n".to_owned(),
        format!("{}5\r\nhello\r\n0\r\n\r\n", "0".repeat(LONGEST)),
    ] {
        let first = post("Transfer-Encoding: chunked", &body);
        assert_eq!(read(&[&first, &both[..]].concat()), (1, Some(1)), "{body:?}");
    }
    let long = format!("0\r\nA: {}\r\n\r\n", "a".repeat(2 * LONGEST));
    let plain = post("Transfer-Encoding: chunked", &long);
    assert_eq!(read(&[&plain, GET].concat()), (2, None), "a long trailer is one");
}

#[test]
fn what_is_no_http_1_is_not_looked_at() {
    let both = post("Content-Length: 1\r\nTransfer-Encoding: chunked", "");
    assert_eq!(read(&["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &both].concat()), (0, None));
    let broken = post("Transfer-Encoding: chunked", "xyz\r\n");
    assert_eq!(read(&[broken, both].concat()), (1, None));
    read_by(&[b'x'; 1 << 20], 4096);
    assert!(read_by(&[b'x'; 1 << 20], 4096).line.capacity() <= 2 * LONGEST);
}

#[test]
fn the_lengths_that_hyper_does_not_take_are_known() {
    let is_overlong = |header: &str| read_by(post(header, "").as_bytes(), 7).is_overlong();
    for header in [
        "Content-Length: 18446744073709551615",
        "content-length:18446744073709551614",
        "CONTENT-LENGTH: \t018446744073709551615 ",
    ] {
        assert!(is_overlong(header), "{header}");
    }
    for header in [
        "Content-Length: 18446744073709551613",
        "Content-Length: 18446744073709551616",
        "X-Content-Length: 18446744073709551615",
        "Content-Length: 2",
        "Content-Length:",
        "Content-Length: +2",
    ] {
        assert!(!is_overlong(header), "{header}");
    }
}
