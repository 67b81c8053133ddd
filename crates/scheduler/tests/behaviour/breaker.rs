//! Workers that keep dying before they have done anything. No job waits for them, and the pool
//! tries one worker at a time.

use procpool_scheduler::{Action, Breaker, Config, Death, Refusal, ReloadEnd};

use crate::pool::*;

/// Returns a pool of two workers whose breaker has just opened, in a pause before worker 5.
fn open() -> Pool {
    let mut pool = Pool::new(elastic(1, 2));
    pool.fail_to_start(5);
    assert!(pool.scheduler.is_open());
    pool
}

fn is_refused(actions: &[Action]) -> bool {
    matches!(actions, [Action::Refuse { reason: Refusal::BreakerOpen { .. }, .. }])
}

#[test]
fn five_failed_starts_in_a_row_open_it_and_jobs_are_refused() {
    let mut pool = Pool::new(elastic(1, 2));
    pool.fail_to_start(4);
    assert_eq!(pool.submit(0), [], "this one waits");
    assert_eq!(pool.tick_when_due(), [start(4)]);
    assert_eq!(pool.died(4), []);
    assert!(is_refused(&pool.submit(1)));
    assert_eq!(pool.scheduler.counters().breaker_opened, 1);
    assert_eq!(pool.scheduler.room(), Some(usize::MAX), "the refusal is final: nobody need wait for a slot");
}

#[test]
fn the_refusal_says_when_the_next_worker_is_tried() {
    let mut pool = open();
    let until = pool.scheduler.is_backing_off().unwrap();
    let now = pool.now();
    let retry = until.since(now);
    assert_eq!(pool.submit(0), [refuse(0, Refusal::BreakerOpen { retry })]);
}

#[test]
fn one_worker_at_a_time_is_on_trial() {
    let mut pool = Pool::new(fixed(4));
    pool.handle(procpool_scheduler::Event::Start);
    for worker in 0..4 {
        assert_eq!(pool.died(worker), []);
    }
    for round in 0..4 {
        let started = pool.tick_when_due().len();
        assert_eq!(started, if round < 4 { 4 } else { 1 }, "in round {round}");
        for worker in 0..4 {
            pool.died(4 + 4 * round + worker);
        }
    }
    assert!(pool.scheduler.is_open());
    assert_eq!(pool.tick_when_due(), [start(20)]);
    assert_eq!(pool.up(20), [], "it has yet to show what it is good for");
    assert_eq!(pool.submit(0), [assign(20, 0)]);
    assert_eq!(pool.done(20, 0), [resolve(0, FINISHED), start(21), start(22), start(23)]);
    assert!(!pool.scheduler.is_open());
}

#[test]
fn a_worker_on_trial_that_is_ready_takes_jobs_and_its_death_amid_one_is_no_failure() {
    let mut pool = open();
    pool.tick_when_due();
    assert!(is_refused(&pool.submit(0)), "it is not ready yet");
    assert_eq!(pool.up(5), []);
    assert_eq!(pool.submit(1), [assign(5, 1)]);
    assert_eq!(pool.submit(2), [], "this one waits behind it, and nobody else is started");
    // The job caused this death, so the next trial comes at once.
    assert_eq!(pool.died(5), [resolve(1, CRASHED), start(6)]);
    assert!(is_refused(&pool.submit(3)), "nobody has been proven");
    assert_eq!(pool.up(6), [assign(6, 2)]);
    assert_eq!(pool.done(6, 2), [resolve(2, FINISHED)]);
    assert!(!pool.scheduler.is_open());
}

#[test]
fn jobs_that_kill_their_workers_open_it_for_nobody() {
    let mut pool = Pool::ready(fixed(2));
    for round in 0..100 {
        let (worker, next) = (if round == 0 { 1 } else { round + 1 }, round + 2);
        assert_eq!(pool.submit(round), [assign(worker, round)]);
        assert_eq!(pool.died(worker), [resolve(round, CRASHED), start(next)], "and no pause");
        pool.up(next);
    }
    assert!(!pool.scheduler.is_open() && pool.scheduler.is_backing_off().is_none());
}

#[test]
fn a_worker_that_lives_through_its_trial_without_a_job_is_trusted() {
    let mut pool = Pool::new(fixed(2));
    pool.handle(procpool_scheduler::Event::Start);
    let mut worker = 0;
    while !pool.scheduler.is_open() {
        pool.died(worker);
        pool.died(worker + 1);
        pool.tick_when_due();
        worker += 2;
    }
    pool.up(worker);
    assert_eq!(pool.tick_when_due(), [start(worker + 1)], "ten seconds later");
    assert!(!pool.scheduler.is_open());
}

