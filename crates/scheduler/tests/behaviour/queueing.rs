//! The queue: which jobs wait, which are refused, and which go first.

use procpool_scheduler::{Action, Config, Event, JobId, Refusal, Terms, Verdict};

use crate::pool::*;

#[test]
fn jobs_run_in_the_order_they_came() {
    let mut pool = Pool::busy();
    for job in 1..4 {
        assert_eq!(pool.submit(job), []);
    }
    for job in 0..3 {
        assert_eq!(pool.done(0, job), [resolve(job, FINISHED), assign(0, job + 1)]);
    }
    assert_eq!(pool.done(0, 3), [resolve(3, FINISHED)]);
}

#[test]
fn the_worker_that_was_busy_last_is_used_first() {
    let mut pool = Pool::ready(fixed(3));
    assert_eq!(pool.submit(0), [assign(2, 0)]);
    assert_eq!(pool.submit(1), [assign(1, 1)]);
    pool.done(2, 0);
    pool.done(1, 1);
    assert_eq!(pool.submit(2), [assign(1, 2)]);
    assert_eq!(pool.submit(3), [assign(2, 3)]);
    assert_eq!(pool.submit(4), [assign(0, 4)]);
}

#[test]
fn a_full_queue_refuses_and_stays_as_it_was() {
    let mut pool = Pool::ready(Config { queue: 2, ..fixed(1) });
    for job in 0..3 {
        pool.submit(job);
    }
    for job in 3..100 {
        assert_eq!(pool.submit(job), [refuse(job, QUEUE_FULL)]);
    }
    assert_eq!((pool.scheduler.queued(), pool.scheduler.running()), (2, 1));
    assert_eq!(pool.scheduler.counters().accepted, 3);
}

/// Returns a pool of one worker with job 0, in which at most 100 bytes may wait.
fn of_a_hundred_bytes() -> Pool {
    let mut pool = Pool::ready(Config { queue_bytes: 100, ..fixed(1) });
    assert_eq!(pool.submit_bytes(0, 1_000), [assign(0, 0)]);
    pool
}

fn bytes_full(job: u64, waiting: usize) -> [Action; 1] {
    [refuse(job, Refusal::QueueBytesFull { waiting })]
}

#[test]
fn bytes_that_wait_are_bounded_and_those_that_a_worker_has_do_not_count() {
    let mut pool = of_a_hundred_bytes();
    assert_eq!(pool.submit_bytes(1, 60), []);
    assert_eq!(pool.submit_bytes(2, 41), bytes_full(2, 60));
    assert_eq!(pool.submit_bytes(3, 40), []);
    assert_eq!(pool.submit_bytes(4, 1), bytes_full(4, 100));
    assert_eq!(pool.submit_bytes(5, 0), []);
    assert_eq!(pool.scheduler.queued_bytes(), 100);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED), assign(0, 1)]);
    assert_eq!(pool.scheduler.queued_bytes(), 40);
    assert_eq!(pool.submit_bytes(6, 60), []);
}

#[test]
fn a_job_of_any_size_may_be_the_only_one_that_waits() {
    let mut pool = of_a_hundred_bytes();
    assert_eq!(pool.submit_bytes(1, 1_000), []);
    assert_eq!(pool.scheduler.room(), None);
    assert_eq!(pool.submit_bytes(2, 1), bytes_full(2, 1_000));
    pool.done(0, 0);
    assert_eq!(pool.scheduler.room(), Some(usize::MAX));
    assert_eq!(pool.submit_bytes(3, 1_000), []);
}

#[test]
fn the_room_is_that_of_the_largest_payload_that_is_taken() {
    let mut pool = of_a_hundred_bytes();
    assert_eq!(pool.scheduler.room(), Some(usize::MAX));
    pool.submit_bytes(1, 60);
    assert_eq!(pool.scheduler.room(), Some(40));
    assert_eq!(pool.submit_bytes(2, 41), bytes_full(2, 60));
    assert_eq!(pool.submit_bytes(3, 40), []);
    assert_eq!(pool.scheduler.room(), Some(0));
    assert_eq!(pool.submit_bytes(4, 0), []);
}

