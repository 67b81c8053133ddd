//! The statuses of `Done`: failures, panics, outputs that are too large.

use crate::PATIENCE;
use crate::check::{Check, Checked, Group, ensure, skip, wrong};
use crate::lab::Lab;
use crate::os::process::End;
use crate::worker::{Terms, Worker, expect};
use procpool_protocol::Failure;
use procpool_protocol::limits::MAX_TEXT;
use procpool_protocol::message::Status;
use serde_json::{Value, json};

pub(super) const GROUP: Group = Group {
    name: "outcomes",
    checks: &[
        Check::new(
            "failed",
            "An error that is meant for the caller is Failed, with code, message, details as JSON and retryable.",
            &["done", "failure"],
            failed,
        )
        .with_fixture(),
        Check::new(
            "broke",
            "Any other exception is Broke, not Failed, and the same process takes the next job.",
            &["done", "failure"],
            broke,
        )
        .with_fixture(),
        Check::new(
            "long-texts",
            "A worker cuts texts to 16 KiB at the boundary of a character, and leaves longer details out.",
            &["failure", "limits"],
            long_texts,
        )
        .with_fixture(),
        Check::new(
            "panicked",
            "A worker says nothing after Panicked, and ends by itself or when it is asked to.",
            &["done", "shutdown-and-end-of-file"],
            panicked,
        )
        .with_fixture(),
        Check::new(
            "exit-code-of-a-panic",
            "A worker exits by itself after Panicked, with code 101.",
            &["done", "exit-codes"],
            exit_code_of_a_panic,
        )
        .with_fixture()
        .should(),
        Check::new(
            "too-large",
            "An output above `max_payload` is TooLarge, and one of that length is Ok.",
            &["done", "handshake"],
            too_large,
        )
        .with_fixture(),
    ],
};

/// Runs a command that should end as `Failed` or `Broke`.
fn failure(worker: &mut Worker, command: &Value, is_broke: bool) -> Checked<Failure> {
    let (done, _) = worker.ask(command.to_string().as_bytes())?;
    match done.status {
        Status::Failed(failure) if !is_broke => Ok(failure),
        Status::Broke(failure) if is_broke => Ok(failure),
        other => wrong(format!("expected {}, got {other:?}", if is_broke { "Broke" } else { "Failed" })),
    }
}

fn failed(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let details = json!({"limit": [1, "é"]});
    let command = json!({"op": "fail", "message": "nope", "code": "no", "details": details});
    let it = failure(&mut worker, &command, false)?;
    let is_right = it.code() == "no" && it.message() == "nope" && it.is_retryable();
    ensure(is_right, || format!("expected code `no`, message `nope`, retryable; got {it:?}"))?;
    let came = it.details::<Value>();
    ensure(came.as_ref() == Some(&details), || format!("expected the details {details}, got {came:?}"))?;
    let it = failure(&mut worker, &json!({"op": "fail", "message": "nope"}), false)?;
    ensure(it.code() == "failed", || format!("expected the code `failed` without another, got {it:?}"))?;
    ensure(it.details::<Value>().is_none(), || format!("expected no details, got {it:?}"))?;
    worker.command(&json!({"op": "echo", "value": 1})).map(drop)
}

fn broke(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let it = failure(&mut worker, &json!({"op": "break", "message": "no such key"}), true)?;
    let message = it.message();
    ensure(message.contains("no such key"), || {
        format!("expected the message `no such key`, got `{message}`")
    })?;
    ensure(!it.code().is_empty(), || "expected a code, got none".into())?;
    worker.command(&json!({"op": "echo", "value": 1})).map(drop)
}

fn long_texts(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    // Three bytes each: the limit is within a character. `strict` has compared lengths and decoded UTF-8.
    let text = "€".repeat(10_000);
    let it = failure(&mut worker, &json!({"op": "fail", "message": text, "code": text}), false)?;
    for (name, came) in [("message", it.message()), ("code", it.code())] {
        let is_cut = came.len() > MAX_TEXT - 4 && text.starts_with(came);
        ensure(is_cut, || format!("expected {MAX_TEXT} bytes of the {name}, got {}", came.len()))?;
    }
    let command = json!({"op": "fail", "message": "m", "details": {"long": "x".repeat(20_000)}});
    let it = failure(&mut worker, &command, false)?;
    ensure(it.details::<Value>().is_none(), || "expected no details, since they are too long".into())?;
    let it = failure(&mut worker, &json!({"op": "break", "message": text}), true)?;
    ensure(it.message().len() > MAX_TEXT - 400, || {
        format!("expected {MAX_TEXT} bytes of the message of Broke, got {}", it.message().len())
    })?;
    worker.command(&json!({"op": "echo", "value": 1})).map(drop)
}

/// Has the fixture panic.
fn panic(worker: &mut Worker) -> Checked {
    let (done, _) = worker.ask(json!({"op": "panic"}).to_string().as_bytes())?;
    match done.status {
        Status::Panicked { message, .. } => {
            ensure(message.contains("boom"), || format!("expected the message `boom`, got `{message}`"))
        }
        Status::Broke(_) => skip("its panics are Broke"),
        other => wrong(format!("expected Panicked, got {other:?}")),
    }
}

fn panicked(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    panic(&mut worker)?;
    let is_silent = worker.jobs.is_silent(crate::SILENCE)?;
    ensure(is_silent, || "something came on jobs after Panicked".into())?;
    worker.jobs.finish();
    worker.end("Panicked and an end of file on jobs").map(drop)
}

fn exit_code_of_a_panic(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    panic(&mut worker)?;
    match worker.process.end_within(PATIENCE)? {
        Some(End::Code(101)) => Ok(()),
        Some(end) => wrong(format!("expected exit code 101, got {end}")),
        None => wrong("the worker stays after Panicked"),
    }
}

fn too_large(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready_on(&Terms { max_payload: 100_000, ..Terms::default() })?;
    worker.jobs.max_payload = 100_000;
    let bytes = |length: u32| json!({"op": "bytes", "length": length}).to_string();
    let frame = worker.ask_ok(bytes(100_000).as_bytes())?;
    ensure(frame.payload.len() == 100_000, || {
        format!("the command `bytes` should answer 100000 bytes, and answered {}", frame.payload.len())
    })?;
    let (done, _) = worker.ask(bytes(100_001).as_bytes())?;
    let expected = Status::TooLarge { size: 100_001, limit: 100_000 };
    expect(&done, &format!("{expected:?}"), |status| *status == expected)?;
    worker.command(&json!({"op": "echo", "value": 1})).map(drop)
}
