//! Why workers are gone: each counts for exactly one cause, no matter what requested it.

use std::num::NonZeroU64;

use procpool_scheduler::{Action, Cause, Config, Death, Event, Health, JobId, Recycling, Terms, WorkerId};

use crate::pool::*;

/// Returns the causes for which any worker is gone, with the number of workers for each.
fn gone(pool: &Pool) -> Vec<(Cause, u64)> {
    let counted = Cause::ALL.map(|cause| (cause, pool.scheduler.gone(cause)));
    counted.into_iter().filter(|&(_, times)| times > 0).collect()
}

/// Checks that the pool gives this cause while the worker lives, and counts it once the worker is
/// dead.
#[track_caller]
fn is_gone_for(pool: &mut Pool, worker: u64, death: Death, cause: Cause) {
    assert_eq!(pool.scheduler.reason(WorkerId(worker)), Some(cause));
    assert_eq!(gone(pool), [], "it lives");
    pool.died_of(worker, death, None);
    assert_eq!(gone(pool), [(cause, 1)]);
    assert_eq!(pool.scheduler.counters().deaths, 1);
}

#[test]
fn a_death_that_nobody_asked_for_is_told_by_how_it_came() {
    for (death, cause) in [
        (Death::Own, Cause::Crashed),
        (Death::HungUp, Cause::HungUp),
        (Death::Killed, Cause::Killed),
        (Death::OutOfMemory, Cause::OutOfMemory),
    ] {
        let mut pool = Pool::busy();
        assert_eq!(pool.scheduler.reason(WorkerId(0)), None);
        pool.died_of(0, death, None);
        assert_eq!(gone(&pool), [(cause, 1)]);
        pool.died_of(1, death, None);
        assert_eq!(gone(&pool), [(cause, 1), (Cause::Start, 1)], "the second was never ready");
    }
}

#[test]
fn a_worker_that_hangs_up_and_ends_crashed() {
    let mut pool = Pool::busy();
    pool.handle(Event::HungUp { worker: WorkerId(0) });
    pool.done(0, 0);
    pool.died(0);
    assert_eq!(gone(&pool), [(Cause::Crashed, 1)]);
}

#[test]
fn a_worker_that_hangs_up_and_lives_on_is_gone_for_that_unless_the_pool_kills_it_before() {
    let mut pool = Pool::busy();
    pool.handle(Event::HungUp { worker: WorkerId(0) });
    assert_eq!(pool.scheduler.reason(WorkerId(0)), None, "the kill is its caller's");
    assert!(pool.died_of(0, Death::HungUp, None).contains(&resolve(0, CRASHED)));
    assert_eq!(gone(&pool), [(Cause::HungUp, 1)]);
    assert_eq!(pool.scheduler.unwanted_deaths(), 1, "nobody has asked for it");

    let mut pool = Pool::ready(fixed(1));
    pool.submit_with(0, Some(100), None);
    pool.handle(Event::HungUp { worker: WorkerId(0) });
    pool.at(100).tick();
    assert_eq!(pool.at(100 + GRACE).tick(), [kill(0, 0)]);
    is_gone_for(&mut pool, 0, Death::HungUp, Cause::TimedOut);
}

#[test]
fn a_job_that_is_not_given_up_costs_its_worker_for_what_ended_it() {
    let mut pool = Pool::busy();
    pool.cancel(0);
    assert_eq!(pool.scheduler.reason(WorkerId(0)), None, "it may give the job up");
    assert_eq!(pool.at(GRACE).tick(), [kill(0, 0)]);
    is_gone_for(&mut pool, 0, Death::Killed, Cause::Cancelled);

    let mut pool = Pool::ready(fixed(1));
    pool.submit_with(0, Some(100), None);
    pool.at(100).tick();
    assert_eq!(pool.at(100 + GRACE).tick(), [kill(0, 0)]);
    is_gone_for(&mut pool, 0, Death::Killed, Cause::TimedOut);
}

#[test]
fn a_job_that_timed_out_ahead_of_its_turn_costs_its_worker_for_that() {
    let mut pool = Pool::ready(Config { ahead: 8, queue: 10, ..fixed(1) });
    for job in 0..3 {
        pool.submit(job);
        pool.done(0, job);
    }
    pool.submit(3);
    let terms = Terms { timeout: Some(ms(1)), attempts: 1, ..Terms::default() };
    let sent = pool.handle(Event::Submit { job: JobId(4), terms });
    assert!(matches!(sent[..], [Action::Assign { .. }]), "it goes ahead: {sent:?}");
    assert!(pool.at(1).tick().contains(&cancel(0, 4)));
    pool.done(0, 3);
    assert_eq!(pool.at(1 + GRACE).tick(), [kill(0, 4)]);
    is_gone_for(&mut pool, 0, Death::Killed, Cause::TimedOut);
}

#[test]
fn what_the_pool_asks_for_is_told_by_why_it_asked() {
    let mut pool = Pool::busy();
    pool.violated(0);
    is_gone_for(&mut pool, 0, Death::Own, Cause::Protocol);

    let mut pool = Pool::busy();
    pool.panicked(0, 0);
    is_gone_for(&mut pool, 0, Death::Own, Cause::Panicked);

    let mut pool = Pool::busy();
    pool.handle(Event::Done { worker: WorkerId(0), job: JobId(0), health: Health::Spent });
    is_gone_for(&mut pool, 0, Death::Own, Cause::Recycled);

    let mut pool = Pool::ready(fixed(1));
    pool.handle(Event::Stalled { worker: WorkerId(0), has_begun: false });
    is_gone_for(&mut pool, 0, Death::Killed, Cause::Stopped);

    let mut pool = Pool::ready(fixed(1));
    pool.kill(0);
    is_gone_for(&mut pool, 0, Death::Killed, Cause::Ordered);

    let mut pool = Pool::ready(Config { idle_timeout: Some(ms(1_000)), ..elastic(0, 1) });
    pool.submit(0);
    pool.up(0);
    pool.done(0, 0);
    assert_eq!(pool.at(1_000).tick(), [retire(0)]);
    is_gone_for(&mut pool, 0, Death::Own, Cause::Idle);

    let mut pool = Pool::ready(fixed(1));
    pool.drain(None);
    is_gone_for(&mut pool, 0, Death::Own, Cause::ShutDown);

    let recycling = Recycling { jobs: NonZeroU64::new(1), lifetime: None };
    for config in [Config { process_per_job: true, ..fixed(1) }, Config { recycling, ..fixed(1) }] {
        let mut pool = Pool::ready(config);
        pool.submit(0);
        pool.done(0, 0);
        pool.up(1);
        is_gone_for(&mut pool, 0, Death::Own, Cause::Recycled);
    }

    let mut pool = Pool::ready(fixed(1));
    pool.reload(1);
    pool.up(1);
    is_gone_for(&mut pool, 0, Death::Own, Cause::Reloaded);
}

#[test]
fn one_that_does_not_go_when_asked_is_gone_for_what_it_was_asked_for() {
    let mut pool = Pool::ready(fixed(1));
    pool.reload(1);
    pool.up(1);
    assert_eq!(pool.at(STOP_TIMEOUT).tick(), [kill(0, None)]);
    pool.handle(Event::Stop);
    is_gone_for(&mut pool, 0, Death::Killed, Cause::Reloaded);
}
