//! Short jobs that the pool sends to busy workers ahead of their turn: which worker gets them, also
//! when things go wrong.

use procpool_scheduler::{Action, Config, Death, Event, Fingerprint, JobId, Verdict, WorkerId};

use crate::pool::*;

const AHEAD: usize = 3;

fn brisk(workers: usize) -> Config {
    Config { ahead: AHEAD, queue: 100, ..fixed(workers) }
}

/// Returns a pool whose workers take jobs ahead and whose jobs have taken no time so far. The
/// workers are busy with jobs from 0 on.
fn busy(workers: u32) -> Pool {
    let mut pool = Pool::ready(brisk(workers as usize));
    let workers = u64::from(workers);
    pool.submit(100);
    let worker = workers - 1;
    assert_eq!(pool.done(worker, 100), [resolve(100, FINISHED)]);
    for job in 0..workers {
        assert_eq!(pool.submit(job), [assign(worker - job, job)]);
    }
    pool
}

fn recalled(pool: &mut Pool, worker: u64, keeps: usize) -> Vec<Action> {
    pool.handle(Event::Recalled { worker: WorkerId(worker), keeps })
}

fn recall(worker: u64) -> Action {
    Action::Recall { worker: WorkerId(worker) }
}

#[test]
fn jobs_go_to_busy_workers_in_turn_until_each_has_enough() {
    let mut pool = busy(2);
    for (job, worker) in (2..8).zip([1, 0].into_iter().cycle()) {
        assert_eq!(pool.submit(job), [assign(worker, job)]);
    }
    assert_eq!(pool.submit(8), [], "both have enough");
    assert_eq!(pool.done(1, 0), [resolve(0, FINISHED), assign(1, 8)]);
}

#[test]
fn nothing_is_sent_ahead_where_jobs_take_long() {
    let mut pool = Pool::ready(brisk(1));
    pool.submit(0);
    assert_eq!(pool.submit(1), [], "nobody knows yet what jobs take");
    assert_eq!(pool.at(1).done(0, 0), [resolve(0, FINISHED), assign(0, 1)]);
    assert_eq!(pool.submit(2), [], "a millisecond is long");
}

#[test]
fn a_worker_that_cannot_tell_what_it_has_begun_is_sent_nothing_ahead() {
    let mut pool = Pool::new(brisk(1));
    pool.handle(Event::Start);
    assert_eq!(pool.up(0), []);
    pool.submit(0);
    pool.done(0, 0);
    pool.submit(1);
    assert_eq!(pool.submit(2), []);
}

#[test]
fn nothing_is_sent_ahead_while_another_worker_may_be_started() {
    let mut pool = Pool::ready(Config { ahead: AHEAD, ..elastic(1, 2) });
    pool.submit(0);
    pool.done(0, 0);
    pool.submit(1);
    assert_eq!(pool.submit(2), [start(1)]);
}

#[test]
fn a_dead_worker_gives_back_in_order_what_it_had_not_begun() {
    let mut pool = busy(1);
    for job in 1..4 {
        pool.submit(job);
    }
    assert_eq!(pool.died(0), [resolve(0, CRASHED), start(1)]);
    assert_eq!(pool.up(1), [assign(1, 1)]);
    assert_eq!(pool.done(1, 1), [resolve(1, FINISHED), assign(1, 2)]);
    assert_eq!(pool.done(1, 2), [resolve(2, FINISHED), assign(1, 3)]);
    assert_eq!(pool.scheduler.counters().taken_back, 3);
}

#[test]
fn what_it_had_answered_counts_and_the_next_is_the_one_that_it_had_begun() {
    let mut pool = busy(1);
    for job in 1..3 {
        pool.submit(job);
    }
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED)]);
    assert_eq!(pool.died(0), [resolve(1, CRASHED), start(1)]);
    assert_eq!(pool.up(1), [assign(1, 2)]);
}

#[test]
fn a_killed_worker_that_goes_on_runs_no_job_that_another_one_gets() {
    let mut pool = busy(1);
    for job in 1..3 {
        pool.submit(job);
    }
    assert_eq!(pool.kill(0), [kill(0, 0)]);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED)]);
    assert_eq!(pool.done(0, 1), [resolve(1, FINISHED)], "it had begun this one, too");
    assert_eq!(pool.died_before_handover(0), [start(1)]);
    assert_eq!(pool.up(1), [assign(1, 2)]);
}

