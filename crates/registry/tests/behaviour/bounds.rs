//! Count and bytes: what is given up for others, and what is refused instead.

use procpool_protocol::{JobError, JobId, Payload, Stage};
use procpool_registry::{Body, Dropped, Effect, Event, Gone, Refused, ResultState, Storage};

use crate::desk::{Desk, HOUR, bytes, cancelled, input, ok};

fn small() -> Desk {
    Desk::with(|it| {
        it.max_records = 4;
        it.max_keys = 2;
    })
}

/// Runs a job under a key that has ended successfully.
fn keyed(desk: &mut Desk, key: &str) -> JobId {
    let offer = desk.keyed(key, 1);
    let job = desk.run(offer);
    desk.start(job);
    desk.finish(job, ok("6"));
    job
}

fn refusal(desk: &mut Desk, key: Option<&str>) -> &'static str {
    let offer = match key {
        Some(key) => desk.keyed(key, 1),
        None => desk.a_job(),
    };
    desk.offer(offer).expect_err("no room").name()
}

#[test]
fn the_longest_finished_job_makes_room_for_a_new_one() {
    let mut desk = small();
    let [a, b] = [desk.running(), desk.running()];
    desk.finish(b, ok("6"));
    desk.pass(HOUR / 60);
    desk.finish(a, ok("6"));
    let [c, d] = [desk.queued(), desk.queued()];
    desk.effects();

    let e = desk.queued();
    assert_eq!([a, b, c, d, e].map(|job| desk.has(job)), [true, false, true, true, true]);
    let gone = |effect: &Effect| matches!(effect, Effect::Gone(job, Gone::Evicted) if *job == b);
    assert!(desk.effects().iter().any(gone));
}

#[test]
fn dead_letters_beyond_their_number_go_the_longest_finished_first_and_those_with_a_key_stay() {
    let mut desk = Desk::with(|it| it.max_dead = 2);
    let dies = |desk: &mut Desk, offer| {
        let job = desk.run(offer);
        desk.start(job);
        desk.pass(HOUR / 60);
        desk.finish(job, failed());
        job
    };
    let offer = desk.keyed("k", 1);
    let keyed = dies(&mut desk, offer);
    let alive = desk.finished();
    let mut dead = Vec::new();
    for _ in 0..2 {
        let offer = desk.a_job();
        dead.push(dies(&mut desk, offer));
    }
    desk.effects();
    let [late, early] = [desk.running(), desk.running()];
    for job in [early, late] {
        desk.pass(HOUR / 60);
        desk.finish(job, failed());
    }
    dead.extend([early, late]);
    assert_eq!(dead.iter().map(|&job| desk.has(job)).collect::<Vec<_>>(), [false, false, true, true]);
    assert!(desk.has(keyed) && desk.has(alive));
    assert_eq!(desk.registry.usage().dead, 2);
    let effects = desk.effects();
    let gone =
        |job: JobId| effects.iter().any(|it| matches!(it, Effect::Gone(of, Gone::Evicted) if *of == job));
    assert!(gone(dead[0]) && gone(dead[1]));

    // Once its key is free, it counts, and is the oldest.
    desk.pass(24 * HOUR - 3 * HOUR / 60);
    desk.tick();
    assert!(!desk.has(keyed) && desk.registry.usage().dead <= 2);
}

#[test]
fn a_lowered_number_of_dead_letters_holds_after_the_next_start() {
    let mut desk = Desk::new();
    let dead: Vec<_> = (0..5).map(|_| desk.running()).collect();
    for &job in &dead {
        desk.pass(HOUR / 60);
        desk.finish(job, failed());
    }
    assert_eq!(desk.registry.usage().dead, 5);
    let mut settings = *desk.registry.settings();
    settings.max_dead = 1;
    let storage = std::mem::replace(&mut desk, Desk::new()).registry.into_storage();
    let mut desk = Desk::over(storage, settings, 2);
    desk.tick();
    assert_eq!(dead.iter().filter(|&&job| desk.has(job)).collect::<Vec<_>>(), [&dead[4]]);
}

