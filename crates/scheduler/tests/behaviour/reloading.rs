//! A new generation of the executable. The pool tries it with one worker, then replaces all others,
//! one at a time, or keeps the old generation.

use procpool_scheduler::ReloadEnd::{CanaryDied, Done, ShutDown, Superseded};
use procpool_scheduler::{Death, Event, Generation, WorkerId, WorkerState};

use crate::pool::*;

#[test]
fn a_canary_comes_first_and_then_all_are_replaced_one_by_one() {
    let mut pool = Pool::ready(fixed(2));
    assert_eq!(pool.reload(1), [start_of(2, 1)]);
    assert_eq!(pool.up(2), [retire(0), start_of(3, 1)]);
    assert_eq!(pool.scheduler.generation(), Generation(1));
    assert_eq!(pool.up(3), [retire(1), reloaded(1, Done)]);
    assert!(!pool.scheduler.is_reloading());
}

#[test]
fn no_job_fails_and_none_waits_for_a_reload() {
    let mut pool = Pool::ready(fixed(1));
    pool.submit(0);
    assert_eq!(pool.reload(1), [start_of(1, 1)]);
    assert_eq!(pool.up(1), []);
    assert_eq!(pool.submit(1), [assign(1, 1)], "the new one works while the old one finishes");
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED), retire(0), reloaded(1, Done)]);
}

#[test]
fn a_canary_that_dies_changes_nothing_and_is_reported() {
    let mut pool = Pool::ready(fixed(2));
    pool.reload(1);
    assert_eq!(pool.died(2), [reloaded(1, CanaryDied)]);
    assert_eq!(pool.scheduler.generation(), Generation(0));
    assert_eq!((pool.scheduler.is_backing_off(), pool.scheduler.poll_timeout()), (None, None));
    assert_eq!((pool.state(0), pool.state(1)), (Some(WorkerState::Idle), Some(WorkerState::Idle)));
    assert_eq!(pool.died(0), [start(3)], "what is restarted is the make that works");
}

#[test]
fn while_a_canary_is_tried_restarts_are_of_the_make_before() {
    let mut pool = Pool::ready(fixed(2));
    pool.reload(1);
    assert_eq!(pool.died_of(0, Death::Killed, None), [start_of(3, 0)]);
    assert_eq!(pool.up(2), [retire(1), start_of(4, 1)]);
    assert_eq!(pool.up(4), [], "the other old one is still on its way up");
    assert_eq!(pool.up(3), [retire(3), reloaded(1, Done)]);
}

#[test]
fn of_reloads_that_come_while_one_is_tried_the_last_wins() {
    let mut pool = Pool::ready(fixed(1));
    assert_eq!(pool.reload(1), [start_of(1, 1)]);
    assert_eq!(pool.reload(2), []);
    for generation in 3..25 {
        assert_eq!(pool.reload(generation), [reloaded(generation - 1, Superseded)]);
    }
    assert_eq!(pool.up(1), [retire(0), reloaded(1, Done), start_of(2, 24)]);
    assert_eq!(pool.up(2), [], "no more may be retiring than there may be workers");
    assert_eq!(pool.died(0), [retire(1), reloaded(24, Done)]);
}

#[test]
fn a_reload_amid_another_ones_roll_takes_its_place() {
    let mut pool = Pool::ready(fixed(3));
    pool.reload(1);
    assert_eq!(pool.up(3), [retire(0), start_of(4, 1)]);
    assert_eq!(pool.reload(2), [], "one surplus worker at a time");
    assert_eq!(pool.up(4), [retire(1), start_of(5, 2)]);
    assert_eq!(pool.up(5), [reloaded(1, Superseded), retire(2), start_of(6, 2)]);
    for old in 0..3 {
        pool.died(old);
    }
    assert_eq!(pool.up(6), [retire(3), start_of(7, 2)]);
    assert_eq!(pool.up(7), [retire(4), reloaded(2, Done)]);
}

#[test]
fn a_bad_make_amid_a_roll_lets_the_roll_go_on() {
    let mut pool = Pool::ready(fixed(2));
    pool.reload(1);
    assert_eq!(pool.up(2), [retire(0), start_of(3, 1)]);
    pool.reload(2);
    assert_eq!(pool.up(3), [retire(1), reloaded(1, Done), start_of(4, 2)]);
    assert_eq!(pool.died(4), [reloaded(2, CanaryDied)]);
    assert_eq!(pool.scheduler.generation(), Generation(1));
}

#[test]
fn a_reload_mends_a_pool_whose_executable_does_not_start() {
    let mut pool = Pool::new(fixed(2));
    pool.handle(Event::Start);
    let mut next = 2;
    while !pool.scheduler.is_open() {
        pool.died(next - 2);
        pool.died(next - 1);
        if !pool.scheduler.is_open() {
            pool.tick_when_due();
            next += 2;
        }
    }
    assert_eq!(pool.reload(1), [start_of(next, 1)], "neither pause nor breaker keeps it from being tried");
    assert_eq!(pool.up(next), [reloaded(1, Done), start_of(next + 1, 1)]);
    assert!(!pool.scheduler.is_open());
}

#[test]
fn a_shutdown_ends_every_reload() {
    let mut pool = Pool::ready(fixed(1));
    pool.reload(1);
    pool.reload(2);
    let actions = pool.drain(None);
    assert!(actions.starts_with(&[reloaded(1, ShutDown), reloaded(2, ShutDown)]), "{actions:?}");
    assert_eq!(pool.reload(3), [reloaded(3, ShutDown)]);
}

/// Returns a pool of two workers with long jobs, and a replacement for one of them that goes after
/// its job.
fn surplus() -> Pool {
    let mut pool = Pool::ready(fixed(2));
    pool.submit(0);
    pool.submit(1);
    assert_eq!(pool.handle(Event::Outgrown { worker: WorkerId(0) }), [start(2)]);
    pool.up(2);
    pool
}

#[test]
fn a_canary_does_not_wait_for_a_worn_worker_with_a_long_job() {
    let mut pool = surplus();
    assert_eq!(pool.reload(1), [retire(2), start_of(3, 1)], "the surplus worker has nothing to do");
    assert_eq!(pool.up(3), []);
    assert_eq!(pool.done(0, 1), [resolve(1, FINISHED), retire(0), start_of(4, 1)]);
}

#[test]
fn a_canary_takes_the_first_place_that_comes_free_before_any_job_does() {
    let mut pool = surplus();
    pool.submit(2);
    pool.submit(3);
    assert_eq!(pool.reload(1), [], "all are busy");
    assert_eq!(pool.done(2, 2), [resolve(2, FINISHED), retire(2), start_of(3, 1)]);
}

#[test]
fn a_surplus_worker_stays_if_there_may_be_as_many_anyway() {
    let mut pool = Pool::ready(elastic(1, 2));
    pool.submit(0);
    pool.handle(Event::Outgrown { worker: WorkerId(0) });
    pool.up(1);
    assert_eq!(pool.reload(1), [start_of(2, 1)], "there may be two");
}

#[test]
fn what_workers_of_an_older_make_do_says_nothing_about_the_new_one() {
    let mut pool = Pool::new(fixed(2));
    pool.handle(Event::Start);
    pool.reload(1);
    pool.up(2);
    assert_eq!(pool.scheduler.generation(), Generation(1));
    assert_eq!(pool.died(0), [start_of(3, 1)]);
    assert_eq!(pool.scheduler.is_backing_off(), None);
}
