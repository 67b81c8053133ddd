//! Reads `WIRE.md` as data: checks that its blocks and tables agree with the code.
//!
//! An end-to-end test, `smallest_worker`, runs the program in it.

use crate::golden;
use procpool_protocol::arena::TakesArenas;
use procpool_protocol::frame::{Frame, Kind, RawHeader};
use procpool_protocol::handshake::{Attach, Connection, Description, Hello, Refused, Welcome};
use procpool_protocol::log::{LogLevel, LogRecord};
use procpool_protocol::recording::Recording;
use procpool_protocol::{Encoding, Schema, codec, limits, message};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

const WIRE: &str = include_str!("../../WIRE.md");

/// Returns the fenced blocks whose first word is `language`, by their second word.
fn blocks(language: &str) -> BTreeMap<&'static str, &'static str> {
    let fence = format!("```{language} ");
    let mut found = BTreeMap::new();
    for part in WIRE.split(&fence).skip(1) {
        let (name, rest) = part.split_once('\n').expect("a block has lines");
        let (body, _) = rest.split_once("\n```").expect("a block ends");
        assert!(found.insert(name, body).is_none(), "two blocks are called {name}");
    }
    found
}

fn unhex(text: &str) -> Vec<u8> {
    let code = text.lines().map(|line| line.split('#').next().unwrap_or(""));
    code.flat_map(str::split_whitespace)
        .map(|byte| u8::from_str_radix(byte, 16).expect("two hexadecimal digits"))
        .collect()
}

/// Returns the cells of every table row that begins with `start`.
fn rows(start: &str) -> Vec<Vec<&'static str>> {
    let rows = WIRE.lines().filter(|line| line.starts_with(start));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

#[test]
fn every_hexadecimal_block_is_what_the_code_writes() {
    let blocks = blocks("hex");
    let written = golden::examples();
    let names: Vec<_> = written.keys().copied().collect();
    assert_eq!(blocks.keys().copied().collect::<Vec<_>>(), names);
    for (name, bytes) in written {
        assert_eq!(unhex(blocks[name]), bytes, "the block {name}");
    }
}

#[test]
fn every_hexadecimal_block_is_read_as_what_it_says() {
    let blocks = blocks("hex");
    let mut checked = 0;
    golden::read(|name, read| {
        read(&unhex(blocks[name])).unwrap_or_else(|difference| panic!("{name}: {difference}"));
        checked += 1;
    });
    assert_eq!(checked, blocks.len());
}

#[test]
fn every_kind_is_in_the_table_and_the_table_has_no_other() {
    let table = rows("| 0x");
    assert!(!table.is_empty());
    let mut numbers = Vec::new();
    for row in &table {
        let number = u16::from_str_radix(row[0].trim_start_matches("0x"), 16).expect("a number");
        let kind = Kind::from_wire(number).unwrap_or_else(|| panic!("no kind has the number {number:#x}"));
        assert_eq!(format!("{kind:?}"), row[1]);
        let bytes = Frame::new(kind, 0, "").to_bytes();
        let header = RawHeader::from_bytes(bytes[..24].try_into().expect("24 bytes"));
        assert_eq!(header.kind, number);
        numbers.push(number);
    }
    let known: Vec<_> = (0..=u16::MAX).filter(|&number| Kind::from_wire(number).is_some()).collect();
    assert_eq!(numbers, known);
}

#[test]
fn the_table_of_limits_is_the_code_s() {
    let table: BTreeMap<_, _> = rows("| `")
        .into_iter()
        .filter_map(|row| Some((row[0].trim_matches('`'), row[1].parse::<u64>().ok()?)))
        .collect();
    let code = BTreeMap::from([
        ("MAX_HEADER", u64::from(limits::MAX_HEADER)),
        ("DEFAULT_MAX_PAYLOAD", u64::from(limits::DEFAULT_MAX_PAYLOAD)),
        ("MAX_CONTROL_PAYLOAD", u64::from(limits::MAX_CONTROL_PAYLOAD)),
        ("MAX_CHUNK", u64::from(limits::MAX_CHUNK)),
        ("CHUNK_CREDIT", u64::from(limits::CHUNK_CREDIT)),
        ("MAX_TEXT", limits::MAX_TEXT as u64),
        ("MAX_JSON", limits::MAX_JSON as u64),
        ("MAX_EXTRAS", limits::MAX_EXTRAS as u64),
        ("MAX_REST", limits::MAX_REST as u64),
        ("MAX_ATTACHMENTS", limits::MAX_ATTACHMENTS as u64),
        ("MAX_EARLY_CANCELS", limits::MAX_EARLY_CANCELS as u64),
        ("MAX_DEPTH", u64::from(limits::MAX_DEPTH)),
    ]);
    assert_eq!(table, code);
}

