//! Errors as a user's crate meets them: it matches each with `..`, and makes one to test its own code.

use procpool::error::{
    Exit, ExitReport, LimitHit, MemoryCount, PayloadError, Refusal, Refused, ReloadError, Stage, StartError,
};
use procpool::{CrashReport, Encoding, Failure, JobError, JobId};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(2);

/// Returns what a user's program might show of an error: something of each field.
fn shown(error: &JobError) -> String {
    match error {
        JobError::Refused(refused) => reason(&refused.reason),
        JobError::BadInput { message, .. } => format!("bad input {message}"),
        JobError::Failed(failure) => format!("failed {}", failure.message()),
        JobError::Broke(failure) => format!("broke {}", failure.message()),
        JobError::Panicked { message, location, replay, .. } => {
            format!("panicked {message} {location:?} {replay:?}")
        }
        JobError::Crashed(report) => death(&report.death),
        JobError::TimedOut { stage, limit, replay, .. } => {
            format!("timed out {stage:?} {limit:?} {replay:?}")
        }
        JobError::Cancelled { stage, .. } => format!("cancelled {stage:?}"),
        JobError::Protocol { violation, replay, .. } => format!("protocol {violation} {replay:?}"),
        JobError::OutputTooLarge { size, limit, .. } => format!("too large {size} {limit}"),
        JobError::Output(error) => unreadable(error),
        JobError::Poisoned { stage, payload_deaths, remaining, .. } => {
            format!("poisoned {stage:?} {payload_deaths} {remaining:?}")
        }
        JobError::ShutDown { stage, .. } => format!("shut down {stage:?}"),
        other => format!("{} {other}", other.name()),
    }
}

fn reason(refusal: &Refusal) -> String {
    match refusal {
        Refusal::UnknownPool { known, .. } => format!("unknown {known:?}"),
        Refusal::QueueFull { limit, .. } => format!("full {limit}"),
        Refusal::QueueBytesFull { waiting, size, limit, .. } => format!("full {waiting} {size} {limit}"),
        Refusal::BreakerOpen { retry, last_death, .. } => format!("breaker {retry:?} {last_death}"),
        Refusal::ClientQuarantined { client, deaths, retry, .. } => format!("{client} {deaths} {retry:?}"),
        Refusal::NoSlotInTime { limit, .. } => format!("no slot {limit:?}"),
        Refusal::DeadlineUnreachable { limit, predicted, retry, .. } => {
            format!("unreachable {limit:?} {predicted:?} {retry:?}")
        }
        Refusal::InputTooLarge { size, limit, .. } => format!("input {size} {limit}"),
        other => other.name().into(),
    }
}

fn unreadable(error: &PayloadError) -> String {
    match error {
        PayloadError::Encode { encoding, reason, .. } => format!("encode {} {reason}", encoding.name()),
        PayloadError::Decode { encoding, length, reason, .. } => {
            format!("decode {} {length} {reason}", encoding.name())
        }
        PayloadError::WrongEncoding { expected, got, .. } => format!("{expected} {}", got.name()),
        other => other.to_string(),
    }
}

fn death(report: &ExitReport) -> String {
    let limit = match report.limit {
        Some(LimitHit::Memory { limit, .. } | LimitHit::FileSize { limit, .. }) => format!(" {limit}"),
        Some(LimitHit::Cpu { limit, .. }) => format!(" {limit:?}"),
        _ => String::new(),
    };
    match report.exit {
        Exit::Code(code) => format!("code {code}{limit}"),
        Exit::Signal { number, core_dumped, .. } => format!("signal {number} {core_dumped}{limit}"),
        _ => format!("unknown{limit}"),
    }
}

fn reload(error: &ReloadError) -> String {
    match error {
        ReloadError::Executable { pool, reason, .. } | ReloadError::Canary { pool, reason, .. } => {
            format!("{pool} {reason}")
        }
        ReloadError::Superseded { pool, .. }
        | ReloadError::Forked { pool, .. }
        | ReloadError::RuntimeEnded { pool, .. }
        | ReloadError::ShutDown { pool, .. } => pool.clone(),
        _ => error.to_string(),
    }
}

