//! Values as bincode whose byte string travels apart, for workers that read bincode.

use crate::check::{Check, Checked, Group, Needs, ensure, wrong};
use crate::frame::{BINCODE, In, job, job_with};
use crate::lab::Lab;
use crate::worker::{Worker, expect};
use procpool_protocol::codec::encode_header;
use procpool_protocol::extras::{of_done, of_job};
use procpool_protocol::message::{Done, Extra, Job, Status};

pub(super) const GROUP: Group = Group {
    name: "parts",
    checks: &[
        Check::new(
            "input-in-parts",
            "An input as bincode that comes in two parts is the value that it would be in one.",
            &["payloads", "job"],
            input_in_parts,
        )
        .with(Needs::Parts),
        Check::new(
            "output-in-parts",
            "An output as bincode comes in one part, or as its byte string with a rest of at most 16 KiB.",
            &["payloads", "done", "limits"],
            output_in_parts,
        )
        .with(Needs::Parts),
        Check::new(
            "broken-rest",
            "A rest that fits no value is BadInput, and does not cost the worker.",
            &["payloads"],
            broken_rest,
        )
        .with(Needs::Parts),
    ],
};

/// Length of a byte string that may travel apart, in bytes.
const LARGE: usize = 300_000;

/// A value of the fixture: a number, a byte string, a text.
struct Value {
    string: Vec<u8>,
    text: &'static str,
}

impl Value {
    fn of(length: usize) -> Self {
        Self { string: (0..=u8::MAX).cycle().take(length).collect(), text: "end" }
    }

    /// Returns it in one part.
    fn whole(&self) -> Checked<Vec<u8>> {
        let head = encode_header(&(64_u32, self.string.len() as u64))?;
        Ok([&head[..], &self.string, &encode_header(&self.text)?].concat())
    }

    /// Returns the rest, as it is in `WIRE.md`.
    fn rest(&self) -> Checked<Vec<u8>> {
        let rest = encode_header(&(64_u32, 0_u64, self.text))?;
        Ok([&2_u32.to_le_bytes()[..], &rest].concat())
    }
}

/// Runs a job whose output should be bincode.
fn ask(worker: &mut Worker, rest: Option<Vec<u8>>, payload: &[u8]) -> Checked<(Done, In)> {
    let extras = rest.map(|value| Extra { tag: of_job::REST, value });
    let job = Job { reply: BINCODE, ..extras.map_or_else(job, |extra| job_with(vec![extra])) };
    let sequence = worker.give_as(&job, BINCODE, payload)?;
    worker.done(sequence)
}

/// Returns an output in one part.
fn joined(done: &Done, frame: In) -> Checked<Vec<u8>> {
    expect(done, "Ok", |status| *status == Status::Ok)?;
    ensure(frame.head.encoding == BINCODE, || format!("expected an output in bincode, got {frame}"))?;
    let Some(rest) = done.extras.iter().find(|extra| extra.tag == of_done::REST) else {
        return Ok(frame.payload);
    };
    // `done` has compared its length with the limit.
    let Some((offset, encoded)) = rest.value.split_first_chunk() else {
        return wrong("a rest without an offset");
    };
    let at = usize::try_from(u32::from_le_bytes(*offset)).unwrap_or(usize::MAX);
    let is_empty_string = at.checked_sub(1).and_then(|length| encoded.get(length)) == Some(&0);
    ensure(is_empty_string, || format!("no empty byte string ends at offset {at} of the rest"))?;
    let length = encode_header(&(frame.payload.len() as u64))?;
    Ok([&encoded[..at - 1], &length, &frame.payload, &encoded[at..]].concat())
}

fn input_in_parts(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let value = Value::of(LARGE);
    for (rest, payload) in [(None, value.whole()?), (Some(value.rest()?), value.string.clone())] {
        let parts = if rest.is_some() { "two parts" } else { "one part" };
        let (done, frame) = ask(&mut worker, rest, &payload)?;
        let output = joined(&done, frame)?;
        ensure(output == value.whole()?, || format!("a value in {parts} came back as another"))?;
    }
    Ok(())
}

fn output_in_parts(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    for length in [0, 10, (256 << 10) - 1, 256 << 10, 1 << 20] {
        let value = Value::of(length);
        let (done, frame) = ask(&mut worker, None, &value.whole()?)?;
        let is_apart = done.extras.iter().any(|extra| extra.tag == of_done::REST);
        ensure(!is_apart || length >= 256 << 10, || format!("{length} bytes travel apart"))?;
        let output = joined(&done, frame)?;
        ensure(output == value.whole()?, || format!("a value with {length} bytes came back as another"))?;
    }
    Ok(())
}

fn broken_rest(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let value = Value::of(LARGE);
    let rest = value.rest()?;
    let offset = |at: u32| [&at.to_le_bytes()[..], &rest[4..]].concat();
    // Behind the rest, at the number, within the text, a rest of nothing, and one that is cut.
    let broken =
        [offset(u32::MAX), offset(1), offset(4), offset(0), Vec::new(), rest[..rest.len() - 1].to_vec()];
    for rest in broken {
        let (done, _) = ask(&mut worker, Some(rest.clone()), &value.string)?;
        let expected = format!("BadInput to the rest {rest:02x?}");
        expect(&done, &expected, |status| matches!(status, Status::BadInput { .. }))?;
    }
    let (done, frame) = ask(&mut worker, Some(rest), &value.string)?;
    ensure(joined(&done, frame)? == value.whole()?, || "the next value came back as another".into())
}
