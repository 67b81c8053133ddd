//! The table of idempotency keys, cell by cell.

use procpool_protocol::{JobError, JobId, OutcomeKind, Payload, Stage};
use procpool_registry::{Decision, Dropped, Effect, Event, Offer, State, Wait};

use crate::desk::{Desk, HOUR, bytes, cancelled, input, ok};

const SAME: u8 = 1;
const OTHER: u8 = 2;

/// Offers a job under the key `k` that a client waits for in this way.
fn offered(desk: &mut Desk, body: u8, wait: Wait) -> Decision {
    let mut offer = desk.keyed("k", body);
    offer.wait = wait;
    desk.offer(offer).expect("room")
}

/// Runs a job under the key `k`.
fn keyed(desk: &mut Desk) -> JobId {
    let offer = desk.keyed("k", SAME);
    desk.run(offer)
}

/// Checks that the key is free for every request.
#[track_caller]
fn is_free(into: impl Fn(&mut Desk)) {
    for body in [SAME, OTHER] {
        let mut desk = Desk::new();
        into(&mut desk);
        assert!(matches!(offered(&mut desk, body, Wait::Outcome), Decision::Run(_)), "body {body}");
    }
}

/// Ends the job of the key `k` while it is queued.
fn ended_unrun(desk: &mut Desk, result: Result<Payload, Box<JobError>>) {
    let job = keyed(desk);
    desk.done(job, Event::Queued);
    desk.finish(job, result);
}

#[test]
fn a_key_that_nobody_has_used_is_free() {
    is_free(|_| ());
}

#[test]
fn a_job_that_its_pool_refused_leaves_its_key_free() {
    is_free(|desk| {
        let job = keyed(desk);
        desk.done(job, Event::Refused);
    });
}

#[test]
fn a_job_that_ended_in_the_queue_leaves_its_key_free() {
    is_free(|desk| ended_unrun(desk, cancelled(Stage::Queued)));
    is_free(|desk| ended_unrun(desk, Err(Box::new(JobError::timed_out(Stage::Queued, HOUR)))));
    is_free(|desk| ended_unrun(desk, Err(Box::new(JobError::shut_down(Stage::Queued)))));
}

#[test]
fn an_input_that_does_not_decode_leaves_its_key_free() {
    is_free(|desk| {
        let job = keyed(desk);
        desk.start(job);
        desk.finish(job, Err(Box::new(JobError::bad_input("no number"))));
    });
}

#[test]
fn an_unfinished_job_is_known_attached_or_in_conflict_by_how_its_client_waits() {
    let stages: [fn(&mut Desk, JobId); 3] =
        [|_, _| (), |desk, job| desk.done(job, Event::Queued), |desk, job| desk.start(job)];
    for stage in stages {
        let mut desk = Desk::new();
        let job = keyed(&mut desk);
        stage(&mut desk, job);
        let of = |decision: &Decision| decision.record().id == job;
        let decision = offered(&mut desk, SAME, Wait::None);
        assert!(matches!(decision, Decision::Known(_)) && of(&decision), "{decision:?}");
        let decision = offered(&mut desk, SAME, Wait::Limited);
        assert!(matches!(decision, Decision::Attach(_)) && of(&decision), "{decision:?}");
        let decision = offered(&mut desk, SAME, Wait::Outcome);
        assert!(matches!(decision, Decision::Conflict(_)) && of(&decision), "{decision:?}");
    }
}

#[test]
fn another_body_under_the_key_of_an_unfinished_job_is_a_mismatch() {
    let mut desk = Desk::new();
    let job = keyed(&mut desk);
    for wait in [Wait::None, Wait::Limited, Wait::Outcome] {
        let decision = offered(&mut desk, OTHER, wait);
        assert!(matches!(&decision, Decision::Mismatch(record) if record.id == job), "{decision:?}");
    }
}

#[test]
fn a_finished_job_is_replayed_whatever_its_outcome() {
    let crashed = || Err(Box::new(JobError::protocol("no frame")));
    for result in [ok("6"), cancelled(Stage::Running), crashed()] {
        let is_ok = result.is_ok();
        let mut desk = Desk::new();
        let job = keyed(&mut desk);
        desk.start(job);
        desk.finish(job, result);
        for wait in [Wait::None, Wait::Limited, Wait::Outcome] {
            let decision = offered(&mut desk, SAME, wait);
            let Decision::Replay(record, result) = decision else { panic!("{decision:?}") };
            assert_eq!((record.id, result.id, result.result.is_ok()), (job, job, is_ok));
        }
    }
}

#[test]
fn another_body_under_the_key_of_a_finished_job_is_a_mismatch() {
    let mut desk = Desk::new();
    let job = keyed(&mut desk);
    desk.start(job);
    desk.finish(job, ok("6"));
    assert!(matches!(offered(&mut desk, OTHER, Wait::Outcome), Decision::Mismatch(_)));
    desk.pass(2 * HOUR);
    assert!(matches!(offered(&mut desk, OTHER, Wait::Outcome), Decision::Mismatch(_)));
}

