//! Typed values from hostile bincode. Bytes that would occupy a decoder for hours, overflow the stack or
//! abort end in an error. Legitimate values are not affected.

use procpool_protocol::bounded::{SPARE_ELEMENTS, from_bincode};
use procpool_protocol::codec::{CodecError, encode_typed};
use procpool_protocol::limits::MAX_DEPTH;
use procpool_protocol::{Bytes, Payload};
use serde::de::{DeserializeOwned, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, LinkedList, VecDeque};
use std::fmt::{self, Debug};

/// A varint of 2^32, 9 bytes: as a length, it aborts or occupies a decoder without bounds.
const FOUR_BILLION: [u8; 9] = [253, 0, 0, 0, 0, 1, 0, 0, 0];

fn refused<T: DeserializeOwned + Debug>(bytes: &[u8]) -> String {
    from_bincode::<T>(bytes).expect_err("a bomb").to_string()
}

fn survives<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let bytes = encode_typed(value).expect("it encodes");
    assert_eq!(from_bincode::<T>(&bytes).expect("it decodes"), *value);
}

#[test]
fn more_elements_than_bytes_are_refused_before_the_first() {
    assert!(refused::<Vec<()>>(&FOUR_BILLION).contains("4294967296 elements"));
    refused::<BTreeSet<()>>(&FOUR_BILLION);
    refused::<LinkedList<()>>(&FOUR_BILLION);
    refused::<VecDeque<[(); 4]>>(&FOUR_BILLION);
    refused::<BTreeMap<(), ()>>(&FOUR_BILLION);
    refused::<HashMap<(), ()>>(&FOUR_BILLION);
    refused::<Vec<u64>>(&FOUR_BILLION);
    refused::<Option<(u8, Vec<()>)>>(&[&[1, 7][..], &FOUR_BILLION].concat());
    refused::<Vec<()>>(&[253, 255, 255, 255, 255, 255, 255, 255, 255]);
}

#[test]
fn text_and_bytes_that_are_announced_and_not_there_are_refused() {
    for length in [1_u64 << 32, 1 << 62, 1 << 63, u64::MAX] {
        let bytes = [&[253][..], &length.to_le_bytes()].concat();
        refused::<String>(&bytes);
        refused::<Box<str>>(&bytes);
        refused::<Bytes>(&bytes);
        refused::<Vec<u8>>(&bytes);
        refused::<Vec<String>>(&[&[1][..], &bytes].concat());
        refused::<HashMap<String, Bytes>>(&[&[1, 1, 97][..], &bytes].concat());
        refused::<std::path::PathBuf>(&bytes);
    }
}

/// A unit that counts how often it is decoded.
#[derive(Debug, PartialEq)]
struct Counted;

thread_local! {
    static DECODED: Cell<usize> = const { Cell::new(0) };
}

impl<'de> Deserialize<'de> for Counted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        DECODED.set(DECODED.get() + 1);
        <()>::deserialize(deserializer).map(|()| Self)
    }
}

#[test]
fn many_lists_share_one_bound() {
    // 200 lists, each of 250 units: 50,000 elements from 202 bytes.
    let bytes = [&[200][..], &[250; 200]].concat();
    refused::<Vec<Vec<Counted>>>(&bytes);
    assert!(DECODED.get() <= bytes.len() + SPARE_ELEMENTS, "{} were decoded", DECODED.get());
    assert!(DECODED.get() > 0);
}

/// A list that remembers the announced number of elements.
#[derive(Debug)]
struct Expecting(Option<usize>);

impl<'de> Deserialize<'de> for Expecting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reserving;
        impl<'de> Visitor<'de> for Reserving {
            type Value = Expecting;
            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Expecting, A::Error> {
                let expected = list.size_hint();
                assert!(expected <= Some(3 + SPARE_ELEMENTS), "a type would reserve {expected:?}");
                while list.next_element::<()>()?.is_some() {}
                Ok(Expecting(expected))
            }
        }
        deserializer.deserialize_seq(Reserving)
    }
}

