//! The page, for workers that announce it: several jobs on their way, and what a dead worker leaves.

use super::control::{cancel, settle};
use crate::PATIENCE;
use crate::check::{Check, Checked, Group, ensure, wrong};
use crate::frame::{Out, job, job_frame};
use crate::lab::Lab;
use crate::os::memory::Memory;
use crate::os::process::eventually;
use crate::strict;
use crate::worker::{Inheritance, Terms, Worker, expect, value};
use procpool_protocol::frame::{HEADER_LEN, Kind, RawHeader};
use procpool_protocol::limits::MAX_EARLY_CANCELS;
use procpool_protocol::message::Status;
use procpool_protocol::page;
use serde_json::{Value, json};

pub(super) const GROUP: Group = Group {
    name: "page",
    checks: &[
        Check::new(
            "page-found",
            "A worker says before Ready that it keeps its page, whose numbers begin at 0.",
            &["the-page"],
            |lab| paged(lab).map(drop),
        ),
        Check::new(
            "jobs-ahead",
            "Jobs that are sent together are answered in their order, and the page's numbers follow.",
            &["the-page", "a-job-from-start-to-end"],
            jobs_ahead,
        )
        .with_input(),
        Check::new(
            "large-outputs-ahead",
            "Outputs that are larger than the ring keep their order.",
            &["the-page"],
            large_outputs_ahead,
        )
        .with_fixture(),
        Check::new(
            "page-after-a-death",
            "The page of a dead worker says which job it had begun, and has the answers that were not sent.",
            &["the-page", "shutdown-and-end-of-file"],
            page_after_a_death,
        )
        .with_fixture(),
        Check::new(
            "recall",
            "A Recall brings the answers that wait, and jobs that were asked back are passed over.",
            &["the-page"],
            recall,
        )
        .with_fixture(),
        Check::new(
            "cancels-of-waiting-jobs",
            "A worker remembers 64 cancels of jobs that wait, and runs the others.",
            &["cancel", "limits"],
            cancels_of_waiting_jobs,
        )
        .with_fixture(),
        Check::new(
            "another-page",
            "A worker leaves memory alone that is no page of version 2, and goes on without.",
            &["the-page"],
            another_page,
        ),
        Check::new(
            "short-page",
            "A worker whose page is too short or not sealed goes on.",
            &["the-page"],
            short_page,
        )
        .should(),
    ],
};

/// Returns a worker that has this page.
fn with_page(lab: &Lab<'_>, page: Memory) -> Checked<Worker> {
    lab.announces("page")?;
    let inheritance = Inheritance { page: Some(page), arenas: None };
    let mut worker = lab.spawn_born(&Terms { page: true, ..Terms::default() }, inheritance)?;
    worker.hello()?;
    worker.ready()?;
    Ok(worker)
}

fn paged(lab: &Lab<'_>) -> Checked<Worker> {
    let worker = with_page(lab, Memory::page(page::MAGIC)?)?;
    let found = number(&worker, page::MARK)?;
    ensure(found == page::KEPT, || format!("expected {:#x} in bytes 16 to 23, got {found:#x}", page::KEPT))?;
    for at in [page::BEGUN, page::ENDED] {
        let number = number(&worker, at)?;
        ensure(number == 0, || format!("expected 0 at byte {at} before the first job, got {number}"))?;
    }
    Ok(worker)
}

fn memory(worker: &Worker) -> Checked<&Memory> {
    worker.inheritance.page.as_ref().map_or_else(|| wrong("no page"), Ok)
}

fn number(worker: &Worker, at: u64) -> Checked<u64> {
    Ok(memory(worker)?.number(at)?)
}

/// Waits until a number of the page is this.
fn becomes(worker: &Worker, at: u64, expected: u64) -> Checked {
    let is_there = eventually(PATIENCE, || number(worker, at).is_ok_and(|number| number == expected));
    let came = number(worker, at)?;
    ensure(is_there, || format!("expected {expected} at byte {at} of the page, got {came}"))
}

