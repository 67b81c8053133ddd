//! The program in `WIRE.md`, and the interpreter that runs it.

use procpool_tests::server::Scratch;
use std::path::PathBuf;
use std::process::Command;

const WIRE: &str = include_str!("../../../crates/protocol/WIRE.md");

/// A function for tests, in the place of the document's.
const DEEDS: &str = r#"def run(value):
    deed, *files = value
    begun, wanted = [*files, None, None][:2]
    if deed == "child":
        import subprocess
        return subprocess.Popen(["sleep", "1000"]).pid
    if begun:
        open(begun, "w").close()
    while deed == "spin" or (deed == "wait" and not os.path.exists(wanted)):
        time.sleep(0)
    return os.getpid()
"#;

/// Writes the program, as it stands in the document.
pub(crate) fn as_written(scratch: &Scratch) -> PathBuf {
    scratch.write("mean.py", program())
}

/// Writes the program with another function: `["pid"]`, `["child"]` (gives the pid of one that it has
/// started), `["spin", BEGUN]` (for ever, makes a file first), `["wait", BEGUN, WANTED]` (until that file
/// is there).
pub(crate) fn with_deeds(scratch: &Scratch) -> PathBuf {
    let (head, rest) = program().split_once("def run(value):").expect("a function");
    let (_, wire) = rest.split_once("# The wire.").expect("the rest of the program");
    scratch.write("deeds.py", &format!("{head}{DEEDS}\n# The wire.{wire}"))
}

fn program() -> &'static str {
    let (_, rest) = WIRE.split_once("```python smallest-worker\n").expect("the document has the program");
    rest.split_once("\n```").expect("the program ends").0
}

/// Returns the interpreter itself: what is found on the path may be a script that looks for one.
///
/// # Panics
/// Without an interpreter: this test is never left out in silence.
pub(crate) fn python() -> PathBuf {
    const FIND: &str = "import sys; assert sys.version_info >= (3, 9); print(sys.executable)";
    let found = Command::new("python3").args(["-c", FIND]).output().ok().filter(|it| it.status.success());
    let found = found.expect(
        "this test runs the worker in Python of WIRE.md and needs `python3`, version 3.9 or later: install it \
         (Debian: apt-get install python3)",
    );
    String::from_utf8(found.stdout).expect("a path in UTF-8").trim().into()
}
