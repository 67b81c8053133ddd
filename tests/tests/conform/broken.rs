//! Workers that break the wire on purpose: the check that is about it fails.

use crate::{failures, findings, worker};

/// Expects that `check` fails with a worker that misbehaves in this way, for this reason.
#[track_caller]
fn caught(how: &str, check: &str, reason: &str) {
    let subject = worker("misbehave", &[how]).with_input("\"anything\"");
    let failures = failures(&findings(&subject, Some(check)));
    let is_caught = failures.iter().any(|it| it.starts_with(&format!("{check}: ")) && it.contains(reason));
    assert!(is_caught, "{check} does not catch {how}: {failures:#?}");
}

#[test]
fn a_start_that_is_not_one_is_caught() {
    caught("garbage_for_hello", "hello", "does not begin with procpool's preamble");
    caught("wrong_version", "hello", "speaks protocol version 99 to 99");
    caught("ready_without_hello", "hello", "the first frame is Ready");
    caught("hello_twice", "ready", "expected Ready");
    caught("hello_on_control", "hello", "expected Ready");
    caught("exit", "ready", "the worker ended with exit code 3");
}
