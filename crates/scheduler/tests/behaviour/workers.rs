//! Workers that panic, break the protocol, are killed by an operator, or are named in events after
//! their death.

use procpool_scheduler::{Death, Event, Health, JobId, Verdict, WorkerId, WorkerState};

use crate::pool::*;

#[test]
fn a_suspect_worker_retires_and_its_replacement_starts_at_once() {
    let mut pool = Pool::busy();
    pool.submit(1);
    assert_eq!(pool.panicked(0, 0), [resolve(0, FINISHED), retire(0), start(1)]);
    assert_eq!(pool.state(0), Some(WorkerState::Retiring));
    assert_eq!(pool.up(1), [assign(1, 1)]);
    assert_eq!(pool.died(0), []);
}

#[test]
fn a_retiring_worker_that_does_not_exit_is_killed_once() {
    let mut pool = Pool::busy();
    pool.panicked(0, 0);
    assert_eq!(pool.at(STOP_TIMEOUT).tick(), [kill(0, None)]);
    assert_eq!(pool.kill(0), []);
    assert_eq!(pool.violated(0), []);
    assert_eq!(pool.scheduler.poll_timeout(), None);
}

#[test]
fn retiring_workers_do_not_pile_up() {
    let mut pool = Pool::busy();
    pool.panicked(0, 0);
    pool.up(1);
    assert_eq!(pool.submit(1), [assign(1, 1)]);
    assert_eq!(pool.panicked(1, 1), [resolve(1, FINISHED), kill(1, None)]);
    assert_eq!(pool.died(1), [start(2)]);
}

#[test]
fn a_suspect_worker_that_was_asked_to_give_up_retires_too() {
    let mut pool = Pool::busy();
    pool.cancel(0);
    assert_eq!(pool.panicked(0, 0), [retire(0), start(1)]);
}

#[test]
fn a_violation_ends_the_job_and_the_worker() {
    let mut pool = Pool::busy();
    assert_eq!(pool.violated(0), [resolve(0, Verdict::Protocol), kill(0, 0)]);
    assert_eq!(pool.state(0), Some(WorkerState::Stopping));
    assert_eq!(pool.died(0), [start(1)]);
}

#[test]
fn a_violation_after_an_operators_kill_still_ends_the_job() {
    let mut pool = Pool::busy();
    pool.kill(0);
    assert_eq!(pool.violated(0), [resolve(0, Verdict::Protocol)]);
    assert_eq!(pool.died(0), [start(1)]);
}

#[test]
fn an_operators_kill_ends_the_job_when_the_death_arrives() {
    let mut pool = Pool::busy();
    assert_eq!(pool.kill(0), [kill(0, 0)]);
    assert_eq!(pool.kill(0), []);
    assert_eq!(pool.scheduler.running(), 1);
    assert_eq!(pool.died(0), [resolve(0, CRASHED), start(1)]);
}

#[test]
fn an_operators_kill_does_not_wait_for_the_grace() {
    let mut pool = Pool::busy();
    pool.cancel(0);
    assert_eq!(pool.kill(0), [kill(0, 0)]);
    assert_eq!(pool.scheduler.poll_timeout(), None);
}

#[test]
fn an_id_that_is_used_again_against_the_rules_is_another_job() {
    for begun in [0, 1] {
        let mut pool = Pool::ready(fixed(2));
        pool.submit(0);
        pool.cancel(0);
        assert_eq!(pool.submit(0), [assign(0, 0)]);
        let (worker, death) = (WorkerId(1), Death::Own);
        let died = Event::Died { worker, begun, death, fingerprint: None };
        assert_eq!(pool.handle(died), [start(2)]);
        assert_eq!(pool.done(0, 0), [resolve(0, FINISHED)]);
    }
}

#[test]
fn a_deadline_is_kept_while_a_kill_is_on_its_way() {
    let mut pool = Pool::ready(fixed(1));
    pool.submit_with(0, Some(100), None);
    assert_eq!(pool.kill(0), [kill(0, 0)]);
    assert_eq!(pool.at(100).tick(), [resolve(0, EXPIRED_RUNNING)]);
    assert_eq!(pool.died(0), [start(1)]);
}

#[test]
fn a_death_fails_only_the_dead_workers_job() {
    let mut pool = Pool::ready(fixed(2));
    pool.submit(0);
    pool.submit(1);
    pool.submit(2);
    assert_eq!(pool.died(1), [resolve(0, CRASHED), start(2)]);
    assert_eq!(pool.done(0, 1), [resolve(1, FINISHED), assign(0, 2)]);
}

#[test]
fn what_is_said_about_unknown_workers_is_only_counted() {
    let mut pool = Pool::busy();
    let worker = WorkerId(99);
    for event in [
        Event::Ready { worker, takes_ahead: true },
        Event::Recalled { worker, keeps: 0 },
        Event::Unbegun { worker },
        Event::PassedOver { worker, job: JobId(0) },
        Event::Died { worker, begun: 1, death: Death::Own, fingerprint: None },
        Event::Stalled { worker, has_begun: false },
        Event::Outgrown { worker },
        Event::Violated { worker },
        Event::Kill { worker },
        Event::Ready { worker: WorkerId(0), takes_ahead: false },
        Event::Done { worker, job: JobId(0), health: Health::Suspect },
        Event::Done { worker: WorkerId(0), job: JobId(5), health: Health::Suspect },
    ] {
        assert_eq!(pool.handle(event), [], "{event:?}");
    }
    let counters = pool.scheduler.counters();
    assert_eq!((counters.stale_events, counters.late_results), (10, 2));
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED)]);
}

#[test]
fn the_counters_add_up() {
    let mut pool = Pool::busy();
    pool.submit(1);
    pool.submit(2);
    pool.died(0);
    pool.cancel(2);
    let counters = pool.scheduler.counters();
    assert_eq!((counters.accepted, counters.resolved, pool.scheduler.queued()), (3, 2, 1));
    assert_eq!((counters.starts, counters.restarts, counters.deaths, counters.kills), (2, 1, 1, 0));
}

#[test]
fn an_idle_worker_that_hangs_up_gets_nothing_more_and_is_replaced_when_it_is_dead() {
    let mut pool = Pool::ready(fixed(1));
    assert_eq!(pool.handle(Event::HungUp { worker: WorkerId(0) }), []);
    assert_eq!(pool.submit(0), []);
    assert_eq!(pool.died(0), [start(1)]);
    assert_eq!(pool.up(1), [assign(1, 0)]);
}

#[test]
fn a_busy_worker_that_hangs_up_may_still_have_answered() {
    let mut pool = Pool::busy();
    assert_eq!(pool.handle(Event::HungUp { worker: WorkerId(0) }), []);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED)]);
}

#[test]
fn a_worker_that_hung_up_amid_a_job_gets_no_other() {
    let mut pool = Pool::busy();
    assert_eq!(pool.handle(Event::HungUp { worker: WorkerId(0) }), []);
    assert_eq!(pool.submit(1), []);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED)]);
    assert_eq!(pool.died(0), [start(1)]);
    assert_eq!(pool.up(1), [assign(1, 1)]);
}