#[test]
fn a_job_that_takes_long_has_nobody_waiting_behind_it() {
    let mut pool = busy(2);
    for job in 2..6 {
        pool.submit(job);
    }
    assert_eq!(pool.at(2).done(0, 1), [resolve(1, FINISHED)], "it goes on with the next");
    assert_eq!(pool.tick(), [recall(1)]);
    assert_eq!(pool.submit(6), [], "what one has taken is known by now");
    assert_eq!(recalled(&mut pool, 1, 1), []);
    assert_eq!(pool.scheduler.queued(), 3);
    assert_eq!(pool.done(0, 3), [resolve(3, FINISHED), assign(0, 2)], "what came first goes first");
}

#[test]
fn what_was_recalled_does_not_go_back_to_the_same_slow_worker_at_the_same_moment() {
    let mut pool = busy(1);
    assert_eq!(pool.submit(1), [assign(0, 1)]);
    assert_eq!(pool.at(2).tick(), [recall(0)]);
    assert_eq!(recalled(&mut pool, 0, 1), [], "its job has run for as long as anybody waits");
    assert_eq!(pool.scheduler.queued(), 1);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED), assign(0, 1)]);
}

#[test]
fn a_worker_has_little_to_run_besides_a_large_job() {
    const MOST: usize = 128 * 1024;
    let mut pool = busy(1);
    assert_eq!(pool.submit_bytes(1, MOST + 1), [], "one that is too large waits for its turn");
    assert_eq!(pool.submit(2), [], "and nobody passes it");
    assert_eq!(
        pool.done(0, 0),
        [resolve(0, FINISHED), assign(0, 1)],
        "nobody waits behind what is still on its way"
    );
    assert_eq!(pool.done(0, 1), [resolve(1, FINISHED), assign(0, 2)]);
    assert_eq!(pool.submit_bytes(3, MOST / 2), [assign(0, 3)]);
    assert_eq!(pool.submit_bytes(4, MOST / 2), [assign(0, 4)]);
    assert_eq!(pool.submit_bytes(5, 1), [], "together they are too large");
    assert_eq!(pool.done(0, 2), [resolve(2, FINISHED)], "as they still are");
    assert_eq!(pool.done(0, 3), [resolve(3, FINISHED), assign(0, 5)]);
}

#[test]
fn what_has_not_been_begun_is_not_late() {
    let mut pool = busy(1);
    pool.submit(1);
    for time in [2, 4, 6] {
        assert_eq!(pool.at(time).tick(), [recall(0)]);
        assert_eq!(pool.handle(Event::Unbegun { worker: WorkerId(0) }), [], "it keeps them");
    }
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED)]);
    assert_eq!(pool.done(0, 1), [resolve(1, FINISHED)]);
    assert_eq!(pool.scheduler.counters().taken_back, 0);
}

#[test]
fn a_worker_that_is_stopped_before_it_has_begun_anything_costs_no_job() {
    let mut pool = busy(1);
    pool.submit(1);
    let stalled = |has_begun| Event::Stalled { worker: WorkerId(0), has_begun };
    assert_eq!(pool.handle(stalled(true)), [], "somebody may look at what it does");
    assert_eq!(pool.handle(stalled(false)), [kill(0, 0)]);
    assert_eq!(pool.died_before_handover(0), [start(1)]);
    assert_eq!(pool.up(1), [assign(1, 0)]);
    assert_eq!(pool.done(1, 0), [resolve(0, FINISHED), assign(1, 1)]);
}

#[test]
fn a_job_that_is_passed_over_late_goes_back_and_the_worker_goes_on() {
    let passed_over = |job| Event::PassedOver { worker: WorkerId(0), job: JobId(job) };
    let mut pool = busy(1);
    pool.submit(1);
    pool.at(2).tick();
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED)], "it goes on with the next, as it seems");
    assert_eq!(recalled(&mut pool, 0, 1), []);
    assert_eq!(pool.handle(passed_over(1)), [assign(0, 1)], "it has not, and is idle");
    assert_eq!(pool.handle(passed_over(7)), [], "nobody knows that job");
}

