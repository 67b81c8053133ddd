//! Processes that use a store until somebody kills them, or the system fails them: this executable again, as one test
//! that does nothing otherwise.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use procpool_registry::{CommitError, Durable, Storage};
use procpool_store::{Durability, Store};
use rustix::process::{Resource, Rlimit, setrlimit};

use crate::harness::{Desk, accept, at, desk, finish};
use crate::random::Random;

const ROLE: &str = "PROCPOOL_STORE_ROLE";
const DIRECTORY: &str = "PROCPOOL_STORE_DIRECTORY";
const DURABILITY: &str = "PROCPOOL_STORE_DURABILITY";

/// Returns the command of a child, before which another may stand.
pub(crate) fn command(role: &str, directory: &Path, before: &[&str]) -> Command {
    let this = std::env::current_exe().expect("this executable");
    let mut command = match before {
        [] => Command::new(this),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(this);
            command
        }
    };
    command.args(["child::child", "--exact", "--nocapture", "--test-threads=1"]);
    command.env(ROLE, role).env(DIRECTORY, directory).stdout(Stdio::piped());
    command
}

pub(crate) fn without_syncs(command: &mut Command) {
    command.env(DURABILITY, "process");
}

/// Returns the lines of a child that say something.
pub(crate) fn lines(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let out: ChildStdout = child.stdout.take().expect("a pipe");
    BufReader::new(out).lines().map_while(Result::ok).filter_map(|line| {
        let at = line.find("ack ")?;
        Some(line[at + 4..].to_owned())
    })
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("ack {text}\n").as_bytes()).and_then(|()| out.flush()).expect("a reader");
}

#[test]
fn child() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let directory = std::env::var(DIRECTORY).expect("a directory");
    let durability = match std::env::var(DURABILITY) {
        Ok(_) => Durability::Process,
        Err(_) => Durability::Fsync,
    };
    let opened = Store::open(directory, durability).expect("a store");
    assert_eq!(opened.damage, [""; 0]);
    let desk = desk(opened.store);
    match role.as_str() {
        "commits" => commits(desk, u64::MAX, make_durable),
        "some" => commits(desk, 60, make_durable),
        "sealed" => commits(desk, 60, seal),
        "read" => {
            let _reader = reader();
            commits(desk, 60, make_durable);
        }
        "sealed large" => sealed_large(desk),
        "fails" => fails(desk),
        "fails sealed" => fails_sealed(desk),
        "limited" => limited(desk),
        "large" => large(desk),
        other => panic!("no role {other}"),
    }
}

/// How a group of a desk becomes durable: up to this time, and then these lines are said.
type Way = fn(Desk, u64, Vec<String>) -> Desk;

fn make_durable(desk: Desk, last: u64, said: Vec<String>) -> Desk {
    let desk = committed(desk, last).unwrap_or_else(|(_, error)| panic!("{error}"));
    said.into_iter().for_each(|line| say(&line));
    desk
}

/// Goes on before the group is durable.
fn seal(desk: Desk, last: u64, said: Vec<String>) -> Desk {
    let mut store = desk.into_storage();
    store.seal(at(last)).expect("a sealed group");
    store.when_durable(Box::new(move |durable| {
        durable.expect("a durable group");
        said.iter().for_each(|line| say(line));
    }));
    crate::harness::desk(store)
}

/// Accepts and finishes jobs in groups, and says each number once it is durable.
fn commits(mut desk: Desk, groups: u64, way: Way) {
    let mut next = desk.storage().newest() + 1;
    let mut random = Random::new(next);
    let mut open: Vec<u64> = Vec::new();
    for _ in 0..groups {
        let mut said = Vec::new();
        for _ in 0..1 + random.below(6) {
            if random.one_in(2) && !open.is_empty() {
                let number = open.swap_remove(random.below(open.len() as u64) as usize);
                finish(&mut desk, number, random.below(4000) as usize);
                said.push(format!("finished {number}"));
            } else {
                // Some of them are files.
                let length = if random.one_in(12) { 70_000 } else { random.below(3000) };
                accept(&mut desk, next, length as usize);
                open.push(next);
                said.push(format!("accepted {next}"));
                next += 1;
            }
        }
        desk = way(desk, next, said);
    }
}

