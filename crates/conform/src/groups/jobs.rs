//! Jobs there and back: values, headers, numbers.

use crate::PATIENCE;
use crate::check::{Check, Checked, Group, ensure, wrong};
use crate::frame::{BINCODE, JSON, NONE, RAW, job, job_frame, job_with};
use crate::lab::Lab;
use crate::worker::{expect, value};
use procpool_protocol::extras::{of_done, of_job};
use procpool_protocol::message::{Extra, Job, Status};
use serde_json::{Value, json};
use std::time::Instant;

pub(super) const GROUP: Group = Group {
    name: "jobs",
    checks: &[
        Check::new(
            "answer",
            "A job is answered with exactly one Done, which has its number and END.",
            &["a-job-from-start-to-end", "frames"],
            answer,
        )
        .with_input(),
        Check::new(
            "job-byte-by-byte",
            "A Job frame may arrive in any pieces.",
            &["two-connections", "frames"],
            job_byte_by_byte,
        )
        .with_input(),
        Check::new(
            "many-jobs",
            "A worker answers one job after the other, each with its own number.",
            &["a-job-from-start-to-end"],
            many_jobs,
        )
        .with_input(),
        Check::new(
            "large-numbers",
            "Numbers of jobs have 64 bits, and a worker does not cut them.",
            &["a-job-from-start-to-end"],
            large_numbers,
        )
        .with_input(),
        Check::new(
            "job-headers",
            "A worker takes every deadline, attempt and credit, and does not act on the deadline.",
            &["job", "a-job-from-start-to-end"],
            job_headers,
        )
        .with_input(),
        Check::new(
            "replies",
            "A worker encodes its output as JSON or bincode, as `reply` says, or as JSON; raw bytes stay raw.",
            &["payloads"],
            replies,
        )
        .with_input(),
        Check::new(
            "unknown-extras",
            "A worker skips extras of a job that it does not know.",
            &["job", "limits"],
            unknown_extras,
        )
        .with_input(),
        Check::new(
            "long-varints",
            "A worker reads varints that are longer than they need be.",
            &["header-messages"],
            long_varints,
        )
        .with_input(),
        Check::new(
            "usage",
            "A worker sends processor time and peak memory only if the job asks for them.",
            &["done", "job"],
            usage,
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
            "large-payloads",
            "Payloads of 32 MiB pass in both directions.",
            &["limits", "frames"],
            large_payloads,
        )
        .with_fixture(),
    ],
};

fn answer(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    worker.ask_ok(&lab.any()?)?;
    let is_silent = worker.jobs.is_silent(crate::SILENCE)?;
    ensure(is_silent, || "something came on jobs after Done".into())
}

fn job_byte_by_byte(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    worker.jobs.send_slowly(&job_frame(1, &job(), &lab.any()?).bytes())?;
    worker.sequence = 1;
    let (done, _) = worker.done(1)?;
    expect(&done, "Ok", |status| *status == Status::Ok)
}

fn many_jobs(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let input = lab.any()?;
    let begin = Instant::now();
    // A worker of slow jobs answers fewer.
    for number in 0..1000 {
        worker.ask_ok(&input)?;
        if number >= 10 && begin.elapsed() > PATIENCE / 10 {
            break;
        }
    }
    Ok(())
}

fn large_numbers(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let input = lab.any()?;
    for number in [1, (1 << 31) - 1, 1 << 31, 1 << 32, (1 << 32) + 1, (1 << 53) + 1, u64::MAX] {
        worker.sequence = number - 1;
        worker.ask_ok(&input)?;
    }
    Ok(())
}

fn job_headers(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let input = lab.any()?;
    let headers = [
        Job { remaining_nanos: Some(1), ..job() },
        Job { remaining_nanos: Some(0), ..job() },
        Job { remaining_nanos: Some(u64::MAX), ..job() },
        Job { attempt: u32::MAX, ..job() },
        Job { credit: Some(0), ..job() },
        Job { credit: Some(u32::MAX), ..job() },
        Job { id: [0xff; 16], ..job() },
    ];
    for header in headers {
        let sequence = worker.give_as(&header, JSON, &input)?;
        let (done, _) = worker.done(sequence)?;
        expect(&done, &format!("Ok with {header:?}"), |status| *status == Status::Ok)?;
    }
    Ok(())
}

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

fn unknown_extras(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let extra = |tag: u16, length: usize| Extra { tag, value: vec![0xee; length] };
    let sixteen = (100..116).map(|tag| extra(tag, usize::from(tag) * 7)).collect();
    for extras in [sixteen, vec![extra(u16::MAX, 0)], vec![extra(of_job::TRACEPARENT, 3)]] {
        let sequence = worker.give_as(&job_with(extras), JSON, &lab.any()?)?;
        let (done, _) = worker.done(sequence)?;
        expect(&done, "Ok", |status| *status == Status::Ok)?;
    }
    Ok(())
}

fn long_varints(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    // Attempt, remaining, reply, credit and extras: each number in the widest form of its type.
    let mut message = vec![7; 16];
    message.extend([0xfc, 1, 0, 0, 0]);
    message.extend([1, 0xfd, 1, 0, 0, 0, 0, 0, 0, 0]);
    message.extend([JSON, 1, 0xfb, 16, 0]);
    message.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0]);
    let frame = job_frame(1, &job(), &lab.any()?).message(message);
    worker.jobs.say(&frame)?;
    let (done, _) = worker.done(1)?;
    expect(&done, "Ok", |status| *status == Status::Ok)
}

fn usage(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let input = lab.any()?;
    let is_usage = |extra: &Extra| matches!(extra.tag, of_done::CPU_TIME | of_done::PEAK_MEMORY);
    let (done, _) = worker.ask(&input)?;
    ensure(!done.extras.iter().any(is_usage), || "extra 2 or 3 came, unasked".into())?;
    let sequence = worker.give_as(&job_with(vec![Extra::flag(of_job::REPORT_USAGE)]), JSON, &input)?;
    let (done, _) = worker.done(sequence)?;
    expect(&done, "Ok", |status| *status == Status::Ok)?;
    let Some(memory) = done.extras.iter().find(|extra| extra.tag == of_done::PEAK_MEMORY) else {
        return Ok(());
    };
    // `done` has checked the length. A process below 64 KiB or above 1 TiB counts in another unit.
    let bytes = u64::from_le_bytes(memory.value[..].try_into().unwrap_or_default());
    ensure((1 << 16..1 << 40).contains(&bytes), || format!("a peak memory of {bytes} bytes"))
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