#[test]
fn a_worker_that_has_hung_up_gets_nothing_more_though_it_passes_its_job_over() {
    let mut pool = busy(1);
    pool.submit(1);
    assert_eq!(pool.at(3).tick(), [recall(0)]);
    assert_eq!(recalled(&mut pool, 0, 1), []);
    assert_eq!(pool.handle(Event::HungUp { worker: WorkerId(0) }), []);
    assert_eq!(
        pool.handle(Event::PassedOver { worker: WorkerId(0), job: JobId(0) }),
        [],
        "it is about to die"
    );
    assert_eq!(pool.died(0), [start(1)]);
    assert_eq!(pool.up(1), [assign(1, 0)], "and what it had goes to the next, in order");
    assert_eq!(pool.done(1, 0), [resolve(0, FINISHED), assign(1, 1)]);
}

#[test]
fn the_death_is_the_doing_of_the_last_job_that_was_begun() {
    let mut pool = Pool::ready(brisk(1));
    pool.submit(100);
    pool.done(0, 100);
    for job in 0..4 {
        pool.submit(job);
    }
    let fingerprint = Some(Fingerprint(7));
    let died = Event::Died { worker: WorkerId(0), begun: 3, death: Death::Own, fingerprint };
    let actions = pool.handle(died);
    let verdict = |job| {
        let is_it = |action: &&Action| matches!(action, Action::Resolve { job: it, .. } if it.0 == job);
        match actions.iter().find(is_it) {
            Some(&Action::Resolve { verdict, .. }) => Some(verdict),
            _ => None,
        }
    };
    assert!(matches!(verdict(2), Some(Verdict::Crashed { payload_deaths: 1, .. })), "{actions:?}");
    assert_eq!([verdict(0), verdict(1)], [Some(CRASHED); 2], "what came before is innocent");
    assert_eq!(verdict(3), None, "it was not begun");
}

#[test]
fn a_recall_may_find_that_the_worker_has_begun_none() {
    let mut pool = busy(1);
    pool.submit(1);
    assert_eq!(pool.at(2).tick(), [recall(0)]);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED)]);
    assert_eq!(recalled(&mut pool, 0, 0), [assign(0, 1)], "it has passed it over, and is idle");
}

#[test]
fn a_job_ahead_that_is_cancelled_may_have_run_and_costs_its_worker_nothing() {
    let mut pool = busy(1);
    pool.submit(1);
    pool.submit(2);
    assert_eq!(pool.cancel(1), [resolve(1, CANCELLED_RUNNING), cancel(0, 1)]);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED)]);
    assert_eq!(pool.done(0, 1), [], "passed over");
    assert_eq!(pool.done(0, 2), [resolve(2, FINISHED)]);
}

#[test]
fn one_that_is_cancelled_and_begun_all_the_same_has_its_grace_from_then_on() {
    let mut pool = busy(1);
    pool.submit(1);
    pool.cancel(1);
    assert_eq!(pool.done(0, 0), [resolve(0, FINISHED)]);
    assert_eq!(pool.at(GRACE).tick(), [kill(0, 1)]);
}

#[test]
fn a_run_timeout_begins_with_the_turn() {
    let mut pool = busy(1);
    pool.submit_with(1, None, Some(50));
    pool.at(1).done(0, 0);
    assert_eq!(pool.at(50).tick(), []);
    assert_eq!(pool.at(51).tick(), [resolve(1, RAN_TOO_LONG), cancel(0, 1)]);
}

#[test]
fn a_worker_that_should_not_go_on_is_killed_for_what_it_has_ahead() {
    let mut pool = busy(1);
    pool.submit(1);
    assert_eq!(pool.panicked(0, 0), [resolve(0, FINISHED), kill(0, 1)]);
    assert_eq!(pool.died_before_handover(0), [start(1)]);
    assert_eq!(pool.up(1), [assign(1, 1)]);
}

#[test]
fn a_stop_ends_what_is_ahead() {
    let mut pool = busy(1);
    pool.submit(1);
    let ended = |job| resolve(job, Verdict::ShutDown { stage: procpool_scheduler::Stage::Running });
    assert_eq!(pool.handle(Event::Stop), [ended(0), ended(1), kill(0, 0)]);
    assert_eq!(pool.scheduler.running(), 0);
}
