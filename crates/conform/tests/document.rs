//! Compares the checks with `WIRE.md` and with each other.

use procpool_conform::{groups, selected};
use std::collections::BTreeSet;

const WIRE: &str = include_str!("../../protocol/WIRE.md");

/// Returns the anchors of the document's headings, as a renderer of Markdown makes them.
fn anchors() -> BTreeSet<String> {
    let headings = WIRE.lines().filter(|line| line.starts_with("##"));
    let anchor = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        let text: String = text.chars().filter(|c| c.is_alphanumeric() || " -".contains(*c)).collect();
        text.replace(' ', "-")
    };
    headings.map(anchor).collect()
}

#[test]
fn every_section_of_a_check_is_a_heading_of_the_document() {
    let anchors = anchors();
    assert!(anchors.contains("the-smallest-worker") && anchors.contains("schema-hash"), "{anchors:?}");
    for (_, check) in selected(None) {
        assert!(!check.sections.is_empty(), "{} is from no section", check.name);
        for section in check.sections {
            assert!(anchors.contains(*section), "{}: WIRE.md has no heading #{section}", check.name);
        }
    }
}

#[test]
fn every_check_has_a_name_of_its_own_and_a_sentence() {
    let names: BTreeSet<_> = selected(None).map(|(_, check)| check.name).collect();
    let count: usize = groups().iter().map(|group| group.checks.len()).sum();
    assert_eq!(names.len(), count);
    for (_, check) in selected(None) {
        assert!(check.name.chars().all(|c| c.is_ascii_lowercase() || c == '-'), "{}", check.name);
        let says = check.says;
        assert!(says.ends_with('.') && says.starts_with(|c: char| c.is_uppercase()), "{says}");
        assert!(says.split_whitespace().count() <= 25, "{says}");
    }
}
