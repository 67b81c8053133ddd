//! The guide as a book: each page stands in its summary once, and each decision in the list of decisions.

use crate::documents::Document;
use crate::links;
use crate::rules::Finding;

/// Where mdBook reads the order of the pages.
const SUMMARY: &str = "docs/SUMMARY.md";

/// The list of decisions.
const DECISIONS: &str = "docs/decisions/index.md";

/// The pages that the summary or the list of decisions leaves out or names twice.
pub(crate) fn check(documents: &[Document]) -> Vec<Finding> {
    let pages = documents.iter().map(|document| document.path.as_str());
    let pages: Vec<_> = pages.filter(|path| path.starts_with("docs/") && *path != SUMMARY).collect();
    let is_decision = |path: &&&str| path.starts_with("docs/decisions/") && **path != DECISIONS;
    let mut findings = miscounted(documents, SUMMARY, pages.iter());
    findings.extend(miscounted(documents, DECISIONS, pages.iter().filter(is_decision)));
    findings
}

fn miscounted<'a>(
    documents: &[Document],
    list: &str,
    pages: impl Iterator<Item = &'a &'a str>,
) -> Vec<Finding> {
    let lists = documents.iter().filter(|document| document.path == list);
    let listed = lists.flat_map(links::links).map(|(_, target)| links::resolve(list, &target));
    let listed: Vec<_> = listed.collect();
    let count = |page: &str| listed.iter().filter(|it| *it == page).count();
    let miscounted = pages.filter(|page| count(page) != 1);
    miscounted.map(|page| Finding::in_file(page, &format!("name this page once in {list}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(summary: &str, decisions: &str) -> Vec<String> {
        let document = |path: &str, text: &str| Document { path: path.into(), text: text.into() };
        let documents = [
            document("README.md", ""),
            document(SUMMARY, summary),
            document("docs/a.md", ""),
            document(DECISIONS, decisions),
            document("docs/decisions/0001-b.md", ""),
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
        let twice = format!("{LIST}- [A](a.md)");
        assert_eq!(findings(&twice, "[B](0001-b.md)"), ["docs/a.md: name this page once in docs/SUMMARY.md"]);
        let orphan = LIST.replace("- [A](a.md)\n", "");
        assert_eq!(
            findings(&orphan, "[B](0001-b.md)"),
            ["docs/a.md: name this page once in docs/SUMMARY.md"]
        );
        let expected = "docs/decisions/0001-b.md: name this page once in docs/decisions/index.md";
        assert_eq!(findings(LIST, ""), [expected]);
    }
}
