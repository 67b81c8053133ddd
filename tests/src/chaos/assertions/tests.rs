//! Each assertion seen to fail: a good run, and one thing in it that is not.

mod watching;

use super::*;
use crate::chaos::books::Books;
use crate::chaos::distribution::{Distribution, Spread};
use crate::chaos::effects::Comparison;
use crate::chaos::evidence::Quiet;
use crate::chaos::followed::Events;
use crate::chaos::hostile::Visits;
use crate::chaos::options::Options;
use crate::chaos::status::Pool;
use crate::chaos::streams::Streams;
use crate::chaos::subject::Sample;
use crate::chaos::watch::Probes;
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// Every pool was sent one job, which was ok, and one more whose client hung up.
fn good() -> Evidence {
    let minute = Duration::from_secs(60);
    let running = Sample {
        descriptors: 80,
        threads: 5,
        children: scenario::workers() + scenario::templates(),
        templates: scenario::templates(),
        files: BTreeSet::from(["socket".into()]),
        ..Sample::default()
    };
    Evidence {
        options: Options {
            duration: minute,
            kills_per_minute: 600,
            seed: 1,
            figures: false,
            store: false,
            cluster: 0,
            servers: 1,
        },
        lasted: minute,
        kills: 600,
        worker_stops: 20,
        template_kills: 12,
        template_stops: 12,
        newborn_kills: 30,
        unknown_kills: 3,
        reloads: 20,
        server_stops: 5,
        longest_starvation: Duration::ZERO,
        books: books(),
        effects: Comparison { lines: 1, ..Comparison::default() },
        streams: Ok(Streams { jobs: 2, ok: 1, chunks: 3, ..Streams::default() }),
        events: Events { jobs: 2, events: 6, cuts: 1, wrong: Oddities::default() },
        visits: visits(),
        views: watching::views(),
        scrapes: watching::scrapes(),
        whole_budget: Ok(Duration::ZERO),
        lost_lines: 0,
        complaints: Oddities::default(),
        made_good: Spread::default(),
        probes: Probes { failed: Oddities::default(), times: once() },
        memory: vec![100 << 20; 9],
        before: running.clone(),
        quiet: Quiet { pools: pools(), sample: running, restless: Vec::new() },
        exit: Some(ExitStatus::from_raw(0)),
        after: Sample::default(),
    }
}

fn visits() -> Visits {
    Visits { ended: hostile::all().map(|guise| (guise, 1)).collect(), ..Visits::default() }
}

fn books() -> Books {
    let mut books = Books::default();
    let attack = &mut books.attack;
    (attack.crashed, attack.poisoned, attack.served) = (2, 5, 9);
    for ((id, book), plan) in (0..).zip(&mut books.ledger.books).zip(PLANS) {
        (book.sent, book.hung_up) = (2, 1);
        book.answered.insert(Outcome::Ok, 1);
        books.ids.accepted(id);
        books.ids.answered(id);
        if plan.name != scenario::BATCHED {
            books.ids.accepted(1000 + id);
        }
    }
    books
}

fn pools() -> Vec<Pool> {
    PLANS.iter().map(|plan| pool(plan.name, "cancelled")).collect()
}

/// Returns the status of a pool that has one job that was ok and one that ended so.
fn pool(name: &str, other: &str) -> Pool {
    let status = serde_json::json!({
        "name": name, "queued": 0, "running": 0, "deaths": 0, "generation": 0, "reloading": false,
        "jobs": { "ok": 1, other: 1 }, "workers": {},
    });
    serde_json::from_value(status).unwrap()
}

fn once() -> Distribution {
    let mut times = Distribution::default();
    times.record(Duration::from_millis(1));
    times
}

fn one() -> Oddities {
    let mut oddities = Oddities::default();
    oddities.note(|| "this one".into());
    oddities
}

/// Returns the assertions that fail in a run that is good but for this.
fn failing(spoil: impl FnOnce(&mut Evidence)) -> Vec<&'static str> {
    let mut evidence = good();
    spoil(&mut evidence);
    verdicts(&evidence).into_iter().filter(|verdict| !verdict.holds).map(|verdict| verdict.what).collect()
}

#[test]
fn a_good_run_is_good() {
    assert_eq!(failing(|_| {}), [] as [&str; 0]);
}