fn failed() -> Result<Payload, Box<JobError>> {
    Err(Box::new(JobError::panicked("no", None)))
}

#[test]
fn a_record_that_makes_room_takes_its_bodies_with_it() {
    let mut desk = small();
    let mut offer = desk.a_job();
    offer.input = input(10);
    let job = desk.run(offer);
    desk.finish(job, ok("6"));
    desk.effects();
    for _ in 0..4 {
        desk.queued();
    }
    let storage = desk.registry.storage();
    assert!(storage.input(job).is_none() && storage.result(job).is_none());
    let dropped = |effect: &Effect| matches!(effect, Effect::Drop(Dropped::Input(_) | Dropped::Result(_)));
    assert_eq!(desk.effects().iter().filter(|effect| dropped(effect)).count(), 2);
}

#[test]
fn an_unfinished_job_is_never_given_up() {
    let mut desk = small();
    let jobs = [(); 4].map(|()| desk.queued());
    assert_eq!(refusal(&mut desk, None), "registry_full");
    assert_eq!(refusal(&mut desk, Some("k")), "registry_full");
    assert!(jobs.iter().all(|&job| desk.has(job)));
}

#[test]
fn a_key_that_lives_is_never_given_up() {
    let mut desk = small();
    let keys = [keyed(&mut desk, "a"), keyed(&mut desk, "b")];
    assert_eq!(refusal(&mut desk, Some("c")), "key_store_full");
    // Jobs without keys have the rest of the room to themselves.
    for _ in 0..10 {
        desk.finished();
    }
    assert!(keys.iter().all(|&job| desk.has(job)));
    assert_eq!(refusal(&mut desk, Some("c")), "key_store_full");
}

#[test]
fn a_full_store_of_keys_still_answers_for_the_keys_that_it_has() {
    let mut desk = small();
    keyed(&mut desk, "a");
    keyed(&mut desk, "b");
    let offer = desk.keyed("a", 1);
    assert!(desk.offer(offer).is_ok());
}

#[test]
fn a_key_whose_time_is_up_makes_room() {
    let mut desk = small();
    keyed(&mut desk, "a");
    keyed(&mut desk, "b");
    desk.pass(24 * HOUR);
    let offer = desk.keyed("c", 1);
    desk.run(offer);
}

#[test]
fn a_key_that_was_not_used_makes_room() {
    let mut desk = small();
    keyed(&mut desk, "a");
    let offer = desk.keyed("b", 1);
    let job = desk.run(offer);
    desk.finish(job, cancelled(Stage::Queued));
    keyed(&mut desk, "c");
    assert_eq!(refusal(&mut desk, Some("d")), "key_store_full");
}

#[test]
fn long_keys_have_only_their_share_of_the_bytes() {
    let mut desk = Desk::with(|it| {
        it.max_records = 100;
        it.max_keys = 50;
        it.max_record_bytes = 100 * 1_400;
    });
    let long = |nth: usize| format!("{nth:0>255}");
    let refused = (0..50).find_map(|nth| {
        let offer = desk.keyed(&long(nth), 1);
        desk.offer(offer).err()
    });
    assert!(matches!(refused, Some(Refused::KeyStoreFull { keys, .. }) if keys < 50), "{refused:?}");
    let usage = desk.registry.usage();
    assert!(usage.keyed_bytes <= desk.registry.settings().max_keyed_bytes());
    for _ in 0..50 {
        desk.queued();
    }
}

#[test]
fn records_are_bounded_in_bytes() {
    let mut desk = Desk::with(|it| {
        it.max_keys = 0;
        it.max_record_bytes = 20_000;
    });
    for _ in 0..100 {
        let mut offer = desk.a_job();
        offer.principal = Some("p".repeat(200).into());
        let job = desk.run(offer);
        desk.finish(job, ok("6"));
        assert!(desk.registry.usage().record_bytes <= 20_000);
    }
    assert!(desk.registry.usage().records > 5);
    assert_eq!(refusal(&mut desk, Some("k")), "key_store_full");
}

