//! Events, versions, and watchers that continue after a break.

use std::sync::Arc;

use procpool_protocol::message::Progress;
use procpool_protocol::{JobId, OutcomeKind, Payload, Stage};
use procpool_registry::{Effect, Entry, Event, Happened, Phase, Resumed};

use crate::desk::{Desk, HOUR, cancelled, ends, ok};

fn progress(done: u64) -> Event {
    Event::Progress(Progress { done, total: None })
}

/// Returns the numbers of the events after one, each with the lowest that it stands for.
#[track_caller]
fn numbers(desk: &Desk, job: JobId, seen: u64) -> Vec<(u64, u64)> {
    match desk.registry.events(job, seen) {
        Some(Resumed::Next(events)) => events.iter().map(|entry| (entry.first, entry.id)).collect(),
        other => panic!("no further events: {other:?}"),
    }
}

fn is_ended(desk: &Desk, job: JobId, seen: u64) -> bool {
    matches!(desk.registry.events(job, seen), Some(Resumed::Ended))
}

fn is_reset(desk: &Desk, job: JobId, seen: u64) -> Option<u64> {
    match desk.registry.events(job, seen) {
        Some(Resumed::Reset(record, last)) if record.id == job => Some(last),
        _ => None,
    }
}

#[test]
fn a_watcher_sees_a_job_run_and_end() {
    let mut desk = Desk::new();
    let job = desk.running();
    desk.done(job, progress(37));
    desk.done(job, Event::Chunk(Payload::raw("x")));
    desk.finish(job, ok("6"));
    let Some(Resumed::Next(events)) = desk.registry.events(job, 0) else { panic!("no events") };
    let happened: Vec<_> = events.iter().map(|entry: &std::sync::Arc<Entry>| &entry.what).collect();
    assert!(
        matches!(
            happened[..],
            [
                Happened::Phase { phase: Phase::Queued, attempt: 0, worker: None, .. },
                Happened::Phase { phase: Phase::Running, attempt: 1, worker: Some(_), .. },
                Happened::Progress(Progress { done: 37, .. }),
                Happened::Chunk(_),
                Happened::Outcome { outcome: OutcomeKind::Ok, may_have_run: true, .. },
            ]
        ),
        "{happened:?}"
    );
    assert!(is_ended(&desk, job, 5));
}

#[test]
fn a_watcher_continues_where_it_was_cut_off() {
    let mut desk = Desk::new();
    let job = desk.running();
    for _ in 0..3 {
        desk.done(job, Event::Chunk(Payload::raw("x")));
    }
    assert_eq!(numbers(&desk, job, 0).len(), 5);
    assert_eq!(numbers(&desk, job, 3), [(4, 4), (5, 5)]);
    assert_eq!(numbers(&desk, job, 5), []);
}

#[test]
fn only_the_latest_progress_of_several_in_a_row_is_kept() {
    let mut desk = Desk::new();
    let job = desk.running();
    for done in 1..=1_000 {
        desk.done(job, progress(done));
    }
    desk.done(job, Event::Chunk(Payload::raw("x")));
    desk.done(job, progress(1_001));
    assert_eq!(numbers(&desk, job, 0), [(1, 1), (2, 2), (3, 1_002), (1_003, 1_003), (1_004, 1_004)]);
    // A watcher in the middle of those that were replaced gets the latest.
    assert_eq!(numbers(&desk, job, 500), [(3, 1_002), (1_003, 1_003), (1_004, 1_004)]);
}

#[test]
fn progress_in_a_row_counts_once() {
    let mut desk = Desk::new();
    let job = desk.running();
    desk.done(job, progress(1));
    let bytes = desk.registry.event_bytes();
    for done in 2..=1_000 {
        desk.done(job, progress(done));
    }
    assert_eq!(desk.registry.event_bytes(), bytes);
}

#[test]
fn a_watcher_that_has_missed_events_is_reset_and_continues() {
    let mut desk = Desk::with(|it| it.max_events_per_job = 4);
    let job = desk.running();
    for _ in 0..10 {
        desk.done(job, Event::Chunk(Payload::raw("x")));
    }
    assert_eq!(is_reset(&desk, job, 0), Some(12));
    assert_eq!(is_reset(&desk, job, 7), Some(12));
    assert_eq!(numbers(&desk, job, 8), [(9, 9), (10, 10), (11, 11), (12, 12)]);
    assert_eq!(numbers(&desk, job, 12), []);
    desk.finish(job, ok("6"));
    assert_eq!(numbers(&desk, job, 12), [(13, 13)]);
    assert!(is_ended(&desk, job, 13));
}

#[test]
fn a_number_that_the_job_has_not_reached_resets() {
    let mut desk = Desk::new();
    let job = desk.running();
    assert_eq!(is_reset(&desk, job, 3), Some(2));
    assert_eq!(is_reset(&desk, job, u64::MAX), Some(2));
}

