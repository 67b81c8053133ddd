//! The published packages: what crates.io shows of each, and whether the gate packs it.

use crate::rules::Finding;

/// A package as its manifest describes it.
pub(crate) struct Manifest {
    pub(crate) name: String,
    pub(crate) is_published: bool,
    pub(crate) has_readme: bool,
    pub(crate) keywords: usize,
    pub(crate) categories: usize,
    /// Dependencies of any kind on packages that are not published and that a version names.
    pub(crate) unpublished: Vec<String>,
}

/// Where the gate lists what it packs.
pub(crate) const GATE: &str = "xtask/src/package.rs";

/// Finds published packages that crates.io would refuse or show badly, and those that the `gate` leaves out.
pub(crate) fn check(manifests: &[Manifest], gate: &str) -> Vec<Finding> {
    let published = manifests.iter().filter(|manifest| manifest.is_published);
    published.flat_map(|manifest| findings(manifest, gate)).collect()
}

fn findings(manifest: &Manifest, gate: &str) -> Vec<Finding> {
    let mut advice = Vec::new();
    if !manifest.has_readme {
        advice.push("is published without a README: add one, and `readme` in its manifest".to_owned());
    }
    if !(1..=5).contains(&manifest.keywords) {
        advice.push("is published with no keywords or more than five, which crates.io refuses".to_owned());
    }
    if !(1..=5).contains(&manifest.categories) {
        advice.push("is published with no categories or more than five, which crates.io refuses".to_owned());
    }
    for name in &manifest.unpublished {
        advice.push(format!("depends on a version of {name}, which is not published: name only its path"));
    }
    if !gate.contains(&format!("\"{}\"", manifest.name)) {
        advice.push(format!("is published and not packed: add it to {GATE}, or set `publish = false`"));
    }
    advice.into_iter().map(|advice| Finding::package(&manifest.name, advice)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Manifest {
        Manifest {
            name: "it".to_owned(),
            is_published: true,
            has_readme: true,
            keywords: 5,
            categories: 1,
            unpublished: Vec::new(),
        }
    }

    fn count(manifest: Manifest) -> usize {
        check(&[manifest], "[\"it\"]").len()
    }

    #[test]
    fn each_lack_of_a_published_package_is_found() {
        assert_eq!(count(good()), 0);
        assert_eq!(count(Manifest { has_readme: false, ..good() }), 1);
        assert_eq!(count(Manifest { keywords: 0, ..good() }), 1);
        assert_eq!(count(Manifest { keywords: 6, ..good() }), 1);
        assert_eq!(count(Manifest { categories: 0, ..good() }), 1);
        assert_eq!(count(Manifest { unpublished: vec!["needs".to_owned()], ..good() }), 1);
        assert_eq!(count(Manifest { name: "other".to_owned(), ..good() }), 1);
    }

    #[test]
    fn a_package_that_is_not_published_may_lack_anything() {
        assert_eq!(count(Manifest { is_published: false, has_readme: false, keywords: 0, ..good() }), 0);
    }
}