/// Reads a JSON block as a `T` through a frame, and expects the same fields back.
fn json_block<T: Serialize + DeserializeOwned>(name: &str, kind: Kind) -> T {
    let text = blocks("json")[name];
    let value: T = message::json_of(&Frame::new(kind, 0, text)).expect("the block is read");
    let frame = message::json_frame(kind, &value).expect("the value is written");
    let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).expect("JSON");
    assert_eq!(json(&frame.header), json(text.as_bytes()), "the block {name}");
    value
}

#[test]
fn every_json_block_is_read_and_written_without_loss() {
    let hello: Hello = json_block("hello", Kind::Hello);
    assert_eq!((hello.job.as_str(), hello.arenas), ("fib", Some(TakesArenas::Received)));
    assert!(!hello.encodings.has(Encoding::Bincode));
    let welcome: Welcome = json_block("welcome", Kind::Welcome);
    assert_eq!(welcome.max_payload, limits::DEFAULT_MAX_PAYLOAD);
    assert!(welcome.page && welcome.job.as_deref() == Some("fib"));
    assert_eq!(json_block::<Refused>("refused", Kind::Refused).reason, "contract");
    assert!(json_block::<Description>("description", Kind::Description).input.is_some());
    assert_eq!(json_block::<Recording>("recording", Kind::Recording).outcome, "crashed");
    assert_eq!(json_block::<Attach>("attach", Kind::Attach).connection, Connection::Jobs);
    assert_eq!(json_block::<LogRecord>("log", Kind::Log).level, LogLevel::Warn);
    assert_eq!(blocks("json").len(), 7);
}

#[test]
fn fields_that_are_not_known_are_ignored_in_json() {
    let text = blocks("json")["welcome"].replacen('{', "{\"colour\": \"blue\",", 1);
    let frame = Frame::new(Kind::Welcome, 0, text);
    assert!(message::json_of::<Welcome>(&frame).is_ok());
}

#[test]
fn every_schema_block_is_canonical_and_has_the_hash_of_the_code() {
    let blocks = blocks("schema");
    assert!(blocks.len() >= 5);
    for (name, block) in blocks {
        let [input, output, hash] = block.lines().collect::<Vec<_>>()[..] else { panic!("{name}: 3 lines") };
        let schema = |text| serde_json::from_str(text).expect("JSON");
        assert_eq!(Schema::new(schema(input), schema(output)).hash(), hash, "{name}");
        // The hash is over the lines themselves.
        assert_eq!(fnv_1a(&[input, "\n", output].concat()), hash, "{name}");
    }
}

fn fnv_1a(text: &str) -> String {
    let prime = 0x0100_0000_01b3;
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(prime));
    format!("{hash:016x}")
}

#[test]
fn the_description_of_fib_has_the_hash_of_its_schemas() {
    let description: Description = json_block("description", Kind::Description);
    let schema = description.input.zip(description.output).map(|(input, output)| Schema::new(input, output));
    assert_eq!(description.schema_hash, schema.map(|schema| schema.hash()));
}

/// A varint that is longer than needed is read if it is no wider than its type.
#[test]
fn longer_varints_than_needed_are_read_as_the_document_says() {
    let one = [&[0xfb, 1, 0][..], &[0xfc, 1, 0, 0, 0], &[0xfd, 1, 0, 0, 0, 0, 0, 0, 0]];
    let narrow = one.map(|bytes| codec::decode_header::<u16>(bytes).is_ok());
    let middle = one.map(|bytes| codec::decode_header::<u32>(bytes).is_ok());
    let wide = one.map(|bytes| codec::decode_header::<u64>(bytes).ok());
    assert_eq!((narrow, middle), ([true, false, false], [true, true, false]));
    assert_eq!(wide, [Some(1); 3]);
    for mark in [0xfe, 0xff] {
        let bytes = [&[mark][..], &[0; 16]].concat();
        assert!(codec::decode_header::<u64>(&bytes).is_err(), "{mark:#x}");
    }
    // The length of a text is a `u64`, and the bytes of a `bool` or an option are 0 and 1.
    assert_eq!(codec::decode_header::<String>(&[0xfd, 1, 0, 0, 0, 0, 0, 0, 0, b'x']).expect("a text"), "x");
    assert!(codec::decode_header::<bool>(&[2]).is_err());
    assert!(codec::decode_header::<Option<u8>>(&[2, 0]).is_err());
}
