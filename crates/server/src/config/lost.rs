//! Arguments of a command that name a file where the workers will not find it: only the program
//! itself counts from the configuration's directory.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

/// An argument that the workers take for a file and do not find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lost {
    argument: String,
    /// Where the workers start.
    start: PathBuf,
    /// Where the file is that was probably meant.
    meant: Option<PathBuf>,
}

/// Returns `None` where the argument names no file, or one that workers find from `start`.
/// `directory` is that of the configuration.
pub(super) fn argument(argument: &OsStr, start: &Path, directory: &Path) -> Option<Lost> {
    let path = Path::new(argument);
    if path.is_absolute() || argument.is_empty() || start.join(path).exists() {
        return None;
    }
    let text = argument.to_string_lossy();
    let meant = std::path::absolute(directory.join(path)).ok()?;
    let meant = meant.is_file().then_some(meant);
    let is_path = text.starts_with("./") || text.starts_with("../");
    let start = if start == Path::new(".") { std::env::current_dir().ok()? } else { start.to_owned() };
    (is_path || meant.is_some()).then(|| Lost { argument: text.into_owned(), start, meant })
}

impl fmt::Display for Lost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { argument, start, meant } = self;
        let start = start.display();
        write!(
            out,
            "the argument `{argument}` is passed on as it is, and the workers, which start in {start}, find no such file"
        )?;
        match meant {
            Some(meant) => write!(
                out,
                "; write {} instead, or set current_dir (a relative one counts from this file's directory)",
                meant.display()
            ),
            None => out.write_str("; write an absolute path, or set current_dir to the file's directory"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(text: &str, start: &str, directory: &str) -> Option<String> {
        argument(OsStr::new(text), Path::new(start), Path::new(directory)).map(|lost| lost.to_string())
    }

    #[test]
    fn a_file_of_the_configurations_directory_is_missed_elsewhere() {
        let said = lost("passwd", "/", "/etc").unwrap();
        assert!(
            said.contains("`passwd`") && said.contains("start in /,") && said.contains("write /etc/passwd"),
            "{said}"
        );
        assert_eq!(lost("passwd", "/etc", "/etc"), None);
    }

    #[test]
    fn what_looks_like_a_relative_path_has_to_be_there() {
        let said = lost("./no-such-worker.py", "/", "/etc").unwrap();
        assert!(said.contains("write an absolute path"), "{said}");
        for text in ["-u", "40", "", "/no/such/worker.py", "worker.py", "--model=./weights"] {
            assert_eq!(lost(text, "/", "/etc"), None, "{text}");
        }
    }
}
