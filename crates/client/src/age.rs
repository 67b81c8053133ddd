//! Times as a table shows them: short, with one or two units. Ages count on the server's clock, which its answers tell.

use std::time::Duration;

/// Returns a duration of at most two units, such as `3d4h`, `5m10s` or `42s`.
#[must_use]
pub fn short(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let two = |first: u64, unit: char, second: u64, smaller: char| {
        if second == 0 { format!("{first}{unit}") } else { format!("{first}{unit}{second}{smaller}") }
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        // From ten on, the second unit says nothing.
        (0, 0, 10..) => format!("{minutes}m"),
        (0, 0, _) => two(minutes, 'm', seconds % 60, 's'),
        (0, ..) => two(hours, 'h', minutes, 'm'),
        _ => two(days, 'd', hours, 'h'),
    }
}

/// Returns the time of a run as people read it, such as `1.2ms`, from microseconds.
#[must_use]
pub fn of_run(micros: u64) -> String {
    let micros = Duration::from_micros(micros);
    match micros.as_secs() {
        0 if micros.as_millis() == 0 => format!("{}us", micros.as_micros()),
        0 => format!("{:.1}ms", micros.as_secs_f64() * 1e3),
        1..=99 => format!("{:.1}s", micros.as_secs_f64()),
        _ => short(micros),
    }
}

/// Returns the time from one moment (RFC 3339) to another.
#[must_use]
pub fn between(from: &str, to: &str) -> Option<Duration> {
    let [from, to] = [from, to].map(|text| humantime::parse_rfc3339(text).ok());
    to?.duration_since(from?).ok()
}

/// Returns the time from a moment (RFC 3339) to the `Date` of an answer. Clocks of two machines need not agree, and so the
/// client's is not asked.
#[must_use]
pub fn at(date: &str, since: &str) -> Option<Duration> {
    let now = httpdate::parse_http_date(date).ok()?;
    // `Date` has whole seconds: what was accepted in this one has an age of nothing.
    Some(now.duration_since(humantime::parse_rfc3339(since).ok()?).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_at_most_two_units() {
        for (seconds, text) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (61, "1m1s"),
            (605, "10m"),
            (3600, "1h"),
            (3660, "1h1m"),
            (86_400, "1d"),
            (360_000, "4d4h"),
        ] {
            assert_eq!(short(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_run_is_told_in_its_own_unit() {
        for (micros, text) in
            [(7, "7us"), (1200, "1.2ms"), (1_500_000, "1.5s"), (100_000_000, "1m40s"), (0, "0us")]
        {
            assert_eq!(of_run(micros), text);
        }
    }

    #[test]
    fn an_age_counts_on_the_servers_clock() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        assert_eq!(at(date, "1994-11-06T08:49:07.5Z"), Some(Duration::from_millis(29_500)));
        assert_eq!(at(date, "1994-11-06T08:49:37.9Z"), Some(Duration::ZERO));
        assert_eq!(at("now", "1994-11-06T08:49:37Z"), None);
        assert_eq!(
            between("1994-11-06T08:49:07Z", "1994-11-06T08:49:08.25Z"),
            Some(Duration::from_millis(1250))
        );
        assert_eq!(between("1994-11-06T08:49:07Z", "1994-11-06T08:49:06Z"), None);
    }
}
