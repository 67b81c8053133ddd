//! Callers that wait for room: who is woken by a refusal. Refuses to run jobs.

use super::recipe::{limits, recipe};
use crate::pool::state::State;
use crate::pool::state::effects::Effects;
use crate::pool::state::open_job::NewJob;
use procpool_protocol::Payload;
use procpool_protocol::outcome::Refusal;
use procpool_scheduler::{
    Config, Death, Event, Fingerprint, Health, JobId as Key, Scheduler, Terms, Time, WorkerId,
};
use std::time::Duration;
use tokio::sync::oneshot;

/// A payload that has killed, and one that has not.
const SUSPECT: Fingerprint = Fingerprint(7);
const INNOCENT: Fingerprint = Fingerprint(5);

/// Returns a pool without a queue whose one worker is idle and has run something. A job whose payload has
/// killed waits for another.
fn with_one_set_apart() -> Scheduler {
    let mut scheduler = Scheduler::new(Config { queue: 0, ..Config::default() }, 1).expect("a configuration");
    let submit = |job, payload| Event::Submit {
        job: Key(job),
        terms: Terms { fingerprint: Some(payload), ..Terms::default() },
    };
    let ready = |worker| Event::Ready { worker: WorkerId(worker), takes_ahead: false };
    let done = |worker, job| Event::Done { worker: WorkerId(worker), job: Key(job), health: Health::Sound };
    let died = Event::Died { worker: WorkerId(0), begun: 1, death: Death::Own, fingerprint: Some(SUSPECT) };
    let first = [Event::Start, ready(0), submit(1_000, SUSPECT), died];
    let then = [ready(1), submit(1_001, INNOCENT), done(1, 1_001), submit(1_002, SUSPECT)];
    for event in first.into_iter().chain(then) {
        scheduler.handle(Time::ZERO, event);
    }
    while scheduler.poll_action().is_some() {}
    assert_eq!(scheduler.set_apart(), 1);
    scheduler
}

#[test]
fn a_caller_whose_payload_has_killed_is_not_woken_by_its_own_refusal() {
    let scheduler = with_one_set_apart();
    assert!(scheduler.room().is_some(), "of other payloads");
    let mut state = State::new(recipe(), &limits(), false, scheduler);
    let job = NewJob::of(Payload::raw(b"killer".to_vec()));
    let (mut effects, (sender, _outcome)) = (Effects::default(), oneshot::channel());
    let (now, waited) = (Time::ZERO, Duration::ZERO);
    let rejected = state.submit(now, job, Some(SUSPECT), sender, waited, &mut effects).unwrap_err();
    assert!(matches!(rejected.reason, Refusal::QueueFull { .. }), "{:?}", rejected.reason);
    assert!(effects.room.is_none(), "it would offer its job again at once, for ever");
}
