//! Hello, Welcome, Refused.

use super::*;
use procpool_protocol::handshake::Refused;
use procpool_protocol::message::failure_of;
use procpool_protocol::outcome::JobId;

fn meet() -> Double {
    Double::meet(Identity::of_job::<Number>(), |session| {
        entry::answer::<Number, ()>(session, Introduction::Ahead, |_| Ok(()), |(), n, _| Ok(n + 1))
    })
}

fn complaint(double: Double) -> String {
    double.end().unwrap_err().to_string()
}

#[test]
fn a_worker_says_what_it_is() {
    let mut double = meet();
    double.jobs.open(&json_frame(Kind::Welcome, &welcome(Mode::Jobs)).unwrap());
    let hello = double.jobs.hear_hello();
    assert_eq!((hello.job.as_str(), hello.contract), ("number", 5));
    assert_eq!(hello.schema_hash, Number::schema().map(|schema| schema.hash()));
    assert_eq!(hello.modes, [Mode::Jobs, Mode::Messages]);
    assert!(hello.sdk.starts_with("procpool-worker "));
    assert_eq!(hello.build.as_deref(), Some("1.4.2"));
}

#[test]
fn the_first_job_may_come_along_with_the_welcome_byte_by_byte() {
    let mut double = meet();
    let welcome = json_frame(Kind::Welcome, &welcome(Mode::Jobs)).unwrap();
    let bytes =
        [&Preamble::ours().to_bytes()[..], &welcome.to_bytes(), &job(1, &message(), number(6)).to_bytes()];
    for byte in bytes.concat() {
        std::io::Write::write_all(&mut double.jobs.stream, &[byte]).unwrap();
    }
    double.jobs.hear_hello();
    double.jobs.hear(Kind::Ready);
    assert_eq!(double.done(1).1, number(7));
    assert_eq!(double.dismiss().unwrap(), Ending::Finished);
}

#[test]
fn a_refusal_is_told_with_its_reason() {
    let mut double = meet();
    let refused = Refused { reason: "contract".into(), detail: "expected version 6".into() };
    double.jobs.open(&json_frame(Kind::Refused, &refused).unwrap());
    assert_eq!(complaint(double), "the coordinator refused this worker (contract): expected version 6");
}

#[test]
fn a_coordinator_of_another_version_is_named() {
    let mut double = meet();
    let other = Preamble { lowest: 7, highest: 9, features: 0 };
    std::io::Write::write_all(&mut double.jobs.stream, &other.to_bytes()).unwrap();
    let text = complaint(double);
    assert!(text.contains("the other side speaks protocol version 7 to 9"), "{text}");
}

#[test]
fn a_coordinator_that_hangs_up_is_told_apart_from_a_refusal() {
    let double = meet();
    double.jobs.close();
    assert!(complaint(double).ends_with("it closed the connection"));
}

#[test]
fn anything_but_an_answer_is_a_violation() {
    let mut double = meet();
    double.jobs.open(&job(1, &message(), number(1)));
    assert!(complaint(double).contains("it sent Job where Welcome or Refused was expected"));
}

#[test]
fn a_worker_of_messages_does_not_run_jobs() {
    let double = Double::hire(Identity::of_messages(), &welcome(Mode::Jobs), Payload::none(), |_| {
        panic!("there is no session")
    });
    assert_eq!(
        complaint(double),
        "the coordinator wants a worker for Jobs; this one can be used for [Messages]"
    );
}

#[test]
fn initialisation_sees_the_worker_data_and_its_state_lasts() {
    let work = |session| {
        let init = |startup: &crate::Startup| {
            assert_eq!(startup.worker(), "number-1");
            Ok(startup.worker_data::<u64>()?)
        };
        entry::answer::<Number, u64>(session, Introduction::Ahead, init, |sum, n, cx| {
            assert_eq!(cx.worker_data::<u64>()?, 100);
            assert_eq!((cx.job_id(), cx.attempt()), (JobId::from_bytes([0xab; 16]), 1));
            *sum += n;
            Ok(*sum)
        })
    };
    let mut double = Double::hire(Identity::of_job::<Number>(), &welcome(Mode::Jobs), number(100), work);
    double.jobs.hear(Kind::Ready);
    assert_eq!(double.run(1, number(1)).1, number(101));
    assert_eq!(double.run(2, number(2)).1, number(103));
}

#[test]
fn a_failed_initialisation_is_told_instead_of_ready() {
    let work = |session| {
        entry::answer::<Number, ()>(
            session,
            Introduction::Ahead,
            |_| Err(Failure::new("no model").with_code("model")),
            |(), n, _| Ok(n),
        )
    };
    let mut double = Double::hire(Identity::of_job::<Number>(), &welcome(Mode::Jobs), Payload::none(), work);
    let failure = failure_of(&double.jobs.hear(Kind::StartFailed)).unwrap();
    assert_eq!((failure.code(), failure.message()), ("model", "no model"));
    assert_eq!(double.end().unwrap(), Ending::Failed);
}

#[test]
fn a_panic_in_the_initialisation_is_told_too() {
    let work = |session| {
        entry::answer::<Number, ()>(session, Introduction::Ahead, |_| panic!("no luck"), |(), n, _| Ok(n))
    };
    let mut double = Double::hire(Identity::of_job::<Number>(), &welcome(Mode::Jobs), Payload::none(), work);
    let failure = failure_of(&double.jobs.hear(Kind::StartFailed)).unwrap();
    assert_eq!(failure.code(), "panicked");
    assert!(failure.message().ends_with(": no luck"), "{failure}");
    assert_eq!(double.end().unwrap(), Ending::Panicked);
}