#[test]
fn the_longest_finished_result_makes_room_and_those_with_keys_come_last() {
    let mut desk = Desk::with(|it| it.max_result_bytes = 10_000);
    let with_key = {
        let offer = desk.keyed("k", 1);
        desk.run(offer)
    };
    let jobs = [with_key, desk.running(), desk.running(), desk.running()];
    let held = |desk: &Desk| {
        jobs.map(|job| matches!(desk.registry.result(desk.now, job), ResultState::Finished(..)))
    };
    for (job, expected) in [
        (0, [true, false, false, false]),
        (1, [true, true, false, false]),
        (2, [true, false, true, false]),
        (3, [true, false, false, true]),
    ] {
        desk.finish(jobs[job], bytes(4_000));
        desk.pass(HOUR / 60);
        assert_eq!(held(&desk), expected, "after {job}");
        assert!(desk.registry.usage().result_bytes <= 10_000);
    }
    assert!(matches!(desk.registry.result(desk.now, jobs[1]), ResultState::Gone(_)));
}

#[test]
fn results_that_fit_exactly_stay() {
    let mut desk = Desk::new();
    let job = desk.running();
    desk.finish(job, bytes(4_000));
    let size = desk.record(job).result.bytes();

    let mut desk = Desk::with(|it| it.max_result_bytes = 2 * size);
    let jobs = [desk.running(), desk.running()];
    for job in jobs {
        desk.finish(job, bytes(4_000));
    }
    let is_held = |&job: &JobId| desk.record(job).result.is_held();
    assert!(jobs.iter().all(is_held));
    assert_eq!(desk.registry.usage().result_bytes, 2 * size);
}

#[test]
fn a_result_that_never_fits_takes_no_other_s_room() {
    let mut desk = Desk::with(|it| it.max_result_bytes = 10_000);
    let small = desk.running();
    desk.finish(small, bytes(4_000));
    let large = desk.running();
    desk.effects();
    desk.finish(large, bytes(10_000));
    assert!(matches!(desk.registry.result(desk.now, small), ResultState::Finished(..)));
    assert!(matches!(desk.registry.result(desk.now, large), ResultState::Gone(_)));
    assert_eq!(desk.record(large).result, Body::Gone);
}

#[test]
fn inputs_of_finished_jobs_make_room_and_those_of_others_stay() {
    let mut desk = Desk::with(|it| it.max_input_bytes = 10_000);
    let with_input = |desk: &mut Desk| {
        let mut offer = desk.a_job();
        offer.input = input(4_000);
        desk.run(offer)
    };
    let [a, b, c] = [with_input(&mut desk), with_input(&mut desk), with_input(&mut desk)];
    let has = |desk: &Desk, job| desk.registry.input(desk.now, job).is_some();
    assert_eq!([a, b, c].map(|job| has(&desk, job)), [true, true, false]);
    assert_eq!(desk.record(c).input, Body::Gone);

    desk.finish(a, ok("6"));
    let d = with_input(&mut desk);
    assert_eq!([a, b, c, d].map(|job| has(&desk, job)), [false, true, false, true]);
    assert!(desk.registry.usage().input_bytes <= 10_000);
}

#[test]
fn events_of_all_jobs_are_bounded_together() {
    let mut desk = Desk::with(|it| {
        it.max_event_bytes = 100_000;
        it.max_event_bytes_per_job = 50_000;
    });
    let jobs = [(); 8].map(|()| desk.running());
    for _ in 0..20 {
        for &job in &jobs {
            desk.done(job, Event::Chunk(Payload::raw(vec![1; 5_000])));
            assert!(desk.registry.event_bytes() <= 100_000);
        }
    }
    assert!(desk.registry.event_bytes() > 50_000);
}
