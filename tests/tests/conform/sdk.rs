//! The fixtures of the SDKs in other languages, as they are or with a fault in the SDK.

use crate::smallest::python;
use procpool_conform::Subject;
use procpool_tests::binaries::workspace;
use procpool_tests::server::Scratch;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns a fixture of the SDK for Python, one of its tests.
pub(crate) fn in_python(fixture: &str) -> Subject {
    Subject::new([python(), workspace().join("sdk/python/tests").join(fixture)])
}

/// Returns a fixture of the SDK for Node, one of its tests.
pub(crate) fn in_node(node: &str, fixture: &str) -> Subject {
    Subject::new([PathBuf::from(node), workspace().join("sdk/node/test").join(fixture)])
}

/// Returns a fixture of the SDK for Python, which has another text in the place of one that a file has once.
///
/// # Panics
/// When the file has the text never or more often.
pub(crate) fn in_python_with_fault(
    scratch: &Scratch,
    fixture: &str,
    (file, from, to): (&str, &str, &str),
) -> Subject {
    let sdk = workspace().join("sdk/python");
    for part in ["procpool", "tests"] {
        copy(&sdk.join(part), scratch.path());
    }
    let file = scratch.path().join(file);
    let text = std::fs::read_to_string(&file).expect("a file of the SDK");
    assert_eq!(text.matches(from).count(), 1, "{} should have `{from}` once", file.display());
    std::fs::write(&file, text.replace(from, to)).expect("a file in the scratch directory");
    Subject::new([python(), scratch.path().join("tests").join(fixture)])
}

fn copy(from: &Path, into: &Path) {
    let copied = Command::new("cp").arg("-r").args([from, into]).status().expect("cp starts");
    assert!(copied.success(), "failed to copy {}", from.display());
}
