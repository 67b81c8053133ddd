//! Compares documents with the code: promises name tests that exist, the code map names files that exist, and the figures of
//! the README are those that were measured.

use std::collections::BTreeSet;

use crate::documents::{Document, code_spans};
use crate::rules::Finding;
use crate::survival::tests_in;
use crate::workspace::Source;

/// Finds the promises that name no test, or one that does not exist.
pub(crate) fn check(promises: &str, sources: &[Source]) -> Vec<Finding> {
    let tests: BTreeSet<_> = sources.iter().flat_map(|source| tests_in(&source.code)).collect();
    let rows = promises.lines().zip(1..).filter(|(line, _)| line.starts_with('|') && !is_heading(line));
    rows.flat_map(|(line, number)| {
        let place = format!("docs/promises.md:{number}");
        let cells: Vec<_> = line.trim_matches('|').split('|').collect();
        let named: Vec<_> = code_spans(cells.last().copied().unwrap_or_default()).collect();
        let advice = match named.iter().find(|test| !tests.contains(*test)) {
            _ if cells.len() != 2 || named.is_empty() => "name the tests of this promise".to_owned(),
            Some(test) => format!("names `{test}`, which is no test: mend the name, or write it"),
            None => return None,
        };
        Some(Finding::in_file(&place, &advice))
    })
    .collect()
}

fn is_heading(line: &str) -> bool {
    line.starts_with("| promise |") || line.starts_with("| ---")
}

/// Finds the files and folders that the code map names and the workspace does not have.
pub(crate) fn named_files(architecture: &str, sources: &[Source]) -> Vec<Finding> {
    let document = Document { path: "ARCHITECTURE.md".into(), text: architecture.into() };
    let is_there = |name: &str| {
        let inside = format!("/{}", name.trim_start_matches("./"));
        sources.iter().any(|source| format!("/{}", source.path).contains(&inside))
    };
    let is_file = |span: &&str| span.ends_with(".rs") || (span.ends_with('/') && span.len() > 1);
    let mut findings = Vec::new();
    for (number, line) in document.lines() {
        for span in code_spans(line).filter(is_file).filter(|span| !is_there(span)) {
            let advice = format!("names {span}, which is not there: follow the code");
            findings.push(Finding::in_file(&format!("ARCHITECTURE.md:{number}"), &advice));
        }
    }
    findings
}

/// Finds the figures of the README that PERFORMANCE.md does not have.
pub(crate) fn figures(readme: &str, performance: &str) -> Vec<Finding> {
    let measured: BTreeSet<_> = numbers(performance).collect();
    let table = readme.split_once("## Figures").map_or("", |(_, rest)| rest);
    let rows = table.split("\n## ").next().unwrap_or_default().lines().filter(|line| line.starts_with('|'));
    let unknown = rows.flat_map(numbers).filter(|number| !measured.contains(number));
    let advice = |number| format!("says {number}, which PERFORMANCE.md does not: take its figure");
    unknown.map(|number| Finding::in_file("README.md", &advice(number))).collect()
}

/// Returns the numbers of a text, as they are written: `1,136,000`, `3.7`.
fn numbers(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !(c.is_ascii_digit() || c == ',' || c == '.'));
    words.map(|word| word.trim_matches(['.', ','])).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources() -> [Source; 1] {
        [Source::new("crates/a/src/pool/core.rs", "#[test]\nfn a_test() {}\nfn no_test() {}")]
    }

    fn texts(findings: &[Finding]) -> Vec<String> {
        findings.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_promise_without_a_test_that_exists_is_found() {
        let text =
            "| promise | tests |\n| --- | --- |\n| A `word` | `a_test` |\n| B | `no_test` |\n| C | later |";
        let expected = [
            "docs/promises.md:4: names `no_test`, which is no test: mend the name, or write it",
            "docs/promises.md:5: name the tests of this promise",
        ];
        assert_eq!(texts(&check(text, &sources())), expected);
    }

    #[test]
    fn a_file_that_is_gone_is_found() {
        let text = "`pool/core.rs`, `core.rs`, `pool/`, `Pool::run`, `gone.rs`, `ore.rs`";
        let expected = ["gone.rs", "ore.rs"]
            .map(|name| format!("ARCHITECTURE.md:1: names {name}, which is not there: follow the code"));
        assert_eq!(texts(&named_files(text, &sources())), expected);
    }

    #[test]
    fn a_figure_that_was_not_measured_is_found() {
        let readme = "| 5 |\n## Figures\n\nOn 9 processors:\n\n| job, 256 at once | 1,136,000/s, 41.6 µs | 16 MiB |\n\n## More\n| 7 |";
        let found = figures(readme, "256 jobs: 1,136,000/s. 16 MiB");
        assert_eq!(texts(&found), ["README.md: says 41.6, which PERFORMANCE.md does not: take its figure"]);
        assert_eq!(texts(&figures(readme, "256 jobs: 1,136,000/s, in 41.6. 16 MiB")), [""; 0]);
    }
}
