//! Archives and checksums, made by the system's own `tar` and `sha256sum`.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::error::{Error, shown};

const NO_TAR: &str = "`cargo xtask dist` packs with it: install tar and gzip";

/// Packs `folder`, which lies in `dist`, and returns the archive's name.
pub(super) fn pack(dist: &Path, folder: &str) -> Result<String, Error> {
    let name = format!("{folder}.tar.gz");
    tar(Command::new("tar").current_dir(dist).args(["-czf", &name, folder]))?;
    Ok(name)
}

/// Unpacks `archive` into `folder`.
pub(super) fn unpack(archive: &Path, folder: &Path) -> Result<(), Error> {
    tar(Command::new("tar").current_dir(folder).arg("-xzf").arg(archive))
}

/// Writes SHA256SUMS, or says why it cannot: the artifacts are good without it.
pub(super) fn checksums(dist: &Path, archives: &[String]) -> Result<(), Error> {
    let Some(sums) = sums(dist, archives)? else {
        println!("no SHA256SUMS: neither `sha256sum` nor `shasum` is on the PATH");
        return Ok(());
    };
    let file = dist.join("SHA256SUMS");
    fs::write(&file, sums).map_err(Error::file("write", &file))
}

/// Returns the lines of the first tool that there is; both write the same format.
fn sums(dist: &Path, archives: &[String]) -> Result<Option<Vec<u8>>, Error> {
    for (program, options) in [("sha256sum", [].as_slice()), ("shasum", &["-a", "256"])] {
        let mut tool = Command::new(program);
        tool.current_dir(dist).args(options).args(archives).stderr(Stdio::inherit());
        match tool.output() {
            Err(_) => {}
            Ok(output) if output.status.success() => return Ok(Some(output.stdout)),
            Ok(output) => {
                return Err(Error::Ended { command: shown(&tool), status: output.status });
            }
        }
    }
    Ok(None)
}

fn tar(command: &mut Command) -> Result<(), Error> {
    let status = command.status().map_err(Error::start(command, NO_TAR))?;
    if status.success() { Ok(()) } else { Err(Error::Ended { command: shown(command), status }) }
}