#[test]
fn events_that_are_lost_and_readers_that_are_never_cut_are_noticed() {
    let spoils: [fn(&mut Evidence); 3] =
        [|it| it.events.wrong = one(), |it| it.events.events = 0, |it| it.events.cuts = 0];
    for spoil in spoils {
        assert_eq!(failing(spoil), ["events of a job come in order and none is lost"]);
    }
}

#[test]
fn a_run_without_faults_proves_nothing() {
    let spoils: [fn(&mut Evidence); 4] = [
        |it| it.kills = 10,
        |it| it.template_kills = 0,
        |it| it.template_stops = 0,
        |it| it.newborn_kills = 0,
    ];
    for spoil in spoils {
        assert_eq!(failing(spoil), ["the faults were real"]);
    }
}

#[test]
fn a_request_without_an_answer_is_found() {
    let spoil = |it: &mut Evidence| {
        let book = &mut it.books.ledger.books[0];
        (book.hung_up, book.unanswered) = (0, 1);
    };
    assert_eq!(failing(spoil), ["every request has one answer"]);
}

#[test]
fn a_wrong_answer_and_a_strange_outcome_are_found() {
    assert_eq!(failing(|it| it.books.ledger.wrong = one()), ["answers are right"]);
    assert_eq!(failing(|it| it.books.ledger.strange = one()), ["outcomes fit their jobs"]);
}

#[test]
fn ledgers_that_differ_are_found() {
    let ledgers = ["the server's ledger is the clients'"];
    // The scraped totals differ from such a status, too.
    let both = [ledgers[0], "scraped totals are those of the ledger"];
    assert_eq!(failing(|it| it.quiet.pools[1] = pool("again", "shiny")), both, "an unknown outcome");
    assert_eq!(failing(|it| it.books.ledger.books[2].sent = 9), ledgers, "a client that lost count");
    assert_eq!(failing(|it| it.quiet.pools[1] = pool("again", "refused")), both, "accepted, then refused");
    let told_otherwise = |it: &mut Evidence| {
        let answered = &mut it.books.ledger.books[0].answered;
        answered.clear();
        answered.insert(Outcome::Failed, 1);
    };
    assert_eq!(failing(told_otherwise), ledgers, "another outcome was told than was counted");
}

#[test]
fn ids_that_are_repeated_or_nobodys_are_found() {
    let ids = "each job id is once in both ledgers";
    assert_eq!(failing(|it| it.books.ids.answered(1)), [ids]);
    assert_eq!(failing(|it| it.books.ids.accepted(1)), [ids]);
    assert_eq!(failing(|it| it.books.ids.answered(77)), [ids]);
    let but_lines_were_lost = |it: &mut Evidence| {
        it.books.ids.answered(77);
        it.lost_lines = 1;
    };
    assert_eq!(failing(but_lines_were_lost), [] as [&str; 0]);
}

#[test]
fn a_crash_without_a_death_is_found() {
    let crash = |it: &mut Evidence| it.quiet.pools[0] = pool(PLANS[0].name, "crashed");
    let also = "scraped totals are those of the ledger";
    assert_eq!(failing(crash), ["crashed jobs are no more than deaths", also]);
}

#[test]
fn a_payload_that_kills_again_and_again_is_found() {
    let quarantine = ["a payload that kills is soon not run any more"];
    // Two workers and three deaths for the one make that there was.
    assert_eq!(failing(|it| it.books.attack.crashed = 5), [] as [&str; 0]);
    assert_eq!(failing(|it| it.books.attack.crashed = 6), quarantine);
    let never_poisoned = |it: &mut Evidence| {
        (it.books.attack.crashed, it.books.attack.poisoned) = (4, 0);
    };
    assert_eq!(failing(never_poisoned), quarantine);
}

#[test]
fn chunks_that_are_wrong_or_not_counted_are_found() {
    let chunks = ["chunks come in order and none is lost"];
    let with = |streams| failing(|it| it.streams = streams);
    assert_eq!(with(Ok(Streams { ok: 1, chunks: 3, wrong: 1, ..Streams::default() })), chunks);
    assert_eq!(with(Ok(Streams { ok: 1, ..Streams::default() })), chunks, "nobody emitted any");
    assert_eq!(with(Err("it did not end".into())), chunks);
}

