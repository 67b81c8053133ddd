//! A registry over a store and one over memory, in step: the same operations, the same answers. Groups are undone, and
//! the store is opened again, at random.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use procpool_protocol::engine::{Priority, Submission};
use procpool_protocol::message::Progress;
use procpool_protocol::outcome::{Finished, Timing};
use procpool_protocol::{Encoding, Failure, JobError, JobId, Payload, Stage};
use procpool_registry::{
    Class, Durable, Event, Fingerprint, Key, KeyText, MemoryStore, Offer, Part, Query, Registry, Settings,
    Storage, Time,
};
use procpool_store::Store;

use crate::harness::{Directory, id};
use crate::random::Random;

const POOLS: [&str; 3] = ["fib", "thumbnails", "maps"];
const NOTES: [&str; 2] = ["a", "b"];

/// A step of both registries.
#[derive(Clone, Debug)]
enum Step {
    Offer(Offer),
    Event(JobId, Event),
    Tick,
    Note(&'static str, Option<Vec<u8>>),
}

fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.max_records = 40;
    settings.max_keys = 12;
    settings.max_result_bytes = 300_000;
    settings.max_input_bytes = 300_000;
    settings
}

fn registry<S: Storage>(storage: S) -> Registry<S> {
    Registry::with_storage(storage, settings(), 3).expect("settings that fit")
}

/// Takes a step, and returns the answer with the registry. That has no other way to its storage.
fn take<S: Durable>(mut registry: Registry<S>, now: Time, step: &Step) -> (Registry<S>, String) {
    let answer = match step.clone() {
        Step::Offer(offer) => format!("{:?}", registry.offer(now, offer)),
        Step::Event(job, event) => format!("{:?}", registry.handle(now, job, event)),
        Step::Tick => {
            registry.tick(now);
            String::new()
        }
        Step::Note(name, note) => {
            let mut storage = registry.into_storage();
            storage.put_note(name, note);
            return (self::registry(storage), String::new());
        }
    };
    (registry, answer)
}

fn step(random: &mut Random, last: u64, now: Time) -> Step {
    let job = id(1 + random.below(last + 1));
    match random.below(20) {
        0..=4 => Step::Offer(offer(random, last + 1, now)),
        5 => Step::Event(job, Event::Queued),
        6..=9 => Step::Event(job, Event::started(1 + random.below(3) as u32, "fib-1")),
        10 => Step::Event(job, Event::Progress(Progress { done: random.below(9), total: Some(9) })),
        11 => Step::Event(job, Event::Cancel),
        12 => Step::Event(job, Event::Returned),
        13 => Step::Event(job, if random.one_in(2) { Event::Refused } else { Event::Due }),
        16 => Step::Event(
            job,
            Event::again(random.one_in(2).then(|| now + Duration::from_secs(random.below(300)))),
        ),
        14 => Step::Note(
            NOTES[random.below(2) as usize],
            random.one_in(2).then(|| vec![1, 2, random.below(9) as u8]),
        ),
        15 => Step::Tick,
        _ => Step::Event(job, Event::finished(finished(random, job))),
    }
}

fn length(random: &mut Random) -> usize {
    if random.one_in(8) { 60_000 + random.below(20_000) as usize } else { random.below(300) as usize }
}

fn offer(random: &mut Random, number: u64, now: Time) -> Offer {
    let pool = POOLS[random.below(3) as usize];
    let mut offer = Offer::new(id(number), pool);
    offer.priority = Priority::ALL[random.below(3) as usize];
    offer.principal = random.one_in(3).then(|| "alice".into());
    offer.deadline = random.one_in(3).then(|| now + Duration::from_secs(60));
    offer.not_before = random.one_in(4).then(|| now + Duration::from_secs(random.below(300)));
    offer.rerun_of = random.one_in(5).then(|| id(number / 2));
    if random.one_in(3) {
        let text = format!("\"k\\\"{}\"", random.below(9));
        let key = KeyText::parse(text.as_bytes()).expect("a key");
        offer.key = Some((key, Fingerprint([random.below(2) as u8; 32])));
    }
    if random.one_in(2) {
        let payload = Payload::raw(vec![number as u8; length(random)]);
        offer.input = Some(Arc::new(Submission::new(pool, payload, Encoding::Json)));
    }
    offer
}

fn finished(random: &mut Random, job: JobId) -> Finished {
    let result = match random.below(5) {
        0 => Err(JobError::Failed(Failure::new("no").with_code("none").with_details(&[1, 2]))),
        1 => Err(JobError::cancelled(Stage::Queued)),
        2 => Err(JobError::timed_out(Stage::Running, Duration::from_millis(1500))),
        _ => Ok(Payload::raw(vec![9; length(random)])),
    };
    Finished::new(
        job,
        Timing::new(Duration::from_millis(3), Duration::from_nanos(7)),
        result.map_err(Box::new),
    )
}