/// Sends these inputs at once.
fn send(worker: &mut Worker, inputs: &[Vec<u8>]) -> Checked {
    let first = worker.sequence + 1;
    let frames: Vec<_> =
        (first..).zip(inputs).map(|(sequence, input)| job_frame(sequence, &job(), input)).collect();
    worker.sequence += inputs.len() as u64;
    worker.jobs.send(&frames.iter().flat_map(Out::bytes).collect::<Vec<_>>())
}

fn commands(worker: &mut Worker, commands: &[Value]) -> Checked {
    let inputs: Vec<_> = commands.iter().map(|command| command.to_string().into_bytes()).collect();
    send(worker, &inputs)
}

fn echo(value: u64) -> Value {
    json!({"op": "echo", "value": value})
}

fn jobs_ahead(lab: &Lab<'_>) -> Checked {
    let mut worker = paged(lab)?;
    let input = lab.any()?;
    for round in 1..=3 {
        send(&mut worker, &vec![input.clone(); 10])?;
        for sequence in round * 10 - 9..=round * 10 {
            let (done, _) = worker.done(sequence)?;
            expect(&done, "Ok", |status| *status == Status::Ok)?;
        }
        becomes(&worker, page::BEGUN, round * 10)?;
        becomes(&worker, page::ENDED, worker.jobs.heard)?;
    }
    Ok(())
}

fn large_outputs_ahead(lab: &Lab<'_>) -> Checked {
    let mut worker = paged(lab)?;
    let lengths = [10_u64, 200_000, 100, 65_000, 70_000, 10];
    commands(&mut worker, &lengths.map(|length| json!({"op": "bytes", "length": length})))?;
    for (sequence, length) in (1..).zip(lengths) {
        let (done, frame) = worker.done(sequence)?;
        expect(&done, "Ok", |status| *status == Status::Ok)?;
        let came = frame.payload.len() as u64;
        ensure(came == length, || format!("expected {length} bytes of job {sequence}, got {came}"))?;
    }
    becomes(&worker, page::ENDED, worker.jobs.heard)
}

fn page_after_a_death(lab: &Lab<'_>) -> Checked {
    let mut worker = paged(lab)?;
    let exit = json!({"op": "exit", "code": 3});
    commands(&mut worker, &[echo(10), echo(11), exit, echo(13), echo(14)])?;
    worker.end("the command `exit`")?;
    let begun = number(&worker, page::BEGUN)?;
    ensure(begun == 3, || format!("expected job 3 as the last that was begun, got {begun}"))?;
    let mut output = worker.jobs.rest(PATIENCE)?;
    let (sent, all) = (output.len() as u64, number(&worker, page::ENDED)?);
    let waits = all.checked_sub(sent).filter(|waits| *waits <= page::RING_LEN);
    let Some(waits) = waits else {
        return wrong(format!("{sent} bytes came, and the page says {all}"));
    };
    for (at, length) in page::places(sent, waits) {
        output.extend(memory(&worker)?.read(at, usize::try_from(length).unwrap_or(0))?);
    }
    let answers = parse(&output)?;
    let expected = [(1, "10".to_owned()), (2, "11".to_owned())];
    ensure(answers == expected, || format!("expected the answers of jobs 1 and 2, got {answers:?}"))
}

/// Returns number and output of each `Done` in these bytes.
fn parse(mut bytes: &[u8]) -> Checked<Vec<(u64, String)>> {
    let mut answers = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<HEADER_LEN>() {
        let head = RawHeader::from_bytes(head);
        let (message, payload) = (head.header_len as usize, head.payload_len as usize);
        let is_done = head.kind == Kind::Done as u16 && rest.len() >= message + payload;
        ensure(is_done, || format!("expected whole Done frames, got {head:?} and {} bytes", rest.len()))?;
        let output = String::from_utf8_lossy(&rest[message..message + payload]).into_owned();
        answers.push((head.sequence, output));
        bytes = &rest[message + payload..];
    }
    ensure(bytes.is_empty(), || format!("{} bytes are no frame", bytes.len()))?;
    Ok(answers)
}

