//! Where the heads of a connection's HTTP/1 requests begin and end, and what each says of its body's length. hyper, which
//! decides, takes a head with both `Content-Length` and `Transfer-Encoding` and hides the former, and takes the two largest
//! lengths for a head that is too large. Reads no socket and refuses nothing: what is no HTTP/1 makes it look away.

use std::io::BufRead;

/// The preface of HTTP/2, with which no HTTP/1 request begins.
const HTTP_2: &[u8] = b"PRI * HTTP/2";

/// The headers that say how a body is framed, as their lines begin.
const LENGTH: &[u8] = b"content-length:";
const CODING: &[u8] = b"transfer-encoding:";

/// Names and values that matter are shorter.
const LONGEST: usize = 64;

/// The bytes so far.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    at: At,
    /// The beginning of a line that has not come whole, without white space before it.
    line: Vec<u8>,
    /// Its last byte so far.
    last: u8,
    head: Head,
    heads: u64,
    ambiguous: Option<u64>,
    is_overlong: bool,
}

/// The part of a request to which the next byte belongs.
#[derive(Debug, Default, PartialEq, Eq)]
enum At {
    /// Empty lines before a request, or its first line.
    #[default]
    Start,
    Header,
    /// Remaining bytes of a body.
    Body(u64),
    ChunkSize,
    /// Remaining bytes of a chunk and of its line's end.
    Chunk(u64),
    Trailer,
    /// Nothing that is known here.
    Elsewhere,
}

/// A head's statements about the body.
#[derive(Debug, Default)]
struct Head {
    length: Option<u64>,
    is_coded: bool,
}

impl Framing {
    /// Returns the number of the first head, counted from 1, that tells the body's length in two ways.
    pub(crate) fn ambiguous(&self) -> Option<u64> {
        self.ambiguous
    }

    /// Returns whether a head announced a body of a length that hyper mistakes.
    pub(crate) fn is_overlong(&self) -> bool {
        self.is_overlong
    }

    /// Reads bytes that were received.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.at != At::Elsewhere {
            bytes = match &mut self.at {
                At::Body(left) | At::Chunk(left) => {
                    let skipped = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                    *left -= skipped as u64;
                    self.end_data();
                    &bytes[skipped..]
                }
                _ => self.read_line(bytes),
            };
        }
    }

    fn end_data(&mut self) {
        match self.at {
            At::Body(0) => self.at = At::Start,
            At::Chunk(0) => self.at = At::ChunkSize,
            _ => {}
        }
    }

    /// Returns what follows the line.
    fn read_line<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut rest = bytes;
        // A slice is read without fail, and by the library's search, which takes many bytes at a time.
        let length = rest.skip_until(b'\n').unwrap_or(bytes.len());
        let end = bytes[..length].strip_suffix(b"\n");
        let part = end.unwrap_or(bytes);
        self.last = part.last().copied().unwrap_or(self.last);
        if end.is_none() {
            self.keep(part);
            return rest;
        }
        if self.line.is_empty() {
            // Most lines come whole, and are read where they lie.
            self.end_line(beginning(part));
        } else {
            self.keep(part);
            let mut line = std::mem::take(&mut self.line);
            self.end_line(&line);
            line.clear();
            // Its room is used again.
            self.line = line;
        }
        rest
    }

    /// Keeps this part of a line, which goes on beyond it.
    fn keep(&mut self, part: &[u8]) {
        let part = if self.line.is_empty() { beginning(part) } else { part };
        let room = LONGEST - self.line.len();
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn end_line(&mut self, line: &[u8]) {
        let is_cut = line.len() == LONGEST;
        let has_two_ends = std::mem::take(&mut self.last) == b'\r';
        let line = line.trim_ascii_end();
        self.at = match self.at {
            At::Start if line.is_empty() => At::Start,
            At::Start if self.heads == 0 && line.starts_with(HTTP_2) => At::Elsewhere,
            At::Start => {
                (self.heads, self.head) = (self.heads + 1, Head::default());
                At::Header
            }
            At::Header if line.is_empty() => self.end_head(),
            At::Header => self.header(line, is_cut),
            // hyper takes zeros without end, and does not end a trailer at a bare LF: what comes next may be in either place.
            At::ChunkSize if is_cut && line.iter().all(u8::is_ascii_hexdigit) => self.lose_track(),
            At::Trailer if !has_two_ends => self.lose_track(),
            At::ChunkSize => match chunk_size(line) {
                Some(0) => At::Trailer,
                // And the end of its line.
                Some(size) => At::Chunk(size.saturating_add(2)),
                None => At::Elsewhere,
            },
            At::Trailer if line.is_empty() => At::Start,
            At::Trailer => At::Trailer,
            At::Body(_) | At::Chunk(_) | At::Elsewhere => At::Elsewhere,
        };
    }

    fn header(&mut self, line: &[u8], is_cut: bool) -> At {
        // Most others begin otherwise.
        match line.first().map(u8::to_ascii_lowercase) {
            Some(b't') => self.head.is_coded |= value_of(CODING, line).is_some(),
            Some(b'c') => self.length(value_of(LENGTH, line), is_cut),
            _ => {}
        }
        At::Header
    }

    fn length(&mut self, value: Option<&[u8]>, is_cut: bool) {
        let Some(value) = value else { return };
        // hyper accepts any number of leading zeros. A parser that counts digits does not.
        match length(value).filter(|_| !is_cut) {
            Some(length) => self.head.length = Some(length),
            None => self.is_ambiguous_here(),
        }
        self.is_overlong |= self.head.length.is_some_and(|length| length > u64::MAX - 2);
    }

    fn end_head(&mut self) -> At {
        match self.head {
            Head { is_coded: true, length } => {
                if length.is_some() {
                    self.is_ambiguous_here();
                }
                At::ChunkSize
            }
            Head { length: Some(length @ 1..), .. } => At::Body(length),
            Head { .. } => At::Start,
        }
    }

    /// Gives up: the meaning of all further bytes is unknown.
    fn lose_track(&mut self) -> At {
        self.is_ambiguous_here();
        At::Elsewhere
    }

    fn is_ambiguous_here(&mut self) {
        self.ambiguous.get_or_insert(self.heads);
    }
}

/// Returns the value of the header that begins with this name and a colon, if it is the one in this line.
fn value_of<'a>(name: &[u8], line: &'a [u8]) -> Option<&'a [u8]> {
    let (start, value) = line.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
}

/// Returns the part of a line that matters.
fn beginning(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii_start();
    &line[..line.len().min(LONGEST)]
}

fn length(value: &[u8]) -> Option<u64> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(value).ok().filter(|_| is_number)?.parse().ok()
}

/// Returns the size that a line begins with; extensions follow it.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let end = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
    u64::from_str_radix(std::str::from_utf8(&line[..end]).ok()?, 16).ok()
}

#[cfg(test)]
mod tests;
