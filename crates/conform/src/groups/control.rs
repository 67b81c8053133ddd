//! The control connection: ping, describe, cancel.

use crate::check::{Check, Checked, Group, ensure, skip};
use crate::frame::Out;
use crate::lab::Lab;
use crate::strict;
use crate::worker::{Worker, expect};
use procpool_protocol::frame::Kind;
use procpool_protocol::message::Status;
use serde_json::json;
use std::time::Duration;

pub(super) const GROUP: Group = Group {
    name: "control",
    checks: &[
        Check::new(
            "ping",
            "A worker answers Ping with a Pong of the same number, which has 64 bits.",
            &["kinds"],
            ping,
        )
        .should(),
        Check::new(
            "describe",
            "A worker answers Describe with the description that `--describe` prints.",
            &["kinds", "handshake"],
            describe,
        )
        .should(),
        Check::new(
            "control-while-busy",
            "A worker answers Ping and Describe while a job runs.",
            &["two-connections", "kinds"],
            control_while_busy,
        )
        .with_fixture()
        .should(),
        Check::new(
            "cancel-before-its-job",
            "A worker that reads a Cancel before its job answers that job with Cancelled, without running it.",
            &["cancel"],
            cancel_before_its_job,
        )
        .with_input(),
        Check::new(
            "cancel-of-nobody",
            "A Cancel of a job that has ended, or of a later one, does not hit another job.",
            &["cancel"],
            cancel_of_nobody,
        )
        .with_input(),
        Check::new(
            "cancel-while-running",
            "A Cancel reaches a function that looks at its flag, and not the next job.",
            &["cancel"],
            cancel_while_running,
        )
        .with_fixture(),
    ],
};

/// Lets the worker read what was sent on control: an answered ping comes after it.
pub(super) fn settle(worker: &mut Worker) -> Checked {
    worker.control.say(&Out::of(Kind::Ping, 77))?;
    // A worker need not answer.
    if !worker.control.is_silent(Duration::from_secs(1))? {
        let pong = worker.hear_control("Pong")?;
        ensure(pong.kind == Kind::Pong && pong.sequence() == 77, || format!("expected Pong 77, got {pong}"))?;
    }
    Ok(())
}

/// Sends a Cancel.
pub(super) fn cancel(worker: &mut Worker, sequence: u64) -> Checked {
    worker.control.say(&Out::of(Kind::Cancel, sequence))
}

fn ping(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    for number in [0, 7, (1 << 53) + 1, u64::MAX] {
        worker.control.say(&Out::of(Kind::Ping, number))?;
        let pong = worker.hear_control("Pong")?;
        let is_right = pong.kind == Kind::Pong && pong.sequence() == number;
        ensure(is_right, || format!("expected Pong {number}, got {pong}"))?;
        ensure(pong.message.is_empty() && pong.payload.is_empty(), || {
            format!("expected a header, got {pong}")
        })?;
    }
    Ok(())
}

fn describe(lab: &Lab<'_>) -> Checked {
    let described = lab.description()?;
    if described["job"].is_null() {
        return skip("the executable has several jobs");
    }
    let mut worker = lab.ready()?;
    worker.control.say(&Out::of(Kind::Describe, 0))?;
    let description = worker.hear_control("Description")?;
    let is_right = description.kind == Kind::Description && description.sequence() == 0;
    ensure(is_right, || format!("expected Description, got {description}"))?;
    let came = strict::json(&description)?;
    ensure(came == described, || format!("Description is {came}, and --describe prints {described}"))
}

fn control_while_busy(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let sequence = worker.give(json!({"op": "spin", "ms": 3000}).to_string().as_bytes())?;
    worker.wait_until_busy();
    worker.control.say(&Out::of(Kind::Ping, 8))?;
    worker.control.say(&Out::of(Kind::Describe, 0))?;
    let mut kinds = [worker.hear_control("Pong")?.kind, worker.hear_control("Description")?.kind];
    kinds.sort_by_key(|kind| *kind as u16);
    ensure(kinds == [Kind::Pong, Kind::Description], || format!("expected two answers, got {kinds:?}"))?;
    let is_running = worker.jobs.is_silent(Duration::ZERO)?;
    ensure(is_running, || "the answers came only after the job had ended".into())?;
    let (done, _) = worker.done(sequence)?;
    expect(&done, "Ok", |status| *status == Status::Ok)
}

fn cancel_before_its_job(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let input = lab.any()?;
    cancel(&mut worker, 1)?;
    settle(&mut worker)?;
    let (done, _) = worker.ask(&input)?;
    expect(&done, "Cancelled", |status| *status == Status::Cancelled)?;
    worker.ask_ok(&input).map(drop)
}

fn cancel_of_nobody(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let input = lab.any()?;
    for _ in 0..10 {
        worker.ask_ok(&input)?;
        let last = worker.sequence;
        cancel(&mut worker, last)?;
        settle(&mut worker)?;
    }
    let later = worker.sequence + 2;
    cancel(&mut worker, later)?;
    settle(&mut worker)?;
    worker.ask_ok(&input)?;
    let (done, _) = worker.ask(&input)?;
    expect(&done, "Cancelled", |status| *status == Status::Cancelled)?;
    worker.ask_ok(&input).map(drop)
}

fn cancel_while_running(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let sequence = worker.give(json!({"op": "sleep", "ms": 60_000}).to_string().as_bytes())?;
    // sleep: gives the job time to begin, so that this is not the Cancel of a job to come.
    std::thread::sleep(Duration::from_millis(100));
    cancel(&mut worker, sequence)?;
    let (done, _) = worker.done(sequence)?;
    expect(&done, "Cancelled", |status| *status == Status::Cancelled)?;
    for _ in 0..3 {
        worker.command(&json!({"op": "sleep", "ms": 10}))?;
    }
    Ok(())
}
