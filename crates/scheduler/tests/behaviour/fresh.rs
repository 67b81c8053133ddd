//! Payloads that have killed a worker run as the first job of a worker, so that the effects of
//! another job condemn no payload.

use procpool_scheduler::{
    Action, Config, Death, Event, Fingerprint, JobId, Poison, Refusal, Stage, Terms, Verdict, WorkerId,
};
use std::time::Duration;

use crate::pool::*;

const PAYLOAD: u64 = 77;

/// The verdict if the second death is enough.
const CONDEMNED: Verdict =
    Verdict::Crashed { handed_over: true, payload_deaths: 2, quarantined: Some(Duration::from_secs(60)) };

/// Returns settings in which two deaths are enough, and are remembered for a minute.
fn careful(workers: usize) -> Config {
    Config { poison: Poison { deaths: 2, memory: ms(60_000) }, ..fixed(workers) }
}

/// Returns a pool in which the payload has killed worker 0. All other workers, including the
/// replacement, have run a job.
fn used(workers: u64) -> Pool {
    used_with(careful(usize::try_from(workers).unwrap()))
}

fn used_with(config: Config) -> Pool {
    let (mut pool, workers) = (Pool::ready(config), config.max_workers as u64);
    use_up(&mut pool, 100, workers);
    pool.submit_payload(0, PAYLOAD, 1);
    let crashed = Verdict::Crashed { handed_over: true, payload_deaths: 1, quarantined: None };
    assert_eq!(pool.died_of(0, Death::Own, Some(PAYLOAD)), [resolve(0, crashed), start(workers)]);
    pool.up(workers);
    use_up(&mut pool, 200, workers);
    pool
}

/// Lets every worker run a job with another payload.
fn use_up(pool: &mut Pool, from: u64, workers: u64) {
    let mut given = Vec::new();
    for job in from..from + workers {
        given.extend(pool.submit_payload(job, 5, 1));
    }
    for action in given {
        let Action::Assign { worker, job, .. } = action else { panic!("{action:?}") };
        pool.done(worker.0, job.0);
    }
}

fn second(worker: u64, job: u64) -> Action {
    Action::Assign { worker: WorkerId(worker), job: JobId(job), attempt: 2, remaining: None }
}

#[test]
fn a_job_that_crashed_is_tried_again_in_a_worker_that_has_run_nothing() {
    let mut pool = Pool::ready(careful(2));
    use_up(&mut pool, 100, 2);
    assert_eq!(pool.submit_payload(0, PAYLOAD, 2), [assign(0, 0)]);
    assert_eq!(pool.died_of(0, Death::Own, Some(PAYLOAD)), [start(2)], "not in the worker that is idle");
    assert_eq!(pool.submit_payload(1, 5, 1), [assign(1, 1)], "others pass it");
    assert_eq!(pool.up(2), [second(2, 0)]);
    assert_eq!(pool.done(2, 0), [resolve(0, FINISHED)]);
    assert!(!pool.scheduler.knows_poison(), "it was innocent");
}

#[test]
fn where_all_workers_have_run_something_one_is_replaced_for_it() {
    let mut pool = used(1);
    assert_eq!(pool.submit_payload(1, PAYLOAD, 1), [start(2)], "one beside it");
    assert_eq!(pool.submit_payload(2, 5, 1), [assign(1, 2)], "others pass it");
    assert_eq!((pool.scheduler.queued(), pool.scheduler.set_apart()), (1, 1));
    assert_eq!(pool.up(2), [assign(2, 1)]);
    assert_eq!(pool.done(2, 1), [resolve(1, FINISHED)]);
    assert_eq!(pool.done(1, 2), [resolve(2, FINISHED), retire(1)]);
}

#[test]
fn a_crowd_of_them_is_served_one_after_the_other_and_ends_with_the_first_that_is_well() {
    let mut pool = used(2);
    assert_eq!(pool.submit_payload(1, PAYLOAD, 1), [start(3)]);
    for job in 2..5 {
        assert_eq!(pool.submit_payload(job, PAYLOAD, 1), []);
    }
    assert_eq!(pool.up(3), [retire(2), assign(3, 1), start(4)]);
    assert_eq!(pool.done(3, 1), [resolve(1, FINISHED), assign(3, 2), assign(1, 3)], "they are forgiven");
}

#[test]
fn a_payload_is_condemned_by_a_worker_that_had_run_nothing() {
    let mut pool = used(1);
    pool.submit_payload(1, PAYLOAD, 1);
    pool.submit_payload(2, PAYLOAD, 1);
    assert_eq!(pool.up(2), [retire(1), assign(2, 1), start(3)]);
    let poisoned = Verdict::Poisoned { stage: Stage::Queued, payload_deaths: 2, remaining: ms(60_000) };
    let actions = pool.died_of(2, Death::Own, Some(PAYLOAD));
    let ends = [resolve(1, CONDEMNED), resolve(2, poisoned)];
    assert_eq!(actions[..2], ends, "a job that waits for a worker no longer needs one");
}

