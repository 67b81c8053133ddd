//! Jobs that exceed their time, while waiting or running.

use procpool_scheduler::Config;

use crate::pool::*;

#[test]
fn a_job_is_told_the_time_that_is_left_when_it_runs() {
    let mut pool = Pool::busy();
    pool.at(100).submit_with(1, Some(1_000), None);
    assert_eq!(pool.at(400).done(0, 0), [resolve(0, FINISHED), assign_for(0, 1, 700)]);
}

#[test]
fn the_tighter_of_two_limits_is_the_one_that_counts() {
    let mut pool = Pool::ready(fixed(2));
    assert_eq!(pool.submit_with(0, Some(1_000), Some(300)), [assign_for(1, 0, 300)]);
    assert_eq!(pool.submit_with(1, Some(1_000), Some(2_000)), [assign_for(0, 1, 1_000)]);
    assert_eq!(pool.at(300).tick(), [resolve(0, RAN_TOO_LONG), cancel(1, 0)]);
    assert_eq!(pool.at(1_000).tick(), [resolve(1, EXPIRED_RUNNING), cancel(0, 1)]);
}

#[test]
fn a_run_timeout_does_not_run_in_the_queue() {
    let mut pool = Pool::busy();
    pool.submit_with(1, None, Some(100));
    assert_eq!(pool.scheduler.poll_timeout(), None);
    assert_eq!(pool.at(5_000).done(0, 0), [resolve(0, FINISHED), assign_for(0, 1, 100)]);
    assert_eq!(pool.scheduler.poll_timeout(), Some(at(5_100)));
}

#[test]
fn a_job_expires_in_the_queue_and_is_never_assigned() {
    let mut pool = Pool::busy();
    pool.submit_with(1, Some(100), None);
    assert_eq!(pool.scheduler.poll_timeout(), Some(at(100)));
    assert_eq!(pool.at(99).tick(), []);
    assert_eq!(pool.at(100).tick(), [resolve(1, EXPIRED_QUEUED)]);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED)]);
}

#[test]
fn a_late_tick_does_not_let_an_expired_job_run() {
    let mut pool = Pool::busy();
    pool.submit_with(1, Some(100), None);
    pool.submit(2);
    assert_eq!(pool.at(100).done(0, 0), [resolve(0, FINISHED), resolve(1, EXPIRED_QUEUED), assign(0, 2)]);
    assert_eq!(pool.tick(), []);
}

#[test]
fn a_timeout_of_zero_has_run_out_already() {
    let mut pool = Pool::ready(fixed(1));
    assert_eq!(pool.submit_with(0, Some(0), None), [resolve(0, EXPIRED_QUEUED)]);
    assert_eq!(pool.submit(1), [assign(0, 1)]);
}

#[test]
fn a_worker_that_ignores_the_deadline_is_killed_after_the_grace() {
    let mut pool = Pool::ready(fixed(1));
    pool.submit_with(0, Some(100), None);
    assert_eq!(pool.at(100).tick(), [resolve(0, EXPIRED_RUNNING), cancel(0, 0)]);
    assert_eq!(pool.at(100 + GRACE - 1).tick(), []);
    assert_eq!(pool.at(100 + GRACE).tick(), [kill(0, 0)]);
    assert_eq!(pool.scheduler.poll_timeout(), None);
    assert_eq!(pool.died(0), [start(1)]);
}

#[test]
fn without_grace_one_tick_cancels_and_kills() {
    let mut pool = Pool::ready(Config { grace: ms(0), ..fixed(1) });
    pool.submit_with(0, Some(100), None);
    assert_eq!(pool.at(100).tick(), [resolve(0, EXPIRED_RUNNING), cancel(0, 0), kill(0, 0)]);
}

#[test]
fn a_job_that_comes_back_keeps_its_deadline_and_loses_its_run_timeout() {
    let mut pool = Pool::ready(fixed(1));
    assert_eq!(pool.submit_with(0, Some(1_000), Some(200)), [assign_for(0, 0, 200)]);
    pool.at(100).died_before_handover(0);
    assert_eq!(pool.scheduler.poll_timeout(), Some(at(1_000)));
    assert_eq!(pool.at(300).up(1), [assign_for(1, 0, 200)]);
    pool.died_before_handover(1);
    assert_eq!(pool.at(1_000).tick(), [resolve(0, EXPIRED_QUEUED)]);
}

#[test]
fn a_clock_that_runs_backwards_brings_no_deadline_back() {
    let mut pool = Pool::busy();
    pool.submit_with(1, Some(100), None);
    pool.at(200).up(99);
    assert_eq!(pool.at(50).done(0, 0), [resolve(0, FINISHED), resolve(1, EXPIRED_QUEUED)]);
}
