//! Orders of operators about one worker, about the jobs that are accepted, and about settings.

use procpool_scheduler::{Cause, Config, Event, Refusal, Settings, Verdict, WorkerId};

use crate::pool::*;

fn order_to_retire(pool: &mut Pool, worker: u64) -> Vec<procpool_scheduler::Action> {
    pool.handle(Event::Retire { worker: WorkerId(worker) })
}

#[test]
fn a_busy_worker_retires_after_its_job_and_its_replacement_starts_at_once() {
    let mut pool = Pool::busy();
    assert_eq!(order_to_retire(&mut pool, 0), [start(1)]);
    assert_eq!(pool.submit(1), []);
    assert_eq!(pool.done(0, 0), [resolve(0, Verdict::Finished), retire(0)], "and gets no job before");
    assert_eq!(pool.up(1), [assign(1, 1)]);
    assert_eq!(pool.died(0), []);
    assert_eq!(pool.scheduler.gone(Cause::Ordered), 1);
}

#[test]
fn an_idle_worker_retires_at_once_and_is_replaced() {
    let mut pool = Pool::ready(fixed(2));
    assert_eq!(order_to_retire(&mut pool, 0), [retire(0), start(2)]);
    assert_eq!(order_to_retire(&mut pool, 0), [], "once");
    assert_eq!(pool.kill(0), [kill(0, None)], "it may be killed all the same");
}

#[test]
fn a_worker_that_is_starting_is_killed() {
    let mut pool = Pool::new(fixed(1));
    pool.handle(Event::Start);
    assert_eq!(order_to_retire(&mut pool, 0), [kill(0, None)]);
    assert_eq!(pool.died(0), [start(1)], "it is no failure of the executable");
}

#[test]
fn jobs_that_were_sent_ahead_run_before_the_worker_retires() {
    let mut pool = Pool::ready(Config { ahead: 4, ..fixed(1) });
    assert_eq!(pool.submit(0), [assign(0, 0)]);
    assert_eq!(pool.done(0, 0), [resolve(0, Verdict::Finished)]);
    assert_eq!((pool.submit(1), pool.submit(2)), (vec![assign(0, 1)], vec![assign(0, 2)]));
    assert_eq!(order_to_retire(&mut pool, 0), [start(1)]);
    assert_eq!(pool.done(0, 1), [resolve(1, Verdict::Finished)]);
    assert_eq!(pool.done(0, 2), [resolve(2, Verdict::Finished), retire(0)]);
}

#[test]
fn the_job_of_a_worker_that_an_operator_kills_may_run_again_and_is_not_blamed() {
    let mut pool = Pool::ready(fixed(1));
    assert_eq!(pool.submit_repeatable(0, None, 2), [assign(0, 0)]);
    assert_eq!(pool.kill(0), [kill(0, Some(0))]);
    assert_eq!(pool.died(0), [start(1)]);
    assert_eq!(pool.scheduler.gone(Cause::Ordered), 1);
    assert!(!pool.scheduler.knows_poison());
}

#[test]
fn a_closed_pool_refuses_jobs_and_ends_those_that_it_has() {
    let mut pool = Pool::busy();
    assert_eq!(pool.submit(1), []);
    assert_eq!(pool.handle(Event::Close), []);
    assert_eq!(pool.submit(2), [refuse(2, Refusal::Closed)]);
    assert_eq!(pool.scheduler.room(), Some(usize::MAX), "nobody waits to be refused");
    assert_eq!(pool.done(0, 0), [resolve(0, Verdict::Finished), assign(0, 1)]);
    assert_eq!(pool.done(0, 1), [resolve(1, Verdict::Finished)]);
    assert_eq!(pool.handle(Event::Resume), []);
    assert_eq!(pool.submit(3), [assign(0, 3)]);
}

#[test]
fn a_pause_ends_the_closing_and_a_closing_the_pause() {
    let mut pool = Pool::ready(fixed(1));
    pool.handle(Event::Pause);
    assert_eq!(pool.submit(0), []);
    assert_eq!(pool.handle(Event::Close), [assign(0, 0)]);
    pool.handle(Event::Pause);
    assert_eq!(pool.submit(1), [], "it waits");
    assert_eq!(pool.done(0, 0), [resolve(0, Verdict::Finished)]);
}

#[test]
fn other_settings_apply_from_now_on_and_to_jobs_that_come() {
    let mut pool = Pool::busy();
    let with = |change: fn(&mut Settings), pool: &mut Pool| {
        let mut settings = pool.scheduler.settings();
        change(&mut settings);
        pool.handle(Event::Reconfigure { settings })
    };
    for job in 1..=3 {
        assert_eq!(pool.submit(job), []);
    }
    assert_eq!(with(|it| it.queue = 2, &mut pool), [], "those that wait stay");
    assert_eq!(pool.submit(4), [refuse(4, Refusal::QueueFull)]);
    assert_eq!(pool.done(0, 0), [resolve(0, Verdict::Finished), assign(0, 1)]);
    assert_eq!(pool.submit(5), [refuse(5, Refusal::QueueFull)]);
    assert_eq!(with(|it| it.queue = 3, &mut pool), []);
    assert_eq!(pool.submit(6), []);
}

#[test]
fn a_new_idle_timeout_counts_for_those_that_are_idle_already() {
    let mut pool = Pool::ready(elastic(0, 2));
    assert_eq!(pool.submit(0), [start(0)]);
    assert_eq!(pool.up(0), [assign(0, 0)]);
    assert_eq!(pool.done(0, 0), [resolve(0, Verdict::Finished)]);
    let settings = pool.scheduler.settings();
    for timeout in [60_000, 100] {
        let settings = Settings { idle_timeout: Some(ms(timeout)), ..settings };
        assert_eq!(pool.handle(Event::Reconfigure { settings }), []);
    }
    assert_eq!(pool.tick_when_due(), [retire(0)]);
    assert_eq!(pool.now(), at(100));
    let settings = Settings { spares: 1, ..settings };
    assert_eq!(pool.handle(Event::Reconfigure { settings }), [start(1)]);
}