#[test]
fn while_a_worker_serves_the_breaker_refuses_nobody() {
    let mut pool = Pool::new(fixed(2));
    pool.handle(procpool_scheduler::Event::Start);
    pool.up(0);
    for worker in 1..=5 {
        pool.died(worker);
        if worker < 5 {
            pool.tick_when_due();
        }
    }
    assert!(pool.scheduler.is_open());
    assert_eq!(pool.submit(0), [assign(0, 0)]);
    assert_eq!(pool.submit(1), []);
}

#[test]
fn kills_from_outside_during_starts_are_made_good_at_once_until_they_are_a_streak() {
    let mut pool = Pool::new(fixed(1));
    pool.handle(procpool_scheduler::Event::Start);
    for worker in 0..4 {
        assert_eq!(pool.died_of(worker, Death::Killed, None), [start(worker + 1)]);
    }
    assert_eq!(pool.died_of(4, Death::Killed, None), []);
    assert!(pool.scheduler.is_backing_off().is_some() && !pool.scheduler.is_open());
}

#[test]
fn jobs_that_waited_when_it_opened_end_by_their_deadlines() {
    let mut pool = Pool::new(elastic(1, 1));
    pool.submit_with(0, Some(60_000), None);
    pool.fail_to_start(5);
    assert_eq!(pool.scheduler.queued(), 1);
    assert_eq!(pool.at(60_000).tick()[0], resolve(0, EXPIRED_QUEUED));
}

/// Returns a pool with no minimum of workers, one working worker, and an open breaker.
fn open_with_a_worker() -> Pool {
    let mut pool = Pool::new(Config { idle_timeout: Some(ms(100)), ..elastic(0, 2) });
    pool.submit(0);
    pool.up(0);
    pool.done(0, 0);
    pool.submit(1);
    assert_eq!(pool.submit(2), [start(1)]);
    for worker in 1..=5 {
        pool.died(worker);
        // The pool also ticks to check whether a worker has reached the idle timeout.
        while worker < 5 && pool.tick_when_due() != [start(worker + 1)] {}
    }
    assert_eq!(pool.done(0, 1), [resolve(1, FINISHED), assign(0, 2)]);
    pool.done(0, 2);
    assert!(pool.scheduler.is_open());
    pool
}

#[test]
fn while_it_is_open_nobody_goes_for_want_of_jobs_and_after_a_lull_it_closes() {
    let mut pool = open_with_a_worker();
    while pool.scheduler.is_backing_off().is_some() {
        assert_eq!(pool.tick_when_due(), [], "nobody is wanted, so nobody can prove anything");
    }
    assert!(pool.scheduler.is_open());
    assert_eq!(pool.tick_when_due(), [retire(0)], "ten seconds without a failure, and somebody serves");
    assert!(!pool.scheduler.is_open());
}

#[test]
fn a_job_that_comes_when_one_may_be_tried_waits_for_it_and_the_next_is_refused() {
    let mut pool = open_with_a_worker();
    assert_eq!(pool.died(0), []);
    assert!(is_refused(&pool.submit(3)), "there is a pause first");
    pool.at(60_000).tick();
    assert!(pool.scheduler.is_open());
    assert_eq!(pool.submit(4), [start(6)]);
    assert!(is_refused(&pool.submit(5)));
    assert_eq!(pool.up(6), [assign(6, 4)]);
}

#[test]
fn a_lull_that_began_before_the_latest_failures_does_not_close_it() {
    let window = ms(1_000);
    let breaker = Breaker { failures: 2, window };
    let mut pool = Pool::ready(Config { breaker, ..elastic(1, 2) });
    let fails = |pool: &mut Pool, worker| {
        pool.died(worker);
        pool.tick_when_due();
        pool.now()
    };
    // Worker 0 is busy, and the workers started beside it die.
    pool.submit(0);
    pool.submit(1);
    fails(&mut pool, 1);
    let first_lull = fails(&mut pool, 2) + window;
    assert!(pool.scheduler.is_open());
    pool.done(0, 0);
    assert!(!pool.scheduler.is_open(), "worker 0 has proven the executable");
    fails(&mut pool, 3);
    pool.at(600).submit(2);
    pool.done(0, 1);
    let second_lull = fails(&mut pool, 4) + window;
    assert!(pool.scheduler.is_open() && first_lull < second_lull);
    while pool.scheduler.is_open() {
        pool.tick_when_due();
    }
    assert_eq!(pool.now(), second_lull);
}

#[test]
fn a_canary_that_dies_does_not_make_room_for_another_worker_on_trial() {
    let mut pool = open();
    assert_eq!(pool.tick_when_due(), [start(5)]);
    pool.up(5);
    assert_eq!(pool.submit(0), [assign(5, 0)]);
    assert_eq!(pool.submit(1), []);
    assert_eq!(pool.reload(1), [start_of(6, 1)]);
    assert_eq!(pool.died(6), [reloaded(1, ReloadEnd::CanaryDied)], "worker 5 is still on trial");
}
