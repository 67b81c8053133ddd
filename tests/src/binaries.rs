//! Where the executables under test are. `cargo xtask test` builds them and says where; without it
//! they are built here, once for each test executable.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Returns the executable `name` of this workspace, as a user would get it.
///
/// # Panics
/// When it is not there, saying what builds it.
pub fn binary(name: &str) -> PathBuf {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    let path = DIR.get_or_init(directory).join(name);
    assert!(
        path.is_file(),
        "{} is missing; `cargo build --workspace --bins --examples` makes it",
        path.display()
    );
    path
}

/// Copies the executable `name` of this workspace to a file that is not there yet.
///
/// Another process writes it: if this one did, a child that another thread starts at that moment would hold the
/// file open for writing, and the kernel would refuse to run it (`Text file busy`).
///
/// # Panics
/// When that cannot be done.
pub fn copy(name: &str, to: &Path) {
    let copied = Command::new("cp").arg(binary(name)).arg(to).status().expect("cp starts");
    assert!(copied.success(), "failed to copy {name} to {}", to.display());
}

/// Makes an executable file with these contents. Overwrites a file that has the name already, in place. As for
/// [`copy`], another process writes it.
///
/// # Panics
/// When that cannot be done.
pub fn install(to: &Path, contents: impl AsRef<[u8]>) {
    let script = "cat > \"$0\" && chmod 755 \"$0\"";
    let writer = Command::new("sh").args(["-c", script]).arg(to).stdin(Stdio::piped()).spawn();
    let mut writer = writer.expect("sh starts");
    writer.stdin.take().expect("a pipe").write_all(contents.as_ref()).expect("cat reads all of it");
    assert!(writer.wait().is_ok_and(|status| status.success()), "failed to write {}", to.display());
}

fn directory() -> PathBuf {
    if let Some(dir) = std::env::var_os("PROCPOOL_BIN_DIR") {
        return dir.into();
    }
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--workspace", "--bins", "--examples"])
        .current_dir(root)
        .status();
    assert!(built.is_ok_and(|status| status.success()), "failed to build the executables under test");
    // <target>/<profile>/deps/<this test>
    let current = std::env::current_exe().expect("a test knows its own executable");
    current.ancestors().nth(2).expect("a test executable is in deps/").to_owned()
}

/// Returns the root of the workspace.
pub fn workspace() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}
