//! Splits what arrives of a request into lines. Pure: knows neither JSON nor where bytes come from.

use bytes::{Buf, Bytes, BytesMut};

/// Maximum length of a line that is copied out of the connection's buffer, in bytes. A job that runs for long would keep
/// all of that buffer.
const COPIED: usize = 16 * 1024;

/// Size of the memory that short lines share, in bytes.
const BLOCK: usize = 4 * 1024;

/// A line that is not blank, without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    Text(Bytes),
    /// It exceeds the limit. The rest of it is passed over.
    TooLong,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lines {
    limit: usize,
    /// Number of lines so far, blank ones too.
    count: u64,
    /// Bytes that are not split yet.
    arrived: Bytes,
    /// The beginning of a line whose end has not arrived.
    begun: BytesMut,
    /// The rest of a line that is too long is being passed over.
    passes_over: bool,
    block: BytesMut,
}

impl Lines {
    /// Creates a splitter for lines of at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        let (arrived, begun, block) = (Bytes::new(), BytesMut::new(), BytesMut::new());
        Self { limit, count: 0, arrived, begun, passes_over: false, block }
    }

    /// Takes what has arrived, once [`next`](Self::next) has returned `None`.
    pub(super) fn arrived(&mut self, bytes: Bytes) {
        self.arrived = bytes;
    }

    /// Returns the next line with its number, from 1, or `None` if more has to arrive first.
    pub(super) fn next(&mut self) -> Option<(u64, Line)> {
        while !self.arrived.is_empty() {
            let end = self.arrived.iter().position(|byte| *byte == b'\n');
            let piece = self.arrived.split_to(end.unwrap_or(self.arrived.len()));
            if end.is_some() {
                self.arrived.advance(1);
            }
            let line = self.take(piece, end.is_some());
            if line.is_some() {
                return line;
            }
        }
        None
    }

    /// Returns the last line, if it has no end, once nothing more arrives.
    pub(super) fn finish(&mut self) -> Option<(u64, Line)> {
        let is_begun = self.passes_over || !self.begun.is_empty();
        if is_begun { self.take(Bytes::new(), true) } else { None }
    }

    /// Returns the number of the line that comes next.
    pub(super) const fn number(&self) -> u64 {
        self.count + 1
    }

    /// Returns the number of bytes that it holds.
    pub(super) fn held(&self) -> usize {
        self.arrived.len() + self.begun.len()
    }

    fn take(&mut self, piece: Bytes, is_ended: bool) -> Option<(u64, Line)> {
        if self.passes_over {
            self.passes_over = !is_ended;
            return None;
        }
        if self.begun.len() + piece.len() > self.limit {
            self.begun = BytesMut::new();
            self.passes_over = !is_ended;
            self.count += 1;
            return Some((self.count, Line::TooLong));
        }
        if !is_ended {
            self.begun.extend_from_slice(&piece);
            return None;
        }
        self.count += 1;
        let text = if self.begun.is_empty() {
            self.own(piece)
        } else {
            self.begun.extend_from_slice(&piece);
            std::mem::take(&mut self.begun).freeze()
        };
        let is_blank = text.trim_ascii().is_empty();
        (!is_blank).then_some((self.count, Line::Text(text)))
    }

    /// Returns a line that does not keep the connection's buffer, unless it is most of that.
    fn own(&mut self, piece: Bytes) -> Bytes {
        match piece.len() {
            length if length > COPIED => piece,
            length if length > BLOCK / 4 => Bytes::copy_from_slice(&piece),
            length => {
                if self.block.capacity() < length {
                    self.block = BytesMut::with_capacity(BLOCK);
                }
                self.block.extend_from_slice(&piece);
                self.block.split().freeze()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns all lines of a text that arrives in pieces of this length. A line that is too long is `None`.
    fn lines(text: &str, piece: usize, limit: usize) -> Vec<(u64, Option<String>)> {
        let mut lines = Lines::new(limit);
        let mut found = Vec::new();
        for piece in text.as_bytes().chunks(piece) {
            lines.arrived(Bytes::copy_from_slice(piece));
            found.extend(std::iter::from_fn(|| lines.next()));
        }
        found.extend(lines.finish());
        let text = |line| match line {
            Line::Text(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
            Line::TooLong => None,
        };
        found.into_iter().map(|(number, line)| (number, text(line))).collect()
    }

    fn told(lines: &[(u64, Option<&str>)]) -> Vec<(u64, Option<String>)> {
        lines.iter().map(|(number, text)| (*number, text.map(str::to_owned))).collect()
    }

    #[test]
    fn lines_are_the_same_however_they_arrive() {
        for piece in 1..20 {
            let found = lines("20\n{\"a\": 1}\r\n\n  \n3", piece, 100);
            assert_eq!(found, told(&[(1, Some("20")), (2, Some("{\"a\": 1}\r")), (5, Some("3"))]), "{piece}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_told_once_and_costs_no_other() {
        for piece in 1..20 {
            let found = lines("1234\n12345\n1\n123456789", piece, 4);
            assert_eq!(found, told(&[(1, Some("1234")), (2, None), (3, Some("1")), (4, None)]), "{piece}");
        }
    }

    #[test]
    fn a_line_without_an_end_is_told_to_be_too_long_before_it_ends() {
        let mut lines = Lines::new(4);
        lines.arrived(Bytes::from_static(b"12345"));
        assert_eq!(lines.next(), Some((1, Line::TooLong)));
        for _ in 0..1000 {
            lines.arrived(Bytes::from_static(&[b'x'; 1000]));
            assert_eq!(lines.next(), None);
        }
        assert_eq!((lines.held(), lines.number()), (0, 2));
    }

    #[test]
    fn nothing_and_blank_lines_are_no_lines() {
        assert_eq!(lines("", 1, 4), []);
        assert_eq!(lines("\n\r\n \t\n", 1, 4), []);
        assert_eq!(lines("1", 1, 4), told(&[(1, Some("1"))]));
    }

    #[test]
    fn short_lines_do_not_keep_the_buffer_that_they_came_in() {
        let buffer = Bytes::from(b"7\n".repeat(10_000));
        let all = buffer.as_ptr_range();
        let mut lines = Lines::new(100);
        lines.arrived(buffer.clone());
        let mut count = 0;
        while let Some((_, Line::Text(text))) = lines.next() {
            assert!(!all.contains(&text.as_ptr()));
            count += 1;
        }
        assert_eq!(count, 10_000);
    }
}
