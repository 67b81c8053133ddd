//! Drain, its limit, and stop: which jobs finish, which jobs end, and when nothing is left.

use procpool_scheduler::{Action, Event, Refusal};

use crate::pool::*;

#[test]
fn a_pool_that_has_nothing_is_drained_at_once() {
    let mut pool = Pool::new(fixed(1));
    assert_eq!(pool.drain(None), [Action::Drained]);
    assert_eq!(pool.drain(None), []);
    assert_eq!(pool.handle(Event::Stop), []);
    assert_eq!(pool.handle(Event::Start), []);
    assert_eq!(pool.submit(0), [refuse(0, Refusal::ShuttingDown)]);
}

#[test]
fn a_drain_finishes_what_was_accepted_and_takes_nothing_more() {
    let mut pool = Pool::busy();
    pool.submit(1);
    assert_eq!(pool.drain(None), []);
    assert!(pool.scheduler.is_draining());
    assert_eq!(pool.submit(2), [refuse(2, Refusal::ShuttingDown)]);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED), assign(0, 1)]);
    assert_eq!(pool.done(0, 1), [resolve(1, FINISHED), retire(0)]);
    assert_eq!(pool.died(0), [Action::Drained]);
}

#[test]
fn idle_workers_retire_and_are_killed_if_they_do_not_exit() {
    let mut pool = Pool::ready(fixed(2));
    assert_eq!(pool.drain(None), [retire(1), retire(0)]);
    assert_eq!(pool.at(STOP_TIMEOUT).tick(), [kill(1, None), kill(0, None)]);
    assert_eq!(pool.died(0), []);
    assert_eq!(pool.died(1), [Action::Drained]);
}

#[test]
fn workers_on_their_way_up_are_kept_only_for_jobs_that_wait() {
    let mut pool = Pool::new(fixed(3));
    pool.handle(Event::Start);
    pool.submit(0);
    assert_eq!(pool.drain(None), [kill(2, None), kill(1, None)]);
    assert_eq!(pool.up(0), [assign(0, 0)]);
    assert_eq!(pool.died(1), []);
}

#[test]
fn a_worker_that_dies_during_a_drain_is_replaced_if_jobs_wait_for_it() {
    let mut pool = Pool::busy();
    pool.submit(1);
    pool.drain(None);
    assert_eq!(pool.died(0), [resolve(0, CRASHED), start(1)]);
    assert_eq!(pool.up(1), [assign(1, 1)]);
    assert_eq!(pool.died(1), [resolve(1, CRASHED), Action::Drained]);
}

#[test]
fn a_worker_asked_to_give_up_has_its_grace_in_a_drain_too() {
    let mut pool = Pool::busy();
    pool.cancel(0);
    assert_eq!(pool.drain(None), []);
    assert_eq!(pool.done(0, 0), [retire(0)]);
}

#[test]
fn at_the_limit_everything_left_is_ended() {
    let mut pool = Pool::busy();
    pool.submit(1);
    pool.drain(Some(500));
    let ended = [resolve(1, SHUT_DOWN_QUEUED), resolve(0, SHUT_DOWN_RUNNING), kill(0, 0)];
    assert_eq!(pool.at(500).tick(), ended);
    assert_eq!(pool.done(0, 0), []);
    assert_eq!(pool.died(0), [Action::Drained]);
    assert_eq!(pool.scheduler.poll_timeout(), None);
}

#[test]
fn a_second_drain_can_only_bring_the_limit_forward() {
    let mut pool = Pool::busy();
    for (limit, expected) in [(Some(800), 800), (None, 800), (Some(900), 800), (Some(300), 300)] {
        pool.drain(limit);
        assert_eq!(pool.scheduler.poll_timeout(), Some(at(expected)));
    }
}

#[test]
fn stop_ends_everything_at_once() {
    let mut pool = Pool::ready(fixed(2));
    for job in 0..4 {
        pool.submit(job);
    }
    let ended = [
        resolve(2, SHUT_DOWN_QUEUED),
        resolve(3, SHUT_DOWN_QUEUED),
        resolve(1, SHUT_DOWN_RUNNING),
        kill(0, 1),
        resolve(0, SHUT_DOWN_RUNNING),
        kill(1, 0),
    ];
    assert_eq!(pool.handle(Event::Stop), ended);
    assert_eq!(pool.handle(Event::Stop), []);
    assert_eq!(pool.died(0), []);
    assert_eq!(pool.died(1), [Action::Drained]);
}

#[test]
fn stop_overrides_a_drain_and_kills_retiring_workers() {
    let mut pool = Pool::ready(fixed(2));
    pool.submit(0);
    pool.drain(Some(9_000));
    assert_eq!(pool.handle(Event::Stop), [kill(0, None), resolve(0, SHUT_DOWN_RUNNING), kill(1, 0)]);
    assert_eq!(pool.drain(Some(1)), []);
}

#[test]
fn a_drain_during_a_pause_waits_for_the_pause_and_the_job() {
    let mut pool = Pool::new(fixed(1));
    pool.handle(Event::Start);
    pool.submit(0);
    pool.died(0);
    assert_eq!(pool.drain(None), []);
    assert_eq!(pool.tick_when_due(), [start(1)]);
    assert_eq!(pool.up(1), [assign(1, 0)]);
}

#[test]
fn a_drain_during_a_pause_without_jobs_is_over_at_once() {
    let mut pool = Pool::new(fixed(1));
    pool.handle(Event::Start);
    pool.died(0);
    assert_eq!(pool.drain(Some(1_000)), [Action::Drained]);
    assert_eq!((pool.scheduler.poll_timeout(), pool.scheduler.is_backing_off()), (None, None));
}
