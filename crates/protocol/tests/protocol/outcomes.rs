//! The table of outcomes: their names, texts and HTTP statuses.

use procpool_protocol::crash::{Exit, ExitReport};
use procpool_protocol::outcome::{OutcomeKind, Refusal, Refused};
use procpool_protocol::{
    CrashReport, Encoding, Failure, JobError, JobId, LimitHit, MemoryCount, PayloadError, Stage,
};
use std::path::Path;
use std::time::Duration;

fn refused(reason: Refusal) -> JobError {
    Refused::new("fib", reason).into()
}

fn crashed(stage: Stage) -> JobError {
    let exit = Exit::by_signal(9, false);
    let death = ExitReport::new("fib-3", 4711, exit);
    JobError::Crashed(Box::new(CrashReport::new(JobId::from_bits(1), stage, death)))
}

fn poisoned(stage: Stage) -> JobError {
    JobError::poisoned(stage, 3, Duration::from_secs(600))
}

fn breaker_open() -> Refusal {
    Refusal::breaker_open(Duration::from_secs(2), "exit code 1")
}

fn client_quarantined() -> Refusal {
    Refusal::client_quarantined("192.0.2.7", 3, Duration::from_millis(540_900))
}

/// Name, HTTP status, and, as letters: it may have run, is retryable, is a timeout, says when to try again,
/// has a crash report.
fn table() -> Vec<(JobError, &'static str, u16, &'static str)> {
    use Stage::{Queued, Running};
    let limit = Duration::from_secs(2);
    let unreadable = PayloadError::wrong_encoding("JSON", Encoding::None);
    vec![
        (refused(Refusal::unknown_pool(vec![])), "refused", 404, ""),
        (refused(Refusal::queue_full(3)), "refused", 503, "ra"),
        (refused(Refusal::queue_bytes_full(9, 2, 10)), "refused", 503, "ra"),
        (refused(breaker_open()), "refused", 503, "ra"),
        (refused(client_quarantined()), "refused", 429, "ra"),
        (refused(Refusal::no_slot_in_time(limit)), "refused", 504, "rt"),
        (refused(Refusal::deadline_unreachable(limit, limit, limit)), "refused", 503, "ra"),
        (refused(Refusal::Draining), "refused", 503, "ra"),
        (refused(Refusal::Starting), "refused", 503, "ra"),
        (refused(Refusal::ShuttingDown), "refused", 503, "ra"),
        (refused(Refusal::store_busy(9)), "refused", 503, "ra"),
        (refused(Refusal::StoreFull), "refused", 503, "ra"),
        (refused(Refusal::store_broken("no")), "refused", 503, "ra"),
        (refused(Refusal::RuntimeEnded), "refused", 503, ""),
        (refused(Refusal::input_too_large(2, 1)), "refused", 413, ""),
        (refused(Refusal::InputEncoding("no".into())), "refused", 500, ""),
        (JobError::bad_input("no"), "bad_input", 400, ""),
        (JobError::Failed(Failure::new("no")), "failed", 422, "m"),
        (JobError::Failed(Failure::new("busy").retryable()), "failed", 422, "mr"),
        (JobError::Broke(Failure::new("no").as_broken()), "broke", 500, "m"),
        (JobError::Broke(Failure::new("busy").as_broken().retryable()), "broke", 500, "mr"),
        (JobError::panicked("no", None), "panicked", 500, "m"),
        (crashed(Running), "crashed", 502, "mc"),
        (crashed(Queued), "crashed", 502, "rc"),
        (JobError::timed_out(Running, limit), "timed_out", 504, "mt"),
        (JobError::timed_out(Queued, limit), "timed_out", 504, "rt"),
        (JobError::cancelled(Running), "cancelled", 499, "m"),
        (JobError::cancelled(Queued), "cancelled", 499, ""),
        (JobError::protocol("no"), "protocol_error", 502, "m"),
        (JobError::output_too_large(2, 1), "output_too_large", 500, "m"),
        (JobError::Output(unreadable), "ok", 500, "m"),
        (poisoned(Running), "poisoned", 422, "m"),
        (poisoned(Queued), "poisoned", 422, ""),
        (JobError::shut_down(Running), "shut_down", 503, "m"),
        (JobError::shut_down(Queued), "shut_down", 503, "ra"),
    ]
}

#[test]
fn every_outcome_is_told_as_the_table_says() {
    for (error, name, status, letters) in table() {
        assert_eq!(error.name(), name, "{error:?}");
        assert_eq!(error.http_status(), status, "{error:?}");
        let told = [
            ('m', error.may_have_run()),
            ('r', error.is_retryable()),
            ('t', error.is_timeout()),
            ('a', error.retry_after().is_some()),
            ('c', error.crash_report().is_some()),
        ];
        let found: String =
            told.iter().filter(|(_, true_of_it)| *true_of_it).map(|(letter, _)| letter).collect();
        assert_eq!(found, letters, "{error:?}");
    }
}

#[test]
fn no_proxy_is_invited_to_repeat_what_may_have_run() {
    for (error, ..) in table() {
        assert!(!(error.retry_after().is_some() && error.may_have_run()), "{error:?}");
    }
}