#[test]
fn a_job_whose_result_is_gone_is_never_run_again() {
    let mut desk = Desk::new();
    let job = keyed(&mut desk);
    desk.start(job);
    desk.finish(job, ok("6"));
    desk.pass(HOUR);
    for is_ticked in [false, true] {
        let decision = offered(&mut desk, SAME, Wait::Outcome);
        let Decision::Expired(record) = decision else { panic!("{is_ticked}: {decision:?}") };
        assert_eq!(record.state, State::Finished(OutcomeKind::Ok));
        desk.tick();
    }
}

#[test]
fn a_result_that_made_room_is_gone_like_one_that_expired() {
    let mut desk = Desk::with(|it| it.max_result_bytes = 10_000);
    let job = keyed(&mut desk);
    desk.start(job);
    desk.finish(job, bytes(8_000));
    let large = desk.running();
    desk.finish(large, bytes(8_000));
    assert!(matches!(offered(&mut desk, SAME, Wait::Outcome), Decision::Expired(_)));
}

#[test]
fn a_key_is_free_when_its_time_is_up_even_if_no_tick_has_come() {
    for is_ticked in [false, true] {
        let mut desk = Desk::new();
        let job = keyed(&mut desk);
        desk.pass(100 * HOUR);
        assert!(matches!(offered(&mut desk, OTHER, Wait::None), Decision::Mismatch(_)), "it is unfinished");
        desk.start(job);
        desk.finish(job, ok("6"));
        desk.pass(24 * HOUR - HOUR / 3600);
        assert!(matches!(offered(&mut desk, OTHER, Wait::None), Decision::Mismatch(_)));
        desk.pass(HOUR / 3600);
        if is_ticked {
            desk.tick();
        }
        assert!(matches!(offered(&mut desk, OTHER, Wait::None), Decision::Run(_)));
    }
}

#[test]
fn a_record_can_outlive_its_key() {
    let mut desk = Desk::with(|it| it.retention.keys = HOUR);
    let job = keyed(&mut desk);
    desk.start(job);
    desk.finish(job, ok("6"));
    desk.pass(HOUR);
    let second = keyed(&mut desk);
    assert!(desk.has(job) && desk.has(second) && job != second);
    assert!(desk.record(job).claim.is_none());
    // The older record no longer answers for the key.
    assert!(matches!(offered(&mut desk, SAME, Wait::None), Decision::Known(record) if record.id == second));
}

#[test]
fn a_key_belongs_to_its_principal_and_its_pool() {
    let mut desk = Desk::new();
    keyed(&mut desk);
    let mut of = |principal: Option<&str>, pool: &str| {
        let mut offer = desk.keyed("k", OTHER);
        offer.principal = principal.map(Into::into);
        offer.pool = pool.into();
        desk.offer(offer).expect("room")
    };
    assert!(matches!(of(None, "fib"), Decision::Mismatch(_)));
    assert!(matches!(of(Some("ci"), "fib"), Decision::Run(_)));
    assert!(matches!(of(Some("ops"), "fib"), Decision::Run(_)));
    assert!(matches!(of(None, "ping"), Decision::Run(_)));
    assert!(matches!(of(Some("ci"), "fib"), Decision::Known(_)));
}

#[test]
fn an_input_that_is_not_needed_is_handed_back_to_be_dropped() {
    let mut desk = Desk::with(|it| {
        it.max_records = 2;
        it.max_keys = 1;
    });
    let job = keyed(&mut desk);
    let mut is_handed_back = |key: &str, body, id: Option<JobId>| {
        let mut offer = desk.keyed(key, body);
        offer.input = input(10);
        offer.id = id.unwrap_or(offer.id);
        if id.is_some() {
            offer.key = None;
        }
        desk.effects();
        let _ = desk.offer(offer);
        matches!(desk.effects()[..], [Effect::Drop(Dropped::Input(_))])
    };
    assert!(is_handed_back("k", SAME, None), "known");
    assert!(is_handed_back("k", OTHER, None), "a mismatch");
    assert!(is_handed_back("other", SAME, None), "refused");
    assert!(is_handed_back("k", SAME, Some(job)), "the id is taken");
}

#[test]
fn fifty_clients_at_once_run_one_job() {
    let mut desk = Desk::new();
    let offers: Vec<Offer> = (0..50).map(|_| desk.keyed("k", SAME)).collect();
    let decisions: Vec<_> = offers.into_iter().map(|offer| desk.offer(offer).expect("room")).collect();
    let runs = decisions.iter().filter(|decision| matches!(decision, Decision::Run(_))).count();
    assert_eq!(runs, 1);
    assert!(decisions.iter().all(|decision| decision.record().id == decisions[0].record().id));
    assert_eq!(desk.registry.usage().records, 1);
}
