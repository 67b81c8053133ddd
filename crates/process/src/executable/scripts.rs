//! [`Scripts`]: the files that an interpreter opens by their names. Their bytes are not pinned, so a worker that starts
//! after an edit runs the new ones, beside workers that run the old ones. That is noticed and logged.

use super::Executable;
use super::identity::Identity;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The ends of names by which an argument is taken for a program. Other files, such as a database, change while workers
/// run.
const EXTENSIONS: [&str; 16] =
    ["py", "pyc", "pyz", "js", "mjs", "cjs", "ts", "mts", "cts", "rb", "pl", "php", "lua", "sh", "jar", "jl"];

/// Maximum number of arguments that are looked at.
const MOST: usize = 64;

/// The scripts of one generation of workers.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    seen: OnceLock<Vec<(PathBuf, Identity)>>,
    has_warned: AtomicBool,
}

impl Scripts {
    /// Compares the scripts of a command with those of the first worker, before a worker starts in `directory`. Logs the
    /// first difference. `is_script` says that an interpreter runs the executable itself.
    pub(super) fn look(&self, executable: &Executable, is_script: bool, directory: Option<&Path>) {
        let changed = self.changed(executable, is_script, directory);
        if let Some(script) = changed
            && !self.has_warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                executable = %executable.as_path().display(),
                script = %script.display(),
                "a script has changed since its pool was started or reloaded; workers that start now run the new one, \
                 beside those that run the old one: reload, and give each release a directory of its own"
            );
        }
    }

    /// Returns a script that is another one than it was.
    fn changed(&self, executable: &Executable, is_script: bool, directory: Option<&Path>) -> Option<&Path> {
        let seen = self.seen.get_or_init(|| scripts(executable, is_script, directory));
        let is_changed = |(path, identity): &&(PathBuf, Identity)| {
            // A script that is gone fails the start, which says so.
            identity_of(path).is_some_and(|now| !now.has_same_contents(identity))
        };
        seen.iter().find(is_changed).map(|(path, _)| path.as_path())
    }
}

fn scripts(executable: &Executable, is_script: bool, directory: Option<&Path>) -> Vec<(PathBuf, Identity)> {
    let directory = directory.unwrap_or(Path::new(""));
    let is_named_so =
        |path: &Path| path.extension().and_then(|it| it.to_str()).is_some_and(|it| EXTENSIONS.contains(&it));
    let args = executable.args().iter().take(MOST).map(Path::new).filter(|path| is_named_so(path));
    let args = args.map(|path| directory.join(path));
    let itself = is_script.then(|| executable.as_path().to_owned());
    itself.into_iter().chain(args).filter_map(|path| Some((path.clone(), identity_of(&path)?))).collect()
}

fn identity_of(path: &Path) -> Option<Identity> {
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|found| Identity::of(&found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn an_edited_script_is_noticed_and_data_is_not() {
        let dir = std::env::temp_dir().join(format!("procpool-scripts-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
        write("w.py", "one");
        write("data.db", "one");
        let python = Executable::path("/bin/sh").unwrap().with_args(["-u", "w.py", "data.db", "none.py"]);
        let scripts = Scripts::default();
        assert_eq!(scripts.changed(&python, false, Some(&dir)), None);
        write("data.db", "longer");
        assert_eq!(scripts.changed(&python, false, Some(&dir)), None);
        write("w.py", "longer");
        assert_eq!(scripts.changed(&python, false, Some(&dir)), Some(dir.join("w.py").as_path()));
        assert_eq!(Scripts::default().changed(&python, false, Some(&dir)), None, "after a reload");
        fs::remove_dir_all(dir).unwrap();
    }
}