#[test]
fn the_lists_of_names_are_whole() {
    let mut outcomes: Vec<_> = table().iter().map(|(error, ..)| error.kind()).collect();
    outcomes.sort_unstable();
    outcomes.dedup();
    assert_eq!(outcomes, OutcomeKind::ALL);
    let of_the_coordinator = [
        "unknown_pool",
        "starting",
        "key_store_full",
        "large_inputs_full",
        "registry_full",
        "store_busy",
        "store_full",
        "store_broken",
        "not_durable",
    ];
    for (error, ..) in table() {
        if let JobError::Refused(refused) = error {
            let name = refused.reason.name();
            assert!(Refusal::OF_POOLS.contains(&name) != of_the_coordinator.contains(&name), "{name}");
        }
    }
}

#[test]
fn refusals_have_names_of_their_own() {
    let limit = Duration::from_secs(1);
    let reasons = [
        (Refusal::unknown_pool(vec!["fib".into()]), "unknown_pool"),
        (Refusal::queue_full(1), "queue_full"),
        (Refusal::queue_bytes_full(9, 2, 10), "queue_bytes_full"),
        (breaker_open(), "breaker_open"),
        (client_quarantined(), "client_quarantined"),
        (Refusal::no_slot_in_time(limit), "no_slot_in_time"),
        (Refusal::key_store_full(7), "key_store_full"),
        (Refusal::large_inputs_full(9), "large_inputs_full"),
        (Refusal::registry_full(9), "registry_full"),
        (Refusal::store_busy(9), "store_busy"),
        (Refusal::StoreFull, "store_full"),
        (Refusal::store_broken("no"), "store_broken"),
        (Refusal::Starting, "starting"),
        (Refusal::deadline_unreachable(limit, limit, limit), "deadline_unreachable"),
        (Refusal::Draining, "draining"),
        (Refusal::ShuttingDown, "shutting_down"),
        (Refusal::RuntimeEnded, "runtime_ended"),
        (Refusal::input_too_large(2, 1), "input_too_large"),
        (Refusal::NotDurable, "not_durable"),
        (Refusal::not_supported("no"), "not_supported"),
        (Refusal::engine_unreachable("no", false), "engine_unreachable"),
        (Refusal::InputEncoding("no".into()), "input_encoding"),
    ];
    for (reason, name) in reasons {
        assert_eq!(reason.name(), name);
    }
}

#[test]
fn people_are_told_what_happened_and_to_whom() {
    let said = |error: JobError| error.to_string();
    let limit = Duration::from_millis(1500);
    assert_eq!(
        said(refused(Refusal::queue_full(3))),
        "failed to submit the job: pool `fib` has 3 jobs waiting and takes no more; try again later"
    );
    assert_eq!(said(JobError::timed_out(Stage::Running, limit)), "the job timed out running after 1.5s");
    assert_eq!(said(JobError::cancelled(Stage::Queued)), "the job was cancelled in the queue");
    assert_eq!(said(JobError::Broke(Failure::new("no such key"))), "the job broke: no such key");
    let location = Some("src/main.rs:7:5".to_owned());
    assert_eq!(said(JobError::panicked("boom", location)), "the job panicked: boom (at src/main.rs:7:5)");
    assert_eq!(
        said(crashed(Stage::Running)),
        "the worker crashed: worker fib-3 (pid 4711) ended with signal 9 (SIGKILL) after 0.0ns and 0 jobs"
    );
    assert_eq!(
        said(poisoned(Stage::Queued)),
        "the payload has killed 3 workers and is not run again for 600s"
    );
    assert_eq!(
        said(refused(client_quarantined())),
        "failed to submit the job: pool `fib` takes no jobs of `192.0.2.7` for another 540s: its jobs have killed 3 \
         workers lately, and `client_deaths` allows no more"
    );
    assert_eq!(
        said(refused(breaker_open())),
        "failed to submit the job: pool `fib` has no worker, because they keep dying at their start; \
         the next is tried in 2s (the last one: exit code 1)"
    );
}

#[test]
fn retry_after_is_the_time_until_the_next_trial() {
    assert_eq!(refused(breaker_open()).retry_after(), Some(Duration::from_secs(2)));
}

#[test]
fn a_crash_report_is_json_that_clients_rely_on() {
    let error = crashed(Stage::Running);
    let report = serde_json::to_value(error.crash_report().expect("a report")).expect("JSON");
    assert_eq!(
        report,
        serde_json::json!({
            "worker": "fib-3", "pid": 4711, "signal": 9, "signal_name": "SIGKILL", "exit_code": null,
            "limit_hit": null, "oom_killed": false, "stage": "running", "job": "00000000000000000000000000000001", "stderr": [],
            "peak_memory_bytes": null, "cpu_ms": 0, "uptime_ms": 0, "jobs_done": 0, "first_job": true,
            "payload_deaths": 0, "quarantined": false,
        })
    );
}

