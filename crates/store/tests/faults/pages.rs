//! A byte that has changed anywhere in the database: told, or harmless. Never less without a word.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use procpool_protocol::engine::Priority;
use procpool_registry::{Decision, Durable, Fingerprint, Key, KeyText, Offer, Part, Query, Storage, Time};
use procpool_store::{Durability, Store, check};

use crate::child::committed;
use crate::harness::{Directory, accept, at, desk, finish, id, input};
use crate::random::Random;

const JOBS: u64 = 240;

/// Bytes that are changed, one at a time, in each page. A test run by hand may take more.
fn flips_a_page() -> u64 {
    std::env::var("PROCPOOL_FLIPS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

const PAGE: usize = 4096;

fn key(number: u64) -> KeyText {
    KeyText::parse(format!("a-key-of-a-client-{number}").as_bytes()).expect("a key")
}

/// Fills every table and every index, each with more than a page where that takes few jobs, and closes the store.
fn filled(directory: &Directory) {
    let mut desk = desk(directory.open_whole());
    for number in 1..=JOBS {
        if number.is_multiple_of(2) {
            accept(&mut desk, number, 300);
        } else {
            let mut offer = Offer::new(id(number), "fib");
            offer.input = Some(input(300));
            offer.key = Some((key(number), Fingerprint([7; 32])));
            offer.not_before = number.is_multiple_of(3).then(|| at(number + 100_000));
            assert!(matches!(desk.offer(at(number), offer), Ok(Decision::Run(_))));
        }
        if number.is_multiple_of(5) {
            finish(&mut desk, number - 1, 200);
        }
    }
    let desk = committed(desk, JOBS).unwrap_or_else(|(_, error)| panic!("{error}"));
    let mut store = desk.into_storage();
    store.put_note("schedule", Some(vec![9; 40]));
    store.commit(at(JOBS)).expect("a commit");
}

/// The content of a store, as its look-ups give it.
#[derive(PartialEq, Debug)]
struct Content {
    /// By job.
    jobs: Vec<String>,
    rest: String,
}

/// Reads everything by every way that there is, and whether damage is told: at the start, or by a commit.
fn read(directory: &Path) -> Result<(Content, Vec<String>), String> {
    let opened = Store::open(directory, Durability::Process).map_err(|error| error.to_string())?;
    let (mut store, mut told) = (opened.store, opened.damage);
    let jobs = (1..=JOBS).map(|number| {
        let job = id(number);
        let key = Key { principal: None, pool: "fib".into(), text: key(number) };
        let holder = store.holder(&key).map(|it| it.id);
        format!("{:?} {:?} {:?} {holder:?}", store.get(job), store.input(job), store.result(job))
    });
    let jobs = jobs.collect();
    let all = Query { pools: None, classes: None, below: u64::MAX, since: Time::ZERO, limit: 1000 };
    let ids = |found: Vec<Arc<procpool_registry::Record>>| found.iter().map(|it| it.seq).collect::<Vec<_>>();
    let mut rest = format!("{:?} {:?}", ids(store.page(&all)), ids(store.waiting("fib", None, 1000)));
    rest += &format!("{:?} {:?}", ids(store.due(at(1_000_000), 1000)), store.next_due());
    rest += &format!("{:?} {:?}", ids(store.running(0, 1000)), store.busy_pools());
    rest += &format!("{:?} {:?}", store.next_expiry(), store.overdue(at(1_000_000)).map(|it| it.seq));
    for part in [Part::Record, Part::Dead, Part::Result, Part::Input] {
        rest += &format!("{:?}", store.spare(part).map(|it| it.seq));
    }
    rest += &format!("{:?} {:?} {:?}", store.usage(), store.newest(), store.note("schedule"));
    rest += &format!("{:?}", ids(store.waiting("fib", Some((Priority::Normal, 100)), 1000)));
    store.put_note("n", Some(vec![1]));
    told.extend(store.take_damage());
    if let Err(error) = store.commit(at(JOBS)) {
        told.push(error.to_string());
    }
    Ok((Content { jobs, rest }, told))
}

/// Copies the store of a directory, changes a byte of its database, and reads it.
fn flipped(
    directory: &Directory,
    at: usize,
    bit: u64,
) -> (Directory, Result<(Content, Vec<String>), String>) {
    let copy = directory.copy_with_reserve();
    let mut bytes = fs::read(copy.file("jobs.sqlite")).expect("the database");
    bytes[at] ^= 1 << bit;
    fs::write(copy.file("jobs.sqlite"), bytes).expect("the database");
    let found = read(&copy.0);
    (copy, found)
}

#[test]
fn a_changed_byte_anywhere_is_told_or_harmless() {
    let directory = Directory::new();
    filled(&directory);
    let (whole, told) = read(&directory.copy_with_reserve().0).expect("a store");
    assert_eq!(told, [""; 0]);
    let pages = fs::metadata(directory.file("jobs.sqlite")).expect("a database").len() as usize / PAGE;
    assert!(pages > 40, "{pages}");
    let mut random = Random::new(11);
    let (mut told, mut indexes, mut set_aside) = (0, 0, 0);
    for page in 0..pages {
        for _ in 0..flips_a_page() {
            // The heads of pages lead to everything else.
            let within = if random.one_in(3) { random.below(12) } else { random.below(PAGE as u64) };
            let at = page * PAGE + within as usize;
            let (_copy, found) = flipped(&directory, at, random.below(8));
            let Ok((content, damage)) = found else {
                told += 1;
                continue;
            };
            assert!(
                !damage.is_empty() || content == whole,
                "byte {at} (page {page}): less, and nobody is told"
            );
            told += u64::from(!damage.is_empty());
            if damage.iter().all(|it| it.contains("was made again")) {
                assert_eq!(content, whole, "byte {at}: {damage:?}");
                indexes += u64::from(!damage.is_empty());
            }
            if let [only] = &damage[..]
                && only.starts_with("record ")
            {
                let others = content.jobs.iter().zip(&whole.jobs).filter(|(now, before)| now != before);
                assert_eq!(others.count(), 1, "byte {at}: {damage:?}");
                set_aside += 1;
            }
        }
    }
    assert!(
        told > 0 && indexes > 0 && set_aside > 0,
        "{told} were told, {indexes} of indexes, {set_aside} of records"
    );
}

#[test]
fn a_damaged_record_is_set_aside_and_the_others_serve() {
    let directory = Directory::new();
    filled(&directory);
    let (whole, _) = read(&directory.copy_with_reserve().0).expect("a store");
    // A column that two indexes have: they lead to the record by what it was before.
    let connection = rusqlite::Connection::open(directory.file("jobs.sqlite")).expect("the database");
    let changed = connection.execute("UPDATE job SET crc = crc + 1 WHERE seq = 7", []).expect("a change");
    assert_eq!(changed, 1);
    drop(connection);
    for _ in 0..2 {
        let (content, damage) = read(&directory.0).expect("a store");
        assert_eq!(damage.len(), 1, "{damage:?}");
        assert!(damage[0].starts_with("record 7 of job"), "{damage:?}");
        for (number, (now, before)) in (1..).zip(content.jobs.iter().zip(&whole.jobs)) {
            assert_eq!(now == before, number != 7, "job {number}");
        }
        assert_eq!(content.jobs[6], "None None None None");
    }
    let checked = check(&directory.0).expect("a check");
    assert_eq!(checked.records, JOBS - 1, "{checked:?}");
}

#[test]
fn a_damaged_body_is_told_once_and_counts_as_gone() {
    let directory = Directory::new();
    filled(&directory);
    let connection = rusqlite::Connection::open(directory.file("jobs.sqlite")).expect("the database");
    connection.execute("UPDATE input SET body = zeroblob(length) WHERE seq = 7", []).expect("a change");
    connection.execute("DELETE FROM result WHERE seq = 9", []).expect("a change");
    drop(connection);

    let mut store = Store::open(&directory.0, Durability::Process).expect("a store").store;
    for _ in 0..2 {
        assert!(store.input(id(7)).is_none() && store.input(id(6)).is_some());
        assert!(store.result(id(9)).is_none() && store.result(id(4)).is_some());
    }
    let told = store.take_damage();
    assert!(
        told[0].starts_with("the input of job") && told[0].ends_with("its checksum is wrong"),
        "{told:?}"
    );
    assert!(told[1].starts_with("the result of job") && told[1].ends_with("it cannot be found"), "{told:?}");
    assert_eq!((told.len(), store.take_damage().len()), (2, 0));

    // The store goes on, also with that job.
    assert!(store.take_input(id(7)).is_none());
    store.commit(at(JOBS)).expect("a commit");
    assert!(store.get(id(7)).is_some());
}
