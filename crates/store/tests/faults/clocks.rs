//! Time over a restart: the clocks of a machine that was started again, or whose date was set.

use procpool_registry::Durable;
use procpool_store::{Clock, Durability, Moment, Opened, Store};

use crate::harness::{Directory, at};

const HOUR: u64 = 3600;

fn opened(directory: &Directory, wall: u64, since_boot: u64, boot: &str) -> Opened {
    let moment = Moment { wall: wall * 1000, since_boot: since_boot * 1_000_000_000, boot: boot.to_owned() };
    let clock = Clock::showing(move || moment.clone());
    Store::open_by(&directory.0, Durability::Process, clock).expect("a store")
}

#[test]
fn time_continues_over_restarts_and_never_leads_back() {
    let directory = Directory::new();
    let date = 500_000 * HOUR;
    let mut first = opened(&directory, date, HOUR, "a");
    assert_eq!(first.now, at(date), "a new store begins with the date");
    first.store.put_note("n", Some(vec![]));
    first.store.commit(at(date)).expect("a commit");
    drop(first);

    // The same start of the machine: the date may say what it wants.
    for wall in [0, date - HOUR, date, date + 9 * HOUR] {
        assert_eq!(opened(&directory, wall, HOUR + 5, "a").now, at(date + 5));
    }
    // Another one: the date counts, and never backwards.
    assert_eq!(opened(&directory, date + 60, 1, "b").now, at(date + 60));
    assert_eq!(opened(&directory, 0, 9 * HOUR, "b").now, at(date));
    assert_eq!(opened(&directory, date - HOUR, 9 * HOUR, "b").now, at(date));
}

#[test]
fn the_clocks_of_the_machine_continue_too() {
    let directory = Directory::new();
    let mut first = directory.open();
    first.store.put_note("n", Some(vec![]));
    first.store.commit(first.now).expect("a commit");
    let now = first.now;
    drop(first);
    let second = directory.open().now;
    assert!(second > now && second.since(now).as_secs() < 600, "{now:?} and {second:?}");
}