#[test]
fn a_crash_report_says_which_access_failed() {
    let JobError::Crashed(mut report) = crashed(Stage::Running) else { unreachable!("it is a crash") };
    let told = [(0, "0x0 (null)"), (0x18, "0x18 (null)"), (0x7fff_0000_1000, "0x7fff00001000")];
    for (address, words) in told {
        report.death.fault = Some(address);
        assert!(report.to_string().contains(&format!(" at address {words} after ")), "{report}");
        let json = serde_json::to_value(&report).expect("JSON");
        assert_eq!(json["fault_address"], format!("{address:#x}"));
    }
}

#[test]
fn a_crash_that_was_once_too_often_says_for_how_long_the_payload_is_not_run() {
    let JobError::Crashed(mut report) = crashed(Stage::Running) else { unreachable!("it is a crash") };
    (report.payload_deaths, report.quarantined) = (3, Some(Duration::from_secs(600)));
    let text = report.to_string();
    assert!(text.starts_with("the worker crashed: worker fib-3"), "{text}");
    assert!(text.ends_with("; the payload has killed 3 workers and is not run again for 600s"), "{text}");
    let json = serde_json::to_value(&report).expect("JSON");
    assert_eq!((&json["quarantined"], &json["quarantined_ms"]), (&true.into(), &600_000.into()));
}

#[test]
fn a_crash_report_names_the_file_that_the_job_was_saved_in() {
    let JobError::Crashed(mut report) = crashed(Stage::Running) else { unreachable!("it is a crash") };
    report.replay = Some("/var/jobs/fib-1.job".into());
    assert_eq!(serde_json::to_value(&report).expect("JSON")["replay"], "/var/jobs/fib-1.job");
    let again = "; `procpool replay /var/jobs/fib-1.job`, or `WORKER --replay /var/jobs/fib-1.job`, runs the job again";
    assert!(report.to_string().ends_with(again), "{report}");
}

#[test]
fn every_outcome_that_is_saved_names_its_file() {
    let limit = Duration::from_millis(1500);
    let mut saved = [
        crashed(Stage::Running),
        JobError::panicked("boom", None),
        JobError::timed_out(Stage::Running, limit),
        JobError::protocol("no"),
    ];
    for error in &mut saved {
        let before = error.to_string();
        assert!(error.replay().is_none() && !before.contains("replay"), "{before}");
        error.saved_as("/var/jobs/fib-1.job".into());
        assert_eq!(error.replay(), Some(Path::new("/var/jobs/fib-1.job")));
        let text = error.to_string();
        assert!(text.contains("; `procpool replay /var/jobs/fib-1.job`, or `WORKER --replay"), "{text}");
    }
    let mut cancelled = JobError::cancelled(Stage::Running);
    cancelled.saved_as("a".into());
    assert_eq!(cancelled.replay(), None);
}

#[test]
fn a_limit_that_was_hit_is_named() {
    let mut death = ExitReport::new("fib-3", 4711, Exit::by_signal(6, false));
    death.limit = Some(LimitHit::memory(256 << 20, MemoryCount::Cgroup));
    death.stderr = vec!["memory allocation of 64 bytes failed".into()];
    assert_eq!(
        death.to_string(),
        "worker fib-3 (pid 4711) ended with signal 6 (SIGABRT) after 0.0ns and 0 jobs; \
         it hit its memory limit of 256 MiB (counted by its cgroup); its last words: memory allocation of 64 bytes failed"
    );
    let report = CrashReport::new(JobId::from_bits(1), Stage::Running, death);
    assert_eq!(serde_json::to_value(report).expect("JSON")["limit_hit"], "memory");
}

#[test]
fn an_end_of_which_nothing_is_known_says_why() {
    let death = ExitReport::new("fib-3", 4711, Exit::Unknown).to_string();
    assert!(
        death.contains("ended in a way that this process was not told of after 0.0ns and 0 jobs"),
        "{death}"
    );
    assert!(death.contains("is not its parent, ignores SIGCHLD, or waits for every child"), "{death}");
}

#[test]
fn a_job_that_cut_its_worker_off_is_asked_for_the_descriptors_that_it_closes() {
    let mut death = ExitReport::new("fib-3", 4711, Exit::Code(3));
    let told =
        |death: &ExitReport| CrashReport::new(JobId::from_bits(1), Stage::Running, death.clone()).to_string();
    assert!(
        told(&death).contains("does the job close descriptors that it did not open?"),
        "{}",
        told(&death)
    );
    assert!(!death.to_string().contains("descriptors"), "there was no job");
    death.stderr = vec!["no such model".into()];
    assert!(!told(&death).contains("descriptors"), "it says why itself");
}

#[test]
fn an_exit_is_a_code_or_a_signal_or_unknown() {
    assert!(Exit::Code(0).is_success());
    assert!(!Exit::Unknown.is_success());
    assert_eq!((Exit::Code(3).code(), Exit::Code(3).signal()), (Some(3), None));
    let aborted = Exit::by_signal(6, true);
    assert_eq!((aborted.code(), aborted.signal()), (None, Some(6)));
    assert_eq!(aborted.to_string(), "signal 6 (SIGABRT)");
    assert_eq!(Exit::by_signal(64, false).to_string(), "signal 64");
}
