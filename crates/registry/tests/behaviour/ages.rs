//! Ages: what expires when, and how much at once.

use procpool_registry::{Body, Effect, Gone, ResultState, Time};

use crate::desk::{Desk, HOUR, ok};

#[test]
fn a_result_expires_before_its_record() {
    let mut desk = Desk::new();
    let job = desk.finished();
    let finished = desk.now;
    assert_eq!(desk.registry.poll_timeout(), Some(finished + HOUR));
    desk.pass(HOUR);
    desk.effects();
    desk.tick();
    assert_eq!(desk.record(job).result, Body::Gone);
    assert!(
        desk.effects().iter().any(|effect| matches!(effect, Effect::Changed(changed) if *changed == job))
    );

    assert_eq!(desk.registry.poll_timeout(), Some(finished + 24 * HOUR));
    desk.pass(23 * HOUR);
    desk.tick();
    assert!(!desk.has(job));
    assert!(
        desk.effects()
            .iter()
            .any(|effect| matches!(effect, Effect::Gone(gone, Gone::Expired) if *gone == job))
    );
    assert_eq!(desk.registry.poll_timeout(), None);
    assert_eq!(desk.registry.usage(), Default::default());
}

#[test]
fn a_result_is_gone_at_its_time_even_if_no_tick_has_come() {
    let mut desk = Desk::new();
    let job = desk.finished();
    desk.pass(HOUR);
    assert!(matches!(desk.registry.result(desk.now, job), ResultState::Gone(_)));
}

#[test]
fn nothing_of_an_unfinished_job_expires() {
    let mut desk = Desk::new();
    let jobs = [desk.queued(), desk.running()];
    assert_eq!(desk.registry.poll_timeout(), None);
    desk.pass(1_000 * HOUR);
    desk.tick();
    assert!(jobs.iter().all(|&job| desk.has(job)));
    assert!(matches!(desk.registry.result(desk.now, jobs[0]), ResultState::Unfinished(_)));
}

#[test]
fn a_record_lasts_as_long_as_its_key() {
    let mut desk = Desk::with(|it| it.retention.records = HOUR);
    let offer = desk.keyed("k", 1);
    let job = desk.run(offer);
    desk.start(job);
    desk.finish(job, ok("6"));
    desk.pass(24 * HOUR - HOUR / 60);
    desk.tick();
    assert!(desk.has(job));
    assert_eq!(desk.record(job).expires, desk.record(job).key_expires);
    desk.pass(HOUR / 60);
    desk.tick();
    assert!(!desk.has(job));
}

#[test]
fn a_tick_does_a_bounded_amount_of_work() {
    let mut desk = Desk::new();
    for _ in 0..2_000 {
        desk.finished();
    }
    desk.pass(24 * HOUR);
    let mut ticks = 0;
    while desk.registry.poll_timeout().is_some_and(|time| time <= desk.now) {
        let before = desk.registry.usage().records;
        desk.tick();
        assert!(before - desk.registry.usage().records <= 512);
        ticks += 1;
    }
    assert_eq!((ticks, desk.registry.usage().records), (4, 0));
}

#[test]
fn time_does_not_run_backwards() {
    let mut desk = Desk::new();
    let first = desk.queued();
    desk.now = Time::ZERO;
    let second = desk.queued();
    assert_eq!(desk.record(second).accepted, desk.record(first).accepted);
}
