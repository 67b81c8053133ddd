//! Types and values that their encoding cannot carry: the job breaks, and its input is not the cause.

use super::*;
use procpool_protocol::message::Status;
use serde::{Deserialize, Serialize};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Sparse {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Another field follows the optional one.
    size: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Either {
    Number(f64),
}

struct Measure;
impl Job for Measure {
    const NAME: &'static str = "measure";
    type Input = Either;
    type Output = Sparse;
}

impl Streaming for Measure {
    type Chunk = Either;
}

struct Guess;
impl Job for Guess {
    const NAME: &'static str = "guess";
    type Input = u64;
    type Output = Either;
}

fn run(double: &mut Double, sequence: u64, reply: Encoding, input: Payload) -> Status {
    let message = message::Job { reply: reply.into(), credit: Some(9), ..message() };
    double.jobs.send(&job(sequence, &message, input));
    double.done(sequence).0.status
}

fn broke(status: Status) -> (String, String) {
    let Status::Broke(failure) = status else { panic!("{status:?}") };
    (failure.code().into(), failure.message().into())
}

#[test]
fn an_output_that_would_arrive_as_another_value_breaks_the_job_and_json_carries_it() {
    let mut double = Double::with::<Measure>(Mode::Jobs, |_, _| Ok(Sparse::default()));
    let (code, message) = broke(run(&mut double, 1, Encoding::Bincode, Payload::json("1")));
    assert_eq!(code, "bad_output");
    assert!(message.contains("`Sparse` leaves out its field `name`"), "{message}");
    assert!(message.contains("Encoding::Json"), "{message}");
    assert_eq!(run(&mut double, 2, Encoding::Json, Payload::json("1")), Status::Ok);
}

#[test]
fn an_input_that_could_never_be_read_breaks_the_job_and_is_no_bad_input() {
    let mut double = Double::with::<Measure>(Mode::Jobs, |_, _| Ok(Sparse::default()));
    let bincode = Payload::new(Encoding::Bincode, vec![1]);
    let (code, message) = broke(run(&mut double, 1, Encoding::Json, bincode));
    assert_eq!(code, "bad_input");
    assert!(message.contains("Either") && message.contains("Encoding::Json"), "{message}");
    let bad = run(&mut double, 2, Encoding::Json, Payload::json("true"));
    assert!(matches!(bad, Status::BadInput { .. }), "{bad:?}");
}

#[test]
fn a_type_that_nobody_could_read_is_not_even_written() {
    let mut double =
        Double::with::<Guess>(Mode::Jobs, |n, _| Ok(Either::Number(f64::from(u32::try_from(n)?))));
    let (code, message) = broke(run(&mut double, 1, Encoding::Bincode, number(1)));
    assert_eq!(code, "bad_output");
    assert!(message.contains("read by looking what is there"), "{message}");
    assert_eq!(run(&mut double, 2, Encoding::Json, number(1)), Status::Ok);
}

#[test]
fn a_chunk_that_nobody_could_read_breaks_the_job() {
    let mut double = Double::with::<Measure>(Mode::Jobs, |input, cx| {
        cx.emit(input)?;
        Ok(Sparse::default())
    });
    let (code, message) = broke(run(&mut double, 1, Encoding::Bincode, Payload::json("1")));
    assert_eq!(code, "bad_chunk");
    assert!(message.contains("Encoding::Json"), "{message}");
}

#[test]
fn an_output_that_is_no_number_is_no_null() {
    let mut double = Double::with::<Guess>(Mode::Jobs, |_, _| Ok(Either::Number(f64::NAN)));
    let (code, message) = broke(run(&mut double, 1, Encoding::Json, number(1)));
    assert_eq!(code, "bad_output");
    assert!(message.contains("JSON has no number for NaN"), "{message}");
}
