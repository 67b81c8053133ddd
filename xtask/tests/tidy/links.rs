//! Links between documents: each relative one leads to a file that exists, and to a heading where it names one.

use std::collections::{BTreeMap, BTreeSet};

use crate::documents::{Document, without_code};
use crate::rules::Finding;

/// Finds the dead links of all documents. `exists` knows every file and folder, by its path from the root.
pub(crate) fn check(documents: &[Document], exists: impl Fn(&str) -> bool) -> Vec<Finding> {
    let anchors: BTreeMap<_, _> =
        documents.iter().map(|document| (document.path.as_str(), anchors(document))).collect();
    let mut findings = Vec::new();
    for document in documents {
        for (number, target) in links(document) {
            let (file, anchor) = target.split_once('#').unwrap_or((target.as_str(), ""));
            let path = if file.is_empty() { document.path.clone() } else { resolve(&document.path, file) };
            let is_dead_anchor =
                !anchor.is_empty() && anchors.get(path.as_str()).is_some_and(|known| !known.contains(anchor));
            let advice = match exists(&path) {
                false => format!("links to {target}, but there is no {path}"),
                true if is_dead_anchor => format!("links to {target}, but {path} has no such heading"),
                true => continue,
            };
            findings.push(Finding::in_file(&format!("{}:{number}", document.path), &advice));
        }
    }
    findings
}

/// Returns the relative targets of a document's links, with the lines on which they stand.
pub(crate) fn links(document: &Document) -> Vec<(usize, String)> {
    let mut links = Vec::new();
    for (number, line) in document.lines() {
        let line = without_code(line);
        let inline =
            line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target);
        let definition =
            line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target.trim());
        let is_relative = |target: &&str| !target.contains("://") && !target.starts_with("mailto:");
        links.extend(inline.chain(definition).filter(is_relative).map(|target| (number, target.to_owned())));
    }
    links
}

/// Resolves a link to its path from the root.
pub(crate) fn resolve(document: &str, target: &str) -> String {
    let mut parts: Vec<_> = document.split('/').collect();
    parts.pop();
    for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match part {
            ".." if parts.last().is_some_and(|it| *it != "..") => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

/// Returns the names that headings have in links.
fn anchors(document: &Document) -> BTreeSet<String> {
    let headings = document.lines().filter_map(|(_, line)| line.strip_prefix('#'));
    headings.map(|heading| anchor(heading.trim_start_matches('#').trim())).collect()
}

/// Names a heading as GitHub and mdBook do.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(text: &str) -> Vec<String> {
        let page = Document { path: "docs/a.md".into(), text: text.into() };
        let other = Document { path: "docs/b/c.md".into(), text: "# How `it` runs, and why\n".into() };
        let exists = |path: &str| ["docs/a.md", "docs/b/c.md", "src"].contains(&path);
        check(&[page, other], exists).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_that_lead_somewhere_are_fine() {
        let text = "# Here\n[a](b/c.md#how-it-runs-and-why), [b](../src), [c](#here), [d](https://x.y/z) `[e](f)`\n[f]: b/c.md";
        assert_eq!(findings(text), [""; 0]);
    }

    #[test]
    fn dead_links_are_found() {
        let found = findings("\n[a](c.md) [b](b/c.md#why)\n\n[c]: ../d.md");
        assert_eq!(
            found,
            [
                "docs/a.md:2: links to c.md, but there is no docs/c.md",
                "docs/a.md:2: links to b/c.md#why, but docs/b/c.md has no such heading",
                "docs/a.md:4: links to ../d.md, but there is no d.md",
            ]
        );
    }
}
