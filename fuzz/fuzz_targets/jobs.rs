//! Feeds what reads the texts that clients send about jobs (keys, cursors, preferences, filters), and what shows a chunk
//! of a worker as an event. Each text that is taken has to survive being written again.

#![no_main]

use http::HeaderValue;
use libfuzzer_sys::fuzz_target;
use procpool_frontend::fuzzing::{chunk_event, is_filter, preferences};
use procpool_protocol::Payload;
use procpool_registry::{Cursor, KeyText};
use serde_json::value::RawValue;

fuzz_target!(|input: &[u8]| {
    let Some((&which, rest)) = input.split_first() else { return };
    match which % 5 {
        0 => key(rest),
        1 => cursor(rest),
        2 => preference(rest),
        3 => conditions(rest),
        _ => chunk(rest),
    }
});

fn key(header: &[u8]) {
    let Ok(key) = KeyText::parse(header) else { return };
    let text = key.as_str();
    assert!((1..=KeyText::MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()));
    let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    assert_eq!(KeyText::parse(quoted.as_bytes()), Ok(key));
}

fn cursor(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let Ok(cursor) = text.parse::<Cursor>() else { return };
    assert_eq!(cursor.to_string().parse(), Ok(cursor));
}

fn preference(text: &[u8]) {
    let Ok(prefer) = HeaderValue::from_bytes(text) else { return };
    let (is_async, wait, applied) = preferences(&prefer);
    assert_eq!(applied.is_some(), is_async || wait.is_some());
    if let Some(text) = applied {
        // An answer repeats what was understood, and nothing else.
        let again = HeaderValue::from_str(&text).expect("a header");
        assert_eq!(preferences(&again), (is_async, wait, Some(text)));
    }
}

fn conditions(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let conditions: Vec<_> = text.split('&').filter_map(|pair| pair.split_once('=')).collect();
    if is_filter(conditions.iter().copied()) {
        let known = |(name, value): &(&str, &str)| match *name {
            "pool" => *value == "fib",
            "state" => ["queued", "running", "finished"].contains(value),
            "outcome" | "since" => true,
            _ => false,
        };
        assert!(conditions.iter().all(known), "{conditions:?}");
    }
}

/// Shows a chunk of any bytes: one event, whose data is one JSON value.
fn chunk(bytes: &[u8]) {
    for payload in [Payload::json(bytes.to_vec()), Payload::raw(bytes.to_vec())] {
        let (event, json) = chunk_event(&payload);
        let text = std::str::from_utf8(&event).expect("text");
        let body = text.strip_suffix("\n\n").expect("an end");
        assert!(!body.contains("\n\n") && !body.contains('\r'), "{text:?}");
        let mut lines = body.split('\n');
        assert_eq!((lines.next(), lines.next()), (Some("event: chunk"), Some("id: 7")));
        let data: Vec<_> = lines.map(|line| line.strip_prefix("data: ").expect("data")).collect();
        let data = data.join("\n");
        serde_json::from_str::<&RawValue>(&data).expect("JSON");
        assert_eq!(data, json.replace("\r\n", "\n").replace('\r', "\n"));
    }
}
