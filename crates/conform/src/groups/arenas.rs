//! Arenas, for workers that announce them: large payloads in memory that both sides share.

use crate::PATIENCE;
use crate::check::{Check, Checked, Group, Needs, ensure, skip, wrong};
use crate::frame::{In, JSON, Out, RAW, job, job_frame};
use crate::lab::Lab;
use crate::os::memory::{Change, Memory};
use crate::strict;
use crate::worker::{Inheritance, Terms, Worker, expect};
use procpool_protocol::arena::Place;
use procpool_protocol::frame::{Kind, flags};
use procpool_protocol::message::Status;
use serde_json::{Value, json};
use std::os::fd::AsFd;

/// Length of an arena, in bytes.
const LENGTH: u64 = 1 << 20;

pub(super) const GROUP: Group = Group {
    name: "arenas",
    checks: &[
        Check::new(
            "share",
            "A worker answers each Share with one Shared of the same number.",
            &["arenas"],
            share,
        ),
        Check::new(
            "input-in-an-arena",
            "A worker finds an input in its arena, and through the socket once the arena was taken back.",
            &["arenas", "frames"],
            input_in_an_arena,
        )
        .with_fixture(),
        Check::new(
            "the-arena-before",
            "A worker keeps an input arena until the Share after the next, since a job may refer to it.",
            &["arenas"],
            the_arena_before,
        )
        .with_fixture(),
        Check::new(
            "kept-input",
            "An input that the function keeps never changes: the worker copies it, or says Held before Done.",
            &["arenas"],
            kept_input,
        )
        .with(Needs::Keeper),
        Check::new(
            "output-in-an-arena",
            "A worker does not touch its output arena between an answer in it and TAKEN.",
            &["arenas", "frames"],
            output_in_an_arena,
        )
        .with_fixture(),
        Check::new(
            "unsealed-arena",
            "A worker does not accept memory that somebody can shorten.",
            &["arenas"],
            unsealed_arena,
        ),
        Check::new(
            "share-without-a-descriptor",
            "A worker does not accept an arena whose descriptor did not come along.",
            &["arenas"],
            share_without_a_descriptor,
        ),
    ],
};

/// Returns a ready worker, if it takes arenas.
fn ready(lab: &Lab<'_>) -> Checked<Worker> {
    lab.announces("arenas")?;
    let is_born = lab.says("arenas") == "born";
    let arenas = if is_born { Some([Memory::unsealed(0)?, Memory::unsealed(0)?]) } else { None };
    let inheritance = Inheritance { page: None, arenas };
    let mut worker = lab.spawn_born(&Terms { arenas: is_born, ..Terms::default() }, inheritance)?;
    worker.hello()?;
    worker.ready()?;
    Ok(worker)
}

/// Skips a check of memory that comes as a descriptor.
fn ready_to_receive(lab: &Lab<'_>) -> Checked<Worker> {
    lab.announces("arenas")?;
    if lab.says("arenas") != "received" { skip("its arenas are from birth") } else { ready(lab) }
}

fn offer(number: u64, body: &Value) -> Out {
    Out::of(Kind::Share, number).message(body.to_string())
}

/// Returns whether the worker accepted arena `number`.
fn shared(worker: &mut Worker, number: u64) -> Checked<bool> {
    let frame = worker.hear_control("Shared")?;
    let is_right = frame.kind == Kind::Shared && frame.sequence() == number && frame.payload.is_empty();
    ensure(is_right, || format!("expected Shared of arena {number}, got {frame}"))?;
    let said = strict::json(&frame)?;
    said["accepted"].as_bool().map_or_else(|| wrong(format!("Shared says {said}")), Ok)
}

/// Offers memory that comes as a descriptor.
fn give(worker: &mut Worker, number: u64, direction: &str, memory: &Memory) -> Checked<bool> {
    let body = json!({"direction": direction, "length": LENGTH});
    let frame = offer(number, &body).with(|head| head.attachments = 1);
    worker.control.say_with(&frame, memory.as_fd())?;
    shared(worker, number)
}

/// Offers an arena in the worker's own way. Returns the memory, if it came as a descriptor.
fn arena(worker: &mut Worker, number: u64, direction: &str, input: Option<&[u8]>) -> Checked<Option<Memory>> {
    let (accepted, memory) = match &worker.inheritance.arenas {
        Some(born) => {
            let memory = &born[usize::from(input.is_none())];
            memory.resize(LENGTH)?;
            memory.write(0, input.unwrap_or_default())?;
            let body = json!({"direction": direction, "length": LENGTH, "born": true});
            worker.control.say(&offer(number, &body))?;
            (shared(worker, number)?, None)
        }
        None => {
            let memory = Memory::arena(LENGTH, input)?;
            (give(worker, number, direction, &memory)?, Some(memory))
        }
    };
    if accepted { Ok(memory) } else { skip("it accepts no arena") }
}

