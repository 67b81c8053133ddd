//! Each assertion fails on what it is for, and on nothing else.

use super::super::book::Told;
use super::super::plan::Order;
use super::*;
use crate::chaos::effects::Effects;
use crate::chaos::random::Random;
use crate::program::Ended;
use std::time::Duration;

fn ended(stdout: &str) -> Ended {
    Ended { code: Some(0), stdout: stdout.into(), stderr: String::new() }
}

/// The evidence of a good run with 20 jobs, one request without an answer, and its job.
fn good() -> Evidence {
    let mut evidence = Evidence {
        options: crate::chaos::Options {
            duration: Duration::from_secs(60),
            kills_per_minute: 600,
            seed: 1,
            figures: false,
            store: true,
            cluster: 0,
            servers: 1,
        },
        lasted: Duration::from_secs(60),
        book: Default::default(),
        faults: Default::default(),
        effects: Default::default(),
        listed: Default::default(),
        complaints: Oddities::default(),
        checked: ended("whole"),
        stats: ended("jobs        21\n"),
    };
    let mut random = Random::new(1, 1);
    let mut effects = Effects::default();
    for number in 0..20 {
        let order = Order::draw(&mut random, "effects", &mut effects).unwrap();
        let place = evidence.book.accepted(order, number.to_string(), 0);
        evidence.book.jobs[place].told = Some(OK);
        evidence.listed.ids.insert(number.to_string());
    }
    evidence.listed.ids.insert("unsure".into());
    let order = Order::draw(&mut random, "effects", &mut effects).unwrap();
    evidence.book.unsure.push((order, 0));
    evidence.book.effects = effects;
    evidence.effects.lines = 20;
    let faults = &mut evidence.faults;
    (faults.server_kills, faults.terminations, faults.reloads, faults.worker_kills) = (10, 4, 20, 500);
    evidence
}

const OK: Told = Told { outcome: Outcome::Ok, may_have_run: true };

fn failed(evidence: &Evidence) -> Vec<&'static str> {
    verdicts(evidence).iter().filter(|verdict| !verdict.holds).map(|verdict| verdict.what).collect()
}

/// The only assertion that fails once this was done to a good run.
fn spoilt(spoil: impl FnOnce(&mut Evidence)) -> &'static str {
    let mut evidence = good();
    spoil(&mut evidence);
    let failed = failed(&evidence);
    assert_eq!(failed.len(), 1, "{failed:?}");
    failed[0]
}

fn one() -> Oddities {
    let mut oddities = Oddities::default();
    oddities.note(|| "odd".into());
    oddities
}

#[test]
fn a_good_run_holds_everything() {
    assert_eq!(failed(&good()), [""; 0]);
}

#[test]
fn each_assertion_fails_alone() {
    assert_eq!(spoilt(|it| it.faults.server_kills = 0), "the faults were real");
    assert_eq!(spoilt(|it| it.book.lost = one()), "no accepted job is lost");
    assert_eq!(spoilt(|it| it.book.unfinished = one()), "every accepted job has its outcome");
    assert_eq!(spoilt(|it| it.book.jobs[3].told = None), "every accepted job has its outcome");
    assert_eq!(spoilt(|it| it.book.changed = one()), "an outcome that was told stays");
    assert_eq!(spoilt(|it| it.book.strange = one()), "outcomes fit their jobs");
    assert_eq!(spoilt(|it| it.book.wrong = one()), "answers are right");
    assert_eq!(spoilt(|it| it.book.doubled = one()), "a key is one job");
    assert_eq!(spoilt(|it| it.listed.twice = 1), "every accepted job is listed, once");
    assert_eq!(spoilt(|it| it.book.unsure.clear()), "no job is listed that nobody sent");
    assert_eq!(spoilt(|it| it.effects.too_often = 1), "no job ran more often than it may");
    assert_eq!(spoilt(|it| it.effects.missing = 1), "jobs that ended well have run");
    assert_eq!(spoilt(|it| it.effects.never_run = 1), "jobs that certainly did not run have not");
    assert_eq!(spoilt(|it| it.book.early = one()), "no job began before its time");
    assert_eq!(spoilt(|it| it.faults.left = one()), "no worker outlives a killed server");
    assert_eq!(spoilt(|it| it.faults.bad_ends = one()), "SIGTERM ends a server with 0");
    assert_eq!(spoilt(|it| it.complaints = one()), "the servers' logs have no error");
    assert_eq!(spoilt(|it| it.listed.unfinished = 1), "afterwards nothing is pending");
    assert_eq!(spoilt(|it| it.checked.code = Some(1)), "the state directory is whole");
    assert_eq!(spoilt(|it| it.stats = ended("jobs 20")), "and has as many jobs as were listed");
}

#[test]
fn a_job_that_is_told_otherwise_later_is_noted() {
    let mut book = good().book;
    let crashed = Told { outcome: Outcome::Crashed, may_have_run: true };
    book.jobs[0].told = Some(crashed);
    book.told(0, crashed, b"", 0);
    assert_eq!(book.changed.count, 0);
    book.told(0, OK, b"", 0);
    assert_eq!(book.changed.count, 1);
}

#[test]
fn a_key_of_two_jobs_is_noted() {
    let mut book = good().book;
    book.repeated(0, "0");
    assert_eq!(book.doubled.count, 0);
    book.repeated(0, "1");
    assert_eq!((book.repeated, book.doubled.count), (2, 1));
}
