//! Free messages, for workers that announce the mode: their contents, and the errors of the handler.

use crate::PATIENCE;
use crate::check::{Check, Checked, Group, Needs, ensure};
use crate::frame::{BINCODE, In, JSON, NONE, Out, RAW};
use crate::lab::Lab;
use crate::os::process::End;
use crate::strict;
use crate::worker::{Terms, Worker, value};
use procpool_protocol::Failure;
use procpool_protocol::frame::Kind;
use serde_json::{Value, json};

pub(super) const GROUP: Group = Group {
    name: "messages",
    checks: &[
        Check::new(
            "messages",
            "A worker that announces the mode `messages` becomes ready for it, and ends after Shutdown.",
            &["free-messages", "shutdown-and-end-of-file"],
            messages,
        ),
        Check::new(
            "message",
            "A worker sends messages in encodings that it named, without sequence number and header message.",
            &["free-messages", "kinds", "payloads"],
            message,
        )
        .with(Needs::Message),
        Check::new(
            "message-that-is-not-json",
            "A message that does not decode is answered with MessageFailed; the worker goes on, or exits with code 1.",
            &["free-messages", "payloads", "exit-codes"],
            message_that_is_not_json,
        )
        .with(Needs::Message),
        Check::new(
            "message-values",
            "JSON values come back in messages as they were sent, in their order.",
            &["free-messages", "payloads"],
            message_values,
        )
        .with(Needs::Messages),
        Check::new(
            "message-failed",
            "An error of the handler is a MessageFailed; the worker goes on, or exits with code 1.",
            &["free-messages", "failure", "exit-codes"],
            message_failed,
        )
        .with(Needs::Messages),
    ],
};

/// Returns a ready worker of free messages.
fn ready(lab: &Lab<'_>) -> Checked<Worker> {
    lab.ready_on(&Terms { mode: Some("messages"), ..Terms::default() })
}

fn messages(lab: &Lab<'_>) -> Checked {
    lab.provide_messages()?;
    let mut worker = ready(lab)?;
    worker.control.say(&Out::of(Kind::Shutdown, 0))?;
    worker.end_well("Shutdown")
}

/// Sends a message in JSON.
fn send(worker: &mut Worker, text: &[u8]) -> Checked {
    worker.jobs.say(&Out::of(Kind::Message, 0).payload(JSON, text))
}

/// Returns the next frame that is not a log.
fn answer(worker: &mut Worker) -> Checked<In> {
    loop {
        let frame = worker.hear("a Message", PATIENCE)?;
        if frame.kind != Kind::Log {
            return Ok(frame);
        }
    }
}

/// Expects a message that a coordinator accepts.
fn accept(lab: &Lab<'_>, frame: &In) -> Checked {
    ensure(frame.kind == Kind::Message, || format!("expected a Message, got {frame}"))?;
    ensure(frame.sequence() == 0 && frame.message.is_empty(), || {
        format!("a Message has a sequence number or a header message: {frame}")
    })?;
    let names = [(NONE, "json"), (BINCODE, "bincode"), (JSON, "json"), (RAW, "raw")];
    let is_named = names.iter().any(|(number, name)| *number == frame.head.encoding && lab.reads(name));
    ensure(is_named, || format!("a Message in an encoding that its Hello does not name: {frame}"))?;
    if frame.head.encoding == JSON { value(frame).map(drop) } else { Ok(()) }
}

fn message(lab: &Lab<'_>) -> Checked {
    let mut worker = ready(lab)?;
    for _ in 0..10 {
        send(&mut worker, &lab.any()?)?;
        let frame = answer(&mut worker)?;
        accept(lab, &frame)?;
    }
    Ok(())
}

/// Returns the failure in a `MessageFailed`.
fn failure(frame: &In) -> Checked<Failure> {
    ensure(frame.kind == Kind::MessageFailed, || format!("expected MessageFailed, got {frame}"))?;
    ensure(frame.payload.is_empty(), || format!("a MessageFailed with a payload: {frame}"))?;
    strict::failure_message(frame)
}

/// Expects that the worker answers this message, or has ended the conversation with its error.
fn goes_on(lab: &Lab<'_>, worker: &mut Worker, text: &[u8]) -> Checked<Option<In>> {
    worker.jobs.try_send(&Out::of(Kind::Message, 0).payload(JSON, text).bytes());
    match worker.jobs.frame(PATIENCE)? {
        Some(frame) => accept(lab, &frame).map(|()| Some(frame)),
        None => {
            let end = worker.end("MessageFailed")?;
            ensure(end == End::Code(1), || format!("expected exit code 1 after MessageFailed, got {end}"))?;
            Ok(None)
        }
    }
}

fn message_that_is_not_json(lab: &Lab<'_>) -> Checked {
    for broken in [&b"{\"op\":"[..], b"[1,]", b"", b"\xff"] {
        let mut worker = ready(lab)?;
        send(&mut worker, broken)?;
        let frame = answer(&mut worker)?;
        failure(&frame)?;
        goes_on(lab, &mut worker, &lab.any()?)?;
    }
    Ok(())
}

fn echo(value: &Value) -> Vec<u8> {
    json!({"op": "echo", "value": value}).to_string().into_bytes()
}

fn message_values(lab: &Lab<'_>) -> Checked {
    let mut worker = ready(lab)?;
    let values = [
        Value::Null,
        json!(-1.5),
        json!("é🦀\0\u{2028}\"\\"),
        json!({"a": [1, {}]}),
        json!("x".repeat(400_000)),
    ];
    // Together: nobody waits for an answer.
    values.iter().try_for_each(|sent| send(&mut worker, &echo(sent)))?;
    for sent in values {
        let frame = answer(&mut worker)?;
        accept(lab, &frame)?;
        let came = value(&frame)?;
        ensure(came == sent, || format!("{sent} came back as {came}"))?;
    }
    Ok(())
}

fn message_failed(lab: &Lab<'_>) -> Checked {
    let mut worker = ready(lab)?;
    let fail = json!({"op": "fail", "message": "nope", "code": "no_such_thing"}).to_string();
    send(&mut worker, fail.as_bytes())?;
    let frame = answer(&mut worker)?;
    let failure = failure(&frame)?;
    let said = (failure.code(), failure.message());
    ensure(said == ("no_such_thing", "nope"), || {
        format!("expected `no_such_thing` and `nope`, got {said:?}")
    })?;
    let next = goes_on(lab, &mut worker, &echo(&json!("still here")))?;
    let is_right = next.map_or(Ok(true), |frame| value(&frame).map(|value| value == "still here"))?;
    ensure(is_right, || "another message came after MessageFailed".into())
}
