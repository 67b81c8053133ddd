//! Each assertion fails on what it is for, and on nothing else.

use super::super::super::store::book::Told;
use super::super::evidence::Size;
use super::super::plan::draw;
use super::*;
use crate::chaos::effects::Effects;
use crate::chaos::options::{Asked, parse};
use crate::chaos::random::Random;
use std::time::Duration;

const OK: Told = Told { outcome: Outcome::Ok, may_have_run: true };
const CANCELLED: Told = Told { outcome: Outcome::Cancelled, may_have_run: true };

/// The evidence of a good run with 20 jobs, the last of them cancelled, one request without an answer, and its job.
fn good() -> Evidence {
    let Ok(Asked::Run(options)) = parse(["--cluster".to_owned(), "3".to_owned()]) else { panic!() };
    let mut evidence = Evidence {
        options,
        lasted: Duration::from_secs(60),
        book: Default::default(),
        cancelled: vec![19],
        faults: Default::default(),
        effects: Default::default(),
        streams: Default::default(),
        nodes: Vec::new(),
        misread: Vec::new(),
        misread_at_end: Vec::new(),
        sizes: vec![Size { name: "node".into(), descriptors: 40, memory: 20 << 20 }],
        strays: Vec::new(),
        complaints: Oddities::default(),
    };
    let mut random = Random::new(1, 1);
    let mut effects = Effects::default();
    for number in 0..20 {
        let (order, _) = draw(&mut random, "effects", &mut effects).unwrap();
        let place = evidence.book.accepted(order, number.to_string(), 0);
        evidence.book.jobs[place].told = Some(if number == 19 { CANCELLED } else { OK });
    }
    let (order, _) = draw(&mut random, "effects", &mut effects).unwrap();
    evidence.book.unsure.push((order, 0));
    evidence.book.effects = effects;
    evidence.effects.lines = 20;
    let stream = |messages| Stream { messages, unacknowledged: 0 };
    for (pool, messages) in [("once", 10), ("again", 11)] {
        evidence.streams.insert(records(pool), stream(messages));
        evidence.streams.insert(queue(pool), stream(0));
    }
    let node =
        super::super::hosts::Told { name: "a".into(), state: "up".into(), decided: 20, late: 1, fenced: 1 };
    evidence.nodes.push(node);
    let faults = &mut evidence.faults;
    (faults.node_kills, faults.node_stops, faults.drains, faults.front_kills) = (8, 6, 4, 7);
    (faults.nats_kills, faults.worker_kills) = (5, 500);
    evidence
}

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
fn each_assertion_about_jobs_fails_alone() {
    const RECORDS: &str = "each job has one record, and none is of a job that nobody sent";
    const BEGAN: &str = "no job began more often than it may, also on stopped hosts";
    assert_eq!(spoilt(|it| it.book.lost = one()), "no accepted job is lost");
    assert_eq!(spoilt(|it| it.book.unfinished = one()), "every accepted job has its outcome");
    assert_eq!(spoilt(|it| it.book.jobs[3].told = None), "every accepted job has its outcome");
    assert_eq!(spoilt(|it| it.book.changed = one()), "an outcome that was told stays");
    assert_eq!(spoilt(|it| it.book.jobs[19].told = Some(OK)), "a cancelled job stays cancelled");
    assert_eq!(spoilt(|it| it.book.strange = one()), "outcomes fit their jobs");
    assert_eq!(spoilt(|it| it.book.wrong = one()), "answers are right");
    assert_eq!(spoilt(|it| it.effects.too_often = 1), BEGAN);
    assert_eq!(spoilt(|it| it.effects.strange = 1), BEGAN);
    assert_eq!(spoilt(|it| it.effects.missing = 1), "jobs that ended well have run");
    assert_eq!(spoilt(|it| it.effects.never_run = 1), "jobs that certainly did not run have not");
    assert_eq!(spoilt(|it| it.nodes[0].decided = 22), "each outcome was decided once");
    assert_eq!(spoilt(|it| it.book.jobs[1].id = "0".into()), RECORDS);
    for messages in [9, 13] {
        let spoil = |it: &mut Evidence| {
            let stream = Stream { messages, unacknowledged: 0 };
            it.streams.insert(records("again"), stream);
        };
        // One fewer than there are for certain, and one more than there may be.
        assert_eq!(spoilt(spoil), RECORDS, "{messages}");
    }
    let unacknowledged = Stream { messages: 0, unacknowledged: 1 };
    let spoil = |it: &mut Evidence| _ = it.streams.insert(queue("once"), unacknowledged);
    assert_eq!(spoilt(spoil), "afterwards the queues are empty");
}

#[test]
fn each_assertion_about_hosts_fails_alone() {
    assert_eq!(spoilt(|it| it.faults.node_stops = 0), "the faults were real");
    assert_eq!(spoilt(|it| it.misread.push("a".into())), "the nodes are shown as they are");
    assert_eq!(spoilt(|it| it.misread_at_end.push("a".into())), "and at the end they have left");
    assert_eq!(spoilt(|it| it.faults.left = one()), "no worker outlives a killed host");
    assert_eq!(spoilt(|it| it.faults.bad_ends = one()), "SIGTERM ends a host with 0");
    assert_eq!(spoilt(|it| it.complaints = one()), "the hosts' logs have no error");
    assert_eq!(spoilt(|it| it.sizes[0].descriptors = 201), "memory and descriptors are bounded");
    assert_eq!(spoilt(|it| it.strays.push(7)), "no process is left over");
}
