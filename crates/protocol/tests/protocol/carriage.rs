//! Types that bincode carries and those that it refuses by name: no value arrives as another one, and
//! ordinary types are not affected.

use procpool_protocol::carriage::check;
use procpool_protocol::{Encoding, Payload, PayloadError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

/// Checks that the value arrives, after the type was checked.
pub(super) fn arrives<T: Serialize + DeserializeOwned + PartialEq + Debug + 'static>(value: &T) {
    check::<T>().expect("an ordinary type");
    let payload = Payload::encode(value, Encoding::Bincode).expect("an ordinary value");
    assert_eq!(payload.decode::<T>().expect("what was sent"), *value);
}

/// Checks that the type is refused before there is a value, and that every value is refused.
fn refused_by_type<T: Serialize + DeserializeOwned + 'static>(value: &T) -> String {
    let refused = check::<T>().expect_err("a type that is read by looking").to_string();
    let error = Payload::encode(value, Encoding::Bincode).expect_err("the type was refused");
    assert_eq!(error.to_string(), refused);
    assert!(matches!(error, PayloadError::Uncarried(_)), "{error}");
    named(refused)
}

/// Checks that the value is refused when it is written.
fn refused_by_value<T: Serialize + DeserializeOwned + 'static>(value: &T) -> String {
    check::<T>().expect("some values can be carried");
    let error = Payload::encode(value, Encoding::Bincode).expect_err("it would arrive as another value");
    assert!(matches!(error, PayloadError::Uncarried(_)), "{error}");
    named(error.to_string())
}

/// Checks that each refusal names the type and the remedy.
fn named(text: String) -> String {
    assert!(text.starts_with("bincode cannot carry `"), "{text}");
    assert!(text.contains("`const ENCODING: Encoding = Encoding::Json`"), "{text}");
    text
}

/// Checks that the value arrives as JSON, which is the remedy.
pub(super) fn arrives_as_json<T: Serialize + DeserializeOwned + PartialEq + Debug + 'static>(value: &T) {
    let payload = Payload::encode(value, Encoding::Json).expect("JSON carries it");
    assert_eq!(payload.decode::<T>().expect("what was sent"), *value);
}

#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Transfer {
    #[serde(default, skip_serializing_if = "is_zero")]
    fee: u64,
    amount: u64,
    to: Vec<u64>,
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[test]
fn a_field_that_is_left_out_is_refused_by_name() {
    let paid = Transfer { fee: 1, amount: 100, to: vec![0] };
    arrives(&paid);
    let free = Transfer { fee: 0, ..paid };
    let text = refused_by_value(&free);
    assert!(text.contains("`protocol::carriage::Transfer`: `Transfer` leaves out its field `fee`"), "{text}");
    refused_by_value(&vec![Some((free, 1))]);
    arrives_as_json(&Transfer::default());
}

