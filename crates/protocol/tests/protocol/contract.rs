//! Things that caller and worker share besides bytes: failures, schema hashes, ids, and how texts are cut.

use procpool_protocol::codec;
use procpool_protocol::limits::{MAX_TEXT, cut};
use procpool_protocol::{Cancelled, Failure, JobId, Schema};
use serde_json::json;
use std::error::Error;
use std::fmt;

/// An error with a source.
#[derive(Debug)]
struct Layer(&'static str, Option<Box<Layer>>);

impl fmt::Display for Layer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.0)
    }
}

impl Error for Layer {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|layer| layer as _)
    }
}

fn layers(texts: &[&'static str]) -> Layer {
    let (first, rest) = texts.split_first().expect("a text");
    let source = (!rest.is_empty()).then(|| Box::new(layers(rest)));
    Layer(first, source)
}

#[test]
fn an_error_s_whole_chain_becomes_the_message() {
    let failure = Failure::from(layers(&["no image", "no file", "permission denied"]));
    assert_eq!(failure.message(), "no image: no file: permission denied");
    assert_eq!(failure.code(), "failed");
    assert!(!failure.is_retryable());
}

#[test]
fn a_cause_that_the_message_already_tells_is_not_repeated() {
    let failure = Failure::from(layers(&["no file: permission denied", "permission denied"]));
    assert_eq!(failure.message(), "no file: permission denied");
}

#[test]
fn the_mark_of_a_broken_job_stays_in_its_process() {
    let marked = Failure::new("no such key").retryable().as_broken();
    assert!(marked.is_broken() && marked.is_retryable());
    let plain = Failure::new("no such key").retryable();
    let bytes = |failure: &Failure| codec::encode_header(failure).expect("a failure");
    assert_eq!(bytes(&marked), bytes(&plain));
    assert_eq!(codec::decode_header::<Failure>(&bytes(&marked)).expect("a failure"), plain);
    let json = |failure: &Failure| serde_json::to_string(failure).expect("JSON");
    assert_eq!(json(&marked), json(&plain));
}

/// An error that is its own cause.
#[derive(Debug)]
struct Ouroboros;

impl fmt::Display for Ouroboros {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "tail{}", " ".repeat(MAX_TEXT))
    }
}

impl Error for Ouroboros {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(self)
    }
}

#[test]
fn a_chain_that_leads_back_to_itself_ends() {
    assert_eq!(Failure::from(Ouroboros).message().len(), MAX_TEXT);
}

#[test]
fn only_cancelled_converts_to_the_cancelled_code() {
    let cancelled = Failure::from(Cancelled);
    assert_eq!(cancelled.code(), Failure::CANCELLED);
    assert_eq!(cancelled.message(), "the job was cancelled");
    assert_ne!(Failure::from(layers(&["the job was cancelled"])).code(), Failure::CANCELLED);
}

/// An error whose source is that the job was cancelled.
#[derive(Debug)]
struct GivenUp(Cancelled);

impl fmt::Display for GivenUp {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("no thumbnail")
    }
}

impl Error for GivenUp {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn cancelled_is_found_in_other_errors() {
    let boxed = Box::<dyn Error + Send + Sync>::from(Cancelled);
    for failure in [Failure::from(GivenUp(Cancelled)), Failure::from(boxed)] {
        assert_eq!(failure.code(), Failure::CANCELLED, "{failure}");
    }
    assert_eq!(Failure::from(GivenUp(Cancelled)).message(), "no thumbnail: the job was cancelled");
}

#[test]
fn texts_and_boxed_errors_convert_with_a_question_mark() {
    let text = || -> Result<(), Failure> { Err("no image")? };
    let boxed = || -> Result<(), Failure> { Err(Box::<dyn Error + Send + Sync>::from("no file"))? };
    assert_eq!(text().expect_err("no image").message(), "no image");
    assert_eq!(boxed().expect_err("no file").message(), "no file");
}

#[test]
fn details_come_back_typed_and_are_left_out_when_too_long() {
    let failure = Failure::new("no").with_details(&vec![1, 2]).with_code("x").retryable();
    assert_eq!(failure.details::<Vec<u8>>(), Some(vec![1, 2]));
    assert_eq!(failure.details::<String>(), None);
    assert!(failure.is_retryable());
    assert_eq!(Failure::new("no").with_details(&"x".repeat(MAX_TEXT)).details::<String>(), None);
}

#[test]
fn texts_are_cut_at_a_character() {
    assert_eq!(cut("short".into()), "short");
    let exact = "x".repeat(MAX_TEXT);
    assert_eq!(cut(exact.clone()), exact);
    assert_eq!(cut(exact.clone() + "y"), exact);
    for (character, width) in [("é", 2), ("€", 3), ("🦀", 4)] {
        for shift in 0..width {
            let text = "x".repeat(shift) + &character.repeat(MAX_TEXT);
            let end = cut(text.clone());
            assert!(text.starts_with(&end));
            assert!((MAX_TEXT - width + 1..=MAX_TEXT).contains(&end.len()));
        }
    }
}

#[test]
fn the_hash_of_a_schema_stays_what_it_is() {
    let schema = Schema::new;
    let integer = json!({"type": "integer"});
    assert_eq!(schema(integer.clone(), integer.clone()).hash(), "6e34449f62f9127d");
    let nested = json!({"b": [1, {"z": null, "a": "\"é\""}, []], "a": {}});
    assert_eq!(schema(nested.clone(), integer.clone()).hash(), "c88e16a472c82e75");
    assert_ne!(schema(integer.clone(), nested.clone()).hash(), schema(nested, integer).hash());
}

#[test]
fn the_hash_of_a_schema_does_not_depend_on_the_order_of_its_keys() {
    let parsed = |text: &str| {
        let input = serde_json::from_str(text).expect("JSON");
        Schema::new(input, json!(true)).hash()
    };
    assert_eq!(parsed(r#"{"a": 1, "b": {"c": 2, "d": 3}}"#), parsed(r#"{"b": {"d": 3, "c": 2}, "a": 1}"#));
}

#[test]
fn a_job_id_is_32_digits_and_nothing_else() {
    let text = "000102030405060708090a0b0c0d0e0f";
    let id: JobId = text.parse().expect("an id");
    assert_eq!(id.to_bytes(), std::array::from_fn(|index| u8::try_from(index).expect("small")));
    assert_eq!(id.to_string(), text);
    assert_eq!(text.to_uppercase().parse(), Ok(id));
    assert_eq!(JobId::from_bytes(id.to_bytes()), id);
    assert_eq!(serde_json::to_string(&id).expect("JSON"), format!("\"{text}\""));
    assert_eq!(JobId::from_bits(1).to_string(), format!("{:032}", 1));
    for wrong in
        ["", "1", &text[1..], &format!("{text}0"), &format!("+{}", &text[1..]), &text.replace('f', "g")]
    {
        assert!(wrong.parse::<JobId>().is_err(), "{wrong:?}");
    }
}
