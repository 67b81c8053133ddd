//! The words of comments in Rust files: the turns of phrase that `prose` refuses in documents are refused here, too.

use crate::code;
use crate::documents::without_code;
use crate::prose;
use crate::rules::Finding;
use crate::workspace::Source;

/// Checks the words of each paragraph of comments.
pub(crate) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, paragraph) in paragraphs(source) {
        let place = format!("{}:{number}", source.path);
        let advice = prose::of_words(&paragraph);
        findings.extend(advice.iter().map(|advice| Finding::in_file(&place, advice)));
    }
    findings
}

/// Returns consecutive lines of comments as one text, without code, each with the number of its first line.
fn paragraphs(source: &Source) -> Vec<(usize, String)> {
    let mut paragraphs: Vec<(usize, String)> = Vec::new();
    let (mut last, mut is_example) = (0, false);
    for (line, number) in code::comments(&source.text).lines().zip(1..) {
        let text = line.trim().trim_start_matches(['/', '!', '*']).trim();
        // A block of code that its comment does not end is the rest of the comment.
        is_example &= !line.trim().is_empty();
        let is_fence = text.starts_with("```");
        is_example ^= is_fence;
        if text.is_empty() || is_fence || is_example {
            continue;
        }
        match paragraphs.last_mut() {
            Some((_, paragraph)) if last + 1 == number => {
                paragraph.push(' ');
                paragraph.push_str(text);
            }
            _ => paragraphs.push((number, text.to_owned())),
        }
        last = number;
    }
    paragraphs.into_iter().map(|(number, text)| (number, without_code(&text))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&Source::new(path, text)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn plain_comments_are_fine() {
        let text = "//! A pool.\n\n/// Maximum number of jobs. What is a job? See below.\nfn a() {} // no longer needed";
        assert_eq!(findings("a.rs", text), [""; 0]);
    }

    #[test]
    fn phrases_are_found_in_every_kind_of_comment_and_over_the_end_of_a_line() {
        let text = "//! For whoever reads.\n\n/// Waits so\n/// many times.\nfn a() {} // takes no more jobs\n\n/* be it so */";
        let found = findings("a.rs", text);
        let places = ["a.rs:1: says `whoever`", "a.rs:3: says `so many`", "a.rs:7: says `be it`"];
        assert!(
            places.iter().all(|place| found.iter().any(|finding| finding.starts_with(place))),
            "{found:?}"
        );
        assert!(found.iter().any(|finding| finding.contains("says `no more`")), "{found:?}");
        assert_eq!(found.len(), 4, "{found:?}");
    }

    #[test]
    fn a_sentence_that_begins_with_a_free_relative_is_found() {
        assert!(findings("a.rs", "/// What it had. And more.")[0].starts_with("a.rs:1: “What it had."));
        assert!(
            findings("a.rs", "// It stops. Whatever it had\n// is lost.")[0]
                .contains("“Whatever it had is lost.")
        );
    }

    #[test]
    fn code_literals_and_examples_are_left_alone() {
        let text = "fn whoever() { x(\"so many // no more\") }\n/// Calls `whoever`:\n/// ```\n/// // so many\n/// ```\n";
        assert_eq!(findings("a.rs", text), [""; 0]);
    }
}
