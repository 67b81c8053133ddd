//! Batches: every written batch is read back, and other bytes are rejected.

use bytes::Bytes;
use procpool_protocol::batch::{Answers, Inputs, InvalidBatch, check, next_answer, next_input};
use procpool_protocol::message::Status;
use procpool_protocol::{Encoding, Failure, Payload};

fn inputs(items: &[&[u8]]) -> Bytes {
    let mut inputs = Inputs::default();
    items.iter().for_each(|item| inputs.push(item));
    assert_eq!(inputs.count(), items.len());
    let length = inputs.length();
    let bytes = Bytes::from(inputs);
    assert_eq!(bytes.len(), length);
    bytes
}

#[test]
fn inputs_are_read_as_they_were_written() {
    let items: [&[u8]; 3] = [b"one", b"", b"three"];
    let mut rest = inputs(&items);
    check(&rest).expect("a batch");
    for item in items {
        assert_eq!(next_input(&mut rest).expect("an item").expect("whole"), item);
    }
    assert!(next_input(&mut rest).is_none());
}

#[test]
fn answers_are_read_as_they_were_written() {
    let written = [
        (Status::Ok, Payload::json("7")),
        (Status::Failed(Failure::new("no").with_code("x")), Payload::none()),
        (Status::BadInput { message: "no number".into() }, Payload::none()),
        (Status::Ok, Payload::new(Encoding::Bincode, "abc")),
        (Status::Ok, Payload::raw("")),
    ];
    let mut answers = Answers::default();
    for (status, output) in &written {
        answers.push(status.clone(), output).expect("a short status");
    }
    let mut rest = Payload::from(answers).bytes;
    for (status, output) in written {
        let read = next_answer(&mut rest).expect("an answer").expect("whole");
        assert_eq!(read, (status, output));
    }
    assert!(next_answer(&mut rest).is_none());
}

#[test]
fn no_answers_are_no_payload() {
    assert_eq!(Payload::from(Answers::default()), Payload::none());
}

#[test]
fn a_length_that_exceeds_what_is_there_is_refused_and_costs_no_memory() {
    let whole = inputs(&[b"one", b"two"]);
    for cut in 1..whole.len() {
        let result = check(&whole.slice(..cut));
        assert_eq!(result.is_ok(), cut == 7, "{cut}: {result:?}");
    }
    let mut hostile = Bytes::from_static(b"\xff\xff\xff\xffab");
    let error = next_input(&mut hostile).expect("something").expect_err("a length too large");
    assert!(
        matches!(error, InvalidBatch::Short { length, left: 2, .. } if length == u64::from(u32::MAX)),
        "{error}"
    );

    let mut answers = Answers::default();
    answers.push(Status::Ok, &Payload::json("7")).expect("a short status");
    let whole = Payload::from(answers).bytes;
    for cut in 1..whole.len() {
        assert!(next_answer(&mut whole.slice(..cut)).expect("something").is_err(), "{cut}");
    }
}

#[test]
fn unknown_encodings_and_statuses_are_refused() {
    let mut answer = Bytes::from_static(b"\x09\x01\0\0\0\0\0\0\0\0");
    assert_eq!(next_answer(&mut answer), Some(Err(InvalidBatch::Encoding(9))));
    let mut answer = Bytes::from_static(b"\0\x01\0\0\0\0\0\0\0\xfa");
    assert!(matches!(next_answer(&mut answer), Some(Err(InvalidBatch::Status(_)))));
}