/// Takes an arena back.
fn take_back(worker: &mut Worker, number: u64, direction: &str) -> Checked {
    worker.control.say(&offer(number, &json!({"direction": direction})))?;
    shared(worker, number).map(drop)
}

fn share(lab: &Lab<'_>) -> Checked {
    let mut worker = ready(lab)?;
    arena(&mut worker, 1, "input", Some(b"1"))?;
    arena(&mut worker, 2, "output", None)?;
    take_back(&mut worker, 3, "input")?;
    take_back(&mut worker, 4, "output")?;
    arena(&mut worker, 5, "input", Some(b"1"))?;
    ensure(worker.control.is_silent(crate::SILENCE)?, || "more came on control than Shared".into())
}

/// Returns an echo of more than 256 KiB, and its output.
fn large_echo(letter: char) -> (Vec<u8>, Vec<u8>) {
    let text: String = std::iter::repeat_n(letter, 300_000).collect();
    let input = format!("{{\"op\":\"echo\",\"value\":\"{text}\"}}");
    (input.into_bytes(), format!("\"{text}\"").into_bytes())
}

/// Runs a job whose input lies in an arena. Returns whether the worker keeps that.
fn refer(worker: &mut Worker, arena: u64, length: usize, output: &[u8]) -> Checked<bool> {
    refer_as(worker, JSON, arena, length, output)
}

/// The same for an input in this encoding.
fn refer_as(worker: &mut Worker, encoding: u8, arena: u64, length: usize, output: &[u8]) -> Checked<bool> {
    worker.sequence += 1;
    let place = Place { arena, offset: 0, length: length as u64 };
    let frame = job_frame(worker.sequence, &job(), &place.to_bytes()).payload(encoding, place.to_bytes());
    let frame = frame.flags(flags::PAYLOAD_REF);
    worker.jobs.say(&frame)?;
    let mut frame = worker.hear("Done", PATIENCE)?;
    let is_held = frame.kind == Kind::Held;
    if is_held {
        ensure(frame.sequence() == arena, || format!("expected Held of arena {arena}, got {frame}"))?;
        frame = worker.hear("Done", PATIENCE)?;
    }
    let done = strict::done(&frame)?;
    expect(&done, "Ok", |status| *status == Status::Ok)?;
    ensure(frame.payload == output, || format!("an input in an arena has another output: {frame}"))?;
    Ok(is_held)
}

fn input_in_an_arena(lab: &Lab<'_>) -> Checked {
    let mut worker = ready(lab)?;
    let (input, output) = large_echo('a');
    let _memory = arena(&mut worker, 1, "input", Some(&input))?;
    for _ in 0..3 {
        if refer(&mut worker, 1, input.len(), &output)? {
            break;
        }
    }
    take_back(&mut worker, 2, "input")?;
    let frame = worker.ask_ok(&input)?;
    ensure(frame.payload == output, || "an input has another output through the socket".into())
}

fn the_arena_before(lab: &Lab<'_>) -> Checked {
    let mut worker = ready_to_receive(lab)?;
    let ((first, its_output), (second, other_output)) = (large_echo('a'), large_echo('b'));
    let _first = arena(&mut worker, 1, "input", Some(&first))?;
    let _second = arena(&mut worker, 2, "input", Some(&second))?;
    refer(&mut worker, 1, first.len(), &its_output)?;
    refer(&mut worker, 2, second.len(), &other_output).map(drop)
}

/// The memory of an input, and what writes it.
enum Input {
    /// The worker has it from its birth.
    Born,
    Received(Change),
}

impl Input {
    fn offer(worker: &mut Worker, number: u64, input: &[u8]) -> Checked<Self> {
        if worker.inheritance.arenas.is_some() {
            arena(worker, number, "input", Some(input))?;
            return Ok(Self::Born);
        }
        let (memory, change) = Memory::changing_arena(usize::try_from(LENGTH).unwrap_or(0), input)?;
        if give(worker, number, "input", &memory)? {
            Ok(Self::Received(change))
        } else {
            skip("it accepts no arena")
        }
    }

    fn write(&self, worker: &Worker, input: &[u8]) -> Checked {
        match (self, &worker.inheritance.arenas) {
            (Self::Received(change), _) => change.write(input),
            (Self::Born, Some([memory, _])) => memory.write(0, input)?,
            (Self::Born, None) => return wrong("no arena"),
        }
        Ok(())
    }
}

