//! Clients whose jobs kill workers: the pool counts them, and refuses them if configured, whatever
//! their payloads.

use procpool_scheduler::{
    Action, Client, ClientDeaths, Config, Death, Event, Fingerprint, JobId, Refusal, Terms, Verdict,
};

use crate::pool::*;

const ATTACKER: Client = Client(1);
const NEIGHBOUR: Client = Client(2);

/// Returns settings in which this number of deaths within a minute leads to a refusal.
fn wary(deaths: u32) -> Config {
    Config { client_deaths: ClientDeaths { deaths, window: ms(60_000) }, ..fixed(1) }
}

/// Submits a job with a payload that no other job has.
fn submit(pool: &mut Pool, job: u64, client: Client, attempts: u32) -> Vec<Action> {
    let terms = Terms {
        attempts,
        fingerprint: Some(Fingerprint(1_000 + job)),
        client: Some(client),
        ..Terms::default()
    };
    pool.handle(Event::Submit { job: JobId(job), terms })
}

/// Lets the client's job kill the only worker, which the pool replaces. The first action is the
/// fate of the job.
fn kill_one(pool: &mut Pool, job: u64, worker: u64, death: Death) -> Vec<Action> {
    submit(pool, job, ATTACKER, 1);
    let actions = pool.died_of(worker, death, Some(1_000 + job));
    pool.up(worker + 1);
    actions
}

fn refused(job: u64, deaths: u32, retry: u64) -> Action {
    refuse(job, Refusal::Client { deaths, retry: ms(retry) })
}

fn counted(pool: &Pool) -> Vec<(Client, u32, bool)> {
    let clients = pool.scheduler.suspect_clients(pool.now());
    clients.map(|it| (it.client, it.deaths, it.is_refused)).collect()
}

#[test]
fn a_client_whose_jobs_kill_is_refused_whatever_their_payloads_are_and_no_other_is() {
    let mut pool = Pool::ready(wary(2));
    kill_one(&mut pool, 0, 0, Death::Own);
    kill_one(pool.at(10_000), 1, 1, Death::OutOfMemory);
    assert_eq!(counted(&pool), [(ATTACKER, 2, true)]);
    assert_eq!(submit(&mut pool, 2, ATTACKER, 1), [refused(2, 2, 50_000)]);
    assert_eq!(submit(&mut pool, 3, NEIGHBOUR, 1), [assign(2, 3)]);
    pool.done(2, 3);
    assert_eq!(pool.submit_payload(4, 5_000, 1), [assign(2, 4)], "nobody knows whose it is");
    pool.done(2, 4);
    assert_eq!(submit(pool.at(60_000), 5, ATTACKER, 1), [assign(2, 5)], "the window is over");
    assert_eq!(counted(&pool), []);
}

#[test]
fn a_job_that_ends_well_does_not_make_up_for_those_that_kill() {
    let mut pool = Pool::ready(wary(2));
    kill_one(&mut pool, 0, 0, Death::Own);
    submit(&mut pool, 1, ATTACKER, 1);
    pool.done(1, 1);
    kill_one(&mut pool, 2, 1, Death::Own);
    assert_eq!(submit(&mut pool, 3, ATTACKER, 1), [refused(3, 2, 60_000)]);
}

#[test]
fn deaths_are_counted_and_nobody_is_refused_where_no_bound_is_set() {
    let mut pool = Pool::ready(fixed(1));
    for job in 0..20 {
        assert_eq!(kill_one(&mut pool, job, job, Death::Own)[1], start(job + 1));
    }
    assert_eq!(counted(&pool), [(ATTACKER, 20, false)]);
}

#[test]
fn a_kill_from_outside_is_not_the_clients_doing() {
    let mut pool = Pool::ready(wary(1));
    kill_one(&mut pool, 0, 0, Death::Killed);
    submit(&mut pool, 1, ATTACKER, 1);
    pool.cancel(1);
    pool.at(GRACE).tick();
    pool.died_of(1, Death::Own, Some(1_001));
    assert_eq!(counted(&pool), []);
}

#[test]
fn jobs_of_a_refused_client_that_wait_are_given_back_and_those_of_others_run() {
    let mut pool = Pool::ready(wary(1));
    for job in 0..3 {
        submit(&mut pool, job, ATTACKER, 1);
    }
    submit(&mut pool, 3, NEIGHBOUR, 1);
    pool.died_of(0, Death::Own, Some(1_000));
    let given_back = |job| resolve(job, Verdict::GivenBack { client_deaths: 1, retry: ms(60_000) });
    assert_eq!(pool.up(1), [given_back(1), given_back(2), assign(1, 3)]);
}

#[test]
fn a_job_that_may_be_repeated_is_not_where_its_client_is_refused() {
    let mut pool = Pool::ready(wary(2));
    submit(&mut pool, 0, ATTACKER, 9);
    assert_eq!(pool.died_of(0, Death::Own, Some(1_000)), [start(1)]);
    pool.up(1);
    let crashed = Verdict::Crashed { handed_over: true, payload_deaths: 2, quarantined: None };
    assert_eq!(pool.died_of(1, Death::Own, Some(1_000)), [resolve(0, crashed), start(2)]);
}

#[test]
fn an_operator_or_a_new_executable_pardons_a_client() {
    for pardons in [
        &|pool: &mut Pool| drop(pool.handle(Event::PardonClient { client: ATTACKER })),
        &|pool: &mut Pool| drop(pool.handle(Event::Pardon { payload: None })),
        &|pool: &mut Pool| drop((pool.reload(1), pool.up(2))),
    ] as [&dyn Fn(&mut Pool); 3]
    {
        let mut pool = Pool::ready(wary(1));
        kill_one(&mut pool, 0, 0, Death::Own);
        assert_eq!(submit(&mut pool, 1, ATTACKER, 1), [refused(1, 1, 60_000)]);
        pardons(&mut pool);
        assert!(matches!(submit(&mut pool, 2, ATTACKER, 1)[..], [Action::Assign { .. }]));
    }
}
