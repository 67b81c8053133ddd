//! Idle workers: the pool keeps only the configured number, and only up to the idle timeout. Also
//! workers that only seem idle.

use procpool_scheduler::{Cause, Config, Event, WorkerId, WorkerState};

use crate::pool::*;

fn shrinking(min_workers: usize, max_workers: usize) -> Config {
    Config { idle_timeout: Some(ms(1_000)), ..elastic(min_workers, max_workers) }
}

/// Returns a pool that has grown to three workers. Worker 2 became idle first, then 1, then 0.
fn grown(config: Config) -> Pool {
    let mut pool = Pool::ready(config);
    for job in 0..3 {
        pool.submit(job);
    }
    pool.up(1);
    pool.up(2);
    for (at, worker, job) in [(100, 2, 2), (200, 1, 1), (300, 0, 0)] {
        pool.at(at).done(worker, job);
    }
    pool
}

#[test]
fn workers_that_no_job_needs_go_one_by_one_down_to_the_least_number() {
    let mut pool = grown(shrinking(1, 3));
    assert_eq!(pool.at(1_099).tick(), []);
    assert_eq!(pool.at(1_100).tick(), [retire(2)]);
    assert_eq!(pool.at(1_200).tick(), [retire(1)]);
    assert_eq!(pool.at(9_000).tick().len(), 2, "only the late ones are killed");
    assert_eq!(pool.state(0), Some(WorkerState::Idle));
    assert_eq!((pool.died(1), pool.died(2)), (vec![], vec![]));
    assert_eq!(pool.scheduler.gone(Cause::Idle), 2);
}

#[test]
fn a_job_makes_its_worker_worth_keeping() {
    let mut pool = grown(shrinking(1, 3));
    pool.at(1_000);
    assert_eq!(pool.submit(3), [assign(0, 3)]);
    pool.done(0, 3);
    assert_eq!(pool.at(1_250).tick(), [retire(2), retire(1)]);
}

#[test]
fn without_an_idle_timeout_nobody_goes() {
    let pool = grown(elastic(1, 3));
    assert_eq!(pool.scheduler.poll_timeout(), None);
}

#[test]
fn spares_are_started_ahead_of_the_jobs_and_kept() {
    let mut pool = Pool::ready(Config { spares: 1, ..shrinking(1, 3) });
    assert_eq!(pool.submit(0), [assign(0, 0), start(1)]);
    pool.up(1);
    assert_eq!(pool.submit(1), [assign(1, 1), start(2)]);
    pool.up(2);
    assert_eq!(pool.submit(2), [assign(2, 2)], "three are all there may be");
    for (worker, job) in [(0, 0), (1, 1), (2, 2)] {
        pool.done(worker, job);
    }
    assert_eq!(pool.at(1_000).tick(), [retire(0), retire(1)]);
    assert_eq!(pool.state(2), Some(WorkerState::Idle), "the spare is the least number at once");
}

#[test]
fn an_idle_worker_that_was_stopped_is_killed_and_replaced() {
    let mut pool = Pool::ready(fixed(1));
    assert_eq!(pool.handle(Event::Stalled { worker: WorkerId(0), has_begun: true }), [kill(0, None)]);
    assert_eq!(pool.submit(0), [], "no job is for it any more");
    assert_eq!(pool.died(0), [start(1)]);
    assert_eq!(pool.up(1), [assign(1, 0)]);
}

#[test]
fn a_busy_worker_that_was_stopped_is_left_to_its_jobs_deadline() {
    let mut pool = Pool::ready(fixed(1));
    pool.submit_with(0, Some(100), None);
    assert_eq!(pool.handle(Event::Stalled { worker: WorkerId(0), has_begun: true }), []);
    assert_eq!(pool.at(100).tick(), [resolve(0, EXPIRED_RUNNING), cancel(0, 0)]);
}