#[test]
fn a_field_that_is_left_out_is_refused_though_nobody_checked_the_type() {
    #[derive(Serialize)]
    struct Unread {
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<u8>,
    }
    let error = Payload::encode(&Unread { name: None }, Encoding::Bincode).expect_err("nobody could read it");
    assert!(error.to_string().contains("leaves out its field `name`"), "{error}");
    assert!(Payload::encode(&Unread { name: Some(1) }, Encoding::Bincode).is_ok());
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct NeverWritten {
    #[serde(default, skip_serializing)]
    one: u8,
    other: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct NeverRead {
    #[serde(skip_deserializing)]
    one: u8,
    other: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
struct Labelled {
    one: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Listed(u8, #[serde(default, skip_serializing_if = "Vec::is_empty")] Vec<u8>, #[serde(default)] u8);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Step {
    Walk {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        speed: Option<u8>,
        far: u8,
    },
    Run(#[serde(default, skip_serializing_if = "Option::is_none")] Option<u8>, #[serde(default)] u8),
    Hop {
        #[serde(default, skip_serializing)]
        high: u8,
        far: u8,
    },
}

#[test]
fn what_writes_other_fields_than_it_reads_is_refused() {
    // Before the check existed, each of these arrived as another value, without an error, before other bytes.
    refused_by_value(&(NeverWritten { one: 1, other: 2 }, 3_u8));
    refused_by_value(&vec![NeverRead { one: 1, other: 2 }]);
    let text = refused_by_value(&(Labelled { one: 1 }, 2_u8));
    assert!(text.contains("`Labelled` writes 2 fields and reads 1"), "{text}");
    refused_by_value(&(Listed(1, vec![], 2), [1_u8; 9]));
    arrives(&Listed(1, vec![1], 2));
    refused_by_value(&Step::Walk { speed: None, far: 0 });
    arrives(&Step::Walk { speed: Some(1), far: 0 });
    refused_by_value(&(Step::Run(None, 1), 5_u8));
    arrives(&Step::Run(Some(1), 5));
    refused_by_value(&(Step::Hop { high: 1, far: 2 }, 9_u8));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Gap {
    First,
    #[serde(skip)]
    #[allow(dead_code)]
    Hidden,
    Third,
    Fourth(u8),
    Last {
        it: u8,
    },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum WriteOnly {
    First,
    #[serde(skip_deserializing)]
    Second,
    Third,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum ReadOnly {
    First,
    #[serde(skip_serializing)]
    #[allow(dead_code)]
    Second,
    Third,
}

#[test]
fn a_variant_that_would_be_read_as_another_one_is_refused() {
    arrives(&Gap::First);
    for moved in [Gap::Third, Gap::Fourth(1), Gap::Last { it: 1 }] {
        let text = refused_by_value(&moved);
        assert!(text.contains("would be read as another variant"), "{text}");
    }
    arrives(&WriteOnly::First);
    refused_by_value(&WriteOnly::Second);
    refused_by_value(&WriteOnly::Third);
    arrives(&ReadOnly::Third);
    arrives_as_json(&Gap::Third);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Part {
    pub(super) it: u8,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    id: u64,
    #[serde(flatten)]
    part: Part,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Either {
    Number(u8),
    Text(String),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Inside {
    Unit,
    Held(Part),
    Named { it: u8 },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "it")]
enum Beside {
    Unit,
    One(u8),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Partly {
    Number(u8),
    #[serde(untagged)]
    Text(String),
}

#[test]
fn types_that_look_what_is_there_are_refused_before_there_is_a_value() {
    refused_by_type(&Flat { id: 1, part: Part { it: 2 } });
    refused_by_type(&Either::Number(1));
    refused_by_type(&Inside::Unit);
    refused_by_type(&Beside::One(1));
    refused_by_type(&Partly::Number(1));
    let text = refused_by_type(&json!({"it": 1}));
    assert!(text.contains("`serde_json::value::Value`"), "{text}");
    refused_by_type(&serde_json::Number::from(1));
    refused_by_type(&serde_json::Map::new());
    refused_by_type(&serde_json::value::RawValue::from_string("1".into()).expect("JSON"));
    for value in [Inside::Held(Part { it: 1 }), Inside::Named { it: 1 }] {
        arrives_as_json(&value);
    }
    arrives_as_json(&Beside::Unit);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Node(Box<Tree>),
    Many(Vec<Tree>),
    Leaf,
    Data(Option<Value>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Chain {
    next: Option<Box<Chain>>,
    by_name: HashMap<String, Chain>,
    last: Option<Inside>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Outer {
    Plain,
    Deep(Inner),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Inner {
    Plain,
    Alike,
    Deep { it: (u8, Vec<BTreeMap<u8, Either>>) },
}

#[test]
fn they_are_found_wherever_they_are_in_a_type() {
    refused_by_type(&(1_u8, Some(vec![[Either::Number(1)]])));
    refused_by_type(&BTreeMap::from([(1_u8, json!(null))]));
    refused_by_type(&Ok::<Box<(u8, Inside)>, String>(Box::new((1, Inside::Unit))));
    refused_by_type(&Tree::Leaf);
    refused_by_type(&Chain { next: None, by_name: HashMap::new(), last: None });
    refused_by_type(&Outer::Plain);
    // After a type that refuses the number 1 and the text "1".
    refused_by_type(&(Even(2), json!(1)));
}

/// A number that is refused if it is odd.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Even(pub(super) u8);

impl<'de> Deserialize<'de> for Even {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u8::deserialize(deserializer)? {
            even if even % 2 == 0 => Ok(Self(even)),
            _ => Err(serde::de::Error::custom("it is odd")),
        }
    }
}

#[test]
fn bytes_for_a_type_that_looks_are_refused_by_name_too() {
    let error = Payload::new(Encoding::Bincode, vec![1]).decode::<Inside>().expect_err("it looks");
    assert!(matches!(error, PayloadError::Uncarried(_)));
    named(error.to_string());
}
