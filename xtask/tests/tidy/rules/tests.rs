//! Each rule seen to fail, and seen to leave alone what it is not about.

use super::*;

/// Returns the lines that `rule` finds in a file at `path`.
fn lines(rule: fn(&Source) -> Vec<Finding>, path: &str, text: &str) -> Vec<usize> {
    let line = |finding: &Finding| finding.place.rsplit(':').next().and_then(|line| line.parse().ok());
    rule(&Source::new(path, text)).iter().map(|finding| line(finding).expect("a line number")).collect()
}

const NONE: [usize; 0] = [];

#[test]
fn a_finding_names_its_place_and_what_to_do() {
    let finding = &ignored(&Source::new("tests/src/a.rs", "//! A.\n#[ignore]"))[0];
    assert_eq!(finding.to_string(), "tests/src/a.rs:2: say why: `#[ignore = \"needs …\"]`");
}

#[test]
fn a_file_without_an_opening_is_found() {
    assert_eq!(lines(opening, "a.rs", "use std::fs;\n//! Too late."), [1]);
    assert_eq!(lines(opening, "a.rs", ""), [1]);
    assert_eq!(lines(opening, "build.rs", "//! Tells cargo.\nfn main() {}"), NONE);
}

#[test]
fn a_file_that_is_too_long_is_found() {
    assert_eq!(lines(length, "a.rs", &"x\n".repeat(401)), [401]);
    assert_eq!(lines(length, "a.rs", &"x\n".repeat(400)), NONE);
}

#[test]
fn bincode_outside_the_codec_is_found() {
    let text = "use bincode as b;\nlet x = bincode::encode();\nextern crate bincode;\n::bincode::decode();";
    assert_eq!(lines(bincode, "crates/worker/src/a.rs", text), [1, 2, 3, 4]);
    assert_eq!(lines(bincode, CODEC, text), NONE);
}

#[test]
fn speaking_of_bincode_is_allowed() {
    let text = "//! bincode::encode\nfrom_bincode::<u8>();\nlet e = \"use bincode\";\nbincode_header!(A);";
    assert_eq!(lines(bincode, "crates/worker/src/a.rs", text), NONE);
}

#[test]
fn unsafe_outside_its_rooms_is_found() {
    let text = "x(unsafe { y() });\nunsafe impl Send for X {}\nunsafe extern \"C\" {}\n#[unsafe(no_mangle)]";
    assert_eq!(lines(unsafe_code, "crates/worker/src/a.rs", text), [1, 2, 3, 4]);
    assert_eq!(lines(unsafe_code, MAY_BE_UNSAFE[0], text), NONE);
    assert_eq!(lines(unsafe_code, "a.rs", "// unsafe {\n#![forbid(unsafe_code)]\n\"unsafe {\""), NONE);
}

#[test]
fn a_room_for_unsafe_that_needs_none_is_found() {
    let with = |text| MAY_BE_UNSAFE.iter().map(|path| Source::new(path, text)).collect::<Vec<_>>();
    assert!(idle_permissions(&with("unsafe { x() }")).is_empty());
    assert_eq!(idle_permissions(&with("// unsafe")).len(), MAY_BE_UNSAFE.len());
    assert_eq!(idle_permissions(&[]).len(), MAY_BE_UNSAFE.len());
}

#[test]
fn a_clock_that_somebody_can_set_is_found() {
    let text = "let now = SystemTime::now();\nuse std::time::{Duration, SystemTime};\n// SystemTime";
    assert_eq!(lines(wall_clock, "crates/coordinator/src/a.rs", text), [1, 2]);
    assert_eq!(lines(wall_clock, WALL_CLOCK[0], text), NONE);
    assert_eq!(lines(wall_clock, "tests/src/a.rs", text), NONE);
}

#[test]
fn what_is_left_undone_is_found() {
    assert_eq!(
        lines(undone, "a.rs", "todo!()\nstd::unimplemented!(\"x\")\nlet todo = 1;\n// todo!()"),
        [1, 2]
    );
}

#[test]
fn an_ignored_test_without_a_reason_is_found() {
    assert_eq!(lines(ignored, "a.rs", "#[ignore]\n#[ignore = \"needs root\"]\n// #[ignore]"), [1]);
}

#[test]
fn a_test_that_sleeps_without_a_reason_is_found() {
    let text = "sleep(a);\nthread::sleep(b);\ntokio::time::sleep(c).await;\nx.sleep(d);";
    assert_eq!(lines(sleep, "crates/worker/tests/a.rs", text), [1, 2, 3, 4]);
    assert_eq!(lines(sleep, "tests/src/a.rs", "x();\n// sleep:\nsleep(a);"), [3]);
    assert_eq!(lines(sleep, "tests/src/a.rs", "// sleep: too far away\nx();\nsleep(a);"), [3]);
}

#[test]
fn a_sleep_with_a_reason_is_left_alone() {
    let text = "x();\nsleep(a); // sleep: the job under test\n\n// sleep: longer than the grace\nsleep(b);";
    assert_eq!(lines(sleep, "tests/src/a.rs", text), NONE);
    assert_eq!(
        lines(sleep, "tests/src/a.rs", "// sleep(\nfn sleep(x: u8) {}\n\"sleep(\"; nanosleep(1);"),
        NONE
    );
    assert_eq!(lines(sleep, "crates/worker/src/a.rs", "sleep(a);"), NONE);
}

#[test]
fn a_skip_that_nobody_counts_is_found() {
    let text =
        "return eprintln!(\"not run: x\");\neprintln!(\"NOT TRIED: x\");\nskip(Need::Root, \"not run\");";
    assert_eq!(lines(silent_skip, "tests/tests/a.rs", text), [1, 2]);
    assert_eq!(lines(silent_skip, "tests/needs/src/record.rs", text), NONE);
}

#[test]
fn an_error_that_tells_its_source_twice_is_found() {
    let text = "enum E {\n    #[error(\"a: {0}\")]\n    A(#[from] io::Error),\n    #[error(\"b: {source}\")]\n    \
                B { source: io::Error },\n    #[error(\"c: {0}\")]\n    C(#[source] io::Error),\n}\n";
    assert_eq!(lines(told_twice, "a.rs", text), [2, 4, 6]);
    let text = "enum E {\n    #[error(transparent)]\n    A(#[from] io::Error),\n    #[error(\"b: {reason}\")]\n    \
                B { reason: io::Error },\n}\nstruct S { source: io::Error }\n";
    assert_eq!(lines(told_twice, "a.rs", text), NONE);
}

#[test]
fn a_variant_that_cannot_gain_a_field_is_found() {
    let variants = "    #[error(\"{0}\")]\n    A(u8),\n    B,\n    #[error(\"{at}\")]\n    C {\n        at: u8,\n    },\n    D { at: u8 },\n}";
    let closed = |attribute: &str, item: &str| {
        lines(closed_variants, "crates/a/src/a.rs", &format!("{attribute}\n{item}\n{variants}"))
    };
    assert_eq!(closed("#[non_exhaustive]", "pub enum E {"), [7, 10]);
    assert_eq!(closed("#[derive(Debug)]", "pub enum E {"), NONE);
    assert_eq!(closed("#[non_exhaustive]", "pub struct S {"), NONE);
    let open =
        "#[non_exhaustive]\npub enum E {\n    #[non_exhaustive]\n    C { at: u8 },\n    D { at: u8 },\n}";
    assert_eq!(lines(closed_variants, "crates/a/src/a.rs", open), [5]);
}
