//! The way of a crash from its report to its fix, as the example tells it.

use super::printed;
use std::path::Path;

#[tokio::test]
async fn a_crash_is_reported_saved_run_again_and_mended() {
    let text = printed("crash_to_fix").await;
    let after = |words: &str| {
        let found = text.split_once(words).unwrap_or_else(|| panic!("no `{words}` in: {text}"));
        found.1.split_once('\n').expect("a line")
    };
    assert_eq!(after("a usual input: ").0, "3");
    let (report, _) = after("the report: ");
    assert!(report.starts_with("the worker crashed: ") && report.contains("stack overflow"), "{report}");
    let (file, _) = after("the saved job: ");
    assert!(report.ends_with(&format!("`WORKER --replay {file}`, runs the job again")), "{report}");
    assert!(!Path::new(file).exists(), "the example removes its directory");

    let (ending, said) = after("without the fix, --replay ends with ");
    assert!(ending.starts_with("signal: 6"), "{ending}");
    assert!(said.contains("has overflowed its stack"), "{said}");

    let (ending, said) = after("with the fix, --replay ends with exit status: ");
    assert_eq!(ending, "1:");
    assert!(said.contains("the job failed (too_deep): brackets nest deeper than 100"), "{said}");
    let (outcome, _) = after("a pool with the fix: ");
    assert_eq!(outcome, r#"Err("the job failed: brackets nest deeper than 100")"#);
}
