//! `WIRE.md` as data: its blocks and tables, and that they agree with the code.

use crate::golden;
use procpool_protocol::frame::{Frame, Kind, RawHeader};
use procpool_protocol::handshake::{Description, Hello, Refused, Welcome};
use procpool_protocol::log::{LogLevel, LogRecord};
use procpool_protocol::recording::Recording;
use procpool_protocol::{limits, message};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::BTreeMap;

const WIRE: &str = include_str!("../../WIRE.md");

/// The fenced blocks whose first word is `language`, by their second word.
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

/// The cells of every table row that begins with `start`.
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
        ("MAX_CHUNK", u64::from(limits::MAX_CHUNK)),
        ("CHUNK_CREDIT", u64::from(limits::CHUNK_CREDIT)),
        ("MAX_TEXT", limits::MAX_TEXT as u64),
        ("MAX_JSON", limits::MAX_JSON as u64),
        ("MAX_EXTRAS", limits::MAX_EXTRAS as u64),
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
    assert_eq!((hello.job.as_str(), hello.page), ("fib", false));
    let welcome: Welcome = json_block("welcome", Kind::Welcome);
    assert_eq!(welcome.max_payload, limits::DEFAULT_MAX_PAYLOAD);
    assert_eq!(json_block::<Refused>("refused", Kind::Refused).reason, "contract");
    assert!(json_block::<Description>("description", Kind::Description).input.is_some());
    assert_eq!(json_block::<Recording>("recording", Kind::Recording).outcome, "crashed");
    assert_eq!(json_block::<LogRecord>("log", Kind::Log).level, LogLevel::Warn);
    assert_eq!(blocks("json").len(), 6);
}

#[test]
fn fields_that_are_not_known_are_ignored_in_json() {
    let text = blocks("json")["welcome"].replacen('{', "{\"colour\": \"blue\",", 1);
    let frame = Frame::new(Kind::Welcome, 0, text);
    assert!(message::json_of::<Welcome>(&frame).is_ok());
}
