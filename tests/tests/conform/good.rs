//! Workers that keep to the wire: no check fails.

use crate::{failures, findings, smallest, worker};
use procpool_conform::{Finding, Subject, Verdict};
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
    let expected = ["unused-descriptors", "raw-bytes"];
    assert_eq!(skipped(&findings), expected);
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
