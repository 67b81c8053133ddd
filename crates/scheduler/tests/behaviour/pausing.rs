//! A pool that assigns no jobs for a while.

use procpool_scheduler::{Config, Event, Refusal, Verdict};

use crate::pool::*;

#[test]
fn jobs_wait_for_the_end_of_a_pause_and_running_ones_go_on() {
    let mut pool = Pool::ready(Config { queue: 2, ..fixed(2) });
    assert_eq!(pool.submit(0), [assign(1, 0)]);
    assert_eq!(pool.handle(Event::Pause), []);
    assert_eq!(pool.submit(1), []);
    assert_eq!(pool.submit(2), []);
    assert_eq!(pool.submit(3), [refuse(3, Refusal::QueueFull)], "an idle worker makes no room");
    assert_eq!(pool.done(1, 0), [resolve(0, Verdict::Finished)]);
    assert_eq!(pool.handle(Event::Resume), [assign(1, 1), assign(0, 2)]);
}

#[test]
fn a_paused_pool_keeps_its_workers_and_starts_none_for_jobs() {
    let mut pool = Pool::ready(elastic(1, 3));
    pool.handle(Event::Pause);
    assert_eq!([pool.submit(0), pool.submit(1)], [[], []]);
    assert_eq!(pool.died(0), [start(1)], "the minimum holds");
    assert_eq!(pool.handle(Event::Resume), [start(2)]);
}

#[test]
fn the_deadline_of_a_waiting_job_holds_and_a_drain_ends_the_pause() {
    let mut pool = Pool::ready(fixed(1));
    pool.handle(Event::Pause);
    assert_eq!(pool.submit(0), []);
    assert_eq!(pool.handle(Event::Drain { limit: None }), [assign(0, 0)]);
    assert_eq!(pool.handle(Event::Pause), [], "too late");
}
