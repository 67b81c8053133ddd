//! Jobs that may be repeated: the pool retries them when a worker dies with them, within their
//! deadline, up to their number of attempts.

use procpool_scheduler::{Action, Event, JobId, WorkerId};

use crate::pool::*;

fn assign_again(worker: u64, job: u64, attempt: u32, millis: Option<u64>) -> Action {
    Action::Assign { worker: WorkerId(worker), job: JobId(job), attempt, remaining: millis.map(ms) }
}

#[test]
fn a_repeatable_job_outlives_its_worker() {
    let mut pool = Pool::ready(fixed(1));
    assert_eq!(pool.submit_repeatable(0, None, 2), [assign(0, 0)]);
    assert_eq!(pool.died(0), [start(1)]);
    assert_eq!(pool.up(1), [assign_again(1, 0, 2, None)]);
    assert_eq!(pool.done(1, 0), [resolve(0, FINISHED)]);
    assert_eq!(pool.scheduler.counters().retried, 1);
}

#[test]
fn its_last_attempt_is_its_last() {
    let mut pool = Pool::ready(fixed(1));
    pool.submit_repeatable(0, None, 2);
    pool.died(0);
    pool.up(1);
    assert_eq!(pool.died(1), [resolve(0, CRASHED), start(2)]);
}

#[test]
fn no_attempt_extends_the_deadline() {
    let mut pool = Pool::ready(fixed(1));
    assert_eq!(pool.submit_repeatable(0, Some(1_000), 9), [assign_for(0, 0, 1_000)]);
    pool.at(400).died(0);
    assert_eq!(pool.at(700).up(1), [assign_again(1, 0, 2, Some(300))]);
    pool.at(800).died(1);
    let verdict = EXPIRED_RUNNING;
    assert_eq!(pool.at(1_000).tick(), [resolve(0, verdict)], "it waits again, and may have run before");
}

#[test]
fn a_job_that_waits_for_another_attempt_may_have_run_however_it_ends() {
    let waiting = || {
        let mut pool = Pool::ready(fixed(1));
        pool.submit_repeatable(0, None, 2);
        pool.died(0);
        pool
    };
    assert_eq!(waiting().cancel(0), [resolve(0, CANCELLED_RUNNING)]);
    assert_eq!(waiting().handle(Event::Stop)[0], resolve(0, SHUT_DOWN_RUNNING));
}

#[test]
fn a_cancelled_job_is_not_tried_again() {
    let mut pool = Pool::ready(fixed(1));
    pool.submit_repeatable(0, None, 2);
    pool.cancel(0);
    assert_eq!(pool.died(0), [start(1)]);
    assert_eq!(pool.up(1), []);
}

#[test]
fn a_death_before_handover_costs_no_attempt() {
    let mut pool = Pool::ready(fixed(1));
    pool.submit_repeatable(0, None, 2);
    pool.died_before_handover(0);
    assert_eq!(pool.up(1), [assign(1, 0)]);
}

#[test]
fn a_job_that_has_shown_its_submitter_something_is_not_tried_again() {
    let mut pool = Pool::ready(fixed(1));
    pool.submit_repeatable(0, None, 2);
    assert_eq!(pool.handle(Event::Committed { job: JobId(0) }), []);
    assert_eq!(pool.died(0), [resolve(0, CRASHED), start(1)]);
}
