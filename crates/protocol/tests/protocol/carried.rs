//! Ordinary values arrive as they were sent, and their types are not affected.

use crate::carriage::{Even, Part, arrives, arrives_as_json};
use procpool_protocol::carriage::check;
use procpool_protocol::{Bytes, Encoding, Failure, Payload};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap, LinkedList, VecDeque};
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU8;
use std::ops::{Bound, Range};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Ordinary {
    #[serde(alias = "key", alias = "name")]
    id: u128,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(skip)]
    cached: (),
    #[serde(with = "text")]
    written: u16,
    inner: Option<Box<Ordinary>>,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[serde(alias = "nothing", alias = "void", alias = "zilch")]
    None,
    One(u8),
    #[serde(rename = "two")]
    #[serde(alias = "a")]
    Pair(u8, char),
    Named {
        #[serde(alias = "x")]
        it: i8,
        more: Option<()>,
    },
    #[serde(other)]
    Other,
}

/// Another type of the same name.
mod other {
    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(super) enum Kind {
        Other,
        One,
    }

    #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
    pub(super) struct Part {
        pub(super) it: u8,
        pub(super) more: u8,
    }
}

/// A number that is written as a text.
mod text {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub(super) fn serialize<S: Serializer>(number: &u16, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Transparent {
    it: Range<i64>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
struct Small(u8);

impl TryFrom<u8> for Small {
    type Error = &'static str;

    fn try_from(number: u8) -> Result<Self, &'static str> {
        (number > 100).then_some(Self(number)).ok_or("too small")
    }
}

impl From<Small> for u8 {
    fn from(small: Small) -> Self {
        small.0
    }
}

impl Clone for Small {
    fn clone(&self) -> Self {
        Self(self.0)
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Wrapper<T>(Option<Box<T>>, Part);

#[test]
fn ordinary_types_pass_and_arrive() {
    let kinds =
        [Kind::None, Kind::One(1), Kind::Pair(2, 'ü'), Kind::Named { it: -1, more: Some(()) }, Kind::Other];
    for kind in &kinds {
        let inner = Ordinary {
            id: u128::MAX,
            tags: vec!["a".into()],
            cached: (),
            written: 7,
            inner: None,
            kind: kind.clone(),
        };
        arrives(&Ordinary { inner: Some(Box::new(inner.clone())), ..inner });
    }
    arrives(&(kinds[1].clone(), other::Kind::One, other::Kind::Other));
    arrives(&(Part { it: 1 }, other::Part { it: 1, more: 2 }));
    arrives(&Wrapper(Some(Box::new(Wrapper(Some(Box::new(1_u8)), Part { it: 1 }))), Part { it: 2 }));
    arrives(&(Transparent { it: -3..9 }, Small(101), Even(2)));
    arrives(&Small(200));
    arrives(&Failure::new("no").with_code("x").with_details(&json!([1])));
}

#[test]
fn the_types_of_the_standard_library_pass_and_arrive() {
    arrives(&HashMap::from([("a".to_owned(), Some(1.5_f64))]));
    arrives(&BTreeMap::from([((1_u8, 'x'), BTreeSet::from([i128::MIN]))]));
    arrives(&(VecDeque::from([f32::NEG_INFINITY]), LinkedList::from([true])));
    arrives(&(Duration::MAX, SystemTime::UNIX_EPOCH, PathBuf::from("/a"), Bytes::from(vec![0, 255])));
    arrives(&(IpAddr::from([127, 0, 0, 1]), SocketAddr::from(([0; 16], 80)), NonZeroU8::new(3)));
    arrives(&(Bound::Included(1_u8), Bound::<u8>::Unbounded, 1..=2_u8, Some(None::<u8>)));
    arrives(&(Ok::<(), String>(()), Err::<u8, _>(Box::<str>::from("no")), [[1_u8; 32]; 2]));
    arrives(&(std::ffi::OsString::from("x"), c"x".to_owned(), std::cmp::Reverse(1), std::num::Wrapping(1)));
    arrives(&(std::marker::PhantomData::<u8>, std::cell::Cell::new(1), Some(Box::new([(); 3]))));
    arrives(&Some(String::new()));
    assert!(check::<std::sync::Mutex<std::cell::RefCell<u8>>>().is_ok());
}

#[test]
fn a_type_that_panics_on_a_value_is_not_judged() {
    #[derive(Debug, PartialEq, Serialize)]
    struct Touchy(u8);
    impl<'de> Deserialize<'de> for Touchy {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let number = u8::deserialize(deserializer)?;
            assert!(number > 10, "so small a number is none");
            Ok(Self(number))
        }
    }
    arrives(&Touchy(11));
}

#[test]
fn json_has_no_number_for_what_is_none() {
    for none in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for error in [
            Payload::encode(&vec![1.5, none], Encoding::Json),
            Payload::encode(&(Some(none), 1), Encoding::Json),
            Payload::encode(&BTreeMap::from([(1, [none])]), Encoding::Json),
            Payload::encode(&(1.5, f32::NAN), Encoding::Json),
        ] {
            let error = error.expect_err("it would be null").to_string();
            assert!(
                error.starts_with("failed to encode the value as JSON: JSON has no number for "),
                "{error}"
            );
        }
        let payload = Payload::encode(&none, Encoding::Bincode).expect("bincode has it");
        assert_eq!(payload.decode::<f64>().expect("a number").to_bits(), none.to_bits());
    }
    // An intentional `null` stays `null`.
    assert_eq!(Payload::encode(&json!(f64::NAN), Encoding::Json).expect("a null"), Payload::json("null"));
}

#[test]
fn numbers_arrive_as_json_to_their_last_bit() {
    let mut bits = 0x1234_5678_9abc_def0_u64;
    for _ in 0..20_000 {
        bits ^= bits << 13;
        bits ^= bits >> 7;
        bits ^= bits << 17;
        let number = f64::from_bits(bits);
        if number.is_finite() {
            let payload = Payload::encode(&number, Encoding::Json).expect("a number");
            assert_eq!(payload.decode::<f64>().expect("a number").to_bits(), bits, "{number:e}");
        }
    }
    arrives_as_json(&[0.1 + 0.2, f64::MIN_POSITIVE, f64::MAX, 5e-324, -0.0]);
    arrives_as_json(&(u64::MAX, i64::MIN, u128::MAX, i128::MIN, f32::MIN_POSITIVE));
}
