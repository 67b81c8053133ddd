//! The proof that an artifact needs nothing but itself: unpacked alone, it runs.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Output, Stdio};

use super::archive;
use crate::error::{Error, shown};

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
    let folder = Folder::new(name)?;
    archive::unpack(archive, &folder.0)?;
    let stem = archive.file_name().and_then(|file| file.to_str()).unwrap_or_default();
    let inside = folder.0.join(stem.trim_end_matches(".tar.gz"));
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

/// A folder of our own, gone when this is dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Result<Self, Error> {
        let path = env::temp_dir().join(format!("{name}-dist-{}", process::id()));
        fs::create_dir(&path).map_err(Error::file("create", &path))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("xtask: failed to remove {}: {error}", self.0.display());
        }
    }
}