/// Compares every answer of both storages.
fn compare(store: &Store, memory: &MemoryStore, last: u64, now: Time, random: &mut Random) {
    same("usage", store.usage(), memory.usage());
    same("newest", store.newest(), memory.newest());
    same("expiry", store.next_expiry(), memory.next_expiry());
    same("overdue", store.overdue(now), memory.overdue(now));
    for part in [Part::Record, Part::Result, Part::Input] {
        same("spare", store.spare(part), memory.spare(part));
    }
    for job in (1..=last).map(id) {
        let record = memory.get(job);
        same("record", store.get(job), record.clone());
        if random.one_in(8) {
            same("input", store.input(job), memory.input(job));
            same("result", store.result(job), memory.result(job));
        }
        if let Some(claim) = record.as_deref().and_then(|record| record.claim.as_ref()) {
            same("holder", store.holder(&claim.key), memory.holder(&claim.key));
            let other = Key { principal: Some("bob".into()), ..(*claim.key).clone() };
            same("no holder", store.holder(&other), memory.holder(&other));
        }
    }
    lists(store, memory, last, now, random);
}

fn lists(store: &Store, memory: &MemoryStore, last: u64, now: Time, random: &mut Random) {
    let all = Query { pools: None, classes: None, below: u64::MAX, since: Time::ZERO, limit: usize::MAX };
    let records = memory.page(&all);
    same("all", store.page(&all), records.clone());
    let pools: Vec<Arc<str>> = vec![POOLS[random.below(3) as usize].into(), "unknown".into()];
    let classes: Vec<_> = records.iter().take(2).map(|record| Class::of(record)).collect();
    let since = Time::from_nanos(random.below(now.as_nanos().max(1)));
    for (with_pools, with_classes) in [(true, false), (false, true), (true, true)] {
        let query = Query {
            pools: with_pools.then_some(&pools[..]),
            classes: with_classes.then_some(&classes[..]),
            below: 1 + random.below(60),
            since,
            limit: 1 + random.below(9) as usize,
        };
        same("page", store.page(&query), memory.page(&query));
    }

    same("busy", store.busy_pools(), memory.busy_pools());
    same("due", store.next_due(), memory.next_due());
    same("all due", store.due(now, 3), memory.due(now, 3));
    same("running", store.running(0, 100), memory.running(0, 100));
    same("more running", store.running(last / 2, 2), memory.running(last / 2, 2));
    for pool in POOLS {
        let page = memory.waiting(pool, None, 4);
        same("waiting", store.waiting(pool, None, 4), page.clone());
        let after = page.last().map(|it| (it.priority, it.seq));
        same("more waiting", store.waiting(pool, after, 3), memory.waiting(pool, after, 3));
    }
    for name in NOTES {
        same("note", store.note(name), memory.note(name));
    }
}

#[track_caller]
fn same<T: Debug>(what: &str, store: T, memory: T) {
    let (store, memory) = (format!("{store:?}"), format!("{memory:?}"));
    assert!(store == memory, "{what}:\n{store:.2000}\nand in memory\n{memory:.2000}");
}

fn run(seed: u64) {
    let (directory, mut random) = (Directory::new(), Random::new(seed));
    let (mut store, mut memory) = (registry(directory.open_whole()), registry(MemoryStore::default()));
    let (mut now, mut last) = (Time::ZERO + Duration::from_secs(1), 0);
    for _ in 0..40 {
        for _ in 0..1 + random.below(8) {
            now = now + Duration::from_secs(if random.one_in(40) { 3600 } else { random.below(60) });
            let step = step(&mut random, last, now);
            last += u64::from(matches!(step, Step::Offer(_)));
            let (mine, theirs);
            (store, mine) = take(store, now, &step);
            (memory, theirs) = take(memory, now, &step);
            same(&format!("{step:.300?}"), mine, theirs);
        }
        compare(store.storage(), memory.storage(), last, now, &mut random);
        let (mut mine, mut theirs) = (store.into_storage(), memory.into_storage());
        if random.one_in(5) {
            mine.undo();
            theirs.undo();
        } else {
            mine.commit(now).expect("a commit");
            theirs.commit(now).expect("a commit");
            if random.one_in(10) {
                drop(mine);
                mine = directory.open_whole();
            }
        }
        compare(&mine, &theirs, last, now, &mut random);
        (store, memory) = (registry(mine), registry(theirs));
    }
}

#[test]
fn a_store_answers_as_memory_does() {
    for seed in 0..5 {
        run(seed);
    }
}
