//! Missed runs, overlapping runs and clocks that are set: a table of each, and a property over random times.

use procpool_schedules::{Calendar, MAX_COUNTED, MAX_MADE_UP, Missed, Overlap, Schedule, Wall};
use proptest::prelude::*;
use std::collections::BTreeSet;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
/// A full hour.
const START: i64 = 1_780_000_000 - 1_780_000_000 % HOUR;

fn at(secs: i64) -> Wall {
    Wall::from_secs(START + secs)
}

fn every(line: &str) -> Schedule {
    Schedule::new(Calendar::parse(line, "UTC", at(0)).expect("a calendar"))
}

/// Returns the due times of a step, in seconds, and the number of those that were left out.
fn step(schedule: &Schedule, done: i64, now: i64, is_running: bool) -> (Vec<i64>, usize) {
    let step = schedule.step(Some(at(done)), at(now), is_running);
    (step.due.iter().map(|due| due.as_secs() - START).collect(), step.left_out)
}

#[test]
fn a_new_schedule_begins_now() {
    let step = every("0 * * * *").step(None, at(MINUTE), false);
    assert_eq!((step.due, step.left_out, step.done), (vec![], 0, at(MINUTE)));
    assert_eq!(step.next, Some(at(HOUR)));
}

#[test]
fn a_run_is_due_once() {
    let hourly = every("0 * * * *");
    assert_eq!(step(&hourly, HOUR - 1, HOUR, false), (vec![HOUR], 0));
    assert_eq!(step(&hourly, HOUR, HOUR, false), (vec![], 0));
    assert_eq!(step(&hourly, HOUR, HOUR + 1, false), (vec![], 0));
}

#[test]
fn missed_runs_are_left_out_or_made_up_for() {
    let missed = |missed| every("0 * * * *").missed(missed).overlap(Overlap::Queue);
    let now = 4 * HOUR + 10 * MINUTE;
    assert_eq!(step(&missed(Missed::Skip), 0, now, false), (vec![], 4));
    assert_eq!(step(&missed(Missed::Once), 0, now, false), (vec![4 * HOUR], 3));
    assert_eq!(step(&missed(Missed::All), 0, now, false), (vec![HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR], 0));
    // The last of them is not missed: it is due just now.
    assert_eq!(step(&missed(Missed::Skip), 0, 4 * HOUR + 5, false), (vec![4 * HOUR], 3));
}

#[test]
fn what_is_made_up_for_and_counted_is_bounded() {
    let all = every("* * * * * *").missed(Missed::All).overlap(Overlap::Queue);
    let (due, left_out) = step(&all, 0, 365 * 24 * HOUR, false);
    assert_eq!((due.len(), left_out), (MAX_MADE_UP, MAX_COUNTED - MAX_MADE_UP));
    assert_eq!(due.last(), Some(&(365 * 24 * HOUR)));
}

#[test]
fn an_overlapping_run_is_left_out_or_queued() {
    let overlap = |overlap| every("*/10 * * * * *").overlap(overlap);
    assert_eq!(step(&overlap(Overlap::Skip), 0, 10, true), (vec![], 1));
    assert_eq!(step(&overlap(Overlap::Queue), 0, 10, true), (vec![10], 0));
    // Two at once would overlap with each other.
    assert_eq!(step(&overlap(Overlap::Skip), 0, 20, false), (vec![20], 1));
    assert_eq!(step(&overlap(Overlap::Queue), 0, 20, false), (vec![10, 20], 0));
}

#[test]
fn a_clock_that_goes_back_a_little_repeats_no_run() {
    let hourly = every("0 * * * *");
    let done = 5 * HOUR + MINUTE;
    assert_eq!(step(&hourly, done, 4 * HOUR, false), (vec![], 0));
    // A time that is done stays done until the clock is beyond it.
    assert_eq!(hourly.step(Some(at(done)), at(4 * HOUR), false).done, at(done));
}

#[test]
fn a_clock_that_was_wrong_does_not_stop_a_schedule_for_years() {
    let hourly = every("0 * * * *");
    let wrong = 40 * 365 * 24 * HOUR;
    let step = hourly.step(Some(at(wrong)), at(HOUR), false);
    assert_eq!((step.done, step.next), (at(HOUR), Some(at(2 * HOUR))));
}

#[test]
fn the_end_of_the_calendar_is_no_panic() {
    let hourly = every("0 * * * *");
    for secs in [i64::MIN, -1, 0, 253_402_207_200, i64::MAX] {
        let now = Wall::from_secs(secs);
        let _ = hourly.step(None, now, false);
        let _ = hourly.step(Some(Wall::from_secs(i64::MIN)), now, true);
        let _ = hourly.step(Some(Wall::from_secs(i64::MAX)), now, true);
    }
}

proptest! {
    /// The pauses between two steps are of any length, and the clock goes back now and then: no run is due twice.
    #[test]
    fn each_run_is_due_at_most_once(
        pauses in prop::collection::vec(-600_i64..=900, 1..60),
        missed in prop::sample::select(vec![Missed::Skip, Missed::Once, Missed::All]),
    ) {
        let schedule = every("*/5 * * * *").missed(missed).overlap(Overlap::Queue);
        let (mut now, mut done, mut seen) = (0, at(0), BTreeSet::new());
        for pause in pauses {
            now += pause;
            let step = schedule.step(Some(done), at(now), false);
            for due in step.due {
                prop_assert!(seen.insert(due), "{due:?} twice");
                prop_assert!(due <= at(now));
            }
            prop_assert!(step.done >= done);
            done = step.done;
        }
    }

    #[test]
    fn a_caller_that_looks_each_minute_misses_nothing(pauses in prop::collection::vec(1_i64..=60, 1..200)) {
        let schedule = every("* * * * *").missed(Missed::Skip).overlap(Overlap::Queue);
        let (mut now, mut runs) = (0, 0);
        for pause in pauses {
            let step = schedule.step(Some(at(now)), at(now + pause), false);
            now += pause;
            runs += i64::try_from(step.due.len()).expect("few");
            prop_assert_eq!(step.left_out, 0);
        }
        prop_assert_eq!(runs, now / MINUTE);
    }
}
