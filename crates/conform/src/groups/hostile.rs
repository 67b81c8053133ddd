//! Frames that a coordinator should not send, and frames of the future.

use crate::PATIENCE;
use crate::check::{Check, Checked, Group, ensure, wrong};
use crate::frame::{In, JSON, Out, RAW, UNKNOWN_KIND, job, job_frame, job_with};
use crate::lab::Lab;
use crate::os::process::End;
use crate::worker::{Terms, Worker, expect};
use procpool_protocol::codec::encode_header;
use procpool_protocol::frame::{Kind, flags};
use procpool_protocol::limits::{MAX_CONTROL_PAYLOAD, MAX_HEADER};
use procpool_protocol::message::{Credit, Extra, Status};
use std::time::{Duration, Instant};

pub(super) const GROUP: Group = Group {
    name: "hostile frames",
    checks: &[
        Check::new(
            "ignorable-frames",
            "A worker skips frames of unknown kinds that are IGNORABLE, with everything in them, on both connections.",
            &["frames", "how-this-may-grow"],
            ignorable_frames,
        ),
        Check::new(
            "known-flags",
            "A worker accepts each known flag but PAYLOAD_REF on every kind, and any encoding of no payload.",
            &["frames"],
            known_flags,
        ),
        Check::new(
            "unknown-kinds",
            "A worker refuses frames of unknown kinds that are not IGNORABLE.",
            &["frames", "what-gets-a-worker-killed"],
            unknown_kinds,
        ),
        Check::new(
            "misplaced-kinds",
            "A worker refuses frames that belong to the other connection or direction.",
            &["frames", "kinds"],
            misplaced_kinds,
        )
        .should(),
        Check::new(
            "lengths-above-the-limits",
            "A worker compares lengths with the limits as soon as it has a frame's header.",
            &["frames", "limits"],
            lengths,
        ),
        Check::new(
            "max-payload",
            "A worker compares payloads with the `max_payload` of its Welcome.",
            &["handshake", "frames"],
            max_payload,
        ),
        Check::new(
            "broken-frame-headers",
            "A worker refuses unknown flags, encodings above 3, a payload without one, and misplaced descriptors.",
            &["frames"],
            broken_headers,
        )
        .should(),
        Check::new(
            "reserved-bytes",
            "A worker refuses frames whose reserved bytes are not 0.",
            &["frames"],
            reserved_bytes,
        )
        .should(),
        Check::new(
            "broken-header-messages",
            "A worker refuses header messages that are a byte too short or too long, and more than 16 extras.",
            &["header-messages", "limits"],
            broken_messages,
        )
        .should(),
        Check::new(
            "exit-code-of-a-breach",
            "A worker that finds the coordinator's bytes wrong exits with code 5.",
            &["exit-codes", "what-gets-a-worker-killed"],
            exit_code,
        )
        .should(),
    ],
};

fn ignorable_frames(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let lengths = [(0, 0), (10, 3), (MAX_HEADER as usize, MAX_CONTROL_PAYLOAD as usize), (7, 0)];
    let mut frames: Vec<_> = lengths.map(|(message, payload)| Out::ignorable(message, payload)).into();
    // A receiver looks at nothing else of such a frame.
    let odd = Out::ignorable(3, 3);
    frames.push(odd.with(|head| (head.flags, head.reserved, head.encoding) = (0xffff, [9, 9], 77)));
    // How a worker that refuses them ends is more telling than that it can no longer be written to.
    for frame in &frames {
        worker.jobs.try_send(&frame.bytes());
        worker.control.try_send(&frame.bytes());
    }
    worker.jobs.try_send(&Out::ignorable(5, 1_000_000).bytes());
    worker.control.try_send(&Out::of(Kind::Shutdown, 0).bytes());
    worker.end_well("ignorable frames and Shutdown")?;
    let Ok(input) = lab.any_job() else { return Ok(()) };
    let mut worker = lab.ready()?;
    let frame = Out::ignorable(9, 9).bytes();
    worker.jobs.send(&[frame, job_frame(1, &job(), &input).bytes()].concat())?;
    worker.done(1).map(drop)
}

fn known_flags(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.ready()?;
    let all = flags::IGNORABLE | flags::END | flags::TAKEN;
    let flagged = |frame: Out| frame.flags(all).with(|head| head.encoding = RAW);
    worker.control.try_send(&flagged(Out::of(Kind::Cancel, 7)).bytes());
    if let Ok(input) = lab.any_job() {
        worker.sequence = 1;
        worker.jobs.say(&job_frame(1, &job(), &input).flags(all))?;
        let (done, _) = worker.done(1)?;
        expect(&done, "Ok", |status| *status == Status::Ok)?;
    }
    worker.control.try_send(&flagged(Out::of(Kind::Shutdown, 0)).bytes());
    worker.end_well("a flagged Cancel and a flagged Shutdown")
}

fn max_payload(lab: &Lab<'_>) -> Checked {
    let worker = lab.ready_on(&Terms { max_payload: 1000, ..Terms::default() })?;
    let frame = Out::of(Kind::Job, 1).with(|head| (head.payload_len, head.encoding) = (1001, RAW));
    broken(worker, "a payload of 1001 bytes, of at most 1000", true, &frame).map(drop)
}

fn breach(lab: &Lab<'_>, what: &str, on_jobs: bool, frame: &Out) -> Checked<End> {
    broken(lab.ready()?, what, on_jobs, frame)
}

