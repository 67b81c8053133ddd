//! `procpool replay`: becomes the worker executable that a job was saved from, which runs the job again, perhaps
//! under a debugger. Knows where the worker was and how it was started; what is in the job is the worker's to
//! know.

use crate::cli::ReplayArgs;
use crate::error::Error;
use crate::trust::{self, Distrust};
use procpool_protocol::recording::{Recording, RecordingError, SavedJob};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A saved job cannot be run again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    /// The file cannot be read, or is none.
    #[error("failed to read the saved job {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: RecordingError,
    },
    /// Somebody else may have chosen the program.
    #[error("failed to trust the saved job {}, which names the program to run: {reason}, or replay it with --trust", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and the way out.
        reason: Distrust,
    },
    /// What was there when the job was saved is not there now.
    #[error("failed to use the {what} that the job was saved from, {}: {source}; put it back, or have another build run the job: WORKER --replay {}", path.display(), file.display())]
    Gone {
        /// The worker executable, or its directory.
        what: &'static str,
        /// Where it was.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
        /// The saved job.
        file: PathBuf,
    },
    /// The program cannot be started.
    #[error("failed to start `{}`: {source}{}", program.display(), if *is_wrapped { "; --wrap begins with a program, by path or on PATH" } else { "" })]
    Start {
        /// The program.
        program: OsString,
        /// Whether it was named by `--wrap`.
        is_wrapped: bool,
        /// What the system says.
        source: io::Error,
    },
}

/// Becomes the worker; returns only if that fails.
pub(crate) fn replay(args: &ReplayArgs) -> Error {
    match prepare(args) {
        Ok(mut command) => {
            let source = command.exec();
            let program = command.get_program().to_owned();
            ReplayError::Start { program, is_wrapped: args.wrap.is_some(), source }.into()
        }
        Err(error) => error.into(),
    }
}

fn prepare(args: &ReplayArgs) -> Result<Command, ReplayError> {
    let unreadable = |source| ReplayError::Read { path: args.file.clone(), source };
    let opened = if args.trust { File::open(&args.file).map(Ok) } else { trust::open(&args.file, user()) };
    let file = opened
        .map_err(|source| unreadable(source.into()))?
        .map_err(|reason| ReplayError::Untrusted { path: args.file.clone(), reason })?;
    let recording = SavedJob::read(file).map_err(unreadable)?.recording;
    // The worker may start in another directory than this.
    let file = std::path::absolute(&args.file).map_err(|source| unreadable(source.into()))?;
    look_for(&recording, &file)?;

    let wrap = args.wrap.iter().flat_map(|words| &words.0).map(OsString::from);
    let mut words = wrap.chain([recording.executable.clone().into()]);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).args(&recording.args).arg("--replay").arg(file);
    command.envs(&recording.env);
    if let Some(dir) = &recording.current_dir {
        command.current_dir(dir);
    }
    Ok(command)
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether the worker executable and its directory are still there: a system that starts a program tells neither
/// from the other.
fn look_for(recording: &Recording, file: &Path) -> Result<(), ReplayError> {
    let executable = Path::new(&recording.executable);
    let gone = |what, path: &Path| {
        let (path, file) = (path.to_owned(), file.to_owned());
        move |source| ReplayError::Gone { what, path, source, file }
    };
    fs::metadata(executable).map_err(gone("worker executable", executable))?;
    match recording.current_dir.as_deref().map(Path::new) {
        Some(dir) => fs::read_dir(dir).map(drop).map_err(gone("directory", dir)),
        None => Ok(()),
    }
}
