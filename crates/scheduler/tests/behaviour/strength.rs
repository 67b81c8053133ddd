//! The number of workers, and when the pool starts more.

use procpool_scheduler::{Config, ConfigError, Event, Scheduler};

use crate::pool::*;

#[test]
fn start_brings_up_the_least_number_of_workers_once() {
    let mut pool = Pool::new(elastic(2, 4));
    assert_eq!(pool.handle(Event::Start), [start(0), start(1)]);
    assert_eq!(pool.handle(Event::Start), []);
}

#[test]
fn a_lazy_pool_waits_for_its_first_job() {
    let mut pool = Pool::new(Config { lazy: true, ..elastic(2, 4) });
    assert_eq!(pool.handle(Event::Start), []);
    assert_eq!(pool.submit(0), [start(0), start(1)]);
}

#[test]
fn waiting_jobs_bring_up_more_workers_up_to_the_most() {
    let mut pool = Pool::ready(elastic(1, 3));
    assert_eq!(pool.submit(0), [assign(0, 0)]);
    assert_eq!(pool.submit(1), [start(1)]);
    assert_eq!(pool.submit(2), [start(2)]);
    assert_eq!(pool.submit(3), []);
    assert_eq!(pool.up(2), [assign(2, 1)]);
}

#[test]
fn no_worker_is_started_for_a_job_that_one_on_its_way_up_can_take() {
    let mut pool = Pool::new(elastic(2, 4));
    pool.handle(Event::Start);
    assert_eq!(pool.submit(0), []);
    assert_eq!(pool.submit(1), []);
    assert_eq!(pool.submit(2), [start(2)]);
}

#[test]
fn a_pool_without_a_queue_grows_by_those_it_turns_away() {
    let mut pool = Pool::new(Config { queue: 0, ..elastic(0, 2) });
    assert_eq!(pool.submit(0), [refuse(0, QUEUE_FULL), start(0)]);
    assert_eq!(pool.submit(1), [refuse(1, QUEUE_FULL)]);
    pool.up(0);
    assert_eq!(pool.submit(2), [assign(0, 2)]);
    assert_eq!(pool.submit(3), [refuse(3, QUEUE_FULL), start(1)]);
}

#[test]
fn a_worker_above_the_least_number_is_replaced_only_when_needed() {
    let mut pool = Pool::ready(elastic(0, 2));
    assert_eq!(pool.submit(0), [start(0)]);
    pool.up(0);
    assert_eq!(pool.died(0), [resolve(0, CRASHED)]);
    assert_eq!(pool.submit(1), [start(1)]);
}

#[test]
fn a_configuration_that_makes_no_sense_makes_no_pool() {
    let error = Scheduler::new(elastic(3, 2), 0).unwrap_err();
    assert_eq!(error, ConfigError::MinAboveMax { min: 3, max: 2 });
    assert_eq!(Scheduler::new(elastic(0, 0), 0).unwrap_err(), ConfigError::NoWorkers);
}
