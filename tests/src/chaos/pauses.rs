//! Times in which nothing could be expected: the server was stopped, or nobody was given a processor. So that nobody
//! is blamed for what could not happen meanwhile.

use std::collections::VecDeque;
use std::ops::Range;
use std::time::Duration;

/// Pauses that are remembered; far more than a job meets with in its life.
const KEPT: usize = 4096;

/// Pauses since the run's start, in order.
#[derive(Debug, Default)]
pub(crate) struct Pauses {
    latest: VecDeque<Range<Duration>>,
    pub(crate) count: u64,
    pub(crate) longest: Duration,
}

impl Pauses {
    /// One begins, whose end is not known.
    pub(crate) fn begin(&mut self, now: Duration) {
        if self.latest.len() == KEPT {
            self.latest.pop_front();
        }
        self.latest.push_back(now..Duration::MAX);
        self.count += 1;
    }

    /// The latest one is over.
    pub(crate) fn end(&mut self, now: Duration) {
        if let Some(pause) = self.latest.back_mut() {
            pause.end = now;
            self.longest = self.longest.max(now - pause.start);
        }
    }

    /// How much of this time was pause.
    pub(crate) fn within(&self, time: &Range<Duration>) -> Duration {
        let latest_first = self.latest.iter().rev().take_while(|pause| pause.end > time.start);
        let overlap =
            |pause: &Range<Duration>| pause.end.min(time.end).saturating_sub(pause.start.max(time.start));
        latest_first.map(overlap).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn within(pauses: &Pauses, time: Range<u64>) -> u64 {
        pauses.within(&(seconds(time.start)..seconds(time.end))).as_secs()
    }

    #[test]
    fn only_what_overlaps_counts() {
        let mut pauses = Pauses::default();
        pauses.begin(seconds(10));
        assert_eq!(within(&pauses, 9..11), 1, "it is not over yet");
        pauses.end(seconds(12));
        pauses.begin(seconds(20));
        pauses.end(seconds(23));
        assert_eq!([0..9, 11..15, 0..21, 13..19, 21..22].map(|time| within(&pauses, time)), [0, 1, 3, 0, 1]);
        assert_eq!((pauses.count, pauses.longest), (2, seconds(3)));
    }

    #[test]
    fn only_the_latest_are_kept_and_all_are_counted() {
        let mut pauses = Pauses::default();
        for second in 0..10_000 {
            pauses.begin(seconds(2 * second));
            pauses.end(seconds(2 * second + 1));
        }
        assert_eq!((pauses.latest.len(), pauses.count), (KEPT, 10_000));
        assert_eq!(within(&pauses, 19_990..20_000), 5);
    }
}
