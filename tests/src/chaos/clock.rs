//! One measure of time for all that is compared: since the run's start. The server's log is stamped with the
//! wall clock, everything else is monotonic.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The run's clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// The start on the wall clock, since 1970.
    wall: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), wall }
    }

    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Returns the moment that a log names, as in `2026-01-31T12:34:56.789012Z`.
    pub(crate) fn read(&self, stamp: &str) -> Option<Duration> {
        unix(stamp).map(|since_1970| since_1970.saturating_sub(self.wall))
    }
}

fn unix(stamp: &str) -> Option<Duration> {
    let (date, time) = stamp.strip_suffix('Z')?.split_once('T')?;
    let (time, fraction) = time.split_once('.')?;
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    let seconds = days(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    let micros: u64 = fraction.get(..6)?.parse().ok()?;
    Some(Duration::from_secs(seconds) + Duration::from_micros(micros))
}

fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let parts: Vec<u64> = text.split(separator).map(str::parse).collect::<Result<_, _>>().ok()?;
    parts.try_into().ok()
}

/// Days from 1970-01-01 to this day of the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    // Counted from March, so that a leap day is a year's last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    (year * 365 + leap_days + (month * 153 + 2) / 5 + day).checked_sub(719_469)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_of_the_log_is_read() {
        let seconds = |stamp: &str| unix(stamp).map(|moment| moment.as_secs());
        assert_eq!(seconds("1970-01-01T00:00:00.000000Z"), Some(0));
        assert_eq!(seconds("2000-02-29T12:00:00.000000Z"), Some(951_825_600));
        assert_eq!(seconds("2026-12-31T23:59:59.999999Z"), Some(1_798_761_599));
        assert_eq!(
            unix("1970-01-01T00:00:01.500000Z"),
            Some(Duration::from_millis(1500)),
            "the fraction counts"
        );
    }

    #[test]
    fn what_is_no_stamp_is_none() {
        for text in ["", "thread", "2026-01-01", "2026-01-01T00:00:00Z", "a-b-cTd:e:f.gZ"] {
            assert_eq!(unix(text), None, "{text}");
        }
    }
}
