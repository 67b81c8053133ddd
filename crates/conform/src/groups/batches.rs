//! Batches: several inputs in one job, for workers that announce them.

use super::control::{cancel, settle};
use crate::check::{Check, Checked, Group, ensure, wrong};
use crate::frame::{In, JSON, RAW, job_with};
use crate::lab::Lab;
use crate::strict;
use crate::worker::{Terms, Worker, expect};
use procpool_protocol::batch::{self, Inputs};
use procpool_protocol::extras::of_job;
use procpool_protocol::message::{Done, Extra, Status};
use procpool_protocol::{Bytes, Encoding, Payload};
use serde_json::{Value, json};

pub(super) const GROUP: Group = Group {
    name: "batches",
    checks: &[
        Check::new(
            "batch",
            "A worker answers a batch with one Done, whose payload has an answer of each input.",
            &["batches"],
            batch,
        )
        .with_input(),
        Check::new(
            "batch-in-order",
            "A worker answers the inputs of a batch in their order; those that it left out are sent again.",
            &["batches"],
            batch_in_order,
        )
        .with_fixture(),
        Check::new(
            "batch-with-failures",
            "Each input of a batch has its own status: one that fails does not touch the others.",
            &["batches"],
            batch_with_failures,
        )
        .with_fixture(),
        Check::new(
            "batch-with-a-panic",
            "A worker whose function panics sends Panicked, with the answers of the inputs before that one.",
            &["batches"],
            batch_with_a_panic,
        )
        .with_fixture(),
        Check::new(
            "large-batch",
            "The answers of a batch keep to its limits, and an output that is too large is TooLarge by itself.",
            &["batches", "limits"],
            large_batch,
        )
        .with_fixture(),
        Check::new(
            "cancelled-batch",
            "A worker that reads a Cancel before its batch runs none of the inputs.",
            &["batches", "cancel"],
            cancelled_batch,
        )
        .with_input(),
    ],
};

type Answer = (Status, Payload);

/// Returns a ready worker, if it takes batches.
fn ready(lab: &Lab<'_>, terms: &Terms) -> Checked<Worker> {
    lab.announces("batches")?;
    lab.ready_on(terms)
}

/// Sends a batch of inputs as JSON, and returns its end.
fn send(worker: &mut Worker, inputs: &[Vec<u8>]) -> Checked<(Done, In)> {
    let mut all = Inputs::default();
    inputs.iter().for_each(|input| all.push(input));
    let Bytes(bytes) = Bytes::from(all);
    let extra = Extra { tag: of_job::BATCH, value: vec![JSON] };
    let sequence = worker.give_as(&job_with(vec![extra]), RAW, &bytes)?;
    worker.done(sequence)
}

/// Reads the answers of a batch of `count` inputs.
fn answers(frame: &In, count: usize) -> Checked<Vec<Answer>> {
    let is_raw = frame.head.encoding == RAW || frame.payload.is_empty();
    ensure(is_raw, || format!("expected the answers as raw bytes, got {frame}"))?;
    let Bytes(mut rest) = Bytes::from(frame.payload.clone());
    let mut answers = Vec::new();
    while let Some(answer) = batch::next_answer(&mut rest) {
        match answer {
            Ok((status, output)) => {
                strict::status(&status)?;
                let is_output = status == Status::Ok || output.bytes.is_empty();
                ensure(is_output, || format!("an output with {status:?}"))?;
                answers.push((status, output));
            }
            Err(error) => return wrong(error.to_string()),
        }
    }
    ensure(answers.len() <= count, || format!("{} answers for {count} inputs", answers.len()))?;
    Ok(answers)
}

/// Runs a batch to its end, and sends the inputs again that the worker left out.
fn run(worker: &mut Worker, inputs: &[Vec<u8>]) -> Checked<Vec<Answer>> {
    let mut all = Vec::new();
    while all.len() < inputs.len() {
        let rest = &inputs[all.len()..];
        let (done, frame) = send(worker, rest)?;
        expect(&done, "Ok of a batch", |status| *status == Status::Ok)?;
        let answers = answers(&frame, rest.len())?;
        ensure(!answers.is_empty(), || format!("expected answers of {} inputs, got none", rest.len()))?;
        all.extend(answers);
    }
    Ok(all)
}

fn batch(lab: &Lab<'_>) -> Checked {
    let mut worker = ready(lab, &Terms::default())?;
    let input = lab.any()?;
    let answers = run(&mut worker, &vec![input.clone(); 3])?;
    for (status, output) in &answers {
        ensure(*status == Status::Ok, || format!("expected Ok of each input, got {status:?}"))?;
        ensure(*output == answers[0].1, || "the same inputs have different outputs".into())?;
    }
    let frame = worker.ask_ok(&input)?;
    ensure(answers[0].1.bytes == frame.payload, || "an input has another output in a batch".into())
}