fn recall(lab: &Lab<'_>) -> Checked {
    let mut worker = paged(lab)?;
    let long = json!({"op": "sleep", "ms": 60_000});
    commands(&mut worker, &[echo(10), long, echo(12), echo(13), echo(14)])?;
    becomes(&worker, page::BEGUN, 2)?;
    memory(&worker)?.write(page::RECALLED, &5_u64.to_le_bytes())?;
    worker.control.say(&Out::of(Kind::Recall, 5))?;
    // It came while job 2 runs: nothing else ends that.
    let (_, frame) = worker.done(1)?;
    let output = value(&frame)?;
    ensure(output == 10, || format!("expected the output 10 of job 1, got {output}"))?;
    cancel(&mut worker, 2)?;
    worker.done(2)?;
    for sequence in 3..=5 {
        let frame = worker.hear("Recalled", PATIENCE)?;
        let is_right = frame.kind == Kind::Recalled && frame.sequence() == sequence;
        ensure(is_right, || format!("expected Recalled of job {sequence}, got {frame}"))?;
        ensure(frame.message.is_empty() && frame.payload.is_empty(), || {
            format!("expected a header, got {frame}")
        })?;
    }
    let begun = number(&worker, page::BEGUN)?;
    ensure(begun == 2, || format!("expected job 2 as the last that was begun, got {begun}"))?;
    let output = worker.command(&echo(15))?;
    ensure(output == 15, || format!("expected the output 15 of job 6, got {output}"))?;
    becomes(&worker, page::BEGUN, 6)
}

fn cancels_of_waiting_jobs(lab: &Lab<'_>) -> Checked {
    let mut worker = paged(lab)?;
    let mut all = vec![json!({"op": "sleep", "ms": 60_000})];
    let last = MAX_EARLY_CANCELS as u64 + 4;
    all.extend((2..=last).map(echo));
    commands(&mut worker, &all)?;
    becomes(&worker, page::BEGUN, 1)?;
    let spared = [2, 40, last];
    for sequence in (2..=last).filter(|sequence| !spared.contains(sequence)) {
        cancel(&mut worker, sequence)?;
    }
    settle(&mut worker)?;
    cancel(&mut worker, 1)?;
    for sequence in 1..=last {
        let frame = worker.hear("Done", PATIENCE)?;
        let done = strict::done(&frame)?;
        let expected = if spared.contains(&sequence) { Status::Ok } else { Status::Cancelled };
        ensure(frame.sequence() == sequence && done.status == expected, || {
            format!(
                "expected {expected:?} of job {sequence}, got {:?} of job {}",
                done.status,
                frame.sequence()
            )
        })?;
    }
    Ok(())
}

fn another_page(lab: &Lab<'_>) -> Checked {
    let length = usize::try_from(page::LEN).unwrap_or(0);
    let page = Memory::page(b"another file!!!\n")?;
    let before = page.read(0, length)?;
    let mut worker = with_page(lab, page)?;
    if let Ok(input) = lab.any_job() {
        worker.ask_ok(&input)?;
    }
    let after = memory(&worker)?.read(0, length)?;
    ensure(before == after, || "the worker wrote into memory that is no page".into())
}

fn short_page(lab: &Lab<'_>) -> Checked {
    let short = Memory::unsealed(48)?;
    short.write(page::MAGIC_AT, page::MAGIC)?;
    let mut worker = with_page(lab, short)?;
    match lab.any_job() {
        Ok(input) => worker.ask_ok(&input).map(drop),
        Err(_) => Ok(()),
    }
}
