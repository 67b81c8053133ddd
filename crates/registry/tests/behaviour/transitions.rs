//! The table of states and events, cell by cell.

use procpool_protocol::message::Progress;
use procpool_protocol::{JobError, OutcomeKind, Payload, Stage};
use procpool_registry::{Dropped, Effect, Event, Gone, Handled, State};

use crate::desk::{Desk, HOUR, cancelled, ends, input, ok};

/// The events by number, for a job with one attempt so far.
fn events() -> [(&'static str, Event); 8] {
    [
        ("queued", Event::Queued),
        ("refused", Event::Refused),
        ("started", Event::started(1, "fib-1")),
        ("next attempt", Event::started(2, "fib-2")),
        ("returned", Event::Returned),
        ("progress", Event::Progress(Progress { done: 1, total: Some(2) })),
        ("chunk", Event::Chunk(Payload::raw("x"))),
        ("cancel", Event::Cancel),
    ]
}

/// Brings a job into a state, and tries each event. Returns those that fit, with the next state.
fn fitting(into: impl Fn(&mut Desk) -> procpool_protocol::JobId) -> Vec<(&'static str, Option<State>)> {
    let mut fitting = Vec::new();
    for (name, event) in events() {
        let mut desk = Desk::new();
        let job = into(&mut desk);
        let before = desk.record(job).version;
        match desk.handle(job, event) {
            Handled::Done => fitting.push((name, desk.registry.job(job).map(|record| record.state))),
            Handled::Stale => assert_eq!(desk.record(job).version, before, "{name}"),
            Handled::Unknown => panic!("{name}: the job is unknown"),
        }
    }
    fitting
}

#[test]
fn an_accepted_job_is_queued_refused_or_started() {
    let fitting = fitting(|desk| {
        let offer = desk.a_job();
        desk.run(offer)
    });
    let expected = [
        ("queued", Some(State::Queued)),
        ("refused", None),
        ("started", Some(State::Running)),
        ("next attempt", Some(State::Running)),
        ("cancel", Some(State::Accepted)),
    ];
    assert_eq!(fitting, expected);
}

#[test]
fn a_queued_job_is_started() {
    let expected = [
        ("started", Some(State::Running)),
        ("next attempt", Some(State::Running)),
        ("cancel", Some(State::Queued)),
    ];
    assert_eq!(fitting(Desk::queued), expected);
}

#[test]
fn a_running_job_works_is_returned_or_tried_again() {
    let expected = [
        ("next attempt", Some(State::Running)),
        ("returned", Some(State::Queued)),
        ("progress", Some(State::Running)),
        ("chunk", Some(State::Running)),
        ("cancel", Some(State::Running)),
    ];
    assert_eq!(fitting(Desk::running), expected);
}

#[test]
fn a_finished_job_takes_no_event() {
    assert_eq!(fitting(Desk::finished), []);
}

#[test]
fn an_unfinished_job_in_any_state_gets_its_one_outcome() {
    let accept = |desk: &mut Desk| {
        let offer = desk.a_job();
        desk.run(offer)
    };
    for into in [accept, Desk::queued, Desk::running] {
        let mut desk = Desk::new();
        let job = into(&mut desk);
        desk.finish(job, cancelled(Stage::Queued));
        assert_eq!(desk.record(job).state, State::Finished(OutcomeKind::Cancelled));
        assert_eq!(desk.handle(job, ends(job, ok("6"))), Handled::Stale);
        assert_eq!(desk.record(job).state, State::Finished(OutcomeKind::Cancelled));
    }
}

#[test]
fn the_pool_s_answer_may_come_after_the_start() {
    let mut desk = Desk::new();
    let offer = desk.a_job();
    let job = desk.run(offer);
    desk.start(job);
    assert_eq!(desk.handle(job, Event::Queued), Handled::Stale);
    assert_eq!(desk.record(job).state, State::Running);
}

#[test]
fn an_attempt_that_was_not_begun_is_repeated_under_its_number_and_an_earlier_one_is_not() {
    let mut desk = Desk::new();
    let job = desk.running();
    desk.done(job, Event::started(2, "fib-2"));
    desk.done(job, Event::Returned);
    assert_eq!(desk.handle(job, Event::started(1, "fib-1")), Handled::Stale);
    desk.done(job, Event::started(2, "fib-3"));
    let record = desk.record(job);
    assert_eq!((record.attempt, record.worker.as_deref()), (2, Some("fib-3")));
}

#[test]
fn a_new_attempt_begins_without_progress() {
    let mut desk = Desk::new();
    let job = desk.running();
    let progress = Progress { done: 37, total: Some(100) };
    desk.done(job, Event::Progress(progress));
    assert_eq!(desk.record(job).progress, Some(progress));
    desk.done(job, Event::Returned);
    assert_eq!(desk.record(job).progress, None);
}

#[test]
fn a_refused_job_leaves_nothing() {
    let mut desk = Desk::new();
    let mut offer = desk.keyed("k", 1);
    offer.input = input(10);
    let job = desk.run(offer);
    desk.effects();
    desk.done(job, Event::Refused);
    assert!(!desk.has(job));
    assert!(matches!(
        desk.effects()[..],
        [
            Effect::Drop(Dropped::Input(_)),
            Effect::Drop(Dropped::Events(_)),
            Effect::Gone(gone, Gone::Refused),
        ] if gone == job
    ));
    assert_eq!(desk.registry.usage(), Default::default());
    assert_eq!(desk.registry.event_bytes(), 0);
}

#[test]
fn an_event_of_an_unknown_job_is_handed_back_to_be_dropped() {
    let mut desk = Desk::new();
    let job = desk.a_job().id;
    assert_eq!(desk.handle(job, Event::Chunk(Payload::raw("x"))), Handled::Unknown);
    assert_eq!(desk.handle(job, ends(job, ok("6"))), Handled::Unknown);
    let effects = desk.effects();
    assert!(
        matches!(effects[..], [Effect::Drop(Dropped::Chunk(_)), Effect::Drop(Dropped::Result(_))]),
        "{effects:?}"
    );
}

#[test]
fn a_record_says_whether_the_job_may_have_run() {
    let mut desk = Desk::new();
    let job = desk.queued();
    assert!(!desk.record(job).may_have_run);
    desk.start(job);
    assert!(desk.record(job).may_have_run);
    desk.finish(job, Err(Box::new(JobError::bad_input("no number"))));
    assert!(!desk.record(job).may_have_run);
}

#[test]
fn a_worker_s_name_is_cut_between_characters() {
    let mut desk = Desk::new();
    let job = desk.queued();
    let before = desk.record(job).bytes();
    desk.done(job, Event::started(1, "ä".repeat(200)));
    let record = desk.record(job);
    assert_eq!(record.worker.as_deref(), Some(&*"ä".repeat(32)));
    assert_eq!(record.bytes(), before);
}

#[test]
fn a_finished_job_can_run_again_as_a_job_of_its_own() {
    let mut desk = Desk::new();
    let mut offer = desk.a_job();
    offer.input = input(10);
    let job = desk.run(offer);
    desk.finish(job, cancelled(Stage::Queued));

    let mut again = desk.a_job();
    again.input = desk.registry.input(desk.now, job);
    again.rerun_of = Some(job);
    assert!(again.input.as_ref().is_some_and(|input| input.input.bytes.len() == 10));
    let again = desk.run(again);
    assert_eq!((desk.record(again).rerun_of, desk.record(again).state), (Some(job), State::Accepted));
    desk.pass(HOUR);
    assert!(desk.registry.input(desk.now, job).is_none(), "its time is up");
}

#[test]
fn an_id_is_taken_once() {
    let mut desk = Desk::new();
    let offer = desk.a_job();
    let job = desk.run(offer.clone());
    let error = desk.offer(offer).expect_err("an id that is taken");
    assert!(error.to_string().contains(&job.to_string()), "{error}");
}

#[test]
fn a_text_that_is_no_id_names_no_job() {
    let mut desk = Desk::new();
    let job = desk.queued();
    let id = job.to_string();
    assert_eq!(desk.registry.job_named(&id).map(|record| record.id), Some(job));
    for text in ["", "42", &id[1..], &format!("{id}0"), &format!("+{}", &id[1..]), "../../etc/passwd"] {
        assert!(desk.registry.job_named(text).is_none(), "{text:?}");
    }
}
