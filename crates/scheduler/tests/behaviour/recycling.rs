//! Working workers that the pool replaces after a number of jobs, a lifetime, or an amount of
//! growth. It starts the replacement first, and replaces one worker at a time.

use std::num::NonZeroU64;

use procpool_scheduler::{Cause, Config, Event, Recycling, WorkerId};

use crate::pool::*;

fn after_jobs(workers: usize, jobs: u64) -> Config {
    Config { recycling: Recycling { jobs: NonZeroU64::new(jobs), lifetime: None }, ..fixed(workers) }
}

fn run(pool: &mut Pool, worker: u64, job: u64) -> Vec<procpool_scheduler::Action> {
    assert_eq!(pool.submit(job), [assign(worker, job)]);
    pool.done(worker, job)
}

#[test]
fn after_its_share_of_jobs_a_worker_goes_once_its_replacement_is_ready() {
    let mut pool = Pool::ready(after_jobs(1, 3));
    assert_eq!(run(&mut pool, 0, 0), [resolve(0, FINISHED)]);
    assert_eq!(run(&mut pool, 0, 1), [resolve(1, FINISHED)]);
    assert_eq!(run(&mut pool, 0, 2), [resolve(2, FINISHED), start(1)]);
    assert_eq!(run(&mut pool, 0, 3), [resolve(3, FINISHED)], "it works on until then");
    assert_eq!(pool.up(1), [retire(0)]);
    assert_eq!(run(&mut pool, 1, 4), [resolve(4, FINISHED)]);
    assert_eq!(pool.died(0), [], "and is not replaced again");
    assert_eq!(pool.scheduler.gone(Cause::Recycled), 1);
}

#[test]
fn a_busy_worker_finishes_its_job_first() {
    let mut pool = Pool::ready(after_jobs(1, 1));
    assert_eq!(run(&mut pool, 0, 0), [resolve(0, FINISHED), start(1)]);
    assert_eq!(pool.submit(1), [assign(0, 1)]);
    assert_eq!(pool.up(1), [], "there are two now, for as long as that takes");
    assert_eq!(pool.submit(2), [assign(1, 2)]);
    assert_eq!(pool.submit(3), []);
    assert_eq!(pool.done(0, 1), [resolve(1, FINISHED), retire(0)], "and the next job is not for it");
    assert_eq!(pool.done(1, 2), [resolve(2, FINISHED), assign(1, 3), start(2)]);
}

#[test]
fn worn_workers_are_replaced_one_at_a_time() {
    let mut pool = Pool::ready(after_jobs(3, 1));
    for job in 0..3 {
        pool.submit(job);
    }
    assert_eq!(pool.done(0, 2), [resolve(2, FINISHED), start(3)]);
    assert_eq!(pool.done(1, 1), [resolve(1, FINISHED)]);
    assert_eq!(pool.done(2, 0), [resolve(0, FINISHED)]);
    assert_eq!(pool.up(3), [retire(0), start(4)]);
    assert_eq!(pool.up(4), [retire(1), start(5)]);
    assert_eq!(pool.up(5), [retire(2)]);
}

#[test]
fn a_replacement_that_dies_is_tried_again_after_a_pause_and_nobody_goes_before() {
    let mut pool = Pool::ready(after_jobs(1, 1));
    run(&mut pool, 0, 0);
    assert_eq!(pool.died(1), []);
    assert_eq!(run(&mut pool, 0, 1), [resolve(1, FINISHED)]);
    assert_eq!(pool.tick_when_due(), [start(2)]);
    assert_eq!(pool.up(2), [retire(0)]);
}

#[test]
fn a_worn_worker_that_dies_by_itself_has_its_replacement() {
    let mut pool = Pool::ready(after_jobs(1, 1));
    run(&mut pool, 0, 0);
    assert_eq!(pool.died(0), []);
    assert_eq!(pool.up(1), []);
    assert_eq!(pool.scheduler.gone(Cause::Recycled), 0);
}

#[test]
fn shares_and_lives_differ_by_up_to_a_tenth() {
    let share = |seed| {
        let mut scheduler = procpool_scheduler::Scheduler::new(after_jobs(1, 100), seed).unwrap();
        scheduler.handle(at(0), Event::Start);
        scheduler.handle(at(0), Event::Ready { worker: WorkerId(0), takes_ahead: false });
        while scheduler.poll_action().is_some() {}
        for job in 0.. {
            let terms = procpool_scheduler::Terms::default();
            scheduler.handle(at(0), Event::Submit { job: procpool_scheduler::JobId(job), terms });
            let (worker, job) = (WorkerId(0), procpool_scheduler::JobId(job));
            scheduler.handle(at(0), Event::Done { worker, job, health: procpool_scheduler::Health::Sound });
            if scheduler.workers().count() == 2 {
                return job.0 + 1;
            }
        }
        unreachable!("some job is the last of its share")
    };
    let shares: Vec<u64> = (0..50).map(share).collect();
    assert!(shares.iter().all(|share| (90..=100).contains(share)), "{shares:?}");
    let distinct: std::collections::BTreeSet<_> = shares.iter().collect();
    assert!(distinct.len() > 5, "{distinct:?}");
}

#[test]
fn after_its_lifetime_a_worker_is_replaced_whether_or_not_it_worked() {
    let recycling = Recycling { jobs: None, lifetime: Some(ms(1_000)) };
    let mut pool = Pool::ready(Config { recycling, ..fixed(1) });
    let due = pool.scheduler.poll_timeout().unwrap().since(at(0));
    assert!(ms(900) <= due && due <= ms(1_000), "{due:?}");
    assert_eq!(pool.tick_when_due(), [start(1)]);
    assert_eq!(pool.up(1), [retire(0)]);
}

#[test]
fn a_worker_that_has_outgrown_its_bound_is_replaced() {
    let mut pool = Pool::ready(fixed(1));
    assert_eq!(pool.handle(Event::Outgrown { worker: WorkerId(0) }), [start(1)]);
    assert_eq!(pool.handle(Event::Outgrown { worker: WorkerId(0) }), []);
    assert_eq!(pool.up(1), [retire(0)]);
}

#[test]
fn a_fresh_process_is_made_for_every_job() {
    let mut pool = Pool::ready(Config { process_per_job: true, ..elastic(1, 2) });
    assert_eq!(pool.submit(0), [assign(0, 0)]);
    assert_eq!(pool.submit(1), [start(1)]);
    assert_eq!(pool.up(1), [assign(1, 1)]);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED), retire(0)]);
    assert_eq!(pool.done(1, 1), [resolve(1, FINISHED), retire(1), start(2)]);
}

#[test]
fn with_a_spare_the_next_process_is_made_while_the_last_one_works() {
    let mut pool = Pool::ready(Config { process_per_job: true, spares: 1, ..elastic(0, 2) });
    assert_eq!(pool.up(0), []);
    assert_eq!(pool.submit(0), [assign(0, 0), start(1)]);
    assert_eq!(pool.up(1), []);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED), retire(0)]);
    assert_eq!(pool.submit(1), [assign(1, 1), start(2)]);
}
