//! Admission in a world in which every job runs for the same time. There it is known whether a job that was refused would
//! have been in time: the same world is played again with this job let in.

mod overload;
mod world;

use std::time::Duration;

use crate::overload::Overload;
use crate::world::{Bug, End, Fate, World};

const SEEDS: u64 = 300;

/// Maximum number of refused jobs of a world that are tried again.
const TRIED: usize = 12;

/// Returns the refused jobs that would have been in time, and the number of those that were tried.
fn refused_in_vain(seed: u64, bug: Option<Bug>) -> (Vec<usize>, usize) {
    let fates = World::new(seed, bug).play(None);
    let refused: Vec<_> = (0..fates.len()).filter(|&job| matches!(fates[job].end, End::Refused)).collect();
    let step = refused.len() / TRIED + 1;
    let tried: Vec<_> = refused.into_iter().step_by(step).collect();
    let would_do = |&job: &usize| {
        let Fate { end, deadline } = World::new(seed, bug).play(Some(job))[job];
        matches!(end, End::Finished(at) if at <= deadline)
    };
    (tried.iter().copied().filter(would_do).collect(), tried.len())
}

/// Returns the accepted jobs that were not in time.
fn accepted_in_vain(seed: u64, bug: Option<Bug>) -> (Vec<usize>, usize) {
    let fates = World::new(seed, bug).play(None);
    let accepted: Vec<_> = (0..fates.len()).filter(|&job| !matches!(fates[job].end, End::Refused)).collect();
    let is_late = |&job: &usize| {
        let Fate { end, deadline } = fates[job];
        !matches!(end, End::Finished(at) if at <= deadline)
    };
    (accepted.iter().copied().filter(is_late).collect(), accepted.len())
}

#[test]
fn no_job_is_refused_that_would_have_been_in_time_if_all_run_for_the_same_time() {
    let mut tried = 0;
    for seed in 0..SEEDS {
        let (in_vain, of) = refused_in_vain(seed, None);
        assert!(in_vain.is_empty(), "seed {seed}: {in_vain:?} would have been in time");
        tried += of;
    }
    assert!(tried > 1_000, "{tried} jobs were refused");
}

#[test]
fn every_job_that_is_accepted_is_in_time_if_all_run_for_the_same_time() {
    let mut accepted = 0;
    for seed in 0..SEEDS {
        let (in_vain, of) = accepted_in_vain(seed, None);
        assert!(in_vain.is_empty(), "seed {seed}: {in_vain:?} were late");
        accepted += of;
    }
    assert!(accepted > 5_000, "{accepted} jobs were accepted");
}

#[test]
fn an_admission_that_is_wrong_either_way_is_noticed() {
    let is_noticed = |bug, check: fn(u64, Option<Bug>) -> (Vec<usize>, usize)| {
        (0..50).any(|seed| !check(seed, Some(bug)).0.is_empty())
    };
    assert!(is_noticed(Bug::TakesDeadlinesForEarlier, refused_in_vain));
    assert!(is_noticed(Bug::TakesDeadlinesForLater, accepted_in_vain));
}

#[test]
fn a_submitter_is_asked_to_come_back_when_such_a_job_may_be_accepted() {
    for seed in 0..50 {
        let mut world = World::new(seed, None);
        world.play(None);
        for &(late, retry) in &world.retries {
            let most = Duration::from_secs(30);
            assert!(retry >= late.min(most) && retry <= (2 * late).min(most), "{late:?} late, {retry:?}");
        }
    }
}

#[test]
fn the_capacity_of_a_pool_under_too_much_load_goes_into_jobs_that_are_in_time() {
    // Run times that differ by so much percent, deadlines in runs, and what has to be reached.
    for (spread, deadline, goodput, in_vain) in [
        (0, 5, 95.0, 2.0),
        (0, 20, 99.0, 0.5),
        (20, 20, 95.0, 1.0),
        (20, 100, 98.0, 0.5),
        (50, 20, 85.0, 1.0),
    ] {
        let play = |admission| Overload { spread, deadline, admission }.play(1);
        let (on, off) = (play(true), play(false));
        let is_reached = on.goodput >= goodput && on.in_vain <= in_vain;
        assert!(is_reached, "spread {spread} %, deadline {deadline}: {on:?}");
        assert!(off.goodput < 40.0, "there is nothing to gain: {off:?}");
    }
}
