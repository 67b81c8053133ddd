//! `kill -9` in the middle of commits.

use std::collections::BTreeMap;

use procpool_registry::{ResultState, Storage};

use crate::child::{command, lines};
use crate::harness::{Desk, Directory, at, desk, id};
use crate::random::Random;

#[test]
fn forty_kills_lose_nothing_that_was_acknowledged() {
    let (directory, mut random) = (Directory::new(), Random::new(40));
    let mut acknowledged = BTreeMap::new();
    for round in 0..40 {
        let mut child = command("commits", &directory.0, &[]).spawn().expect("a child");
        let mut lines = lines(&mut child);
        for line in lines.by_ref().take(1 + random.below(60) as usize) {
            note(&mut acknowledged, &line);
        }
        child.kill().expect("a kill");
        // Those that it said until then.
        lines.for_each(|line| note(&mut acknowledged, &line));
        child.wait().expect("an end");
        verify(&directory, &acknowledged, round);
    }
    assert!(acknowledged.len() > 200, "{} jobs", acknowledged.len());
}

/// Notes a line, and whether its job has finished.
pub(crate) fn note(acknowledged: &mut BTreeMap<u64, bool>, line: &str) {
    let (what, number) = line.split_once(' ').expect("two words");
    let number = number.parse().expect("a number");
    let finished = acknowledged.entry(number).or_default();
    *finished |= what == "finished";
}

fn verify(directory: &Directory, acknowledged: &BTreeMap<u64, bool>, round: usize) {
    let lost = lost(&desk(directory.open_whole()), acknowledged);
    assert!(lost.is_empty(), "after kill {round}: {lost:?}");
}

/// Returns the jobs that were acknowledged and are not there, or not as far.
pub(crate) fn lost(desk: &Desk, acknowledged: &BTreeMap<u64, bool>) -> Vec<u64> {
    let is_there = |number: u64, is_finished: bool| {
        let Some(record) = desk.job(id(number)) else { return false };
        let has_input =
            desk.storage().input(id(number)).is_some_and(|it| it.input.bytes.iter().all(|&b| b == 7));
        let has_result = matches!(desk.result(at(1), id(number)), ResultState::Finished(..));
        has_input && (!is_finished || record.state.is_finished() && has_result)
    };
    let lost = acknowledged.iter().filter(|&(&number, &finished)| !is_there(number, finished));
    lost.map(|(&number, _)| number).collect()
}
