//! Jobs that are cancelled, in every state.

use procpool_scheduler::WorkerState;

use crate::pool::*;

#[test]
fn a_waiting_job_is_cancelled_without_touching_a_worker() {
    let mut pool = Pool::busy();
    pool.submit_with(1, Some(500), None);
    assert_eq!(pool.cancel(1), [resolve(1, CANCELLED_QUEUED)]);
    assert_eq!(pool.scheduler.poll_timeout(), None);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED)]);
}

#[test]
fn a_running_job_is_cancelled_at_once_and_its_worker_gets_its_grace() {
    let mut pool = Pool::busy();
    pool.submit(1);
    assert_eq!(pool.at(10).cancel(0), [resolve(0, CANCELLED_RUNNING), cancel(0, 0)]);
    assert_eq!(pool.state(0), Some(WorkerState::Stopping));
    assert_eq!(pool.scheduler.poll_timeout(), Some(at(10 + GRACE)));
    assert_eq!((pool.scheduler.queued(), pool.scheduler.running()), (1, 0));
}

#[test]
fn a_worker_that_gives_up_in_time_goes_on_with_the_next_job() {
    let mut pool = Pool::busy();
    pool.submit(1);
    pool.cancel(0);
    assert_eq!(pool.at(GRACE - 1).done(0, 0), [assign(0, 1)]);
    assert_eq!(pool.scheduler.counters().late_results, 1);
    assert_eq!(pool.at(GRACE).tick(), []);
}

#[test]
fn a_worker_that_does_not_give_up_is_killed_and_replaced_when_dead() {
    let mut pool = Pool::busy();
    pool.submit(1);
    pool.cancel(0);
    assert_eq!(pool.at(GRACE).tick(), [kill(0, 0)]);
    assert_eq!(pool.died(0), [start(1)]);
    assert_eq!(pool.up(1), [assign(1, 1)]);
}

#[test]
fn cancelling_again_is_only_counted() {
    let mut pool = Pool::busy();
    pool.cancel(0);
    assert_eq!(pool.cancel(0), []);
    assert_eq!(pool.cancel(77), []);
    assert_eq!(pool.scheduler.counters().late_cancels, 2);
}

#[test]
fn jobs_that_workers_never_give_up_do_not_make_the_pool_back_off() {
    let mut pool = Pool::busy();
    for worker in 0..20 {
        pool.cancel(worker);
        assert_eq!(pool.tick_when_due(), [kill(worker, worker)]);
        assert_eq!(pool.died(worker), [start(worker + 1)]);
        pool.up(worker + 1);
        assert_eq!(pool.submit(worker + 1), [assign(worker + 1, worker + 1)]);
    }
}
