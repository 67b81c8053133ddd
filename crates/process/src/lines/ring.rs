//! Lines in a ring that is bounded in number and in bytes. Does not: read a clock, or lock.

use procpool_protocol::JobId;
use procpool_protocol::worker_output::{OutputLine, OutputPage, OutputStream};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::SystemTime;

/// Maximum number of lines.
const LINES: usize = 200;

/// Maximum number of bytes of all lines.
const BYTES: usize = 64 << 10;

/// See the file.
#[derive(Debug, Default)]
pub(super) struct LineRing {
    lines: VecDeque<Arc<OutputLine>>,
    bytes: usize,
    /// The number of the last line.
    last: u64,
    /// The last job that was found, by its number.
    job: Option<(u64, JobId)>,
    is_over: bool,
}

impl LineRing {
    /// Adds a line. Returns those that it displaces.
    pub(super) fn push(
        &mut self,
        time: SystemTime,
        stream: OutputStream,
        job: Option<(u64, JobId)>,
        text: &str,
    ) -> Vec<Arc<OutputLine>> {
        self.last += 1;
        self.job = job.or(self.job);
        self.bytes += text.len();
        let line = OutputLine::new(self.last, time, stream, job.map(|(_, id)| id), text);
        self.lines.push_back(Arc::new(line));
        let mut gone = Vec::new();
        while self.lines.len() > LINES || self.bytes > BYTES {
            let Some(oldest) = self.lines.pop_front() else { break };
            self.bytes -= oldest.text.len();
            gone.push(oldest);
        }
        gone
    }

    /// Returns the job of this number, if it is the last one that was found.
    pub(super) fn job(&self, number: u64) -> Option<JobId> {
        self.job.filter(|(known, _)| *known == number).map(|(_, id)| id)
    }

    pub(super) fn page(&self, seen: u64) -> OutputPage {
        let seen = if seen > self.last { 0 } else { seen };
        let oldest = self.last - self.lines.len() as u64;
        let lines = self.lines.iter().filter(|line| line.number > seen).cloned().collect();
        OutputPage::new(lines, oldest.saturating_sub(seen), self.is_over, self.last)
    }

    pub(super) fn has_news(&self, seen: u64) -> bool {
        self.last != seen || self.is_over
    }

    pub(super) fn end(&mut self) {
        self.is_over = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn ring_of(texts: impl IntoIterator<Item = String>) -> LineRing {
        let mut ring = LineRing::default();
        for text in texts {
            ring.push(UNIX_EPOCH, OutputStream::Stderr, None, &text);
        }
        ring
    }

    fn numbers(page: &OutputPage) -> Vec<u64> {
        page.lines.iter().map(|line| line.number).collect()
    }

    #[test]
    fn the_last_lines_are_held_and_what_is_missing_is_counted() {
        let ring = ring_of((1..=500).map(|number| number.to_string()));
        let all = ring.page(0);
        assert_eq!((numbers(&all), all.missed), ((301..=500).collect(), 300));
        let rest = ring.page(498);
        assert_eq!((numbers(&rest), rest.missed), (vec![499, 500], 0));
        assert_eq!(ring.page(299).missed, 1);
        assert_eq!(numbers(&ring.page(9_999)), numbers(&all), "of another worker");
    }

    #[test]
    fn long_lines_displace_more_than_one_and_never_exceed_the_bytes() {
        let mut ring = ring_of((0..100).map(|_| "x".repeat(600)));
        for _ in 0..10 {
            let gone = ring.push(UNIX_EPOCH, OutputStream::Stdout, None, &"y".repeat(16 << 10));
            assert!(!gone.is_empty());
            assert!(ring.lines.iter().map(|line| line.text.len()).sum::<usize>() <= BYTES);
        }
        assert_eq!((ring.lines.len(), ring.bytes), (4, BYTES));
        ring.push(UNIX_EPOCH, OutputStream::Stdout, None, &"z".repeat(2 * BYTES));
        assert_eq!((ring.lines.len(), ring.bytes), (0, 0), "no line is that long");
    }

    #[test]
    fn there_is_news_with_a_line_and_with_the_end() {
        let mut ring = ring_of(["x".to_owned()]);
        assert!(ring.has_news(0) && !ring.has_news(1));
        ring.end();
        assert!(ring.has_news(1) && ring.page(1).is_over);
    }

    /// Otherwise a reader would look again and again, and never wait.
    #[test]
    fn after_a_page_there_is_no_news_whatever_was_seen_before() {
        let too_long = || ["z".repeat(2 * BYTES)];
        for ring in [ring_of([]), ring_of(too_long()), ring_of(["x".to_owned()])] {
            for seen in [0, 1, 2, 99, u64::MAX] {
                assert!(!ring.has_news(ring.page(seen).seen), "{ring:?} after {seen}");
            }
        }
        assert_eq!(ring_of(too_long()).page(0).missed, 1);
    }
}
