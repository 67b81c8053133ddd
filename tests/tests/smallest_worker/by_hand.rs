//! The smallest worker's messages and its end, frame by frame and code by code.

use crate::double::{Double, opening};
use crate::program::{as_written, python, with_deeds};
use procpool_protocol::frame::{Frame, HEADER_LEN, Kind, RawHeader, flags};
use procpool_protocol::handshake::{Description, Refused};
use procpool_protocol::message::{Status, json_frame, json_of};
use procpool_protocol::preamble::Preamble;
use procpool_tests::process::{is_alive, try_signal};
use procpool_tests::program::run;
use procpool_tests::server::Scratch;
use procpool_tests::{eventually, served::gone};
use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).expect("text")
}

#[tokio::test]
async fn started_by_hand_it_explains_itself_and_describes_itself() {
    let scratch = Scratch::new();
    let program = as_written(&scratch).display().to_string();
    let by_hand = run(python(), &[&program]).await;
    assert_eq!((by_hand.code, by_hand.stdout.as_str()), (Some(2), ""));
    assert!(by_hand.stderr.starts_with("a procpool worker"), "{}", by_hand.stderr);
    let described = run(python(), &[&program, "--describe"]).await;
    assert_eq!((described.code, described.stderr.as_str()), (Some(0), ""));
    let description: Description = serde_json::from_str(&described.stdout).expect("a description");
    assert_eq!(description.job, "mean");
}

