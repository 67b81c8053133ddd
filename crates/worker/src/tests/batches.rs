//! Several inputs in one job.

use super::*;
use procpool_protocol::batch::{Inputs, next_answer};
use procpool_protocol::extras::{Extra, of_job};
use procpool_protocol::limits::MAX_CHUNK;
use procpool_protocol::message::Status;

/// Returns a job of these inputs, which are JSON.
fn batch(sequence: u64, inputs: &[&str]) -> Frame {
    let mut batch = Inputs::default();
    inputs.iter().for_each(|input| batch.push(input.as_bytes()));
    raw(sequence, Payload::raw(bytes::Bytes::from(batch)))
}

fn raw(sequence: u64, payload: Payload) -> Frame {
    let extras = vec![Extra { tag: of_job::BATCH, value: vec![Encoding::Json as u8] }];
    job(
        sequence,
        &message::Job { extras, credit: Some(1), reply: Encoding::Json.into(), ..message() },
        payload,
    )
}

fn answers(payload: Payload) -> Vec<(Status, Payload)> {
    let mut rest = payload.bytes;
    std::iter::from_fn(|| next_answer(&mut rest)).map(|answer| answer.expect("an answer")).collect()
}

fn ok(json: &'static str) -> (Status, Payload) {
    (Status::Ok, Payload::json(json))
}

fn double_of(n: u64, cx: &Context<Number>) -> Result<u64, Failure> {
    match n {
        13 => Err(Failure::new("thirteen")),
        14 => panic!("fourteen"),
        15 => Ok(cx.emit("x".repeat(MAX_CHUNK as usize + 1)).map(|()| 15)?),
        _ => Ok(2 * n),
    }
}

#[test]
fn each_input_has_an_answer_of_its_own() {
    let mut double = Double::numbers(double_of);
    double.jobs.send(&batch(1, &["21", "13", "\"no number\"", "3"]));
    let (done, output) = double.done(1);
    assert_eq!(done.status, Status::Ok);
    let answers = answers(output);
    assert_eq!((&answers[0], &answers[3]), (&ok("42"), &ok("6")));
    assert!(matches!(&answers[1].0, Status::Failed(failure) if failure.message() == "thirteen"));
    assert!(matches!(&answers[2].0, Status::BadInput { .. }));
    assert_eq!(answers.len(), 4);
    assert_eq!(double.run(2, number(4)).1, number(8), "and the next job is none");
}

#[test]
fn a_panic_ends_the_batch_and_the_answers_before_it_count() {
    let mut double = Double::numbers(double_of);
    double.jobs.send(&batch(1, &["1", "2", "14", "4"]));
    let (done, output) = double.done(1);
    assert!(matches!(done.status, Status::Panicked { message, .. } if message == "fourteen"));
    assert_eq!(answers(output), [ok("2"), ok("4")]);
    assert!(matches!(double.end(), Ok(Ending::Panicked)));
}

#[test]
fn a_chunk_that_cannot_be_sent_breaks_its_own_input() {
    let mut double = Double::numbers(double_of);
    double.jobs.send(&batch(1, &["15", "1"]));
    let answers = answers(double.done(1).1);
    assert!(matches!(&answers[0].0, Status::Broke(failure) if failure.code() == "bad_chunk"));
    assert_eq!(answers[1], ok("2"));
}

#[test]
fn bytes_that_are_no_batch_never_reach_the_function() {
    let mut double = Double::numbers(|_, _| panic!("it was called"));
    double.jobs.send(&raw(1, Payload::raw(&[1, 0, 0, 0, b'7', 9, 0][..])));
    assert!(matches!(double.done(1).0.status, Status::BadInput { .. }));
}
