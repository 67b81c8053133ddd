//! Lines, zones and the nights in which the clocks change.

use jiff::Timestamp;
use procpool_schedules::{Calendar, CalendarError, Wall};

fn wall(text: &str) -> Wall {
    Wall::from_secs(text.parse::<Timestamp>().expect("a timestamp").as_second())
}

fn text(wall: Wall) -> String {
    Timestamp::from_second(wall.as_secs()).expect("within the calendar").to_string()
}

/// Returns the first times of a line.
fn times(line: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
    let mut now = wall(from);
    let calendar = Calendar::parse(line, zone, now).expect("a calendar");
    let next = || {
        now = calendar.after(now).expect("a time");
        text(now)
    };
    std::iter::repeat_with(next).take(count).collect()
}

fn error(line: &str, zone: &str) -> String {
    let error = Calendar::parse(line, zone, wall("2026-01-01T00:00:00Z")).expect_err("no calendar");
    error.to_string()
}

#[test]
fn a_line_fires_by_the_clock_of_its_zone() {
    assert_eq!(
        times("0 9 * * MON", "America/New_York", "2026-11-28T00:00:00Z", 2),
        ["2026-11-30T14:00:00Z", "2026-12-07T14:00:00Z"]
    );
    assert_eq!(
        times("*/20 * * * * *", "UTC", "2026-11-28T00:00:00Z", 3),
        ["2026-11-28T00:00:20Z", "2026-11-28T00:00:40Z", "2026-11-28T00:01:00Z"]
    );
    assert_eq!(times("@daily", "UTC", "2026-11-28T05:00:00Z", 1), ["2026-11-29T00:00:00Z"]);
    assert_eq!(times("0 0 29 2 *", "UTC", "2097-01-01T00:00:00Z", 1), ["2104-02-29T00:00:00Z"]);
}

#[test]
fn a_time_that_the_clocks_leave_out_is_the_first_one_after_the_gap() {
    assert_eq!(
        times("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00Z", 2),
        ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
    );
}

#[test]
fn a_fixed_time_that_exists_twice_fires_once_and_a_repeating_line_in_both_hours() {
    assert_eq!(
        times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
    assert_eq!(
        times("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:59:00Z", 4),
        ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z"]
    );
}

#[test]
fn the_time_before_is_a_time_of_the_line_too() {
    let calendar = Calendar::parse("0 * * * *", "UTC", wall("2026-01-01T00:00:00Z")).expect("a calendar");
    assert_eq!(
        calendar.until(wall("2026-01-01T05:00:00Z")).map(text).as_deref(),
        Some("2026-01-01T05:00:00Z")
    );
    assert_eq!(
        calendar.until(wall("2026-01-01T04:59:59Z")).map(text).as_deref(),
        Some("2026-01-01T04:00:00Z")
    );
}

#[test]
fn a_line_that_no_date_fits_never_fires() {
    for line in ["0 0 30 2 *", "0 0 31 4,6,9,11 *"] {
        let found = error(line, "UTC");
        assert_eq!(found, format!("{line:?} never fires: no date fits its fields"));
    }
}

#[test]
fn what_is_no_line_is_said_with_an_example() {
    for line in ["", "* * * *", "61 * * * *", "* * * * * * *", "every day", "@reboot", "\0", "* * * * 💥"] {
        let found = error(line, "UTC");
        assert!(found.starts_with(&format!("{line:?} is no cron line: ")), "{found}");
        assert!(found.ends_with("such as \"30 2 * * MON-FRI\""), "{found}");
    }
    let long = "*".repeat(100_000);
    let found = error(&long, "UTC");
    assert!(found.contains("it has 100000 bytes, and the limit is 256"), "{found}");
    assert!(found.len() < 600, "{}", found.len());
}

#[test]
fn a_zone_is_an_iana_name() {
    for zone in ["Europe/Nowhere", "", "/etc/localtime", "../../etc/passwd", "Europe/Berlin\0", "MESZ"] {
        let found = Calendar::parse("* * * * *", zone, wall("2026-01-01T00:00:00Z"));
        assert!(matches!(found, Err(CalendarError::NoZone { .. })), "{zone:?}: {found:?}");
    }
    let found = error("* * * * *", "Europe/Nowhere");
    assert!(
        found.starts_with("there is no time zone \"Europe/Nowhere\"; write one of the IANA names"),
        "{found}"
    );
}
