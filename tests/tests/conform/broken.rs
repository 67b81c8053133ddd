//! Workers that break the wire on purpose: the check that is about it fails.

use crate::sdk::in_python_with_fault;
use crate::smallest::{self, python, with_fault};
use crate::{failures, findings, worker};
use procpool_conform::Subject;
use procpool_tests::server::Scratch;

/// Expects that `check` fails with this worker, for this reason.
#[track_caller]
fn fails(subject: &Subject, what: &str, check: &str, reason: &str) {
    let failures = failures(&findings(subject, Some(check)));
    let is_caught = failures.iter().any(|it| it.starts_with(&format!("{check}: ")) && it.contains(reason));
    assert!(is_caught, "{check} does not catch {what}: {failures:#?}");
}

/// Expects that `check` fails with a worker that misbehaves in this way.
#[track_caller]
fn caught(how: &str, check: &str, reason: &str) {
    fails(&worker("misbehave", &[how]).with_input("\"anything\""), how, check, reason);
}

/// Expects that `check` fails with the smallest worker once it has `to` in the place of `from`.
#[track_caller]
fn caught_in_python(from: &str, to: &str, check: &str, reason: &str) {
    let scratch = Scratch::new();
    let program = scratch.write("faulty.py", &with_fault(from, to));
    let subject = Subject::new([python(), program]).with_input("\"to be\"");
    fails(&subject, &format!("`{to}`"), check, reason);
}

#[test]
fn a_start_that_is_not_one_is_caught() {
    caught("garbage_for_hello", "hello", "does not begin with procpool's preamble");
    caught("wrong_version", "hello", "speaks protocol version 99 to 99");
    caught("ready_without_hello", "hello", "the first frame is Ready");
    caught("hello_twice", "ready", "expected Ready, got Hello");
    caught("hello_on_control", "control-is-silent", "something came on control before Ready");
    caught("exit", "ready", "the worker ended with exit code 3");
}

#[test]
fn answers_that_are_none_are_caught() {
    caught("wrong_id", "answer", "expected Done of job 1, got that of job 2");
    caught("twice", "answer", "something came on jobs after Done");
    caught("old_id", "many-jobs", "expected Done of job 2, got that of job 1");
    caught("garbage", "answer", "which version 2 does not have");
    caught("oversize", "answer", "a payload above max_payload");
    caught("wrong_connection", "answer", "expected a Done, got Pong");
    caught("half", "answer", "jobs ended after");
    caught("extra=2:short", "answer", "a known extra of Done has an invalid value");
    caught("header=0000", "answer", "a Done without END");
    caught("nothing", "bad-json", "expected BadInput");
}

#[test]
fn headers_that_are_not_in_the_shortest_form_are_caught() {
    caught_in_python("if n < 1 << 8 * size:", "if size == 8:", "answer", "not in the shortest form");
    let extras = "b\"\\0\"  # No extras.";
    caught_in_python(extras, "b\"\"", "answer", "the header message of Done does not decode");
}

#[test]
fn a_worker_that_does_not_look_at_frames_is_caught() {
    let limits = "if header > 65536 or payload > max_payload:";
    caught_in_python(limits, "if header == 7:", "lengths-above-the-limits", "the worker goes on");
    caught_in_python("if not flags & IGNORABLE:", "if True:", "ignorable-frames", "got exit code 5");
    caught_in_python("if not flags & IGNORABLE:", "if False:", "unknown-kinds", "got exit code 0");
    let sequence = "JSON if output else 0, sequence";
    let cut = "JSON if output else 0, sequence % 2**32";
    caught_in_python(sequence, cut, "large-numbers", "expected Done of job 4294967296, got that of job 0");
}

#[test]
fn a_worker_that_does_not_heed_control_is_caught() {
    caught_in_python("last_cancel = sequence", "pass", "cancel-before-its-job", "expected Cancelled, got Ok");
    caught_in_python("if sequence != last_cancel:", "if not last_cancel:", "cancel-of-nobody", "expected Ok");
    caught_in_python("jobs.shutdown(socket.SHUT_RD)", "pass", "shutdown", "the worker goes on");
}

#[test]
fn a_worker_that_ends_badly_is_caught() {
    let end = "os.kill(0 if owned else os.getpid(), signal.SIGKILL)";
    caught_in_python(end, "pass", "end-of-control", "the worker goes on");
    caught_in_python(
        "return 0 if isinstance(error, EOFError) else 3",
        "return 9",
        "end-of-jobs",
        "got exit code 9",
    );
    caught_in_python("return 2\n", "return 1\n", "by-hand", "expected exit code 2, got exit code 1");
    caught_in_python("die(4, \"refused: \"", "die(4, \"\" and \"\"", "refused", "the detail");
}

/// Expects that `check` fails with a fixture of the SDK for Python once that has this fault.
#[track_caller]
fn caught_in_the_sdk(fixture: &str, fault: (&str, &str, &str), check: &str, reason: &str) {
    let scratch = Scratch::new();
    let subject = in_python_with_fault(&scratch, fixture, fault);
    fails(&subject, &format!("`{}`", fault.2), check, reason);
}

#[test]
fn a_worker_that_does_not_say_that_it_keeps_an_input_is_caught() {
    let fault = ("procpool/_jobs.py", "if arena.is_held():", "if False:");
    caught_in_the_sdk(
        "conformance_keeper.py",
        fault,
        "kept-input",
        "an input in an arena has another output",
    );
}

#[test]
fn messages_that_are_none_are_caught() {
    let fixture = "messages/conformance.py";
    let caught = |fault, check, reason| caught_in_the_sdk(fixture, fault, check, reason);
    let file = "procpool/_messages.py";
    let numbered = (file, "bytes(payload), 0, encoding)", "bytes(payload), 0, encoding, 7)");
    caught(numbered, "message", "a Message has a sequence number");
    let bincode = (file, "bytes(payload), 0, encoding)", "bytes(payload), 0, 1)");
    caught(bincode, "message", "in an encoding that its Hello does not name");
    let dead =
        (file, "self._report(Failure(str(error), code=\"bad_input\"))", "raise ProtocolError(str(error))");
    caught(dead, "message-that-is-not-json", "jobs ended");
    let silent = (file, "        port._report(failure)\n", "        pass\n");
    caught(silent, "message-failed", "jobs ended");
    let other =
        ("tests/messages/conformance.py", "send(message[\"value\"])", "send(str(message[\"value\"]))");
    caught(other, "message-values", "came back as");
}

#[test]
fn a_worker_that_loses_a_part_is_caught() {
    let lose = worker("parts", &["lose"]);
    fails(&lose, "a value without its text", "input-in-parts", "came back as another");
    fails(&lose, "a value without its text", "output-in-parts", "came back as another");
}

#[test]
fn a_worker_that_does_not_look_at_a_rest_is_caught() {
    let scratch = Scratch::new();
    let decode = "if encoding != JSON:\n                raise ValueError(\"JSON is needed\")";
    let program = smallest::program()
        .replace("\"job\": \"mean\"", "\"job\": \"conformance-parts\"")
        .replace("[\"json\"]", "[\"json\", \"bincode\"]")
        .replace(decode, "return b\"\\0\", payload");
    let subject = Subject::new([python(), scratch.write("faulty.py", &program)]);
    fails(&subject, "a worker that takes every rest", "broken-rest", "expected BadInput to the rest");
}
