//! When the server itself was stopped, so that nobody is blamed for what could not happen meanwhile.

use std::time::Duration;

/// Times since the run's start, in order. One every few seconds at most.
#[derive(Debug, Default)]
pub(crate) struct Stops(Vec<(Duration, Duration)>);

impl Stops {
    /// It is about to be stopped.
    pub(crate) fn begin(&mut self, now: Duration) {
        self.0.push((now, Duration::MAX));
    }

    /// It goes on.
    pub(crate) fn end(&mut self, now: Duration) {
        if let Some((_, end)) = self.0.last_mut() {
            *end = now;
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// How much of the time between these two the server was stopped.
    pub(crate) fn within(&self, from: Duration, to: Duration) -> Duration {
        let latest_first = self.0.iter().rev().take_while(|(_, end)| *end > from);
        latest_first.map(|&(start, end)| end.min(to).saturating_sub(start.max(from))).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_overlaps_counts() {
        let seconds = Duration::from_secs;
        let mut stops = Stops::default();
        stops.begin(seconds(10));
        assert_eq!(stops.within(seconds(9), seconds(11)), seconds(1), "it is not over yet");
        stops.end(seconds(12));
        stops.begin(seconds(20));
        stops.end(seconds(23));
        assert_eq!(stops.within(seconds(0), seconds(9)), seconds(0));
        assert_eq!(stops.within(seconds(11), seconds(15)), seconds(1));
        assert_eq!(stops.within(seconds(0), seconds(21)), seconds(3));
        assert_eq!(stops.within(seconds(13), seconds(19)), seconds(0));
        assert_eq!(stops.within(seconds(21), seconds(22)), seconds(1));
    }
}
