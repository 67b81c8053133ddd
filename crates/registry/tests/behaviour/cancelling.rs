//! Cancelling one job or many, in every order with the pool's own answers.

use procpool_protocol::{JobId, OutcomeKind};
use procpool_registry::{Cancelled, Effect, Event, Filter, Phase, Trial};

use crate::desk::{Desk, ok};

fn told(desk: &mut Desk) -> Vec<JobId> {
    let told = |effect| match effect {
        Effect::Cancel(job) => Some(job),
        _ => None,
    };
    desk.effects().into_iter().filter_map(told).collect()
}

#[test]
fn the_engine_is_told_of_a_cancel() {
    let mut desk = Desk::new();
    for job in [desk.queued(), desk.running()] {
        assert_eq!(desk.registry.cancel(desk.now, job), Cancelled::Requested);
        assert!(desk.record(job).is_cancelled);
        assert_eq!(told(&mut desk), [job]);
    }
}

#[test]
fn a_cancel_before_the_pool_has_the_job_reaches_it_afterwards() {
    let answers = [Event::Queued, Event::started(1, "fib-1")];
    for answer in answers {
        let mut desk = Desk::new();
        let offer = desk.a_job();
        let job = desk.run(offer);
        assert_eq!(desk.registry.cancel(desk.now, job), Cancelled::Requested);
        assert_eq!(told(&mut desk), [], "the pool does not know it yet");
        desk.done(job, answer);
        assert_eq!(told(&mut desk), [job]);
    }
}

#[test]
fn a_cancelled_job_that_is_tried_again_is_cancelled_again() {
    let mut desk = Desk::new();
    let job = desk.running();
    desk.registry.cancel(desk.now, job);
    desk.effects();
    desk.done(job, Event::Returned);
    assert_eq!(told(&mut desk), [job]);
}

#[test]
fn a_second_cancel_changes_nothing() {
    let mut desk = Desk::new();
    let job = desk.running();
    desk.registry.cancel(desk.now, job);
    desk.effects();
    assert_eq!(desk.registry.cancel(desk.now, job), Cancelled::Requested);
    assert_eq!(desk.effects().len(), 0);
}

#[test]
fn a_cancel_after_the_outcome_is_too_late() {
    let mut desk = Desk::new();
    let job = desk.finished();
    assert_eq!(desk.registry.cancel(desk.now, job), Cancelled::TooLate(OutcomeKind::Ok));
    let unknown = desk.a_job().id;
    assert_eq!(desk.registry.cancel(desk.now, unknown), Cancelled::Unknown);
}

#[test]
fn a_job_that_finishes_in_spite_of_its_cancel_keeps_its_outcome() {
    let mut desk = Desk::new();
    let job = desk.running();
    desk.registry.cancel(desk.now, job);
    desk.finish(job, ok("6"));
    assert_eq!(desk.record(job).state.outcome(), Some(OutcomeKind::Ok));
}

/// Cancels page by page. Returns the jobs of all pages.
fn cancel_all(desk: &mut Desk, filter: &Filter, limit: usize, trial: Trial) -> Vec<JobId> {
    let (mut jobs, mut cursor) = (Vec::new(), None);
    loop {
        let now = desk.now;
        let selection = desk.registry.cancel_matching(now, filter, cursor, limit, trial).expect("a cursor");
        jobs.extend(selection.jobs);
        match selection.next {
            Some(next) => cursor = Some(next),
            None => return jobs,
        }
    }
}

#[test]
fn a_filter_cancels_every_unfinished_job_that_matches() {
    let mut desk = Desk::new();
    let finished = desk.finished();
    let mut jobs: Vec<_> = (0..10).flat_map(|_| [desk.queued(), desk.running()]).collect();
    jobs.reverse();
    desk.effects();
    assert_eq!(cancel_all(&mut desk, &Filter::default(), 3, Trial::DryRun), jobs);
    assert_eq!(desk.effects().len(), 0, "a dry run changes nothing");

    assert_eq!(cancel_all(&mut desk, &Filter::default(), 3, Trial::Order), jobs);
    assert_eq!(told(&mut desk), jobs);
    assert!(!desk.record(finished).is_cancelled);
}

#[test]
fn a_filter_narrows_a_cancel() {
    let mut desk = Desk::new();
    let [queued, running, _finished] = [desk.queued(), desk.running(), desk.finished()];
    let mut all = |phase, outcome| {
        let mut filter = Filter::default();
        (filter.phase, filter.outcome) = (phase, outcome);
        cancel_all(&mut desk, &filter, 10, Trial::DryRun)
    };
    assert_eq!(all(Some(Phase::Queued), None), [queued]);
    assert_eq!(all(Some(Phase::Running), None), [running]);
    assert_eq!(all(Some(Phase::Finished), None), []);
    assert_eq!(all(None, Some(OutcomeKind::Ok)), []);
}

#[test]
fn a_job_that_comes_during_an_order_is_spared() {
    let mut desk = Desk::new();
    let first = [(); 4].map(|()| desk.queued());
    let filter = Filter::default();
    let page = desk.registry.cancel_matching(desk.now, &filter, None, 2, Trial::Order).expect("no cursor");
    let late = desk.queued();
    desk.registry.cancel_matching(desk.now, &filter, page.next, 200, Trial::Order).expect("a cursor");
    assert!(first.iter().all(|&job| desk.record(job).is_cancelled));
    assert!(!desk.record(late).is_cancelled);
}
