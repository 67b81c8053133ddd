//! The shim in C that stands before the C library of a child.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Puts the shim before the C library of a child.
pub(crate) fn before(command: &mut Command) {
    command.env("LD_PRELOAD", library());
}

/// Builds the shim, once. SQLite needs the same compiler.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("shim-{}.so", std::process::id()));
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-Wall", "-o"])
            .arg(&library)
            .arg(source)
            .status();
        assert!(built.is_ok_and(|status| status.success()), "cc does not build the shim");
        library
    })
}
