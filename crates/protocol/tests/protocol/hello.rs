//! The fields that a hello may omit, and the meaning of their absence.

use procpool_protocol::Encoding;
use procpool_protocol::encodings::Encodings;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::Hello;
use procpool_protocol::message::{json_frame, json_of};
use serde_json::{Value, json};

/// Returns a hello with every field, with these fields changed.
fn hello(changes: &Value) -> Value {
    let blocks = include_str!("../../WIRE.md").split("```json hello\n").nth(1).expect("the block");
    let (text, _) = blocks.split_once("```").expect("its end");
    let mut hello: Value = serde_json::from_str(text).expect("JSON");
    for (name, value) in changes.as_object().expect("fields") {
        match value {
            Value::Null => hello.as_object_mut().expect("fields").remove(name),
            value => hello.as_object_mut().expect("fields").insert(name.clone(), value.clone()),
        };
    }
    hello
}

fn read(hello: &Value) -> Hello {
    json_of(&Frame::new(Kind::Hello, 0, hello.to_string())).expect("a hello")
}

fn written(hello: &Hello) -> Value {
    let frame = json_frame(Kind::Hello, hello).expect("a hello");
    serde_json::from_slice(&frame.header).expect("JSON")
}

#[test]
fn a_worker_that_names_no_encodings_has_them_all_and_a_list_is_taken_at_its_word() {
    let encodings = |value: Value| read(&hello(&json!({ "encodings": value }))).encodings;
    assert_eq!(encodings(Value::Null), Encodings::ALL);
    assert_eq!(encodings(json!(["json", "raw", "bincode"])), Encodings::ALL);
    assert_eq!(encodings(json!([])), Encodings::NONE);
    let some = encodings(json!(["json", "raw", "a word of tomorrow"]));
    assert!(some.has(Encoding::Json) && some.has(Encoding::Bytes) && !some.has(Encoding::Bincode));
    assert!(some.has(Encoding::None), "no payload can be read by everybody");
    let wrong = hello(&json!({ "encodings": "json" })).to_string();
    assert!(json_of::<Hello>(&Frame::new(Kind::Hello, 0, wrong)).is_err());
}

#[test]
fn encodings_are_written_as_words_unless_they_are_all() {
    let json = hello(&json!({ "encodings": ["json", "raw"] }));
    assert_eq!(written(&read(&json)), json);
    let all = Hello { encodings: Encodings::ALL, ..read(&json) };
    assert_eq!(written(&all).get("encodings"), None);
}

#[test]
fn encodings_are_named_as_in_a_sentence() {
    let named = |encodings: &[Encoding]| encodings.iter().copied().collect::<Encodings>().to_string();
    assert_eq!(Encodings::ALL.to_string(), "bincode, JSON and raw bytes");
    assert_eq!(named(&[Encoding::Bytes, Encoding::Json]), "JSON and raw bytes");
    assert_eq!(named(&[Encoding::Json]), "JSON");
    assert_eq!(named(&[]), "no encoding");
}

#[test]
fn a_worker_takes_no_batches_unless_it_says_so() {
    let none = read(&hello(&json!({})));
    assert!(!none.batches);
    assert_eq!(written(&none).get("batches"), None);
    let takes = hello(&json!({ "batches": true }));
    assert!(read(&takes).batches);
    assert_eq!(written(&read(&takes)), takes);
}

#[test]
fn a_worker_runs_one_job_at_a_time_unless_it_says_more() {
    let one = read(&hello(&json!({})));
    assert_eq!(one.concurrency, 1);
    assert_eq!(written(&one).get("concurrency"), None);
    let many = hello(&json!({ "concurrency": 8 }));
    assert_eq!(read(&many).concurrency, 8);
    assert_eq!(written(&read(&many)), many);
}
