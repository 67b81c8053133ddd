//! Everything that records, inputs and results have returns.

use std::sync::Arc;
use std::time::Duration;

use procpool_protocol::engine::{JobLimits, Priority, Submission};
use procpool_protocol::extras::{ContentType, JobReport};
use procpool_protocol::message::Progress;
use procpool_protocol::outcome::{Finished, Timing};
use procpool_protocol::stack::{Stack, StackFrame, ThreadStack};
use procpool_protocol::{
    CrashReport, Encoding, Exit, ExitReport, Failure, JobError, LimitHit, MemoryCount, OutcomeKind, Payload,
    Stage, TraceContext,
};
use procpool_registry::{Body, Claim, Durable, Fingerprint, Key, KeyText, Record, State, Storage, Time};

use crate::harness::{Directory, at, id};

fn full(seq: u64, state: State) -> Record {
    let mut record = Record::new(seq, id(seq), "fib".into(), at(1));
    let principal = seq.is_multiple_of(2).then(|| "alice".into());
    let text = KeyText::parse(format!("\"a\\\"b\\\\{seq}\"").as_bytes()).expect("a key");
    let key = Arc::new(Key { principal: principal.clone(), pool: "fib".into(), text });
    record.principal = Some("alice".into());
    record.claim = Some(Claim { key, fingerprint: Fingerprint([seq as u8; 32]) });
    record.priority = Priority::Low;
    record.state = state;
    record.version = u64::MAX;
    record.attempt = u32::MAX;
    record.started = Some(Time::ZERO);
    record.finished = state.is_finished().then(|| at(9));
    record.deadline = Some(Time::from_nanos(u64::MAX));
    record.due = Some(at(8));
    record.progress = Some(Progress { done: 3, total: Some(u64::MAX) });
    record.worker = Some("fib-ü".into());
    record.may_have_run = seq.is_multiple_of(2);
    record.is_cancelled = seq.is_multiple_of(3);
    record.rerun_of = Some(id(u64::MAX));
    record.result = Body::Held(5);
    record.input = Body::Gone;
    record.bodies_expire = Some(at(10));
    record.key_expires = Some(at(11));
    record.expires = Some(Time::from_nanos(u64::MAX));
    record
}

fn stack() -> Arc<Stack> {
    let mut frame = StackFrame::new(Some("libfib.so".into()), 0x77);
    (frame.function, frame.file, frame.line, frame.inlined) =
        (Some("fib".into()), Some("fib.rs".into()), Some(7), true);
    let mut thread = ThreadStack::new(7, "fib", vec![frame, StackFrame::new(None, 1)]);
    thread.truncated = true;
    let mut stack = Stack::new(vec![thread]);
    stack.note = Some("no lines".into());
    Arc::new(stack)
}

fn crash(exit: Exit, limit: Option<LimitHit>) -> JobError {
    let mut death = ExitReport::new("fib-1", 77, exit);
    death.fault = Some(8);
    death.limit = limit;
    (death.oom_killed, death.ordered, death.stderr_may_be_older) = (true, true, true);
    death.stderr = vec!["a".into(), "é".into()];
    death.peak_memory = Some(1 << 40);
    death.cpu_time = Duration::new(1, 999_999_999);
    (death.uptime, death.jobs_done, death.stack) = (Duration::MAX, 3, Some(stack()));
    let mut report = CrashReport::new(id(1), Stage::Running, death);
    (report.first_job, report.payload_deaths) = (true, 2);
    (report.quarantined, report.replay) = (Some(Duration::from_secs(9)), Some("/tmp/job".into()));
    JobError::Crashed(Box::new(report))
}

fn hung_up() -> JobError {
    let JobError::Crashed(mut report) = crash(Exit::by_signal(9, false), None) else { unreachable!() };
    report.death.hung_up = true;
    JobError::Crashed(report)
}