#[test]
fn it_says_hello_without_waiting_and_takes_no_job_before_the_welcome() {
    let scratch = Scratch::new();
    let mut double = Double::born(&as_written(&scratch), &Preamble::ours().to_bytes());
    assert_eq!(double.hear_hello().job, "mean");
    double.jobs.send(&opening(true)[16..]);
    double.give(1, r#""to be or not""#);
    assert_eq!(double.jobs.hear().kind, Kind::Ready);
    let (done, output) = double.done(1);
    assert_eq!((done.status, done.extras, output.as_str()), (Status::Ok, vec![], "2.25"));
}

#[test]
fn its_answers_are_those_of_the_document() {
    let scratch = Scratch::new();
    let mut double = Double::ready(&as_written(&scratch), true);
    for (sequence, input) in [(1, "4"), (2, "{"), (3, "\"\"")] {
        double.give(sequence, input);
        match (sequence, double.done(sequence).0.status) {
            (1, Status::BadInput { message }) => assert_eq!(message, "a text is needed"),
            (2, Status::BadInput { message }) => assert!(message.contains("line 1"), "{message}"),
            (3, Status::Broke(failure)) => {
                assert_eq!((failure.code(), failure.message()), ("ZeroDivisionError", "division by zero"));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn frames_that_it_may_skip_are_skipped_and_control_is_answered_while_a_job_runs() {
    let scratch = Scratch::new();
    let mut double = Double::ready(&with_deeds(&scratch), true);
    let [begun, wanted] = ["begun", "wanted"].map(|name| scratch.path().join(format!("{name}.txt")));
    let ignorable = RawHeader {
        header_len: 5,
        payload_len: 7,
        kind: 0x7777,
        flags: flags::IGNORABLE,
        encoding: 3,
        attachments: 0,
        reserved: [0; 2],
        sequence: 0,
    };
    let ignorable = [&ignorable.to_bytes()[..HEADER_LEN], &[1; 12]].concat();
    double.jobs.send(&ignorable);
    double.control.send(&ignorable);
    double.give(1, &serde_json::json!(["wait", begun, wanted]).to_string());
    double.control.say(Kind::Ping, u64::MAX);
    let pong = double.control.hear();
    assert_eq!((pong.kind, pong.sequence), (Kind::Pong, u64::MAX));
    double.control.say(Kind::Describe, 0);
    let description: Description = json_of(&double.control.hear()).expect("a description");
    assert_eq!(description.job, "mean");
    scratch.write("wanted.txt", "");
    assert_eq!(double.done(1).0.status, Status::Ok);
}

#[test]
fn a_cancel_that_comes_first_meets_its_job_and_no_other() {
    let scratch = Scratch::new();
    let mut double = Double::ready(&with_deeds(&scratch), true);
    double.control.say(Kind::Cancel, 2);
    // An answer on control shows that the cancel was read.
    double.control.say(Kind::Ping, 1);
    assert_eq!(double.control.hear().kind, Kind::Pong);
    let expected = [(1, Status::Ok), (2, Status::Cancelled), (3, Status::Ok)];
    for (sequence, status) in expected {
        double.give(sequence, r#"["pid"]"#);
        assert_eq!(double.done(sequence).0.status, status, "job {sequence}");
    }
}

#[test]
fn at_a_shutdown_it_answers_the_job_that_it_has_and_exits_with_0() {
    let scratch = Scratch::new();
    let mut idle = Double::ready(&with_deeds(&scratch), true);
    idle.control.say(Kind::Shutdown, 0);
    let (output, was_silent) = idle.ended();
    assert_eq!((output.status.code(), stderr(&output), was_silent), (Some(0), "", true));

    let mut busy = Double::ready(&with_deeds(&scratch), true);
    let [begun, wanted] = ["begun", "wanted"].map(|name| scratch.path().join(format!("{name}.txt")));
    busy.give(1, &serde_json::json!(["wait", begun, wanted]).to_string());
    busy.control.say(Kind::Shutdown, 0);
    // It has been read when a later ping is answered.
    busy.control.say(Kind::Ping, 1);
    assert_eq!(busy.control.hear().kind, Kind::Pong);
    scratch.write("wanted.txt", "");
    assert_eq!(busy.done(1).0.status, Status::Ok);
    let (output, was_silent) = busy.ended();
    assert_eq!((output.status.code(), was_silent), (Some(0), true));
}

#[test]
fn at_the_end_of_file_on_jobs_it_answers_too() {
    let scratch = Scratch::new();
    let mut double = Double::ready(&with_deeds(&scratch), true);
    double.give(1, r#"["pid"]"#);
    double.jobs.finish();
    assert_eq!(double.done(1).0.status, Status::Ok);
    assert_eq!(double.ended().0.status.code(), Some(0));
}

/// A process that is killed at the latest when the test ends.
struct Killed(u32);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = try_signal(self.0, Signal::KILL);
    }
}

#[tokio::test]
async fn at_the_end_of_file_on_control_it_dies_at_once_with_its_group_if_that_is_owned() {
    for owned in [true, false] {
        let scratch = Scratch::new();
        let mut double = Double::ready(&with_deeds(&scratch), owned);
        double.give(1, r#"["child"]"#);
        let child = double.done(1).1.parse().expect("a pid");
        let _killed = Killed(child);
        let begun = scratch.path().join("begun.txt");
        double.give(2, &serde_json::json!(["spin", begun]).to_string());
        eventually("the job to begin", async || begun.exists().then_some(())).await;
        assert_eq!(double.abandon().signal(), Some(9), "owned: {owned}");
        if owned {
            gone(&[child]).await;
        } else {
            assert!(is_alive(child));
        }
    }
}

#[test]
fn it_says_why_it_does_not_work_with_a_coordinator() {
    let scratch = Scratch::new();
    let program = as_written(&scratch);
    let version_1 = Preamble { lowest: 1, highest: 1, features: 0 }.to_bytes();
    let (output, _) = Double::born(&program, &version_1).ended();
    let expected = "the coordinator speaks versions 1 to 1 of the wire, not 2\n";
    assert_eq!((output.status.code(), stderr(&output)), (Some(4), expected));

    let refused = Refused { reason: "contract".into(), detail: "expected job `fib`".into() };
    let refused = json_frame(Kind::Refused, &refused).expect("a refusal").to_bytes();
    let (output, _) = Double::born(&program, &[&opening(true)[..], &refused].concat()).ended();
    assert_eq!((output.status.code(), stderr(&output)), (Some(4), "refused: expected job `fib`\n"));

    let unknown = Frame::new(Kind::Message, 0, "").to_bytes();
    let (output, _) = Double::born(&program, &[&opening(true)[..], &unknown].concat()).ended();
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(stderr(&output), "a frame of kind 0x24 is not known\n");
}
