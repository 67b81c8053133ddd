//! Inputs and outputs: encodings, values, what does not decode, what is large.

use crate::check::{Check, Checked, Group, ensure, skip, wrong};
use crate::frame::{BINCODE, JSON, NONE, RAW, job};
use crate::lab::Lab;
use crate::worker::{expect, value};
use procpool_protocol::message::{Job, Status};
use serde_json::{Value, json};

pub(super) const GROUP: Group = Group {
    name: "payloads",
    checks: &[
        Check::new(
            "replies",
            "A worker encodes its output as `reply` says, in JSON or bincode, or always in JSON.",
            &["payloads"],
            replies,
        )
        .with_input(),
        Check::new(
            "bad-json",
            "A worker answers BadInput to an input that is not JSON, and takes the next job.",
            &["payloads", "done"],
            bad_json,
        ),
        Check::new(
            "deep-json",
            "JSON nested 100,000 levels deep does not cost the worker.",
            &["payloads"],
            deep_json,
        ),
        Check::new(
            "every-encoding",
            "An input in an encoding that a worker reads, whatever it holds, does not cost the worker.",
            &["payloads"],
            every_encoding,
        ),
        Check::new("values", "JSON values come back as they were sent.", &["payloads"], values)
            .with_fixture(),
        Check::new(
            "raw-bytes",
            "An input of raw bytes comes back as raw bytes, whatever `reply` says, or is BadInput.",
            &["payloads"],
            raw_bytes,
        )
        .with_fixture(),
        Check::new(
            "large-payloads",
            "Payloads of 32 MiB pass in both directions.",
            &["limits", "frames"],
            large_payloads,
        )
        .with_fixture(),
    ],
};

fn replies(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let input = lab.any()?;
    for (reply, name) in [(JSON, "json"), (BINCODE, "bincode")] {
        if !lab.reads(name) {
            continue;
        }
        let sequence = worker.give_as(&Job { reply, ..job() }, JSON, &input)?;
        let (done, frame) = worker.done(sequence)?;
        let encoding = frame.head.encoding;
        match done.status {
            Status::Ok => ensure([reply, JSON, RAW, NONE].contains(&encoding), || {
                format!("expected an output in {name} or JSON, got encoding {encoding}")
            })?,
            // The type of an output may have no bincode, and typed values are no raw bytes.
            other if reply == JSON => return wrong(format!("expected Ok, got {other:?}")),
            Status::Panicked { message, .. } => {
                return wrong(format!("a reply in {name} makes the worker panic: {message}"));
            }
            _ => {}
        }
    }
    worker.ask_ok(&input).map(drop)
}

fn bad_json(lab: &Lab<'_>) -> Checked {
    lab.provide_jobs("json")?;
    let mut worker = lab.ready()?;
    let broken: [&[u8]; 9] = [
        b"{\"op\":",
        b"\"a\" x",
        b"[1,]",
        b"\"\xff\xfe\"",
        b"",
        b"NaN",
        b"\xef\xbb\xbf\"a\"",
        b"\"\0a\"",
        b"\xff\xfe\"\0a\0\"\0",
    ];
    for input in broken {
        let (done, _) = worker.ask(input)?;
        let shown = String::from_utf8_lossy(input).into_owned();
        let name = format!("BadInput to {shown:?}");
        expect(&done, &name, |status| matches!(status, Status::BadInput { .. }))?;
    }
    match lab.any() {
        Ok(input) => worker.ask_ok(&input).map(drop),
        Err(_) => Ok(()),
    }
}

fn deep_json(lab: &Lab<'_>) -> Checked {
    lab.provide_jobs("json")?;
    let mut worker = lab.ready()?;
    let deep = [vec![b'['; 100_000], vec![b']'; 100_000]].concat();
    let (done, _) = worker.ask(&deep)?;
    expect(&done, "any status but Panicked", |status| !matches!(status, Status::Panicked { .. }))?;
    let (done, _) = worker.ask(b"")?;
    expect(&done, "BadInput", |status| matches!(status, Status::BadInput { .. }))
}

fn every_encoding(lab: &Lab<'_>) -> Checked {
    lab.provide_jobs("json")?;
    let mut worker = lab.ready()?;
    let inputs: [(&str, u8, &[u8]); 5] = [
        ("raw", RAW, b"\0\xff\x80"),
        ("raw", RAW, b""),
        // Begins no number. A number could be an input that takes for ever.
        ("bincode", BINCODE, b"\xff\xff"),
        ("bincode", BINCODE, b""),
        ("json", NONE, b""),
    ];
    for (name, encoding, input) in inputs.into_iter().filter(|(name, ..)| lab.reads(name)) {
        let sequence = worker.give_as(&job(), encoding, input)?;
        let (done, _) = worker.done(sequence)?;
        let expected = format!("any status but Panicked for an input in {name}");
        expect(&done, &expected, |status| !matches!(status, Status::Panicked { .. }))?;
    }
    let (done, _) = worker.ask(b"{")?;
    expect(&done, "BadInput", |status| matches!(status, Status::BadInput { .. }))
}

fn values(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let nested = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let values: [Value; 13] = [
        Value::Null,
        true.into(),
        0.into(),
        (-1).into(),
        1.5.into(),
        9_007_199_254_740_991_u64.into(),
        "".into(),
        "é🦀\0\u{2028}\u{7f}\"\\/".into(),
        json!([]),
        json!({}),
        json!({"a": [1, {"b": null}], "ü": "x"}),
        "x".repeat(70_000).into(),
        serde_json::from_str(&nested).unwrap_or_default(),
    ];
    for sent in values {
        let input = json!({"op": "echo", "value": sent}).to_string();
        let frame = worker.ask_ok(input.as_bytes())?;
        let came = value(&frame)?;
        ensure(came == sent, || format!("{sent} came back as {came}"))?;
    }
    Ok(())
}

fn raw_bytes(lab: &Lab<'_>) -> Checked {
    if !lab.reads("raw") {
        return skip("it does not read raw");
    }
    let mut worker = lab.ready()?;
    for input in [&b"\0\xff\x80"[..], b"{}", &[7; 300_000]] {
        let sequence = worker.give_as(&job(), RAW, input)?;
        let (done, frame) = worker.done(sequence)?;
        match done.status {
            Status::BadInput { .. } => return skip("its function takes no raw bytes"),
            Status::Ok => ensure(frame.head.encoding == RAW && frame.payload == input, || {
                format!("expected {} raw bytes, got {frame}", input.len())
            })?,
            other => return wrong(format!("expected Ok or BadInput, got {other:?}")),
        }
    }
    Ok(())
}

fn large_payloads(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    for length in [65_536, 1 << 20, 32 << 20] {
        let text: String = ('a'..='z').cycle().take(length).collect();
        let input = format!("{{\"op\":\"echo\",\"value\":\"{text}\"}}");
        let frame = worker.ask_ok(input.as_bytes())?;
        let is_same = frame.payload.len() == length + 2 && frame.payload[1..=length] == *text.as_bytes();
        ensure(is_same, || format!("{length} bytes came back as {} others", frame.payload.len()))?;
    }
    Ok(())
}