fn errors() -> Vec<JobError> {
    let failure = Failure::new("no").with_code("none").with_details(&[0.1, 2.0]).retryable();
    let mut panicked = JobError::panicked("oh", Some("a.rs:1:2".into()));
    panicked.saved_as("/tmp/saved".into());
    let mut timed_out = JobError::timed_out(Stage::Running, Duration::from_nanos(1));
    timed_out.seen_with(stack());
    vec![
        JobError::bad_input("what"),
        JobError::Crashed(Box::new(CrashReport::host_lost(id(1), "fib-3"))),
        JobError::Failed(failure.clone()),
        JobError::Broke(failure.as_broken()),
        panicked,
        crash(Exit::Code(-1), Some(LimitHit::memory(7, MemoryCount::Resident))),
        hung_up(),
        crash(Exit::by_signal(11, true), Some(LimitHit::memory(7, MemoryCount::Cgroup))),
        crash(Exit::Unknown, Some(LimitHit::address_space(7))),
        crash(Exit::Unknown, Some(LimitHit::cpu(Duration::from_secs(7)))),
        crash(Exit::Unknown, Some(LimitHit::file_size(7))),
        timed_out,
        JobError::timed_out(Stage::Queued, Duration::from_secs(1)),
        JobError::cancelled(Stage::Queued),
        JobError::protocol("two answers"),
        JobError::output_too_large(9, 8),
        JobError::poisoned(Stage::Running, 3, Duration::from_secs(60)),
        JobError::shut_down(Stage::Queued),
    ]
}

fn finished(seq: u64, result: Result<Payload, Box<JobError>>) -> Finished {
    let mut finished = Finished::new(id(seq), Timing::new(Duration::from_millis(3), Duration::MAX), result);
    let mut report = JobReport::default();
    report.content_type = Some(ContentType::new("image/png").expect("a type"));
    (report.cpu_time, report.peak_memory) = (Some(Duration::from_micros(7)), Some(u64::MAX));
    (report.chunks_dropped, report.attempts, report.worker) = (Some(1), Some(2), Some(3));
    report.answers = Some(Payload::json("[1]"));
    report.asked = Some(JobLimits::new().timeout(Duration::from_secs(3)));
    finished.report = Some(Box::new(report));
    finished
}

fn input() -> Submission {
    let mut input =
        Submission::new("fib", Payload::new(Encoding::Bincode, "abc").with_rest("rest"), Encoding::Bytes);
    input.limits = JobLimits::new().timeout(Duration::from_millis(1)).run_timeout(Duration::from_nanos(2));
    input.reports_usage = true;
    input.priority = Priority::High;
    (input.client, input.tenant, input.principal) = (Some("c".into()), Some("t".into()), Some("p".into()));
    let trace = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", Some("a=1"));
    input.trace = trace.map(Arc::new);
    input
}

/// Returns an error as text, with the parts of a failure that its own text leaves out.
fn text(finished: &Finished) -> String {
    let failure = finished.result.as_ref().err().and_then(|error| error.failure());
    let details = failure.map(|it| (it.is_broken(), serde_json::to_string(it).expect("JSON")));
    format!("{finished:?} {details:?}")
}

#[test]
fn everything_returns() {
    let directory = Directory::new();
    let mut store = directory.open_whole();
    let mut states = vec![State::Accepted, State::Queued, State::Running, State::Queued, State::Running];
    states.extend(OutcomeKind::ALL.map(State::Finished));
    let records: Vec<_> = (1..).zip(states).map(|(seq, state)| full(seq, state)).collect();
    let results: Vec<_> =
        (1..).zip(errors()).map(|(seq, error)| finished(seq, Err(Box::new(error)))).collect();
    assert!(results.len() <= records.len(), "more results than records");
    for record in &records {
        store.put(Arc::new(record.clone()));
    }
    for result in &results {
        store.put_result(result.id, Arc::new(result.clone()));
    }
    store.put_input(id(1), Arc::new(input()));
    store.commit(at(1)).expect("a commit");
    drop(store);

    let mut store = directory.open_whole();
    for record in &records {
        let read = store.get(record.id).expect("a record");
        assert_eq!(format!("{read:?}"), format!("{record:?}"));
        let key = &record.claim.as_ref().expect("a key").key;
        assert_eq!(store.holder(key).map(|it| it.seq), Some(record.seq));
    }
    for result in &results {
        let read = store.result(result.id).expect("a result");
        assert_eq!(text(&read), text(result));
    }
    let read = store.input(id(1)).expect("an input");
    assert_eq!(format!("{read:?}"), format!("{:?}", input()));
    assert_eq!(read.trace.as_ref().and_then(|it| it.tracestate()), Some("a=1"));

    let output = finished(2, Ok(Payload::json("6").with_rest("more")));
    store.put_result(id(2), Arc::new(output.clone()));
    store.commit(at(2)).expect("a commit");
    assert_eq!(text(&store.result(id(2)).expect("a result")), text(&output));
}