fn crashed(exit: Exit, limit: Option<LimitHit>) -> JobError {
    let mut death = ExitReport::new("fib-0", 1, exit);
    death.limit = limit;
    JobError::Crashed(Box::new(CrashReport::new(JobId::from_bits(1), Stage::Running, death)))
}

#[test]
fn every_error_of_a_job_can_be_made_and_matched() {
    let location = Some("main.rs:1:2".to_owned());
    let mut saved = JobError::timed_out(Stage::Running, LIMIT);
    saved.saved_as("/a.job".into());
    for (error, expected) in [
        (JobError::bad_input("no"), "bad input no"),
        (JobError::Failed(Failure::new("no")), "failed no"),
        (JobError::Broke(Failure::new("no")), "broke no"),
        (JobError::panicked("oh", location), r#"panicked oh Some("main.rs:1:2") None"#),
        (crashed(Exit::by_signal(6, true), None), "signal 6 true"),
        (crashed(Exit::by_signal(9, false), Some(LimitHit::cpu(LIMIT))), "signal 9 false 2s"),
        (crashed(Exit::Code(1), Some(LimitHit::memory(7, MemoryCount::Cgroup))), "code 1 7"),
        (crashed(Exit::Code(1), Some(LimitHit::file_size(8))), "code 1 8"),
        (JobError::timed_out(Stage::Queued, LIMIT), "timed out Queued 2s None"),
        (saved, r#"timed out Running 2s Some("/a.job")"#),
        (JobError::cancelled(Stage::Queued), "cancelled Queued"),
        (JobError::protocol("a frame too many"), "protocol a frame too many None"),
        (JobError::output_too_large(11, 10), "too large 11 10"),
        (JobError::Output(PayloadError::encode(Encoding::Json, "no")), "encode JSON no"),
        (JobError::Output(PayloadError::decode(Encoding::Json, 3, "no")), "decode JSON 3 no"),
        (JobError::Output(PayloadError::wrong_encoding("JSON", Encoding::Bytes)), "JSON raw bytes"),
        (JobError::poisoned(Stage::Queued, 3, LIMIT), "poisoned Queued 3 2s"),
        (JobError::shut_down(Stage::Running), "shut down Running"),
    ] {
        assert_eq!(shown(&error), expected);
    }
}

#[test]
fn every_refusal_can_be_made_and_matched() {
    for (refusal, expected) in [
        (Refusal::unknown_pool(vec!["fib".into()]), r#"unknown ["fib"]"#),
        (Refusal::queue_full(8), "full 8"),
        (Refusal::queue_bytes_full(9, 2, 10), "full 9 2 10"),
        (Refusal::breaker_open(LIMIT, "exit code 1"), "breaker 2s exit code 1"),
        (Refusal::client_quarantined("192.0.2.7", 3, LIMIT), "192.0.2.7 3 2s"),
        (Refusal::no_slot_in_time(LIMIT), "no slot 2s"),
        (Refusal::input_too_large(11, 10), "input 11 10"),
        (Refusal::deadline_unreachable(LIMIT, 2 * LIMIT, LIMIT), "unreachable 2s 4s 2s"),
        (Refusal::Draining, "draining"),
        (Refusal::ShuttingDown, "shutting_down"),
    ] {
        assert_eq!(shown(&Refused::new("fib", refusal).into()), expected);
    }
}

#[test]
fn every_error_of_a_reload_can_be_made_and_matched() {
    for (error, expected) in [
        (ReloadError::executable("fib", "half a file"), "fib half a file"),
        (ReloadError::canary("fib", "exit code 1"), "fib exit code 1"),
        (ReloadError::superseded("fib"), "fib"),
        (ReloadError::forked("fib"), "fib"),
        (ReloadError::runtime_ended("fib"), "fib"),
        (ReloadError::shut_down("fib"), "fib"),
    ] {
        assert_eq!(reload(&error), expected);
    }
    let error = StartError::prepare("fib", std::io::ErrorKind::OutOfMemory.into());
    assert!(matches!(error, StartError::Prepare { pool, .. } if pool == "fib"));
}
