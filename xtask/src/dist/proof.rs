//! The proof that an artifact needs nothing but itself: unpacked alone, it runs.

use std::env;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::archive;
use crate::error::{Error, shown};
use crate::folder::Folder;

/// A question that an executable answers without a coordinator.
#[derive(Clone, Copy, Debug)]
pub(super) enum Proof {
    /// `--help`, for the server.
    Help,
    /// `--describe`, for a worker: a JSON object.
    Describe,
}

/// Unpacks `archive` into an empty folder and runs `name` there, with an empty environment.
pub(super) fn runs_alone(name: &str, archive: &Path, proof: Proof) -> Result<(), Error> {
    let folder = Folder::new(&format!("{name}-dist"))?;
    archive::unpack(archive, folder.path())?;
    let stem = archive.file_name().and_then(|file| file.to_str()).unwrap_or_default();
    let inside = folder.path().join(stem.trim_end_matches(".tar.gz"));
    let mut program = Command::new(inside.join(name).with_extension(env::consts::EXE_EXTENSION));
    // Cargo's library path and whatever else helps here would not be there after a deployment.
    program.env_clear().current_dir(&inside).arg(proof.question()).stdin(Stdio::null());
    let output =
        program.output().map_err(Error::start(&program, "it does not run outside the target folder"))?;
    if proof.holds(&output) {
        return Ok(());
    }
    Err(Error::Answer {
        program: shown(&program),
        expected: proof.expected(),
        got: format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)),
    })
}

impl Proof {
    fn question(self) -> &'static str {
        match self {
            Self::Help => "--help",
            Self::Describe => "--describe",
        }
    }

    fn expected(self) -> &'static str {
        match self {
            Self::Help => "its help and exit code 0",
            Self::Describe => "its description as a JSON object and exit code 0",
        }
    }

    fn holds(self, output: &Output) -> bool {
        let answer = output.stdout.trim_ascii();
        output.status.success()
            && match self {
                Self::Help => !answer.is_empty(),
                Self::Describe => answer.starts_with(b"{") && answer.ends_with(b"}"),
            }
    }
}
