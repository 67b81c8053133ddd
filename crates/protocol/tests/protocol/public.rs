//! The public part of a job's error, and the part for a log.

use procpool_protocol::crash::{Exit, ExitReport};
use procpool_protocol::outcome::{Refusal, Refused};
use procpool_protocol::{CrashReport, Encoding, Failure, JobError, JobId, PayloadError, Stage};
use std::time::Duration;

/// Stands in for a path, a line of standard error, or the name of a client.
const SECRET: &str = "/srv/secret";

const PID: u32 = 4711;

fn crash() -> Box<CrashReport> {
    let mut death = ExitReport::new(SECRET, PID, Exit::Code(1));
    death.stderr = vec![SECRET.into()];
    let mut report = CrashReport::new(JobId::from_bits(1), Stage::Running, death);
    report.replay = Some(SECRET.into());
    Box::new(report)
}

fn refused(reason: Refusal) -> JobError {
    Refused::new(SECRET, reason).into()
}

/// Returns the error of a job that was saved.
fn saved(mut error: JobError) -> JobError {
    error.saved_as(SECRET.into());
    error
}

/// Returns every error with secret contents.
fn indiscreet() -> Vec<JobError> {
    let (stage, limit) = (Stage::Running, Duration::from_secs(2));
    let said = || SECRET.to_owned();
    let unreadable = PayloadError::decode(Encoding::Json, PID as usize, SECRET);
    vec![
        refused(Refusal::unknown_pool(vec![said()])),
        refused(Refusal::queue_full(3)),
        refused(Refusal::queue_bytes_full(9, 2, 10)),
        refused(Refusal::breaker_open(limit, said())),
        refused(Refusal::client_quarantined(said(), 3, limit)),
        refused(Refusal::no_slot_in_time(limit)),
        refused(Refusal::Starting),
        refused(Refusal::ShuttingDown),
        refused(Refusal::RuntimeEnded),
        refused(Refusal::Forked),
        refused(Refusal::input_too_large(2, 1)),
        refused(Refusal::InputEncoding(said())),
        JobError::bad_input(said()),
        JobError::Failed(Failure::new(said())),
        JobError::Broke(Failure::new(said()).with_code("code").as_broken()),
        saved(JobError::panicked(said(), Some(said()))),
        JobError::Crashed(crash()),
        saved(JobError::timed_out(stage, limit)),
        JobError::cancelled(stage),
        saved(JobError::protocol(said())),
        JobError::output_too_large(2, 1),
        JobError::Output(unreadable),
        JobError::poisoned(stage, 3, limit),
        JobError::shut_down(stage),
    ]
}

#[test]
fn a_client_reads_nothing_of_the_machine_and_a_log_everything() {
    for error in indiscreet() {
        let public = serde_json::to_string(&error.public()).unwrap();
        assert!(!public.contains(SECRET) && !public.contains(&PID.to_string()), "{public}");
        let logged = serde_json::to_value(&error).unwrap();
        assert_eq!(
            (&logged["outcome"], &logged["message"]),
            (&error.name().into(), &error.to_string().into())
        );
    }
    let crashed = serde_json::to_value(JobError::Crashed(crash())).unwrap();
    assert_eq!(crashed["crash"]["pid"], PID);
}

#[test]
fn a_client_reads_the_functions_own_words_where_it_chose_a_code() {
    let failure = Failure::new("the picture is empty").with_code("empty").retryable();
    let public = serde_json::to_value(JobError::Failed(failure).public()).unwrap();
    assert_eq!(
        public,
        serde_json::json!({
            "code": "empty", "message": "the picture is empty", "status": 422, "may_have_run": true, "retryable": true
        })
    );
    let busy = serde_json::to_value(refused(Refusal::queue_full(3)).public()).unwrap();
    assert_eq!((&busy["code"], &busy["retry_after"]), (&"queue_full".into(), &1.into()));
}

/// Under the codes that procpool sets itself, the text of a decoder or of the operating system must not reach
/// a client.
#[test]
fn a_client_reads_no_words_under_a_code_that_the_function_has_not_chosen() {
    let own = [
        "bad_chunk",
        "bad_input",
        "bad_output",
        "cancelled",
        "does_not_serve",
        "failed",
        "job",
        "output_too_large",
        "panicked",
        "protocol",
    ];
    for code in own {
        let public = JobError::Failed(Failure::new(SECRET).with_code(code)).public();
        assert!(!public.message.contains(SECRET), "{public:?}");
        assert_eq!(public.code, code);
    }
}