#[test]
fn every_end_of_a_job_that_waits_gives_its_bytes_back() {
    let mut pool = of_a_hundred_bytes();
    pool.submit_bytes(1, 100);
    pool.cancel(1);
    assert_eq!(pool.scheduler.queued_bytes(), 0);
    let terms = Terms { timeout: Some(ms(5)), bytes: 100, ..Terms::default() };
    pool.handle(Event::Submit { job: JobId(2), terms });
    pool.at(5).tick();
    assert_eq!(pool.scheduler.queued_bytes(), 0);
    pool.submit_bytes(3, 100);
    pool.handle(Event::Stop);
    assert_eq!((pool.scheduler.queued(), pool.scheduler.queued_bytes()), (0, 0));
}

#[test]
fn a_job_that_comes_back_waits_again_beyond_the_bound_of_bytes() {
    let mut pool = of_a_hundred_bytes();
    pool.submit_bytes(1, 100);
    assert_eq!(pool.died_before_handover(0), [start(1)]);
    assert_eq!(pool.scheduler.queued_bytes(), 1_100);
    assert_eq!(pool.submit_bytes(2, 1), bytes_full(2, 1_100));
    assert_eq!(pool.up(1), [assign(1, 0)]);
    assert_eq!(pool.scheduler.queued_bytes(), 100);
}

#[test]
fn without_a_queue_an_idle_worker_still_takes_a_job() {
    let mut pool = Pool::ready(Config { queue: 0, ..fixed(1) });
    assert_eq!(pool.submit(0), [assign(0, 0)]);
    assert_eq!(pool.submit(1), [refuse(1, QUEUE_FULL)]);
}

#[test]
fn a_cancelled_job_makes_room_in_the_queue() {
    let mut pool = Pool::ready(Config { queue: 1, ..fixed(1) });
    pool.submit(0);
    pool.submit(1);
    pool.cancel(1);
    assert_eq!(pool.submit(2), []);
    assert_eq!(pool.submit(3), [refuse(3, QUEUE_FULL)]);
}

#[test]
fn an_id_that_is_alive_is_refused_and_its_owner_goes_on() {
    let mut pool = Pool::busy();
    pool.submit(1);
    assert_eq!(pool.submit(0), [refuse(0, Refusal::DuplicateId)]);
    assert_eq!(pool.submit(1), [refuse(1, Refusal::DuplicateId)]);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED), assign(0, 1)]);
}

#[test]
fn a_job_that_was_not_handed_over_is_first_again_although_the_queue_is_full() {
    let mut pool = Pool::ready(Config { queue: 1, ..fixed(1) });
    pool.submit(0);
    pool.submit(1);
    assert_eq!(pool.died_before_handover(0), [start(1)]);
    assert_eq!(pool.scheduler.queued(), 2);
    assert_eq!(pool.submit(2), [refuse(2, QUEUE_FULL)]);
    assert_eq!(pool.up(1), [assign(1, 0)]);
    assert_eq!(pool.scheduler.counters().returned, 1);
}

/// Lets workers die while they receive the job, until the pool gives it up. Returns the number of
/// deaths and the verdict.
fn die_on_the_way_in(pool: &mut Pool, first: u64) -> (u64, Verdict) {
    for worker in first.. {
        let mut actions = pool.died_before_handover(worker);
        if let Some(Action::Resolve { verdict, .. }) = actions.first() {
            return (worker + 1 - first, *verdict);
        }
        if actions.is_empty() {
            actions = pool.tick_when_due();
        }
        assert_eq!(actions, [start(worker + 1)]);
        pool.up(worker + 1);
    }
    unreachable!("workers have numbers enough")
}

#[test]
fn a_job_that_kills_every_worker_on_the_way_in_is_given_up() {
    let mut pool = Pool::ready(fixed(1));
    pool.submit(0);
    let given_up = Verdict::Crashed { handed_over: false, payload_deaths: 0, quarantined: None };
    assert_eq!(die_on_the_way_in(&mut pool, 0), (9, given_up));
    assert_eq!(pool.scheduler.queued() + pool.scheduler.running(), 0);
}

#[test]
fn it_may_have_run_if_an_earlier_attempt_had_all_of_it() {
    let mut pool = Pool::ready(fixed(1));
    pool.submit_repeatable(0, None, 2);
    assert_eq!(pool.died(0), [start(1)]);
    pool.up(1);
    let given_up = Verdict::Crashed { handed_over: true, payload_deaths: 0, quarantined: None };
    assert_eq!(die_on_the_way_in(&mut pool, 1), (9, given_up));
}
