//! Chunks, credit and progress.

use super::control::{cancel, settle};
use crate::PATIENCE;
use crate::check::{Check, Checked, Group, ensure};
use crate::frame::{In, JSON, Out, job};
use crate::lab::Lab;
use crate::strict;
use crate::worker::{Worker, expect, value};
use procpool_protocol::codec::encode_header;
use procpool_protocol::extras::{JobReport, of_done};
use procpool_protocol::frame::Kind;
use procpool_protocol::limits::MAX_CHUNK;
use procpool_protocol::message::{Credit, Job, Progress, Status};
use serde_json::json;

pub(super) const GROUP: Group = Group {
    name: "streams",
    checks: &[
        Check::new(
            "nobody-listens",
            "A worker whose job has no credit sends no chunks and does not wait.",
            &["streams-and-credit", "done"],
            nobody_listens,
        )
        .with_fixture(),
        Check::new(
            "chunks-within-credit",
            "A worker sends chunks in order, never more than its credit, and all before Done.",
            &["streams-and-credit", "credit"],
            chunks_within_credit,
        )
        .with_fixture(),
        Check::new(
            "cancel-while-waiting-for-credit",
            "A worker that waits for credit reads control, and stops waiting when its job is cancelled.",
            &["streams-and-credit", "cancel"],
            cancel_while_waiting,
        )
        .with_fixture(),
        Check::new(
            "credit-of-other-jobs",
            "A worker ignores credit of a job that it does not run.",
            &["streams-and-credit"],
            credit_of_other_jobs,
        )
        .with_fixture(),
        Check::new(
            "progress",
            "Progress comes before Done, with the job's number and figures that grow.",
            &["progress", "a-job-from-start-to-end"],
            progress,
        )
        .with_fixture(),
    ],
};

fn stream(worker: &mut Worker, count: u32, credit: Option<u32>) -> Checked<u64> {
    let input = json!({"op": "chunks", "count": count}).to_string();
    worker.give_as(&Job { credit, ..job() }, JSON, input.as_bytes())
}

fn credit(worker: &mut Worker, sequence: u64, chunks: u32) -> Checked {
    let message = encode_header(&Credit { chunks })?.to_vec();
    worker.control.say(&Out::of(Kind::Credit, sequence).message(message))
}

/// Hears the chunk with this number of this job.
fn chunk(worker: &mut Worker, sequence: u64, number: u32) -> Checked {
    let frame = worker.hear(&format!("chunk {number}"), PATIENCE)?;
    let is_chunk = frame.kind == Kind::Chunk && frame.sequence() == sequence && frame.message.is_empty();
    ensure(is_chunk, || format!("expected a chunk of job {sequence}, got {frame}"))?;
    let is_short = frame.head.payload_len <= MAX_CHUNK;
    ensure(is_short, || format!("a chunk of {} bytes is above the limit", frame.payload.len()))?;
    let came = value(&frame)?;
    ensure(came == number, || format!("expected the chunk {number}, got {came}"))
}

fn streamed(worker: &mut Worker, sequence: u64) -> Checked<In> {
    let (done, frame) = worker.done(sequence)?;
    expect(&done, "Ok", |status| *status == Status::Ok)?;
    let output = value(&frame)?;
    ensure(output == "streamed", || format!("expected the output \"streamed\", got {output}"))?;
    Ok(frame)
}

fn is_silent(worker: &mut Worker) -> Checked {
    let is_silent = worker.jobs.is_silent(crate::SILENCE)?;
    ensure(is_silent, || "expected no chunk without credit, and something came".into())
}

fn nobody_listens(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let sequence = stream(&mut worker, 100, None)?;
    let (done, _) = worker.done(sequence)?;
    expect(&done, "Ok", |status| *status == Status::Ok)?;
    // Optional. `strict` has read it.
    let report = JobReport::of(&done.extras).ok().flatten();
    let dropped = report.and_then(|report| report.chunks_dropped);
    ensure(dropped.is_none_or(|count| count == 100), || {
        format!("expected 100 dropped chunks in extra {}, got {dropped:?}", of_done::CHUNKS_DROPPED)
    })
}

fn chunks_within_credit(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let sequence = stream(&mut worker, 40, Some(3))?;
    let (mut next, mut open) = (0, 3);
    for more in [1, 1, 2, 5, 1, 300, 0] {
        while open > 0 && next < 40 {
            chunk(&mut worker, sequence, next)?;
            (next, open) = (next + 1, open - 1);
        }
        if next < 40 {
            is_silent(&mut worker)?;
            credit(&mut worker, sequence, more)?;
            open = more;
        }
    }
    streamed(&mut worker, sequence)?;
    // A stream without chunks, and one that needs exactly its credit.
    for count in [0, 2] {
        let sequence = stream(&mut worker, count, Some(2))?;
        (0..count).try_for_each(|number| chunk(&mut worker, sequence, number))?;
        streamed(&mut worker, sequence)?;
    }
    Ok(())
}

fn cancel_while_waiting(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let sequence = stream(&mut worker, 5, Some(0))?;
    is_silent(&mut worker)?;
    cancel(&mut worker, sequence)?;
    let (done, _) = worker.done(sequence)?;
    let is_over = |status: &Status| matches!(status, Status::Cancelled | Status::Ok);
    expect(&done, "Cancelled", is_over)?;
    worker.command(&json!({"op": "echo", "value": 1})).map(drop)
}

fn credit_of_other_jobs(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    worker.command(&json!({"op": "echo", "value": 1}))?;
    credit(&mut worker, 1, 8)?;
    credit(&mut worker, 9, 8)?;
    settle(&mut worker)?;
    let sequence = stream(&mut worker, 3, Some(1))?;
    chunk(&mut worker, sequence, 0)?;
    is_silent(&mut worker)?;
    credit(&mut worker, sequence - 1, 8)?;
    settle(&mut worker)?;
    is_silent(&mut worker)?;
    credit(&mut worker, sequence, 300)?;
    chunk(&mut worker, sequence, 1)?;
    chunk(&mut worker, sequence, 2)?;
    streamed(&mut worker, sequence).map(drop)
}

fn progress(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let sequence = worker.give(json!({"op": "progress", "count": 300}).to_string().as_bytes())?;
    let mut last = 0;
    // A worker may leave some out.
    let end = loop {
        let frame = worker.hear("Progress or Done", PATIENCE)?;
        if frame.kind != Kind::Progress {
            break frame;
        }
        let is_right = frame.sequence() == sequence && frame.payload.is_empty();
        ensure(is_right, || format!("expected Progress of job {sequence}, got {frame}"))?;
        let progress: Progress = strict::message(&frame.message, "Progress")?;
        let is_next = (last + 1..=300).contains(&progress.done) && progress.total == Some(300);
        ensure(is_next, || format!("expected more than {last} of 300, got {progress:?}"))?;
        last = progress.done;
    };
    let done = strict::done(&end)?;
    expect(&done, "Ok", |status| *status == Status::Ok)?;
    ensure(last > 0, || "expected Progress before Done, got none".into())
}
