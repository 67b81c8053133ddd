//! When to accept again after a failure, and what the log hears of it: that failures begin and that they are over, not
//! each of them. Reads no clock.

use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

/// First and longest pause after a failed accept: long enough to cost nothing, short enough that recovery from
/// descriptor exhaustion is not noticed.
const PAUSES: [Duration; 2] = [Duration::from_millis(5), Duration::from_secs(1)];

/// How long accepting has to go well before failures count as over. Where descriptors are scarce, each connection that
/// closes lets one in.
const CALM: Duration = Duration::from_secs(10);

/// The failures of one listener.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    /// Failures in a row.
    in_a_row: u32,
    until: Option<Instant>,
    episode: Option<Episode>,
}

/// Failures with less than [`CALM`] between them.
#[derive(Debug)]
struct Episode {
    failures: u64,
    last: Instant,
}

impl Backoff {
    /// Returns when to try again, or `None` if at once.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// Notes that accepting failed. Returns whether failures begin.
    ///
    /// A client that went away before it was accepted is no reason to wait. Everything else (no
    /// descriptors, no memory) would be reported again at once, for ever, as the connection stays in the
    /// backlog.
    pub(crate) fn failed(&mut self, error: &io::Error, now: Instant) -> bool {
        if let ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused =
            error.kind()
        {
            self.until = None;
            return false;
        }
        let [first, longest] = PAUSES;
        self.until = Some(now + first.saturating_mul(2_u32.saturating_pow(self.in_a_row)).min(longest));
        self.in_a_row = self.in_a_row.saturating_add(1);
        let begins = self.episode.is_none();
        let failures = self.episode.as_ref().map_or(0, |episode| episode.failures);
        self.episode = Some(Episode { failures: failures + 1, last: now });
        begins
    }

    /// Notes that a connection was accepted. Returns the number of failures before, if they are over now.
    pub(crate) fn succeeded(&mut self, now: Instant) -> Option<u64> {
        (self.in_a_row, self.until) = (0, None);
        let is_over = |episode: &mut Episode| now.saturating_duration_since(episode.last) >= CALM;
        self.episode.take_if(is_over).map(|episode| episode.failures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exhausted() -> io::Error {
        const EMFILE: i32 = 24;
        io::Error::from_raw_os_error(EMFILE)
    }

    #[test]
    fn descriptor_exhaustion_backs_off_to_a_second_and_no_further() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        let mut pause = || {
            backoff.failed(&exhausted(), now);
            backoff.until().unwrap() - now
        };
        let pauses: Vec<_> = std::iter::repeat_with(&mut pause).take(10).map(|it| it.as_millis()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(std::iter::repeat_with(pause).nth(100), Some(PAUSES[1]));
        backoff.succeeded(now);
        assert_eq!(backoff.until(), None);
        backoff.failed(&exhausted(), now);
        assert_eq!(backoff.until(), Some(now + PAUSES[0]), "from the beginning");
    }

    #[test]
    fn a_client_that_left_before_it_was_accepted_costs_no_pause_and_no_line() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        assert!(!backoff.failed(&io::Error::from(ErrorKind::ConnectionAborted), now));
        assert_eq!((backoff.until(), backoff.succeeded(now + CALM)), (None, None));
    }

    #[test]
    fn the_log_hears_that_failures_begin_and_that_they_are_over() {
        let (mut backoff, start) = (Backoff::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(backoff.failed(&exhausted(), at(0)));
        // Now and then one gets in.
        for second in 1..100 {
            assert!(!backoff.failed(&exhausted(), at(second)));
            assert_eq!(backoff.succeeded(at(second)), None);
        }
        assert_eq!(backoff.succeeded(at(108)), None);
        assert_eq!(backoff.succeeded(at(109)), Some(100));
        assert_eq!(backoff.succeeded(at(200)), None);
        assert!(backoff.failed(&exhausted(), at(200)), "it begins again");
    }
}
