//! Tidiness as a test: the arrows between the crates, and the habits that a compiler cannot hold.
//!
//! Each rule is a pure function from text to findings, with tests of its own that see it fail; this
//! file only feeds them the workspace. A finding names the place and says what to do.

mod arrows;
mod code;
mod comments;
mod documents;
mod guide;
mod links;
mod packages;
mod promises;
mod prose;
mod rules;
mod survival;
mod workspace;

use crate::rules::Finding;
use crate::workspace::Source;

fn no_findings(findings: &[Finding]) {
    let lines: Vec<_> = findings.iter().map(|finding| format!("\n  {finding}")).collect();
    assert!(findings.is_empty(), "{} to mend:{}", findings.len(), lines.concat());
}

fn hold(rule: fn(&Source) -> Vec<Finding>) {
    no_findings(&workspace::sources().iter().flat_map(rule).collect::<Vec<_>>());
}

#[test]
fn arrows_point_to_simpler_crates() {
    no_findings(&arrows::check(&workspace::packages()));
}

#[test]
fn every_published_package_has_what_crates_io_shows() {
    no_findings(&packages::check(&workspace::manifests(), &workspace::document(packages::GATE)));
}

#[test]
fn the_oldest_toolchain_of_the_gate_is_that_of_the_manifest() {
    let manifest = workspace::document("Cargo.toml");
    let declared = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \""));
    let declared = declared.and_then(|rest| rest.strip_suffix('"')).expect("a rust-version");
    let gate = workspace::document(packages::GATE);
    assert!(gate.contains(&format!("\"{declared}.0\"")), "{} builds with another Rust", packages::GATE);
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    hold(rules::opening);
}

#[test]
fn no_file_has_room_for_a_second_idea() {
    hold(rules::length);
}

#[test]
fn every_fault_has_its_row_and_every_named_test_exists() {
    no_findings(&survival::check(&workspace::document("SURVIVAL.md"), workspace::sources()));
}

#[test]
fn every_promise_names_tests_that_exist() {
    no_findings(&promises::check(&workspace::document("docs/promises.md"), workspace::sources()));
}

#[test]
fn the_code_map_names_files_that_exist() {
    no_findings(&promises::named_files(&workspace::document("ARCHITECTURE.md"), workspace::sources()));
}

#[test]
fn the_readme_s_figures_are_those_that_were_measured() {
    let (readme, performance) = (workspace::document("README.md"), workspace::document("PERFORMANCE.md"));
    no_findings(&promises::figures(&readme, &performance));
}

#[test]
fn no_link_in_a_document_is_dead() {
    no_findings(&links::check(&workspace::documents(), workspace::has));
}

#[test]
fn every_page_of_the_guide_is_in_its_summary() {
    no_findings(&guide::check(&workspace::documents()));
}

#[test]
fn readme_guide_and_architecture_are_easy_to_read() {
    no_findings(&workspace::documents().iter().flat_map(prose::check).collect::<Vec<_>>());
}

#[test]
fn comments_are_easy_to_read() {
    hold(comments::check);
}

#[test]
fn bincode_is_named_in_one_file() {
    hold(rules::bincode);
}

#[test]
fn unsafe_stands_only_where_the_kernel_is_asked() {
    hold(rules::unsafe_code);
}

#[test]
fn every_file_that_may_hold_unsafe_needs_to() {
    no_findings(&rules::idle_permissions(workspace::sources()));
}

#[test]
fn no_time_is_measured_by_a_clock_that_somebody_can_set() {
    hold(rules::wall_clock);
}

#[test]
fn variants_of_an_enum_that_can_grow_can_gain_fields() {
    hold(rules::closed_variants);
}

#[test]
fn nothing_is_left_undone() {
    hold(rules::undone);
}

#[test]
fn an_ignored_test_says_why() {
    hold(rules::ignored);
}

#[test]
fn no_test_is_skipped_in_silence() {
    hold(rules::silent_skip);
}

#[test]
fn tests_wait_for_events_and_do_not_sleep() {
    hold(rules::sleep);
}

#[test]
fn no_error_says_in_its_text_what_its_source_says_again() {
    hold(rules::told_twice);
}
