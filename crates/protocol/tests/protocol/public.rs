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

/// Returns every error with secret contents.
fn indiscreet() -> Vec<JobError> {
    let (stage, limit, replay) = (Stage::Running, Duration::from_secs(2), Some(SECRET.into()));
    let said = || SECRET.to_owned();
    let unreadable =
        PayloadError::Decode { encoding: Encoding::Json, length: PID as usize, reason: SECRET.into() };
    vec![
        refused(Refusal::UnknownPool { known: vec![said()] }),
        refused(Refusal::QueueFull { limit: 3 }),
        refused(Refusal::QueueBytesFull { waiting: 9, size: 2, limit: 10 }),
        refused(Refusal::BreakerOpen { retry: limit, last_death: said() }),
        refused(Refusal::ClientQuarantined { client: said(), deaths: 3, retry: limit }),
        refused(Refusal::NoSlotInTime { limit }),
        refused(Refusal::Starting),
        refused(Refusal::ShuttingDown),
        refused(Refusal::RuntimeEnded),
        refused(Refusal::Forked),
        refused(Refusal::InputTooLarge { size: 2, limit: 1 }),
        refused(Refusal::InputEncoding(said())),
        JobError::BadInput { message: said() },
        JobError::Failed(Failure::new(said())),
        JobError::Broke(Failure::new(said()).with_code("code").as_broken()),
        JobError::Panicked { message: said(), location: Some(said()), replay: replay.clone() },
        JobError::Crashed(crash()),
        JobError::TimedOut { stage, limit, replay: replay.clone() },
        JobError::Cancelled { stage },
        JobError::Protocol { violation: said(), replay },
        JobError::OutputTooLarge { size: 2, limit: 1 },
        JobError::Output(unreadable),
        JobError::Poisoned { stage, payload_deaths: 3, remaining: limit },
        JobError::ShutDown { stage },
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
    let busy = serde_json::to_value(refused(Refusal::QueueFull { limit: 3 }).public()).unwrap();
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