fn commands(commands: &[Value]) -> Vec<Vec<u8>> {
    commands.iter().map(|command| command.to_string().into_bytes()).collect()
}

fn echo(value: impl Into<Value>) -> Value {
    json!({"op": "echo", "value": value.into()})
}

/// Checks the answer to an echo.
fn echoed((status, output): &Answer, value: impl Into<Value>) -> Checked {
    let value = value.into();
    let came =
        (output.encoding == Encoding::Json).then(|| serde_json::from_slice::<Value>(&output.bytes).ok());
    let is_right = *status == Status::Ok && came.flatten().as_ref() == Some(&value);
    ensure(is_right, || format!("expected {value} in JSON, got {status:?} with {output:?}"))
}

fn batch_in_order(lab: &Lab<'_>) -> Checked {
    let mut worker = ready(lab, &Terms::default())?;
    for count in [1_u64, 2, 100] {
        let inputs: Vec<Value> = (0..count).map(echo).collect();
        let answers = run(&mut worker, &commands(&inputs))?;
        (0..count).zip(&answers).try_for_each(|(number, answer)| echoed(answer, number))?;
    }
    Ok(())
}

fn batch_with_failures(lab: &Lab<'_>) -> Checked {
    let mut worker = ready(lab, &Terms::default())?;
    let mut inputs = commands(&[
        echo(0),
        json!({"op": "fail", "message": "nope", "code": "no", "details": {"a": 1}}),
        echo(2),
        json!({"op": "break", "message": "no such key"}),
        echo(4),
    ]);
    inputs.push(b"{\"op\":".to_vec());
    inputs.push(echo(6).to_string().into_bytes());
    let answers = run(&mut worker, &inputs)?;
    for number in [0, 2, 4, 6] {
        echoed(&answers[number], number)?;
    }
    let is_right = [
        matches!(&answers[1].0, Status::Failed(it) if it.code() == "no" && it.message() == "nope"),
        matches!(&answers[3].0, Status::Broke(it) if it.message().contains("no such key")),
        matches!(&answers[5].0, Status::BadInput { .. }),
    ];
    ensure(is_right == [true; 3], || {
        let [a, b, c] = [1, 3, 5].map(|at| &answers[at].0);
        format!("expected Failed, Broke and BadInput, got {a:?}, {b:?} and {c:?}")
    })?;
    worker.command(&echo(1)).map(drop)
}

fn batch_with_a_panic(lab: &Lab<'_>) -> Checked {
    let mut worker = ready(lab, &Terms::default())?;
    let inputs = commands(&[echo(0), echo(1), json!({"op": "panic"}), echo(3)]);
    let (done, frame) = send(&mut worker, &inputs)?;
    let answers = answers(&frame, inputs.len())?;
    match done.status {
        Status::Panicked { .. } => ensure(answers.len() == 2, || {
            format!("expected the answers of the 2 inputs before the panic, got {}", answers.len())
        })?,
        // Its panics are Broke, and cost one input.
        Status::Ok if matches!(answers.get(2), Some((Status::Broke(_), _))) => echoed(&answers[3], 3)?,
        other => return wrong(format!("expected Panicked, got {other:?} with {} answers", answers.len())),
    }
    echoed(&answers[0], 0)?;
    echoed(&answers[1], 1)
}

fn large_batch(lab: &Lab<'_>) -> Checked {
    let max_payload = 300_000;
    let mut worker = ready(lab, &Terms { max_payload, ..Terms::default() })?;
    worker.jobs.max_payload = batch::max_answers(max_payload);
    let bytes = |length: u64| json!({"op": "bytes", "length": length});
    let lengths = [100_000, 300_000, 300_001, 120_000, 120_000, 120_000, 10];
    let inputs = commands(&lengths.map(bytes));
    let answers = run(&mut worker, &inputs)?;
    for (length, (status, output)) in lengths.into_iter().zip(&answers) {
        let is_right = match status {
            Status::TooLarge { size, limit } => *size == 300_001 && *limit == 300_000 && length == 300_001,
            Status::Ok => output.bytes.len() as u64 == length,
            _ => false,
        };
        let came = output.bytes.len();
        ensure(is_right, || format!("{length} bytes were asked for: got {status:?} with {came} bytes"))?;
    }
    Ok(())
}

fn cancelled_batch(lab: &Lab<'_>) -> Checked {
    let mut worker = ready(lab, &Terms::default())?;
    let input = lab.any()?;
    cancel(&mut worker, 1)?;
    settle(&mut worker)?;
    let (done, frame) = send(&mut worker, &vec![input.clone(); 3])?;
    let answers = answers(&frame, 3)?;
    let are_cancelled = answers.iter().all(|(status, _)| *status == Status::Cancelled);
    let is_right = done.status == Status::Cancelled || (done.status == Status::Ok && are_cancelled);
    ensure(is_right, || format!("expected Cancelled, got {:?} with {answers:?}", done.status))?;
    worker.ask_ok(&input).map(drop)
}
