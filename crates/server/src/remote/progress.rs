//! The progress of a batch as one line of a terminal, drawn again at most ten times a second.

use procpool_client::ReadSoFar;
use procpool_client::batch::Tally;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Minimum time between two drawings.
const REDRAW: Duration = Duration::from_millis(100);

/// Width of the bar, in characters.
const WIDTH: usize = 24;

/// A line of standard error.
#[derive(Debug)]
pub(super) struct Progress {
    begun: Instant,
    drawn: Option<Instant>,
    /// Whether a line stands there now.
    is_visible: bool,
    is_wanted: bool,
    so_far: ReadSoFar,
    size: Option<u64>,
}

impl Progress {
    /// Returns a line that is drawn where standard error is a terminal. `size` is that of the input, if it is known.
    pub(super) fn new(so_far: ReadSoFar, size: Option<u64>, quiet: bool) -> Self {
        let is_wanted = !quiet && io::stderr().is_terminal();
        Self { begun: Instant::now(), drawn: None, is_visible: false, is_wanted, so_far, size }
    }

    /// Returns the time since the start.
    pub(super) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Draws the line, unless it was drawn a moment ago.
    pub(super) fn draw(&mut self, tally: &Tally) {
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW);
        if self.is_wanted && is_due {
            let share = share(&self.so_far, self.size, tally.answered());
            write(&format!("\r\x1b[K{}", line(share, tally, self.elapsed())));
            (self.drawn, self.is_visible) = (Some(Instant::now()), true);
        }
    }

    /// Removes the line, so that something else can stand there.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.is_visible) {
            write("\r\x1b[K");
        }
    }
}

/// A standard error that nobody reads is no reason to fail.
fn write(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes()).and_then(|()| stderr.flush());
}

/// Returns how much of the batch has its answer, from 0 to 1. The number of lines is known once the last was read. Before
/// that, lines are taken to be as long as those that were read.
fn share(so_far: &ReadSoFar, size: Option<u64>, answered: u64) -> Option<f64> {
    let (lines, bytes) = (so_far.lines(), so_far.bytes());
    if lines == 0 {
        return None;
    }
    let of_read = ratio(answered, lines);
    match size {
        _ if so_far.has_ended() => Some(of_read),
        Some(size) if size > 0 => Some(of_read * ratio(bytes, size)),
        _ => None,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a share that is drawn")]
fn ratio(part: u64, whole: u64) -> f64 {
    (part as f64 / whole as f64).min(1.0)
}

/// Returns the line without its line break.
fn line(share: Option<f64>, tally: &Tally, elapsed: Duration) -> String {
    let counts =
        format!("{} answered, {} not ok, {}/s", tally.answered(), tally.not_ok(), rate(tally, elapsed));
    match share {
        Some(share) => {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 100")]
            let percent = (share * 100.0) as usize;
            let done = percent * WIDTH / 100;
            format!("[{}{}] {percent:>3} %  {counts}", "#".repeat(done), " ".repeat(WIDTH - done))
        }
        None => counts,
    }
}

/// Returns the number of answers a second.
pub(super) fn rate(tally: &Tally, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    tally.answered().saturating_mul(1000) / millis
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(answers: usize) -> Tally {
        let mut tally = Tally::default();
        let line = b"{\"line\":1,\"outcome\":\"ok\"}\n".repeat(answers);
        tally.take(&line, |_| Ok::<_, procpool_client::batch::InvalidAnswer>(())).unwrap();
        tally
    }

    #[test]
    fn the_bar_shows_the_share_that_is_known_and_counts_where_none_is() {
        let second = Duration::from_secs(2);
        assert_eq!(
            line(Some(0.5), &tally(10), second),
            "[############            ]  50 %  10 answered, 0 not ok, 5/s"
        );
        assert_eq!(line(None, &tally(10), second), "10 answered, 0 not ok, 5/s");
        assert!(line(Some(1.0), &tally(1), Duration::ZERO).starts_with("[########################] 100 %"));
    }

    #[test]
    fn a_share_is_known_once_lines_were_read() {
        assert_eq!(share(&ReadSoFar::default(), Some(10), 0), None);
    }
}