/// Sends bytes to a ready worker, which should say on standard error what is wrong, and exit.
fn broken(mut worker: Worker, what: &str, on_jobs: bool, frame: &Out) -> Checked<End> {
    let line = if on_jobs { &mut worker.jobs } else { &mut worker.control };
    line.send(&frame.bytes())?;
    // A worker that passes the frame over reads on, and ends well: that shows sooner than its patience.
    match (frame.is_whole(), on_jobs) {
        (false, _) => {}
        (true, true) => line.finish(),
        (true, false) => line.try_send(&Out::of(Kind::Shutdown, 0).bytes()),
    }
    let until = Instant::now() + PATIENCE;
    let end = loop {
        if let Some(end) = worker.process.end_within(Duration::from_millis(10))? {
            break end;
        }
        // An answer shows sooner than the worker's silence that it does not mind.
        let line = if on_jobs { &mut worker.jobs } else { &mut worker.control };
        if !line.is_silent(Duration::ZERO)?
            && let Some(answer @ In { kind: Kind::Done | Kind::Pong, .. }) = line.frame(PATIENCE)?
        {
            return wrong(format!("expected a refusal of {what}, got {answer}"));
        }
        ensure(Instant::now() < until, || format!("the worker goes on for {PATIENCE:?} after {what}"))?;
    };
    ensure(matches!(end, End::Code(code) if code != 0), || {
        format!("expected an exit code other than 0 after {what}, got {end}")
    })?;
    let stderr = worker.stderr.whole(PATIENCE);
    ensure(!stderr.trim().is_empty(), || {
        format!("expected a text on standard error after {what}, got none")
    })?;
    Ok(end)
}

fn all(lab: &Lab<'_>, breaches: &[(&str, bool, Out)]) -> Checked {
    breaches.iter().try_for_each(|(what, on_jobs, frame)| breach(lab, what, *on_jobs, frame).map(drop))
}

fn unknown_kinds(lab: &Lab<'_>) -> Checked {
    let unknown = || Out::numbered(UNKNOWN_KIND, 0);
    all(
        lab,
        &[("an unknown kind on jobs", true, unknown()), ("an unknown kind on control", false, unknown())],
    )
}

fn misplaced_kinds(lab: &Lab<'_>) -> Checked {
    all(
        lab,
        &[
            ("a Ping on jobs", true, Out::of(Kind::Ping, 1)),
            ("a Job on control", false, job_frame(1, &job(), b"1")),
            ("a Pong on control", false, Out::of(Kind::Pong, 1)),
            ("a second Welcome", true, lab.welcome(&Terms::default())),
        ],
    )
}

fn lengths(lab: &Lab<'_>) -> Checked {
    // The announced bytes never come.
    let header = |frame: Out| frame.with(|head| head.header_len = MAX_HEADER + 1);
    let payload = |frame: Out, length| frame.with(|head| (head.payload_len, head.encoding) = (length, RAW));
    let ignorable = || Out::ignorable(0, 0);
    all(
        lab,
        &[
            ("a header message that is too long on jobs", true, header(Out::of(Kind::Job, 1))),
            ("a payload that is too long on jobs", true, payload(Out::of(Kind::Job, 1), u32::MAX)),
            ("a header message that is too long on control", false, header(Out::of(Kind::Ping, 1))),
            ("an ignorable payload that is too long on jobs", true, payload(ignorable(), u32::MAX - 15)),
            (
                "an ignorable payload that is too long on control",
                false,
                payload(ignorable(), MAX_CONTROL_PAYLOAD + 1),
            ),
        ],
    )
}

fn broken_headers(lab: &Lab<'_>) -> Checked {
    let good = || job_frame(1, &job(), b"1");
    all(
        lab,
        &[
            ("an unknown flag", true, good().flags(0x8000)),
            ("encoding 4", true, good().with(|head| head.encoding = 4)),
            ("a payload with encoding 0", true, good().with(|head| head.encoding = 0)),
            ("a reference of 1 byte", true, good().flags(flags::PAYLOAD_REF)),
            (
                "a reference on Ping",
                false,
                Out::of(Kind::Ping, 1).payload(JSON, vec![0; 24]).flags(flags::PAYLOAD_REF),
            ),
            ("17 descriptors", true, good().with(|head| head.attachments = 17)),
            ("a descriptor with Ping", false, Out::of(Kind::Ping, 1).with(|head| head.attachments = 1)),
        ],
    )
}

fn reserved_bytes(lab: &Lab<'_>) -> Checked {
    all(
        lab,
        &[
            ("a reserved byte on jobs", true, job_frame(1, &job(), b"1").with(|head| head.reserved = [0, 1])),
            ("a reserved byte on control", false, Out::of(Kind::Ping, 1).with(|head| head.reserved = [1, 0])),
        ],
    )
}

fn broken_messages(lab: &Lab<'_>) -> Checked {
    lab.provide_jobs("json")?;
    let message = encode_header(&job())?.to_vec();
    let job = |message: Vec<u8>| job_frame(1, &job(), b"1").message(message);
    let extras = (0..17).map(|tag| Extra::flag(200 + tag)).collect();
    let many = encode_header(&job_with(extras))?.to_vec();
    let credit = encode_header(&Credit { chunks: 300 })?.to_vec();
    all(
        lab,
        &[
            ("a byte behind a Job's header message", true, job([&message[..], &[0]].concat())),
            (
                "a Job's header message without its last byte",
                true,
                job(message[..message.len() - 1].to_vec()),
            ),
            ("17 extras", true, job(many)),
            ("a Credit without its number", false, Out::of(Kind::Credit, 1)),
            ("half a Credit", false, Out::of(Kind::Credit, 1).message(credit[..2].to_vec())),
        ],
    )
}

fn exit_code(lab: &Lab<'_>) -> Checked {
    for on_jobs in [true, false] {
        let end = breach(lab, "an unknown kind", on_jobs, &Out::numbered(UNKNOWN_KIND, 0))?;
        ensure(end == End::Code(5), || format!("expected exit code 5, got {end}"))?;
    }
    Ok(())
}
