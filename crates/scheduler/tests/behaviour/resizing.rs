//! Resizing a running pool: it grows at once, and shrinks as workers become idle.

use procpool_scheduler::{Cause, Config, Event, WorkerState};

use crate::pool::*;

fn resize(pool: &mut Pool, min: usize, max: usize) -> Vec<procpool_scheduler::Action> {
    pool.handle(Event::Resize { min, max })
}

#[test]
fn a_pool_grows_at_once_to_its_new_least_and_by_demand_to_its_new_most() {
    let mut pool = Pool::ready(fixed(1));
    assert_eq!(resize(&mut pool, 2, 3), [start(1)]);
    pool.up(1);
    assert_eq!(pool.submit(0), [assign(1, 0)]);
    assert_eq!(pool.submit(1), [assign(0, 1)]);
    assert_eq!(pool.submit(2), [start(2)]);
    assert_eq!(pool.submit(3), [], "three are all there may be");
    assert_eq!(pool.scheduler.size(), (2, 3));
}

#[test]
fn jobs_that_wait_start_the_workers_that_a_larger_pool_may_have() {
    let mut pool = Pool::ready(fixed(1));
    for job in 0..3 {
        pool.submit(job);
    }
    assert_eq!(resize(&mut pool, 1, 3), [start(1), start(2)]);
}

#[test]
fn idle_workers_go_when_a_pool_becomes_smaller_one_after_the_other() {
    let mut pool = Pool::ready(fixed(3));
    assert_eq!(resize(&mut pool, 1, 1), [retire(0)], "at most as many retire at once as there may be");
    assert_eq!(pool.died(0), [retire(1)]);
    assert_eq!(pool.died(1), []);
    assert_eq!(pool.state(2), Some(WorkerState::Idle));
    assert_eq!(pool.scheduler.gone(Cause::Idle), 2);
    assert_eq!(pool.submit(0), [assign(2, 0)]);
}

#[test]
fn busy_workers_finish_their_jobs_and_go_before_they_are_given_another() {
    let mut pool = Pool::ready(fixed(2));
    for job in 0..4 {
        pool.submit(job);
    }
    assert_eq!(resize(&mut pool, 0, 1), []);
    assert_eq!(pool.done(1, 0), [resolve(0, FINISHED), retire(1)]);
    assert_eq!(pool.done(0, 1), [resolve(1, FINISHED), assign(0, 2)]);
    assert_eq!(pool.died(1), []);
    assert_eq!(pool.died(0), [resolve(2, CRASHED), start(2)], "one is still wanted");
}

#[test]
fn a_worker_that_dies_is_not_replaced_where_there_are_too_many() {
    let mut pool = Pool::ready(fixed(2));
    pool.submit(0);
    pool.submit(1);
    resize(&mut pool, 1, 1);
    assert_eq!(pool.died(1), [resolve(0, CRASHED)]);
}

#[test]
fn a_busy_worker_that_is_too_many_is_sent_nothing_ahead() {
    let mut pool = Pool::ready(Config { ahead: 4, ..fixed(2) });
    pool.submit(0);
    pool.submit(1);
    resize(&mut pool, 1, 1);
    assert_eq!(pool.submit(2), []);
    assert_eq!(pool.done(1, 0), [resolve(0, FINISHED), retire(1)]);
    assert_eq!(pool.done(0, 1), [resolve(1, FINISHED), assign(0, 2)]);
    assert_eq!(pool.submit(3), [assign(0, 3)], "there are no longer too many");
}

#[test]
fn sizes_that_make_no_sense_are_cut_to_what_does() {
    let mut pool = Pool::ready(fixed(1));
    resize(&mut pool, 3, 0);
    assert_eq!(pool.scheduler.size(), (1, 1));
}

#[test]
fn a_pool_that_drains_keeps_draining() {
    let mut pool = Pool::ready(fixed(1));
    assert_eq!(pool.drain(None), [retire(0)]);
    assert_eq!(resize(&mut pool, 2, 2), []);
}
