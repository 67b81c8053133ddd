//! Workers that keep to the wire: no check fails.

use crate::sdk::{in_node, in_python};
use crate::{failures, findings, smallest, worker};
use procpool_conform::{Finding, Subject, Verdict};
use procpool_tests::languages::node;
use procpool_tests::server::Scratch;

/// Expects that no check fails, and that exactly these give advice.
#[track_caller]
fn passes(subject: &Subject, advice: &[&str]) -> Vec<Finding> {
    let findings = findings(subject, None);
    let failures = failures(&findings);
    assert!(failures.is_empty(), "{} failed: {failures:#?}", subject.command[0].display());
    let advised = findings.iter().filter_map(|finding| match &finding.verdict {
        Verdict::Advice(why) => Some((finding.check.name, why)),
        _ => None,
    });
    let advised: Vec<_> = advised.collect();
    assert_eq!(advised.iter().map(|(name, _)| *name).collect::<Vec<_>>(), advice, "{advised:#?}");
    findings
}

fn skipped(findings: &[Finding]) -> Vec<&'static str> {
    let skips = findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Skip(_)));
    skips.map(|finding| finding.check.name).collect()
}

#[test]
fn the_fixture_in_rust_passes() {
    let findings = passes(&worker("conformance", &[]), &[]);
    let expected =
        ["unused-descriptors", "raw-bytes", "input-in-parts", "output-in-parts", "broken-rest", "kept-input"];
    assert_eq!(skipped(&findings), expected);
}

/// Expects that no check fails, and that these are not skipped.
#[track_caller]
fn passes_with(subject: &Subject, checks: &[&str], advice: &[&str]) {
    let findings = passes(subject, advice);
    let skipped = skipped(&findings);
    let missing: Vec<_> = checks.iter().filter(|check| skipped.contains(check)).collect();
    assert!(missing.is_empty(), "{missing:?} are skipped: {findings:#?}");
}

const PARTS: [&str; 3] = ["input-in-parts", "output-in-parts", "broken-rest"];
const MESSAGES: [&str; 5] =
    ["messages", "message", "message-that-is-not-json", "message-values", "message-failed"];

#[test]
fn the_fixture_in_rust_that_keeps_its_input_passes() {
    passes_with(&worker("keeper", &[]), &["kept-input"], &[]);
}

#[test]
fn the_fixture_in_rust_of_values_in_parts_passes() {
    passes_with(&worker("parts", &[]), &PARTS, &[]);
}

#[test]
fn the_fixture_in_python_passes() {
    passes_with(&in_python("conformance_fixture.py"), &["values", "raw-bytes", "page-found"], &[]);
}

#[test]
fn the_fixture_in_python_that_keeps_its_input_passes() {
    passes_with(&in_python("conformance_keeper.py"), &["kept-input"], &[]);
}

#[test]
fn the_fixture_in_python_of_free_messages_passes() {
    passes_with(&in_python("messages/conformance.py"), &MESSAGES, &[]);
}

/// The SDK for Node cannot ask for a signal at its parent's death.
const ADVICE_FOR_NODE: [&str; 1] = ["stopped-orphan"];

#[test]
fn the_fixture_in_node_passes() {
    if let Some(node) = node() {
        let fixture = in_node(&node, "conformance-fixture.js");
        passes_with(&fixture, &["values", "raw-bytes", "page-found"], &ADVICE_FOR_NODE);
    }
}

#[test]
fn the_fixture_in_node_that_keeps_its_input_passes() {
    if let Some(node) = node() {
        passes_with(&in_node(&node, "conformance-keeper.js"), &["kept-input"], &ADVICE_FOR_NODE);
    }
}

#[test]
fn ping_passes() {
    passes(&worker("procpool-ping", &[]).with_input("\"ping\""), &[]);
}

#[test]
fn fib_passes() {
    passes(&worker("procpool-fib", &[]).with_input("20"), &[]);
}

#[test]
fn compute_passes() {
    passes(&worker("procpool-compute", &[]).with_input("10"), &[]);
}

#[test]
fn the_smallest_worker_passes() {
    let scratch = Scratch::new();
    let program = scratch.write("mean.py", smallest::program());
    let subject = Subject::new([smallest::python(), program]).with_input("\"to be or not\"");
    // It looks at the headers no further than it has to, and is for all systems.
    let advice = [
        "misplaced-kinds",
        "broken-frame-headers",
        "reserved-bytes",
        "broken-header-messages",
        "stopped-orphan",
    ];
    passes(&subject, &advice);
}
