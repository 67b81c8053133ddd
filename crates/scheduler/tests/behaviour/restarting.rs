//! How fast the pool replaces dead workers, and when it pauses first.

use procpool_scheduler::{Action, Event, ReloadEnd};

use crate::pool::*;

#[test]
fn a_worker_that_had_finished_a_job_is_replaced_at_once_however_often() {
    let mut pool = Pool::busy();
    for n in 0..50 {
        pool.done(n, n);
        assert_eq!(pool.died(n), [start(n + 1)]);
        pool.up(n + 1);
        pool.submit(n + 1);
    }
}

#[test]
fn while_workers_die_on_their_way_up_the_pauses_double_within_their_jitter() {
    let mut pool = Pool::new(fixed(1));
    pool.handle(Event::Start);
    let mut now = at(0);
    for (worker, step) in (0..).zip([100, 200, 400, 800, 1_600]) {
        assert_eq!(pool.died(worker), []);
        let until = pool.scheduler.is_backing_off().expect("a pause");
        let pause = until.since(now);
        assert!(ms(step / 2) <= pause && pause <= ms(step), "{pause:?} of {step} ms");
        assert_eq!(pool.scheduler.poll_timeout(), Some(until));
        assert_eq!(pool.tick_when_due(), [start(worker + 1)]);
        assert_eq!(pool.scheduler.is_backing_off(), None);
        now = until;
    }
}

#[test]
fn no_worker_is_started_during_a_pause_whatever_happens() {
    let mut pool = Pool::new(elastic(2, 4));
    pool.handle(Event::Start);
    pool.up(1);
    assert_eq!(pool.died(0), []);
    assert_eq!(pool.submit(0), [assign(1, 0)]);
    assert_eq!(pool.submit(1), []);
    assert_eq!(pool.submit(2), []);
    assert_eq!(pool.tick_when_due(), [start(2), start(3)]);
}

#[test]
fn jobs_wait_out_a_pause_under_their_deadlines() {
    let mut pool = Pool::new(fixed(1));
    pool.handle(Event::Start);
    pool.submit_with(0, Some(10), None);
    pool.submit_with(1, Some(10_000), None);
    pool.died(0);
    assert_eq!(pool.at(10).tick(), [resolve(0, EXPIRED_QUEUED)]);
    assert_eq!(pool.tick_when_due(), [start(1)]);
    assert!(matches!(pool.up(1)[..], [Action::Assign { .. }]));
}

#[test]
fn untried_workers_are_replaced_at_once_until_it_looks_like_a_loop() {
    let mut pool = Pool::ready(fixed(1));
    for worker in 0..4 {
        assert_eq!(pool.died(worker), [start(worker + 1)]);
        pool.up(worker + 1);
    }
    assert_eq!(pool.died(4), []);
    assert!(pool.scheduler.is_backing_off().is_some());
}

#[test]
fn a_finished_job_anywhere_makes_the_pool_forget() {
    let mut pool = Pool::ready(fixed(2));
    pool.submit(0);
    let mut worker = 0;
    for round in 0..30 {
        assert_eq!(pool.died(worker), [start(round + 2)]);
        worker = round + 2;
        pool.done(1, round);
        pool.submit(round + 1);
        pool.up(worker);
    }
}

#[test]
fn a_proven_worker_is_replaced_at_once_even_while_others_fail() {
    let mut pool = Pool::ready(fixed(2));
    assert_eq!(pool.submit(0), [assign(1, 0)]);
    pool.done(1, 0);
    let mut worker = 0;
    for next in 2..10 {
        if pool.died(worker).is_empty() {
            pool.tick_when_due();
        }
        pool.up(next);
        worker = next;
    }
    assert_eq!(pool.died(1), [start(10)], "the ninth death in a row, but not a failure");
}

#[test]
fn a_violation_on_the_way_up_makes_the_pool_pause() {
    let mut pool = Pool::new(fixed(1));
    pool.handle(Event::Start);
    assert_eq!(pool.violated(0), [kill(0, None)]);
    assert_eq!(pool.died(0), []);
    assert!(pool.scheduler.is_backing_off().is_some());
}

#[test]
fn an_operator_who_kills_a_worker_on_its_way_up_gets_another_at_once() {
    let mut pool = Pool::new(fixed(1));
    pool.handle(Event::Start);
    assert_eq!(pool.kill(0), [kill(0, None)]);
    assert_eq!(pool.died(0), [start(1)]);
}

#[test]
fn the_end_of_a_pause_that_a_reload_called_off_ends_no_later_one() {
    let mut pool = Pool::new(fixed(1));
    pool.fail_to_start(1);
    let called_off = pool.scheduler.is_backing_off().unwrap();
    pool.reload(1);
    assert_eq!(pool.up(1)[0], reloaded(1, ReloadEnd::Done));
    // The new generation's failures begin their own pause shortly before the other would have
    // ended.
    pool.at(49);
    pool.violated(1);
    assert_eq!(pool.died(1), [start_of(2, 1)], "it had been ready: bad luck");
    pool.died(2);
    let until = pool.scheduler.is_backing_off().unwrap();
    assert!(called_off < until, "{called_off:?}, {until:?}");
    while pool.tick_when_due().is_empty() {}
    assert_eq!(pool.now(), until);
}