#[test]
fn one_death_is_not_enough_where_the_worker_had_run_others() {
    let config = Config { poison: Poison { deaths: 1, memory: ms(60_000) }, ..fixed(1) };
    let mut pool = Pool::ready(config);
    use_up(&mut pool, 100, 1);
    pool.submit_payload(0, PAYLOAD, 1);
    let crashed = Verdict::Crashed { handed_over: true, payload_deaths: 1, quarantined: None };
    assert_eq!(pool.died_of(0, Death::Own, Some(PAYLOAD)), [resolve(0, crashed), start(1)]);
    pool.up(1);
    assert_eq!(pool.submit_payload(1, PAYLOAD, 1), [assign(1, 1)], "it is the first job of this one");
    assert_eq!(pool.died_of(1, Death::Own, Some(PAYLOAD))[0], resolve(1, CONDEMNED));
}

#[test]
fn a_pool_that_drains_starts_no_worker_for_it() {
    let mut pool = used(1);
    pool.submit_payload(1, PAYLOAD, 1);
    assert_eq!(pool.drain(None), [], "one is on its way");
    assert_eq!(pool.died_of(2, Death::Killed, None), [assign(1, 1)], "any will do");
}

#[test]
fn a_worker_that_does_not_start_holds_it_up_no_longer_than_the_pause() {
    let mut pool = used(1);
    pool.submit_payload(1, PAYLOAD, 1);
    let mut actions = pool.died(2);
    for worker in 3..10 {
        if actions != [start(worker)] {
            break;
        }
        actions = pool.died(worker);
    }
    assert_eq!(actions, [assign(1, 1)], "while nobody may be started");
}

#[test]
fn one_that_waits_for_a_worker_has_its_deadline_and_may_be_given_up() {
    let mut pool = used(1);
    pool.submit_payload(1, PAYLOAD, 1);
    assert_eq!(pool.cancel(1), [resolve(1, CANCELLED_QUEUED)]);
    assert_eq!((pool.scheduler.queued(), pool.scheduler.set_apart()), (0, 0));
    pool.submit_payload(2, PAYLOAD, 1);
    let ended = pool.handle(Event::Stop);
    assert!(ended.contains(&resolve(2, SHUT_DOWN_QUEUED)), "{ended:?}");
}

#[test]
fn it_is_not_sent_ahead() {
    let mut pool = Pool::ready(Config { ahead: 4, ..careful(1) });
    pool.submit_payload(0, 5, 1);
    pool.done(0, 0);
    for job in 1..8 {
        pool.submit_payload(job, 5, 1);
        pool.done(0, job);
    }
    pool.submit_payload(10, PAYLOAD, 1);
    pool.died_of(0, Death::Own, Some(PAYLOAD));
    pool.handle(Event::Ready { worker: WorkerId(1), takes_ahead: true });
    assert_eq!(pool.submit_payload(11, 5, 1), [assign(1, 11)]);
    assert_eq!(pool.submit_payload(12, PAYLOAD, 1), [start(2)]);
    assert_eq!(pool.scheduler.set_apart(), 1);
}

#[test]
fn where_none_is_idle_the_one_goes_for_it_whose_job_began_last() {
    let mut pool = used(2);
    assert_eq!(pool.submit_payload(1, 5, 1), [assign(1, 1)], "for an hour");
    assert_eq!(pool.submit_payload(2, 5, 1), [assign(2, 2)]);
    assert_eq!(pool.submit_payload(3, PAYLOAD, 1), []);
    assert_eq!(pool.submit_payload(4, 5, 1), []);
    assert_eq!(pool.at(1_000).done(2, 2), [resolve(2, FINISHED), assign(2, 4), start(3)]);
    assert_eq!(pool.up(3), [assign(3, 3)]);
    assert_eq!(pool.done(2, 4), [resolve(4, FINISHED), retire(2)]);
}

#[test]
fn one_that_is_condemned_while_it_waits_is_given_up_at_its_turn_and_has_no_worker_replaced() {
    let mut pool = used(2);
    assert_eq!(pool.submit_payload(1, 5, 1), [assign(1, 1)]);
    assert_eq!(pool.submit_payload(2, PAYLOAD, 1), [start(3)]);
    assert_eq!(pool.up(3), [retire(2), assign(3, 2)]);
    assert_eq!(pool.submit_payload(4, PAYLOAD, 1), []);
    let poisoned = Verdict::Poisoned { stage: Stage::Queued, payload_deaths: 2, remaining: ms(60_000) };
    let actions = pool.died_of(3, Death::Own, Some(PAYLOAD));
    assert_eq!(actions, [resolve(2, CONDEMNED), start(4)]);
    assert_eq!(pool.done(1, 1), [resolve(1, FINISHED), resolve(4, poisoned)]);
}

