//! `Log` frames, and lines on standard output and standard error.

use crate::PATIENCE;
use crate::check::{Check, Checked, Group, ensure, skip, wrong};
use crate::lab::Lab;
use crate::strict;
use crate::worker::{Worker, expect};
use procpool_protocol::frame::Kind;
use procpool_protocol::limits::MAX_TEXT;
use procpool_protocol::message::Status;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) const GROUP: Group = Group {
    name: "logs",
    checks: &[
        Check::new(
            "log-frames",
            "A Log frame is IGNORABLE, and has a level, a message and the number of its job.",
            &["log", "kinds"],
            log_frames,
        )
        .with_fixture(),
        Check::new(
            "long-logs",
            "A worker cuts the message of a Log to 16 KiB, and the frame keeps to the limits.",
            &["log", "limits"],
            long_logs,
        )
        .with_fixture(),
        Check::new(
            "lines-come-at-once",
            "Lines that a function prints can be read while it runs.",
            &["starting-a-worker"],
            lines_come_at_once,
        )
        .with_fixture(),
        Check::new(
            "prints-are-not-the-wire",
            "Bytes of the wire that a function prints are lines of the log.",
            &["starting-a-worker"],
            prints_are_not_the_wire,
        )
        .with_fixture(),
    ],
};

/// Has the fixture log, and returns the record.
fn log(worker: &mut Worker, command: &Value) -> Checked<Value> {
    let sequence = worker.give(command.to_string().as_bytes())?;
    let frame = worker.hear("Log", PATIENCE)?;
    if frame.kind == Kind::Done {
        return match strict::done(&frame)?.status {
            Status::Ok => skip("it sends no Log frames"),
            other => wrong(format!("expected a Log, got {other:?}")),
        };
    }
    // That it is IGNORABLE was looked at when it was read.
    ensure(frame.kind == Kind::Log && frame.payload.is_empty(), || format!("expected a Log, got {frame}"))?;
    let is_of_job = [0, sequence].contains(&frame.sequence());
    ensure(is_of_job, || format!("expected job {sequence} or 0, got {frame}"))?;
    let record = strict::json(&frame)?;
    let (done, _) = worker.done(sequence)?;
    expect(&done, "Ok", |status| *status == Status::Ok)?;
    Ok(record)
}

fn log_frames(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    for level in ["error", "warn", "info", "debug", "trace"] {
        let text = "a line\nand \"another\" é";
        let record = log(&mut worker, &json!({"op": "log", "text": text, "level": level}))?;
        ensure(record["level"] == level && record["message"] == text, || {
            format!("expected level {level} and the message {text:?}, got {record}")
        })?;
        let target = &record["target"];
        ensure(target.is_null() || target.is_string(), || format!("the target is {target}"))?;
    }
    Ok(())
}

fn long_logs(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    // Escaped, the second is six times as long.
    for text in ["€".repeat(30_000), "\u{1}".repeat(30_000)] {
        let record = log(&mut worker, &json!({"op": "log", "text": text, "level": "info"}))?;
        let message = record["message"].as_str().unwrap_or_default();
        let is_cut = !message.is_empty() && message.len() <= MAX_TEXT && text.starts_with(message);
        ensure(is_cut, || format!("expected at most {MAX_TEXT} bytes of the text, got {}", message.len()))?;
    }
    Ok(())
}

fn lines_come_at_once(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    worker.give(json!({"op": "print", "text": "a line", "ms": 60_000}).to_string().as_bytes())?;
    for (name, output) in [("output", &worker.stdout), ("error", &worker.stderr)] {
        let is_there = output.has("a line\n", PATIENCE);
        ensure(is_there, || format!("standard {name} is buffered: its lines are lost if the worker dies"))?;
    }
    let is_running = worker.jobs.is_silent(Duration::ZERO)?;
    ensure(is_running, || "the job ended before the kit had read its lines".into())
}

fn prints_are_not_the_wire(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let text = "PROCPOOL\u{2}\0\u{2}\0\0\0\0\0";
    worker.command(&json!({"op": "print", "text": text}))?;
    worker.command(&json!({"op": "echo", "value": 1}))?;
    let is_there = worker.stdout.has("PROCPOOL", PATIENCE);
    ensure(is_there, || "expected the text on standard output, and it is not there".into())
}
