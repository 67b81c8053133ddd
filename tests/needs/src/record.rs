//! Writes a skip to the file of its process, and reads what all processes wrote.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;

/// Maximum length of a reason, in characters: some quote what a program printed.
const REASON: usize = 300;

/// Maximum number of bytes that one process records. Two hundred skips fit.
const FILE: u64 = 1 << 16;

/// One test that did not run.
pub(crate) struct Skip {
    pub(crate) need: String,
    pub(crate) test: String,
    pub(crate) why: String,
}

impl Skip {
    /// Prints it, and adds it to the file of this process if somebody collects skips.
    ///
    /// # Panics
    /// When it cannot be written: nothing is skipped in silence.
    pub(crate) fn record(&self) {
        let line = self.line();
        #[expect(clippy::print_stderr, reason = "a person who runs one test sees it here")]
        {
            eprintln!("skipped: {line}");
        }
        if let Some(dir) = std::env::var_os(super::SKIPS) {
            let file = Path::new(&dir).join(std::process::id().to_string());
            append(&file, &line)
                .unwrap_or_else(|error| panic!("failed to record a skip in {}: {error}", file.display()));
        }
    }

    /// Returns one line, whatever the reason holds.
    fn line(&self) -> String {
        let why = self.why.split_whitespace().collect::<Vec<_>>().join(" ");
        let why: String = why.chars().take(REASON).collect();
        format!("{} (needs {}): {why}", self.test, self.need)
    }
}

/// In one write, so that the lines of two threads do not mix.
fn append(file: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(file)?;
    if file.metadata()?.len() > FILE {
        return Err(io::Error::other(format!("more than {FILE} bytes of skips")));
    }
    file.write_all(format!("{line}\n").as_bytes())
}

pub(crate) fn all(dir: &Path) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(dir)? {
        let mut text = String::new();
        File::open(entry?.path())?.take(2 * FILE).read_to_string(&mut text)?;
        lines.extend(text.lines().map(str::to_owned));
    }
    lines.sort_unstable();
    lines.dedup();
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_of_many_lines_is_recorded_on_one_that_is_bounded() {
        let skip =
            Skip { need: "gdb".into(), test: "a::b".into(), why: format!("one\n two\t{}", "x".repeat(1000)) };
        let line = skip.line();
        assert!(line.starts_with("a::b (needs gdb): one two xxx"), "{line}");
        assert!(line.len() < 350 && !line.contains('\n'), "{line}");
    }

    #[test]
    fn what_several_processes_wrote_is_told_sorted_and_once() {
        let dir = std::env::temp_dir().join(format!("procpool-skips-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        for (file, line) in [("2", "b"), ("1", "c"), ("2", "a"), ("1", "a")] {
            append(&dir.join(file), line).unwrap();
        }
        assert_eq!(all(&dir).unwrap(), ["a", "b", "c"]);
        fs::remove_dir_all(dir).unwrap();
    }
}
