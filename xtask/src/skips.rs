//! Collects what the tests of one run skip, and says at the end what it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use procpool_needs::Need;

use crate::error::Error;
use crate::needs;

/// The directory to which each test process writes its skips, empty at the start of a run.
pub(crate) struct Skips {
    dir: PathBuf,
    /// The needs for which no test may be skipped, as the tests read them. `None` leaves it to the environment.
    required: Option<String>,
}

impl Skips {
    /// Forgets those of the run before, which lie beside the executables.
    pub(crate) fn new(bin_dir: &Path, required: Option<&[Need]>) -> Result<Self, Error> {
        let dir = bin_dir.join("skips");
        if dir.exists() {
            fs::remove_dir_all(&dir).map_err(Error::file("remove", &dir))?;
        }
        fs::create_dir_all(&dir).map_err(Error::file("create", &dir))?;
        Ok(Self { dir, required: required.map(needs::list) })
    }

    /// Has the tests that `command` runs record their skips here.
    pub(crate) fn collect(&self, command: &mut Command) {
        command.env(procpool_needs::SKIPS, &self.dir);
        if let Some(required) = &self.required {
            command.env(procpool_needs::REQUIRE, required);
        }
    }

    /// Prints every skip with its reason.
    pub(crate) fn tell(&self) -> Result<(), Error> {
        let skipped = procpool_needs::recorded(&self.dir).map_err(Error::file("read", &self.dir))?;
        eprint!("\n{}", text(&skipped));
        Ok(())
    }
}

fn text(skipped: &[String]) -> String {
    if skipped.is_empty() {
        return "=== nothing was skipped\n".to_owned();
    }
    let lines: String = skipped.iter().map(|line| format!("--- skipped  {line}\n")).collect();
    format!("=== skipped tests: {}\n{lines}", skipped.len())
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn every_skip_has_its_line_and_none_is_said_aloud() {
        assert_eq!(text(&[]), "=== nothing was skipped\n");
        let two = text(&["a (needs gdb): it is not installed".into(), "b (needs root): nobody".into()]);
        assert!(two.starts_with("=== skipped tests: 2\n--- skipped  a (needs gdb): it is"), "{two}");
    }
}
