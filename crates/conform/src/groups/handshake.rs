//! From the preamble to `Ready`, and how it fails.

use crate::check::{Check, Checked, Group, ensure};
use crate::frame::{JSON, Out, RAW, job, job_frame};
use crate::lab::Lab;
use crate::os::process::End;
use crate::worker::{Inheritance, Terms, expect};
use procpool_protocol::frame::Kind;
use procpool_protocol::message::Status;
use procpool_protocol::preamble::Preamble;
use serde_json::json;

pub(super) const GROUP: Group = Group {
    name: "handshake",
    checks: &[
        Check::new(
            "ready",
            "A worker that was welcomed sends Ready, a header alone.",
            &["handshake", "kinds"],
            |lab| lab.ready().map(drop),
        ),
        Check::new(
            "welcome-byte-by-byte",
            "Preamble and Welcome may arrive in any pieces.",
            &["two-connections", "handshake"],
            welcome_byte_by_byte,
        ),
        Check::new(
            "welcome-with-more",
            "Fields that a worker does not know, and worker data that it does not use, are no obstacle.",
            &["handshake"],
            welcome_with_more,
        ),
        Check::new(
            "job-behind-the-welcome",
            "A worker that reads a Job right behind the Welcome says nothing about it before its Ready.",
            &["handshake"],
            job_behind_the_welcome,
        )
        .with_input(),
        Check::new(
            "later-versions",
            "A worker serves a coordinator that speaks later versions and features, too.",
            &["preamble"],
            later_versions,
        ),
        Check::new(
            "no-common-version",
            "A worker that shares no version with the coordinator says so on standard error, and exits.",
            &["preamble", "exit-codes"],
            no_common_version,
        ),
        Check::new(
            "refused",
            "A worker that is refused prints the detail to standard error, and exits.",
            &["handshake", "exit-codes"],
            refused,
        ),
        Check::new(
            "closed-in-the-handshake",
            "A worker exits if the connections end before its Welcome came.",
            &["starting-a-worker", "shutdown-and-end-of-file"],
            closed_in_the_handshake,
        ),
        Check::new(
            "half-a-welcome",
            "A worker exits if the connections end within its Welcome.",
            &["shutdown-and-end-of-file"],
            half_a_welcome,
        ),
        Check::new(
            "exit-code-of-a-handshake",
            "A worker exits with code 4 if the handshake fails or the coordinator refuses it.",
            &["exit-codes"],
            exit_code,
        )
        .should(),
    ],
};

fn welcome_byte_by_byte(lab: &Lab<'_>) -> Checked {
    let opening = lab.opening(&Terms::default());
    // The first eight bytes are there at the birth.
    let (first, rest) = opening.split_at(8);
    let mut worker = lab.spawn_with(first, Inheritance::default())?;
    worker.jobs.send_slowly(rest)?;
    worker.hello()?;
    worker.ready()
}

fn welcome_with_more(lab: &Lab<'_>) -> Checked {
    let more = json!({"colour": {"of": ["the", "sky"]}, "Mode": 7, "features": 3});
    let data = match (lab.reads("json"), lab.reads("raw")) {
        (true, _) => (JSON, b"{\"worker\":\"data\"}".to_vec()),
        (false, true) => (RAW, b"worker data".to_vec()),
        (false, false) => (0, Vec::new()),
    };
    lab.ready_on(&Terms { more, data, ..Terms::default() }).map(drop)
}

fn job_behind_the_welcome(lab: &Lab<'_>) -> Checked {
    let opening = lab.opening(&Terms::default());
    let job = job_frame(1, &job(), &lab.any()?).bytes();
    let mut worker = lab.spawn_with(&[opening, job].concat(), Inheritance::default())?;
    worker.hello()?;
    worker.ready()?;
    let (done, _) = worker.done(1)?;
    expect(&done, "Ok", |status| *status == Status::Ok)
}

fn later_versions(lab: &Lab<'_>) -> Checked {
    let preamble = Preamble { lowest: 1, highest: 9, features: 0x8000_0001 }.to_bytes();
    let welcome = lab.welcome(&Terms::default()).bytes();
    let mut worker = lab.spawn_with(&[&preamble[..], &welcome].concat(), Inheritance::default())?;
    worker.hello()?;
    worker.ready()
}

fn no_common_version(lab: &Lab<'_>) -> Checked {
    for (lowest, highest) in [(3, 4), (1, 1)] {
        let end = end_of_strangers(lab, lowest, highest)?;
        ensure(end != End::Code(0), || {
            format!("expected a failure with versions {lowest} to {highest}, got {end}")
        })?;
    }
    Ok(())
}

fn end_of_strangers(lab: &Lab<'_>, lowest: u16, highest: u16) -> Checked<End> {
    let preamble = Preamble { lowest, highest, features: 0 }.to_bytes();
    let mut worker = lab.spawn_with(&preamble, Inheritance::default())?;
    worker.jobs.try_send(&lab.welcome(&Terms::default()).bytes());
    let end = worker.end(&format!("a preamble with versions {lowest} to {highest}"))?;
    let stderr = worker.stderr.whole(crate::PATIENCE);
    ensure(!stderr.trim().is_empty(), || "expected a text on standard error, got none".into())?;
    Ok(end)
}

const DETAIL: &str = "the kit expected another worker";

fn end_of_refused(lab: &Lab<'_>) -> Checked<End> {
    let mut worker = lab.spawn(&Terms::default())?;
    worker.hello()?;
    // Programs get words that they do not know.
    let refused = json!({"reason": "a-new-word", "detail": DETAIL, "more": 1}).to_string();
    worker.jobs.try_send(&Out::of(Kind::Refused, 0).message(refused).bytes());
    let end = worker.end("Refused")?;
    let is_told = worker.stderr.has(DETAIL, crate::PATIENCE);
    ensure(is_told, || "expected the detail on standard error, and it is not there".into())?;
    Ok(end)
}

fn refused(lab: &Lab<'_>) -> Checked {
    let end = end_of_refused(lab)?;
    ensure(end != End::Code(0), || "expected a failure after Refused, got exit code 0".into())
}

fn exit_code(lab: &Lab<'_>) -> Checked {
    for (what, end) in
        [("Refused", end_of_refused(lab)?), ("an unknown version", end_of_strangers(lab, 3, 4)?)]
    {
        ensure(end == End::Code(4), || format!("expected exit code 4 after {what}, got {end}"))?;
    }
    Ok(())
}

fn closed_in_the_handshake(lab: &Lab<'_>) -> Checked {
    let mut worker = lab.spawn_with(&Preamble::ours().to_bytes(), Inheritance::default())?;
    worker.jobs.close();
    worker.control.close();
    let end = worker.end("an end of file on both connections")?;
    ensure(end != End::Code(0), || "expected a failure, got exit code 0".into())
}

fn half_a_welcome(lab: &Lab<'_>) -> Checked {
    let opening = lab.opening(&Terms::default());
    let mut worker = lab.spawn_with(&opening[..opening.len() - 5], Inheritance::default())?;
    worker.jobs.finish();
    worker.control.close();
    worker.end("an end of file within the Welcome").map(drop)
}
