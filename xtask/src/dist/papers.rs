//! Completions for shells and manual pages, which the server's executable writes of its own command line.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, shown};

/// Each shell, with the name under which it finds the completions of `procpool`.
const SHELLS: &[(&str, &str)] = &[("bash", "procpool"), ("zsh", "_procpool"), ("fish", "procpool.fish")];

/// Writes `completions/` and `man/` into `folder`, by this executable.
pub(super) fn write(executable: &Path, folder: &Path) -> Result<(), Error> {
    let completions = made(folder, "completions")?;
    for (shell, file) in SHELLS {
        let text = output(Command::new(executable).args(["completions", shell]))?;
        let file = completions.join(file);
        fs::write(&file, text).map_err(Error::file("write", &file))?;
    }
    let man = made(folder, "man")?;
    output(Command::new(executable).arg("man").arg(man)).map(drop)
}

fn made(folder: &Path, name: &str) -> Result<PathBuf, Error> {
    let made = folder.join(name);
    fs::create_dir(&made).map_err(Error::file("create", &made))?;
    Ok(made)
}

fn output(command: &mut Command) -> Result<Vec<u8>, Error> {
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(Error::start(command, "it was built a moment ago"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(Error::Ended { command: shown(command), status: output.status })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;

    #[test]
    fn an_executable_is_asked_for_each_shell_and_for_manual_pages() {
        let folder = Folder::new("papers").unwrap();
        write(Path::new("/bin/echo"), folder.path()).unwrap();
        for (shell, file) in SHELLS {
            let text = fs::read_to_string(folder.path().join("completions").join(file)).unwrap();
            assert_eq!(text, format!("completions {shell}\n"));
        }
        assert!(folder.path().join("man").is_dir());
        let failed = Folder::new("papers-failed").unwrap();
        assert!(matches!(write(Path::new("/bin/false"), failed.path()), Err(Error::Ended { .. })));
    }
}