#[test]
fn a_breaker_that_killers_opened_is_found() {
    let breaker = ["those who kill open no breaker"];
    assert_eq!(failing(|it| it.books.attack.breaker = one()), breaker);
    assert_eq!(failing(|it| it.books.attack.served = 0), breaker, "nobody else was served");
}

#[test]
fn clients_that_are_never_given_up_and_bytes_that_are_never_given_back_are_found() {
    let given_up = ["clients that mean no good are given up"];
    assert_eq!(failing(|it| it.visits.stuck = one()), given_up);
    assert_eq!(failing(|it| it.visits.ended.clear()), given_up, "nobody came");
    let held = ["afterwards no byte of a body or an answer is held"];
    assert_eq!(failing(|it| it.whole_budget = Err("held".into())), held);
    assert_eq!(failing(|it| it.quiet.pools[0].queued_bytes = 1), held);
    assert_eq!(failing(|it| it.quiet.pools[0].output_bytes = 1), held);
}

#[test]
fn a_job_that_ran_against_its_promise_is_found() {
    let often = ["no job ran more often than it may"];
    assert_eq!(failing(|it| it.effects.too_often = 1), often);
    assert_eq!(failing(|it| it.effects.never_run = 1), often);
    assert_eq!(failing(|it| it.effects.missing = 1), often);
    assert_eq!(failing(|it| it.effects.strange = 1), often);
    assert_eq!(failing(|it| it.effects.run_after_cancel = 1), ["jobs cancelled in the queue never ran"]);
}

#[test]
fn what_comes_late_or_not_at_all_is_found() {
    assert_eq!(
        failing(|it| it.books.lateness.late = one()),
        ["no outcome is later than its deadline + 250 ms"]
    );
    assert_eq!(failing(|it| it.probes.failed = one()), ["/livez answered throughout"]);
    assert_eq!(failing(|it| it.probes.times = Distribution::default()), ["/livez answered throughout"]);
    assert_eq!(failing(|it| it.complaints = one()), ["the server's log has no error"]);
}

#[test]
fn what_is_left_when_all_is_quiet_is_found() {
    let quiet = |spoil: fn(&mut Sample)| failing(|it| spoil(&mut it.quiet.sample));
    assert_eq!(quiet(|it| it.children += 1), ["afterwards there are as many workers as configured"]);
    assert_eq!(quiet(|it| it.children -= 1), ["afterwards there are as many workers as configured"]);
    let none_left = |it: &mut Sample| (it.children, it.templates) = (it.workers(), 0);
    assert_eq!(quiet(none_left), ["afterwards there are as many workers as configured"]);
    let left_over = |it: &mut Sample| (it.children, it.templates) = (it.children + 1, it.templates + 1);
    assert_eq!(quiet(left_over), ["afterwards there are as many workers as configured"]);
    assert_eq!(quiet(|it| it.zombies = 1), ["afterwards there is no zombie"]);
    assert_eq!(quiet(|it| it.orphans = 1), ["afterwards nothing outlives its worker"]);
    assert_eq!(quiet(|it| it.descriptors = 81), ["afterwards descriptors are as before"]);
    assert_eq!(quiet(|it| it.threads = 6), ["afterwards threads are as before"]);
    assert_eq!(quiet(|it| it.files.extend(["other".into()])), ["afterwards temporary files are as before"]);
    assert_eq!(failing(|it| it.quiet.restless.push("plain".into())), ["afterwards nothing is pending"]);
}

#[test]
fn memory_that_grows_is_found_beyond_the_allowance() {
    let memory = |last: u64| failing(|it| it.memory[6..].fill(last << 20));
    assert_eq!(memory(108), [] as [&str; 0]);
    assert_eq!(memory(109), ["resident memory does not grow"]);
    assert_eq!(failing(|it| it.memory.truncate(2)), ["resident memory does not grow"]);
}

#[test]
fn a_bad_end_is_found() {
    let exit = "SIGTERM ends the server with 0";
    assert_eq!(failing(|it| it.exit = None), [exit]);
    assert_eq!(failing(|it| it.exit = Some(ExitStatus::from_raw(1 << 8))), [exit]);
    assert_eq!(failing(|it| it.after.orphans = 1), ["and leaves nothing"]);
    assert_eq!(failing(|it| it.after.files.extend(["socket".into()])), ["and leaves nothing"]);
}
