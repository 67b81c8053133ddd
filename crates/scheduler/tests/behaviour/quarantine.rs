//! Payloads that kill their workers: the pool gives them up after a number of deaths, however often
//! they are submitted.

use procpool_scheduler::{Action, Config, Death, Event, Fingerprint, JobId, Poison, Stage, Verdict};

use crate::pool::*;

const PAYLOAD: u64 = 77;

/// Returns settings in which two deaths are enough, and are remembered for a minute.
fn careful(workers: usize) -> Config {
    Config { poison: Poison { deaths: 2, memory: ms(60_000) }, ..fixed(workers) }
}

fn poisoned(stage: Stage, payload_deaths: u32, remaining: u64) -> Verdict {
    Verdict::Poisoned { stage, payload_deaths, remaining: ms(remaining) }
}

fn crashed(payload_deaths: u32) -> Verdict {
    Verdict::Crashed { handed_over: true, payload_deaths, quarantined: None }
}

/// Returns the verdict if the second death is enough.
fn condemned() -> Verdict {
    Verdict::Crashed { handed_over: true, payload_deaths: 2, quarantined: Some(ms(60_000)) }
}

/// Lets a worker run the payload and die of it. Returns the fate of the job.
fn kill_one(pool: &mut Pool, job: u64, worker: u64) -> Verdict {
    pool.submit_payload(job, PAYLOAD, 1);
    let actions = pool.died_of(worker, Death::Own, Some(PAYLOAD));
    pool.up(worker + 1);
    let Some(Action::Resolve { verdict, .. }) = actions.first() else { panic!("{actions:?}") };
    *verdict
}

#[test]
fn a_job_that_may_be_repeated_is_not_tried_once_too_often() {
    let mut pool = Pool::ready(careful(1));
    pool.submit_payload(0, PAYLOAD, 5);
    assert_eq!(pool.died_of(0, Death::Own, Some(PAYLOAD)), [start(1)]);
    pool.up(1);
    let verdict = condemned();
    assert_eq!(pool.died_of(1, Death::Own, Some(PAYLOAD)), [resolve(0, verdict), start(2)]);
}

#[test]
fn the_same_payload_sent_again_is_not_run_for_a_while() {
    let mut pool = Pool::ready(careful(1));
    assert_eq!(kill_one(&mut pool, 0, 0), crashed(1));
    assert_eq!(kill_one(&mut pool, 1, 1), condemned());
    pool.at(10_000);
    assert_eq!(pool.submit_payload(2, PAYLOAD, 1), [resolve(2, poisoned(Stage::Queued, 2, 50_000))]);
    assert_eq!(pool.submit_payload(3, PAYLOAD + 1, 1), [assign(2, 3)]);
    pool.done(2, 3);
    assert_eq!(pool.at(60_000).submit_payload(4, PAYLOAD, 1), [assign(2, 4)], "forgiven");
    assert_eq!(pool.scheduler.counters().accepted, 5);
}

#[test]
fn jobs_that_wait_with_the_payload_are_given_up_too() {
    let mut pool = Pool::ready(careful(1));
    for job in 0..3 {
        pool.submit_payload(job, PAYLOAD, 1);
    }
    pool.died_of(0, Death::Own, None);
    assert_eq!(pool.up(1), [assign(1, 1)]);
    assert_eq!(pool.died_of(1, Death::Own, None)[0], resolve(1, condemned()));
    assert_eq!(pool.up(2), [resolve(2, poisoned(Stage::Queued, 2, 60_000))]);
}

#[test]
fn a_kill_from_outside_is_not_the_payloads_doing() {
    let mut pool = Pool::ready(careful(1));
    for job in 0..4 {
        pool.submit_payload(job, PAYLOAD, 1);
        let actions = pool.died_of(job, Death::Killed, Some(PAYLOAD));
        assert_eq!(actions, [resolve(job, CRASHED), start(job + 1)]);
        pool.up(job + 1);
    }
    assert!(!pool.scheduler.knows_poison());
}

#[test]
fn a_kill_that_an_operator_wants_is_not_held_against_a_payload() {
    let mut pool = Pool::ready(careful(1));
    pool.submit_payload(0, PAYLOAD, 1);
    pool.kill(0);
    pool.died_of(0, Death::Own, Some(PAYLOAD));
    assert!(!pool.scheduler.knows_poison());
}

#[test]
fn a_payload_that_ends_well_is_forgiven() {
    let mut pool = Pool::ready(careful(1));
    assert_eq!(kill_one(&mut pool, 0, 0), crashed(1));
    pool.submit_payload(1, PAYLOAD, 1);
    pool.done(1, 1);
    assert!(!pool.scheduler.knows_poison());
    assert_eq!(kill_one(&mut pool, 2, 1), crashed(1));
}

#[test]
fn a_job_that_ran_out_of_memory_is_not_tried_again_unless_that_is_wanted() {
    for retry_out_of_memory in [false, true] {
        let mut pool = Pool::ready(Config { retry_out_of_memory, ..fixed(1) });
        pool.submit_payload(0, PAYLOAD, 3);
        let actions = pool.died_of(0, Death::OutOfMemory, Some(PAYLOAD));
        let given_up = [resolve(0, crashed(1)), start(1)];
        assert_eq!(actions, if retry_out_of_memory { vec![start(1)] } else { given_up.to_vec() });
    }
}