fn kept_input(lab: &Lab<'_>) -> Checked {
    let mut worker = ready(lab)?;
    let inputs: Vec<Vec<u8>> = (b'a'..=b'f').map(|letter| vec![letter; 300_000]).collect();
    let mut number = 1;
    let mut memory = Input::offer(&mut worker, number, &inputs[0])?;
    let mut before: &[u8] = &[];
    for (input, next) in inputs.iter().zip(inputs.iter().skip(1)) {
        // The job returns the input that it has kept since the one before.
        let is_held = refer_as(&mut worker, RAW, number, input.len(), before)?;
        before = input;
        if is_held {
            // A pool never writes to that memory again.
            number += 1;
            memory = Input::offer(&mut worker, number, next)?;
        } else {
            memory.write(&worker, next)?;
        }
    }
    Ok(())
}

/// Runs a job with a large output.
fn fill(worker: &mut Worker, length: u64, taken: bool) -> Checked<In> {
    worker.sequence += 1;
    let input = json!({"op": "bytes", "length": length}).to_string();
    let flags = if taken { flags::TAKEN } else { 0 };
    worker.jobs.say(&job_frame(worker.sequence, &job(), input.as_bytes()).flags(flags))?;
    let (done, frame) = worker.done(worker.sequence)?;
    expect(&done, "Ok", |status| *status == Status::Ok)?;
    Ok(frame)
}

fn is_reference(frame: &In) -> bool {
    frame.has(flags::PAYLOAD_REF)
}

fn output_in_an_arena(lab: &Lab<'_>) -> Checked {
    let mut worker = ready(lab)?;
    let received = arena(&mut worker, 7, "output", None)?;
    let length = 400_000;
    let frame = fill(&mut worker, length, false)?;
    if !is_reference(&frame) {
        return skip("it accepts an arena and does not use it for this output");
    }
    let bytes = |frame: &In, worker: &Worker| {
        let Some(place) = Place::from_bytes(&frame.payload) else { return wrong("a reference has 24 bytes") };
        let is_within = place.offset.checked_add(place.length).is_some_and(|end| end <= LENGTH);
        let is_right = place.arena == 7 && place.length == length && is_within;
        ensure(is_right, || format!("expected {length} bytes in arena 7, got {place:?}"))?;
        let born = worker.inheritance.arenas.as_ref().map(|[_, output]| output);
        match received.as_ref().or(born) {
            Some(memory) => Ok(memory.read(place.offset, usize::try_from(place.length).unwrap_or(0))?),
            None => wrong("no arena"),
        }
    };
    let before = bytes(&frame, &worker)?;
    let is_text =
        frame.head.encoding != JSON || (before.first(), before.last()) == (Some(&b'"'), Some(&b'"'));
    ensure(is_text, || "the output in the arena is not JSON".into())?;
    let second = fill(&mut worker, length, false)?;
    ensure(!is_reference(&second) && second.payload.len() as u64 == length, || {
        "expected the second output on the socket, since the first was not taken".into()
    })?;
    ensure(bytes(&frame, &worker)? == before, || {
        "the worker wrote over an output that was not taken".into()
    })?;
    let third = fill(&mut worker, length, true)?;
    ensure(is_reference(&third), || "expected the third output in the arena, after TAKEN".into())?;
    ensure(bytes(&third, &worker)? == before, || "the third output differs from the first".into())?;
    let long = fill(&mut worker, LENGTH + 1, true)?;
    ensure(!is_reference(&long) && long.payload.len() as u64 == LENGTH + 1, || {
        "expected an output on the socket that is longer than the arena".into()
    })
}

fn unsealed_arena(lab: &Lab<'_>) -> Checked {
    let mut worker = ready_to_receive(lab)?;
    for (number, direction) in [(1, "input"), (2, "output")] {
        let accepted = give(&mut worker, number, direction, &Memory::unsealed(LENGTH)?)?;
        ensure(!accepted, || format!("the worker accepts an arena for {direction} without seals"))?;
    }
    // Sealed, and shorter than it says.
    let mut worker = ready_to_receive(lab)?;
    let accepted = give(&mut worker, 1, "input", &Memory::arena(4096, Some(b"1"))?)?;
    ensure(!accepted, || "the worker accepts an arena that is shorter than it says".into())
}

fn share_without_a_descriptor(lab: &Lab<'_>) -> Checked {
    let mut worker = ready_to_receive(lab)?;
    worker.control.say(&offer(1, &json!({"direction": "input", "length": LENGTH})))?;
    let accepted = shared(&mut worker, 1)?;
    ensure(!accepted, || "the worker accepts an arena that it did not get".into())?;
    match lab.any_job() {
        Ok(input) => worker.ask_ok(&input).map(drop),
        Err(_) => Ok(()),
    }
}