#[test]
fn those_that_wait_for_such_a_worker_take_no_room_from_others() {
    let mut pool = used_with(Config { queue: 2, ..careful(1) });
    assert_eq!(pool.submit_payload(1, PAYLOAD, 1), [start(2)]);
    assert_eq!(pool.submit_payload(2, PAYLOAD, 1), []);
    assert_eq!(pool.submit_payload(3, PAYLOAD, 1), [refuse(3, QUEUE_FULL)], "as many wait as may");
    assert_eq!(pool.submit_payload(4, 5, 1), [assign(1, 4)], "though a worker is idle for others");
    for job in 5..7 {
        assert_eq!(pool.submit_payload(job, 5, 1), []);
    }
    assert_eq!(pool.submit_payload(7, 5, 1), [refuse(7, QUEUE_FULL)]);
    assert_eq!((pool.scheduler.queued(), pool.scheduler.set_apart()), (4, 2), "all that wait are told");
    assert_eq!(pool.up(2), [assign(2, 1)]);
}

#[test]
fn without_a_queue_one_may_wait_for_such_a_worker_and_an_idle_one_takes_a_job() {
    let mut pool = used_with(Config { queue: 0, ..careful(1) });
    assert_eq!(pool.submit_payload(1, PAYLOAD, 1), [start(2)]);
    assert_eq!(pool.submit_payload(2, PAYLOAD, 1), [refuse(2, QUEUE_FULL)]);
    assert!(pool.scheduler.room().is_some());
    assert_eq!(pool.submit_payload(3, 5, 1), [assign(1, 3)]);
}

#[test]
fn their_bytes_are_bounded_apart() {
    let mut pool = used_with(Config { queue_bytes: 100, ..careful(1) });
    let mut submit = |job, payload, bytes| {
        let terms = Terms { bytes, fingerprint: Some(Fingerprint(payload)), ..Terms::default() };
        pool.handle(Event::Submit { job: JobId(job), terms })
    };
    assert_eq!(submit(1, PAYLOAD, 60), [start(2)]);
    assert_eq!(submit(2, PAYLOAD, 60), [refuse(2, Refusal::QueueBytesFull { waiting: 60 })]);
    assert_eq!(submit(3, 5, 10), [assign(1, 3)]);
    assert_eq!(submit(4, 5, 90), []);
    assert_eq!(submit(5, 5, 60), [refuse(5, Refusal::QueueBytesFull { waiting: 90 })]);
    assert_eq!((pool.scheduler.queued_bytes(), pool.scheduler.set_apart_bytes()), (150, 60));
}

#[test]
fn one_that_kills_after_others_of_it_were_accepted_runs_anywhere_rather_than_take_room() {
    let mut pool = used_with(Config { queue: 1, ..careful(2) });
    assert_eq!(pool.submit_payload(1, PAYLOAD, 1), [start(3)]);
    assert_eq!(pool.submit_payload(2, 9, 1), [assign(1, 2)]);
    assert_eq!(pool.submit_payload(3, 5, 1), [assign(2, 3)]);
    assert_eq!(pool.submit_payload(4, 9, 1), [], "nobody knows anything against it");
    let crashed = Verdict::Crashed { handed_over: true, payload_deaths: 1, quarantined: None };
    assert_eq!(pool.died_of(1, Death::Own, Some(9)), [resolve(2, crashed), start(4)]);
    assert_eq!(pool.done(2, 3), [resolve(3, FINISHED), assign(2, 4)]);
    assert_eq!((pool.scheduler.queued(), pool.scheduler.set_apart()), (1, 1));
}

#[test]
fn one_that_is_not_run_at_all_is_told_so_however_many_wait() {
    let mut pool = used_with(Config { queue: 0, ..careful(2) });
    assert_eq!(pool.submit_payload(1, PAYLOAD, 1), [start(3)]);
    assert_eq!(pool.up(3), [retire(2), assign(3, 1)]);
    let poisoned = Verdict::Poisoned { stage: Stage::Queued, payload_deaths: 2, remaining: ms(60_000) };
    assert_eq!(pool.died_of(3, Death::Own, Some(PAYLOAD))[0], resolve(1, CONDEMNED));
    assert_eq!(pool.submit_payload(2, PAYLOAD, 1), [resolve(2, poisoned)]);
}
