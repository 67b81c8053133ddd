//! Two events of one instant, each pair in both orders. The first one handled wins, the other is
//! only counted.

use crate::pool::*;

fn busy_until(deadline: u64) -> Pool {
    let mut pool = Pool::ready(fixed(1));
    pool.submit_with(0, Some(deadline), None);
    pool.at(deadline);
    pool
}

#[test]
fn an_answer_just_before_the_deadlines_tick_counts() {
    let mut pool = busy_until(100);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED)]);
    assert_eq!(pool.tick(), []);
    assert_eq!(pool.scheduler.counters().late_results, 0);
}

#[test]
fn an_answer_counts_even_when_the_tick_is_overdue() {
    let mut pool = busy_until(100);
    assert_eq!(pool.at(5_000).done(0, 0), [resolve(0, FINISHED)]);
    assert_eq!(pool.tick(), []);
}

#[test]
fn an_answer_just_after_the_deadlines_tick_is_late() {
    let mut pool = busy_until(100);
    assert_eq!(pool.tick(), [resolve(0, EXPIRED_RUNNING), cancel(0, 0)]);
    assert_eq!(pool.done(0, 0), []);
    assert_eq!(pool.scheduler.counters().late_results, 1);
}

#[test]
fn a_cancel_after_the_answer_hits_nobody() {
    let mut pool = Pool::busy();
    pool.submit(1);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED), assign(0, 1)]);
    assert_eq!(pool.cancel(0), []);
    assert_eq!(pool.done(0, 1), [resolve(1, FINISHED)]);
}

#[test]
fn an_answer_after_the_cancel_is_late() {
    let mut pool = Pool::busy();
    assert_eq!(pool.cancel(0), [resolve(0, CANCELLED_RUNNING), cancel(0, 0)]);
    assert_eq!(pool.done(0, 0), []);
    assert_eq!(pool.scheduler.counters().late_results, 1);
}

#[test]
fn a_cancel_after_the_death_is_late() {
    let mut pool = Pool::busy();
    assert_eq!(pool.died(0), [resolve(0, CRASHED), start(1)]);
    assert_eq!(pool.cancel(0), []);
    assert_eq!(pool.scheduler.counters().late_cancels, 1);
}

#[test]
fn a_death_after_the_cancel_does_not_resolve_again() {
    for handed_over in [false, true] {
        let mut pool = Pool::busy();
        pool.cancel(0);
        let actions = if handed_over { pool.died(0) } else { pool.died_before_handover(0) };
        assert_eq!(actions, [start(1)]);
        assert_eq!(pool.scheduler.queued(), 0);
        assert_eq!(pool.scheduler.poll_timeout(), None);
    }
}

#[test]
fn a_death_after_the_answer_costs_no_job() {
    let mut pool = Pool::busy();
    pool.submit(1);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED), assign(0, 1)]);
    assert_eq!(pool.died_before_handover(0), [start(1)]);
    assert_eq!(pool.up(1), [assign(1, 1)]);
}

#[test]
fn an_answer_after_the_death_is_late() {
    let mut pool = Pool::busy();
    assert_eq!(pool.died(0), [resolve(0, CRASHED), start(1)]);
    assert_eq!(pool.done(0, 0), []);
    assert_eq!(pool.scheduler.counters().late_results, 1);
}

#[test]
fn the_grace_ends_just_before_the_answer() {
    let mut pool = Pool::busy();
    pool.cancel(0);
    assert_eq!(pool.at(GRACE).tick(), [kill(0, 0)]);
    assert_eq!(pool.done(0, 0), []);
    assert_eq!(pool.submit(1), [], "a killed worker gets no job, although it answered");
    assert_eq!(pool.died(0), [start(1)]);
}

#[test]
fn an_operators_kill_after_the_answer_costs_no_job() {
    let mut pool = Pool::busy();
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED)]);
    assert_eq!(pool.kill(0), [kill(0, None)]);
    assert_eq!(pool.died(0), [start(1)]);
}

#[test]
fn an_answer_after_an_operators_kill_still_counts() {
    let mut pool = Pool::busy();
    assert_eq!(pool.kill(0), [kill(0, 0)]);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED)]);
    assert_eq!(pool.died(0), [start(1)]);
}
