//! The conformance kit against every worker of this workspace, and against workers that break the wire on
//! purpose. The smallest worker and the SDK for Python need
//! `python3`, the SDK for Node needs Node.js.

mod broken;
mod command;
mod good;
mod sdk;
mod smallest;

use procpool_conform::{Finding, Subject, Verdict, run};
use procpool_tests::binaries::binary;

/// Returns the executable `name` of this workspace as a subject.
fn worker(name: &str, args: &[&str]) -> Subject {
    let args = args.iter().map(std::ffi::OsString::from);
    Subject::new([binary(name).into_os_string()].into_iter().chain(args))
}

/// Runs the checks whose name contains `only`, all of them by default.
fn findings(subject: &Subject, only: Option<&str>) -> Vec<Finding> {
    run(subject, only).collect()
}

/// Returns the names of the checks that a worker had to pass and did not, with the reasons.
fn failures(findings: &[Finding]) -> Vec<String> {
    let failure = |finding: &Finding| match &finding.verdict {
        Verdict::NotOk(why) => Some(format!("{}: {why}", finding.check.name)),
        _ => None,
    };
    findings.iter().filter_map(failure).collect()
}