fn identify(job: u64) -> Action {
    Action::Identify { job: JobId(job) }
}

fn identified(pool: &mut Pool, job: u64, payload: u64) -> Vec<Action> {
    pool.handle(Event::Identified { job: JobId(job), fingerprint: Fingerprint(payload) })
}

/// Returns a pool of one worker. The waiting jobs were submitted before their payload had killed.
fn after_two_deaths(waiting: u64) -> Pool {
    let mut pool = Pool::ready(careful(1));
    for job in 0..2 + waiting {
        pool.submit(job);
    }
    pool.died_of(0, Death::Own, Some(PAYLOAD));
    assert_eq!(pool.up(1), [identify(1)]);
    assert_eq!(identified(&mut pool, 1, PAYLOAD), [assign(1, 1)], "one death is not enough");
    let verdict = condemned();
    assert_eq!(pool.died_of(1, Death::Own, None), [resolve(1, verdict), start(2)]);
    pool
}

#[test]
fn jobs_that_waited_before_the_first_death_are_identified_when_their_turn_comes() {
    let mut pool = after_two_deaths(3);
    assert_eq!(pool.up(2), [identify(2)]);
    let verdict = poisoned(Stage::Queued, 2, 60_000);
    assert_eq!(identified(&mut pool, 2, PAYLOAD), [resolve(2, verdict), identify(3)]);
    assert_eq!(identified(&mut pool, 3, PAYLOAD + 1), [assign(2, 3)]);
    assert_eq!(pool.done(2, 3), [resolve(3, FINISHED), identify(4)]);
    assert_eq!(identified(&mut pool, 4, PAYLOAD), [resolve(4, verdict)]);
}

#[test]
fn a_job_is_asked_for_once_and_keeps_its_turn() {
    let mut pool = after_two_deaths(1);
    assert_eq!(pool.up(2), [identify(2)]);
    assert_eq!(pool.submit_payload(3, PAYLOAD + 1, 1), [], "it came later");
    assert_eq!(identified(&mut pool, 2, PAYLOAD + 2), [assign(2, 2)]);
}

#[test]
fn a_job_that_ends_before_it_is_identified_holds_nobody_up() {
    let mut pool = after_two_deaths(1);
    pool.up(2);
    assert_eq!(pool.submit_payload(3, PAYLOAD + 1, 1), []);
    assert_eq!(pool.cancel(2), [resolve(2, CANCELLED_QUEUED), assign(2, 3)]);
    assert_eq!(identified(&mut pool, 2, PAYLOAD), [], "it is no more");
}

#[test]
fn a_worker_waits_for_a_job_that_is_identified_although_the_pool_drains() {
    let mut pool = after_two_deaths(1);
    pool.up(2);
    assert_eq!(pool.drain(None), []);
    assert_eq!(identified(&mut pool, 2, PAYLOAD + 1), [assign(2, 2)]);
}

#[test]
fn once_all_that_killed_is_forgotten_nobody_is_identified() {
    let mut pool = after_two_deaths(1);
    assert!(pool.scheduler.knows_poison());
    pool.tick_when_due();
    assert_eq!((pool.now(), pool.scheduler.knows_poison()), (at(60_000), false));
    assert_eq!(pool.up(2), [assign(2, 2)]);
}

#[test]
fn a_job_that_is_running_when_its_payload_becomes_known_goes_on() {
    let mut pool = Pool::ready(careful(2));
    for job in 0..3 {
        pool.submit(job);
    }
    pool.died_of(1, Death::Own, Some(PAYLOAD));
    assert_eq!(pool.up(2), [identify(2)]);
    assert_eq!(pool.at(60_000).tick(), [assign(2, 2)], "what had killed is forgotten");
    pool.died_of(0, Death::Own, Some(PAYLOAD));
    pool.up(3);
    assert_eq!(kill_one(&mut pool, 3, 3), condemned());
    assert_eq!(identified(&mut pool, 2, PAYLOAD), []);
    assert_eq!(pool.done(2, 2), [resolve(2, FINISHED)]);
}

#[test]
fn a_new_executable_pardons_and_an_old_one_s_last_deaths_count_for_nothing() {
    let mut pool = Pool::ready(careful(1));
    kill_one(&mut pool, 0, 0);
    kill_one(&mut pool, 1, 1);
    assert!(pool.scheduler.knows_poison());
    assert_eq!(pool.submit_payload(2, 5, 1), [assign(2, 2)]);
    pool.reload(1);
    assert_eq!(pool.up(3), [], "the canary is ready: its executable is in service");
    assert!(!pool.scheduler.knows_poison());
    assert!(pool.died_of(2, Death::Own, Some(PAYLOAD)).contains(&resolve(2, crashed(0))));
    assert!(!pool.scheduler.knows_poison(), "it was of the executable before");
}

#[test]
fn an_operator_lists_and_pardons() {
    let mut pool = Pool::ready(careful(1));
    kill_one(&mut pool, 0, 0);
    kill_one(&mut pool, 1, 1);
    let listed: Vec<_> =
        pool.scheduler.suspects(at(0)).map(|it| (it.payload, it.deaths, it.is_run)).collect();
    assert_eq!(listed, [(Fingerprint(PAYLOAD), 2, false)]);
    pool.handle(Event::Pardon { payload: Some(Fingerprint(PAYLOAD)) });
    assert_eq!(pool.submit_payload(2, PAYLOAD, 1), [assign(2, 2)]);
}
