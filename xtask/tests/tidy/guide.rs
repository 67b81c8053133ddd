//! The guide as a book: each page stands in its summary once, and each decision in the list of decisions.

use crate::documents::Document;
use crate::links;
use crate::rules::Finding;

/// Where mdBook reads the order of the pages.
const SUMMARY: &str = "docs/SUMMARY.md";

/// The list of decisions.
const DECISIONS: &str = "docs/decisions/index.md";

/// Finds the pages that the summary or the list of decisions leaves out or names twice, each with the line that it needs.
pub(crate) fn check(documents: &[Document]) -> Vec<Finding> {
    let pages = || documents.iter().filter(|page| page.path.starts_with("docs/") && page.path != SUMMARY);
    let decisions = pages().filter(|page| page.path.starts_with("docs/decisions/") && page.path != DECISIONS);
    let mut findings = miscounted(documents, SUMMARY, pages(), entry);
    findings.extend(miscounted(documents, DECISIONS, decisions, row));
    findings
}

fn miscounted<'a>(
    documents: &[Document],
    list: &str,
    pages: impl Iterator<Item = &'a Document>,
    line: impl Fn(&Document) -> String,
) -> Vec<Finding> {
    let lists = documents.iter().filter(|document| document.path == list);
    let listed = lists.flat_map(links::links).map(|(_, target)| links::resolve(list, &target));
    let listed: Vec<_> = listed.collect();
    let count = |page: &Document| listed.iter().filter(|it| **it == page.path).count();
    let miscounted = pages.filter(|page| count(page) != 1);
    let advice = |page| format!("write it into {list} once: {}", line(page));
    miscounted.map(|page| Finding::in_file(&page.path, &advice(page))).collect()
}

/// Returns a page's line for the summary.
fn entry(page: &Document) -> String {
    format!("- [{}]({})", title(page), page.path.trim_start_matches("docs/"))
}

/// Returns a decision's row for the list of decisions.
fn row(page: &Document) -> String {
    let title = title(page);
    let (number, title) = title.split_once(". ").unwrap_or(("?", title));
    let date = page.text.split("Date: ").nth(1).and_then(|rest| rest.get(..10)).unwrap_or("?");
    format!("| {number} | [{title}]({}) | {date} |", page.path.trim_start_matches("docs/decisions/"))
}

fn title(page: &Document) -> &str {
    page.text.lines().next().unwrap_or_default().trim_start_matches("# ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(summary: &str, decisions: &str) -> Vec<String> {
        let document = |path: &str, text: &str| Document { path: path.into(), text: text.into() };
        let documents = [
            document("README.md", ""),
            document(SUMMARY, summary),
            document("docs/a.md", "# A page\n"),
            document(DECISIONS, decisions),
            document("docs/decisions/0001-b.md", "# 1. B\n\nDate: 2026-11-29. Replaces: nothing.\n"),
        ];
        check(&documents).iter().map(ToString::to_string).collect()
    }

    const LIST: &str = "- [A](a.md)\n- [Decisions](decisions/index.md)\n  - [B](decisions/0001-b.md)\n";

    #[test]
    fn a_page_that_is_named_once_is_fine() {
        assert_eq!(findings(LIST, "[B](0001-b.md)"), [""; 0]);
    }

    #[test]
    fn an_orphan_is_found_and_so_is_a_page_that_is_named_twice() {
        let expected = "docs/a.md: write it into docs/SUMMARY.md once: - [A page](a.md)";
        assert_eq!(findings(&format!("{LIST}- [A](a.md)"), "[B](0001-b.md)"), [expected]);
        assert_eq!(findings(&LIST.replace("- [A](a.md)\n", ""), "[B](0001-b.md)"), [expected]);
    }

    #[test]
    fn a_decision_that_is_not_listed_is_found_with_its_row() {
        let expected = "docs/decisions/0001-b.md: write it into docs/decisions/index.md once: \
                        | 1 | [B](0001-b.md) | 2026-11-29 |";
        assert_eq!(findings(LIST, ""), [expected]);
    }
}