#[test]
fn a_chunk_larger_than_the_bound_is_lost_and_the_watcher_learns_it() {
    let mut desk = Desk::with(|it| it.max_event_bytes_per_job = 1_000);
    let job = desk.running();
    desk.done(job, Event::Chunk(Payload::raw(vec![0; 2_000])));
    assert_eq!(is_reset(&desk, job, 2), Some(3));
    assert_eq!(numbers(&desk, job, 3), []);
    assert_eq!(desk.registry.event_bytes(), 0);
}

#[test]
fn jobs_whose_events_are_the_oldest_give_up_theirs() {
    let mut desk = Desk::with(|it| {
        it.max_event_bytes = 23_000;
        it.max_event_bytes_per_job = 14_000;
    });
    let [old, busy, other] = [desk.running(), desk.running(), desk.running()];
    for job in [busy, other] {
        for _ in 0..5 {
            desk.done(job, Event::Chunk(Payload::raw(vec![0; 1_000])));
        }
    }
    assert_eq!(numbers(&desk, other, 4).len(), 3);
    assert_eq!(is_reset(&desk, old, 0), Some(2));
    assert_eq!(numbers(&desk, old, 2), []);
    desk.finish(old, ok("6"));
    assert_eq!(numbers(&desk, old, 2), [(3, 3)]);
}

#[test]
fn a_job_with_a_new_event_is_not_among_the_oldest() {
    let mut desk = Desk::with(|it| {
        it.max_event_bytes = 13_500;
        it.max_event_bytes_per_job = 13_500;
    });
    let chunk = |desk: &mut Desk, job, bytes| desk.done(job, Event::Chunk(Payload::raw(vec![0; bytes])));
    let [a, b, c] = [desk.running(), desk.running(), desk.running()];
    for job in [a, b, a] {
        chunk(&mut desk, job, 1_000);
    }
    chunk(&mut desk, c, 2_000);
    assert_eq!([a, b, c].map(|job| is_reset(&desk, job, 0).is_some()), [false, true, false]);
}

#[test]
fn the_text_of_an_event_is_written_for_the_first_watcher_and_given_to_all() {
    let mut desk = Desk::new();
    let job = desk.running();
    let text = |desk: &Desk| {
        let Some(Resumed::Next(entries)) = desk.registry.events(job, 0) else { panic!("no events") };
        entries[0].text(|entry| format!("event {}", entry.id).into_bytes()).clone()
    };
    let first = text(&desk);
    assert_eq!(&first[..], b"event 1");
    assert!(Arc::ptr_eq(&first, &text(&desk)));
}

#[test]
fn events_end_with_their_record() {
    let mut desk = Desk::new();
    let job = desk.finished();
    desk.pass(HOUR);
    desk.tick();
    assert_eq!(numbers(&desk, job, 0).len(), 3);
    desk.pass(24 * HOUR);
    desk.tick();
    assert!(desk.registry.events(job, 0).is_none());
    assert_eq!(desk.registry.event_bytes(), 0);
}

#[test]
fn every_change_has_a_new_version_and_wakes() {
    let mut desk = Desk::new();
    let offer = desk.a_job();
    let job = desk.run(offer);
    let events = [
        Event::Queued,
        Event::started(1, "fib-1"),
        progress(1),
        Event::Cancel,
        Event::Returned,
        Event::started(2, "fib-2"),
        ends(job, cancelled(Stage::Running)),
    ];
    for (event, version) in events.into_iter().zip(1..) {
        assert_eq!(desk.record(job).version, version);
        assert!(desk.registry.changed(job, version).is_none());
        desk.effects();
        desk.done(job, event);
        assert!(desk.registry.changed(job, version).is_some());
        let woken = |effect: &Effect| matches!(effect, Effect::Changed(changed) if *changed == job);
        assert!(desk.effects().iter().any(woken));
    }
    desk.pass(HOUR);
    desk.tick();
    assert_eq!(desk.record(job).version, 9, "the result is gone");
}

#[test]
fn a_chunk_wakes_without_a_new_version() {
    let mut desk = Desk::new();
    let job = desk.running();
    let before = desk.record(job).version;
    desk.effects();
    desk.done(job, Event::Chunk(Payload::raw("x")));
    assert_eq!(desk.record(job).version, before);
    assert!(matches!(desk.effects()[..], [Effect::Changed(changed)] if changed == job));
}

#[test]
fn a_cancel_is_an_event() {
    let mut desk = Desk::new();
    let job = desk.running();
    desk.registry.cancel(desk.now, job);
    let Some(Resumed::Next(events)) = desk.registry.events(job, 2) else { panic!("no events") };
    assert!(matches!(events[0].what, Happened::Cancelled { phase: Phase::Running, .. }));
}