/// Commits the group of a desk. The time is that of the last job.
pub(crate) fn committed(registry: Desk, last: u64) -> Result<Desk, (Desk, CommitError)> {
    let mut store = registry.into_storage();
    match store.commit(at(last)) {
        Ok(()) => Ok(desk(store)),
        Err(error) => Err((desk(store), error)),
    }
}

/// Commits until it fails, and then once more: a sync has failed, and nothing is certain from then on.
fn fails(mut desk: Desk) {
    for number in 1..10_000 {
        accept(&mut desk, number, 3000);
        match committed(desk, number) {
            Ok(next) => {
                say(&format!("accepted {number}"));
                desk = next;
            }
            Err((_, CommitError::Full)) => panic!("a failed sync is no full disk"),
            Err((desk, error)) => {
                let mut store = desk.into_storage();
                store.put_note("n", Some(vec![1]));
                assert!(matches!(store.commit(at(number)), Err(CommitError::Broken(_))), "it went on");
                say(&format!("broken {error}"));
                return;
            }
        }
    }
    say("never failed");
}

/// Seals groups until one has failed: then nothing is durable any longer.
fn fails_sealed(mut desk: Desk) {
    for number in 1..10_000 {
        accept(&mut desk, number, 3000);
        let mut store = desk.into_storage();
        if let Err(error) = store.seal(at(number)) {
            store.put_note("n", Some(vec![1]));
            assert!(matches!(store.commit(at(number)), Err(CommitError::Broken(_))), "it went on");
            store.when_durable(Box::new(|durable| assert!(durable.is_err(), "it went on")));
            return say(&format!("broken {error}"));
        }
        store.when_durable(Box::new(move |durable| {
            if durable.is_ok() {
                say(&format!("accepted {number}"));
            }
        }));
        desk = crate::harness::desk(store);
    }
    say("never failed");
}

/// Returns one who reads what was before: it keeps checkpoints from later pages, and the log from its restart.
fn reader() -> rusqlite::Connection {
    let directory = std::env::var(DIRECTORY).expect("a directory");
    let reader = rusqlite::Connection::open(Path::new(&directory).join("jobs.sqlite")).expect("a reader");
    reader.execute_batch("BEGIN; SELECT * FROM job").expect("a look");
    reader
}

/// Number of jobs of the groups of [`large`]: two of them are longer than a part of SQLite's index of its log, and one
/// fits into SQLite's cache.
pub(crate) const LARGE: u64 = 170;

/// Accepts jobs in two groups, the second of which fails when all of its pages are in the log, and ends as if it were
/// killed.
fn large(mut desk: Desk) {
    let _reader = reader();
    for group in 0..2 {
        for number in 1..=LARGE {
            accept(&mut desk, group * LARGE + number, 60_000);
        }
        desk = match committed(desk, (group + 1) * LARGE) {
            Ok(next) => next,
            Err((next, error)) => {
                say(&format!("{error:?} {group}"));
                next
            }
        };
    }
    std::process::exit(0);
}

/// Seals a small group and one that does not fit into SQLite's cache.
fn sealed_large(mut desk: Desk) {
    accept(&mut desk, 1, 100);
    desk = seal(desk, 1, vec!["accepted 1".to_owned()]);
    for number in 2..=300 {
        accept(&mut desk, number, 60_000);
    }
    seal(desk, 300, vec!["accepted 300".to_owned()]);
}

/// Accepts jobs until no file may grow, then once more without the limit.
fn limited(mut desk: Desk) {
    let mut number = 0;
    desk = loop {
        number += 1;
        accept(&mut desk, number, 60_000);
        match committed(desk, number) {
            Ok(next) => desk = next,
            Err((_, CommitError::Broken(reason))) => panic!("broken: {reason}"),
            Err((desk, _)) => break desk,
        }
        assert!(number < 5000, "the limit has no effect");
    };
    let (accepted, usage) = (number - 1, desk.usage().records);
    assert_eq!(usage, accepted as usize, "the failed group counts");
    setrlimit(Resource::Fsize, Rlimit { current: None, maximum: None }).expect("no limit");
    accept(&mut desk, number, 60_000);
    finish(&mut desk, 1, 100);
    let desk = committed(desk, number).unwrap_or_else(|(_, error)| panic!("{error}"));
    say(&format!("usage {}", desk.usage().records));
}