#[test]
fn a_type_that_trusts_the_announced_length_is_safe_too() {
    assert_eq!(from_bincode::<Expecting>(&[3]).expect("three units").0, Some(3));
    refused::<Expecting>(&FOUR_BILLION);
    // Just above and just below the maximum that three bytes may announce.
    let announcing =
        |count: usize| [&[251][..], &u16::try_from(count).expect("small").to_le_bytes()].concat();
    refused::<Expecting>(&announcing(3 + SPARE_ELEMENTS + 1));
    assert!(from_bincode::<Expecting>(&announcing(3 + SPARE_ELEMENTS)).is_ok());
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Tree {
    Leaf,
    Wrapped(Box<Tree>),
    List(Vec<Tree>),
    Named { left: Box<Tree> },
    Pair(Box<Tree>, Box<Tree>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Chain(Option<Box<Chain>>);

#[derive(Debug, Deserialize)]
struct Bottomless(#[allow(dead_code)] Box<Bottomless>);

#[test]
fn values_nested_too_deep_are_refused() {
    let depth = 1_000_000;
    assert!(refused::<Tree>(&vec![1; depth]).contains("levels deep"));
    refused::<Tree>(&[2, 1].repeat(depth));
    refused::<Tree>(&vec![3; depth]);
    refused::<Tree>(&vec![4; depth]);
    refused::<Chain>(&vec![1; depth]);
    // Needs no bytes at all.
    refused::<Bottomless>(&[]);
}

#[test]
fn nesting_up_to_the_limit_is_fine_and_one_level_more_is_not() {
    let wrapped = |levels: u32| (1..levels).fold(Tree::Leaf, |tree, _| Tree::Wrapped(Box::new(tree)));
    survives(&wrapped(MAX_DEPTH));
    let deeper = encode_typed(&wrapped(MAX_DEPTH + 1)).expect("it encodes");
    refused::<Tree>(&deeper);
}

#[test]
fn the_deepest_value_fits_a_small_stack() {
    let deepest = move || {
        // Each list is two levels: the enum and its list.
        let lists = (1..MAX_DEPTH / 2).fold(Tree::List(vec![]), |tree, _| Tree::List(vec![tree]));
        survives(&lists);
        refused::<Tree>(&vec![1; 1_000_000]);
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20);
    thread.spawn(deepest).expect("a thread").join().expect("the stack is large enough");
}

#[test]
fn json_nested_too_deep_is_refused_too() {
    let nested = |depth: usize| Payload::json(["[".repeat(depth), "]".repeat(depth)].concat());
    assert!(nested(127).decode::<serde_json::Value>().is_ok());
    assert!(nested(128).decode::<serde_json::Value>().is_err());
    assert!(Payload::json("[".repeat(1_000_000)).decode::<serde_json::Value>().is_err());
}

#[test]
fn bytes_after_the_value_are_refused() {
    let error = from_bincode::<u8>(&[1, 2, 3]).expect_err("two bytes are left");
    assert!(matches!(error, CodecError::Trailing { len: 1, extra: 2, .. }));
    assert!(refused::<u64>(&[]).contains("missing"));
}

#[test]
fn honest_values_of_every_shape_survive() {
    survives(&vec![(); SPARE_ELEMENTS]);
    survives(&vec![vec![1_u8], vec![], vec![2; 3000]]);
    survives(&(0..10_000_u64).collect::<Vec<_>>());
    survives(&(0..3000).map(|n: u16| (n, ())).collect::<HashMap<_, _>>());
    survives(&(0..3000_i32).collect::<HashSet<_>>());
    survives(&vec![vec![vec![String::new(); 40]; 40]; 40]);
    survives(&BTreeMap::from([("a".to_owned(), Some('ü')), ("b".to_owned(), None)]));
    survives(&(i8::MIN, i16::MIN, i32::MIN, i64::MIN, i128::MIN, u128::MAX, 1.5_f32, -0.25_f64, true));
    survives(&Tree::Pair(
        Box::new(Tree::Named { left: Box::new(Tree::Leaf) }),
        Box::new(Tree::List(vec![Tree::Leaf, Tree::Leaf])),
    ));
    survives(&Chain(Some(Box::new(Chain(None)))));
    survives(&(Bytes::from(vec![1, 2, 3]), String::from("text"), std::time::Duration::from_millis(7)));
    survives::<Result<[u32; 3], Box<str>>>(&Err("no".into()));
}
