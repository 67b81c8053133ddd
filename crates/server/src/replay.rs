//! `procpool replay`: becomes the worker executable that jobs were saved from, which runs them again, perhaps
//! under a debugger. Knows where the worker was and how it was started; what is in the job is the worker's to
//! know.

use crate::cli::ReplayArgs;
use crate::error::Error;
use crate::replay_error::ReplayError;
use crate::trust;
use procpool_protocol::recording::{Recording, SavedJob, SavedLimits};
use rustix::process::{Resource, Rlimit, setrlimit};
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Becomes the worker; returns only if that fails.
pub(crate) fn replay(args: &ReplayArgs) -> Error {
    match prepare(args) {
        Ok(mut command) => {
            let reason = command.exec();
            let program = command.get_program().to_owned();
            ReplayError::Start { program, is_wrapped: args.wrap.is_some(), reason }.into()
        }
        Err(error) => error.into(),
    }
}

fn prepare(args: &ReplayArgs) -> Result<Command, ReplayError> {
    let saved = args.files.iter().map(|path| read(path, args.trust)).collect::<Result<Vec<_>, _>>()?;
    let Some(Saved { recording, file }) = saved.first() else { unreachable!("clap wants one file at least") };
    if let Some(other) = saved.iter().find(|other| !are_alike(&other.recording, recording)) {
        return Err(ReplayError::Unlike { path: file.clone(), other: other.file.clone() });
    }
    look_for(recording, file)?;

    let wrap = args.wrap.iter().flat_map(|words| &words.0).map(OsString::from);
    let mut words = wrap.chain([recording.executable.clone().into()]);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).args(&recording.args).arg("--replay").args(args.history.then_some("--history"));
    command.args(saved.iter().map(|saved| &saved.file));
    command.envs(&recording.env);
    if args.limits {
        hold_to(&recording.limits)?;
    }
    if let Some(dir) = &recording.current_dir {
        command.current_dir(dir);
    }
    Ok(command)
}

/// A saved job that may be run.
struct Saved {
    recording: Recording,
    /// Its file: the worker may start in another directory than this.
    file: PathBuf,
}

fn read(path: &Path, trust: bool) -> Result<Saved, ReplayError> {
    let unreadable = |reason| ReplayError::Read { path: path.to_owned(), reason };
    let opened = if trust { File::open(path).map(Ok) } else { trust::open(path, user()) };
    let opened = opened
        .map_err(|reason| unreadable(reason.into()))?
        .map_err(|reason| ReplayError::Untrusted { path: path.to_owned(), reason })?;
    let recording = SavedJob::read(opened).map_err(unreadable)?.recording;
    let file = std::path::absolute(path).map_err(|reason| unreadable(reason.into()))?;
    Ok(Saved { recording, file })
}

/// Holds this process, which is about to become the worker, to what the worker was held to.
fn hold_to(limits: &SavedLimits) -> Result<(), ReplayError> {
    if limits.is_none() {
        return Err(ReplayError::NoLimits);
    }
    let settings = [
        ("address_space_limit", Resource::As, limits.address_space_limit),
        ("cpu_limit", Resource::Cpu, limits.cpu_limit),
        ("open_files_limit", Resource::Nofile, limits.open_files_limit),
        ("file_size_limit", Resource::Fsize, limits.file_size_limit),
    ];
    for (key, resource, value) in settings {
        // SIGXCPU at the first, SIGKILL at the second.
        let hard = |value: u64| value.saturating_add(u64::from(resource == Resource::Cpu));
        if let Some(value) = value {
            let limit = Rlimit { current: Some(value), maximum: Some(hard(value)) };
            setrlimit(resource, limit).map_err(|reason| ReplayError::Limit {
                key,
                value,
                reason: reason.into(),
            })?;
        }
    }
    Ok(())
}

/// Returns whether one process can be the worker of both.
fn are_alike(one: &Recording, other: &Recording) -> bool {
    let start =
        |it: &Recording| (it.executable.clone(), it.args.clone(), it.current_dir.clone(), it.env.clone());
    start(one) == start(other)
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Returns whether the worker executable and its directory are still there: a system that starts a program
/// tells neither from the other.
fn look_for(recording: &Recording, file: &Path) -> Result<(), ReplayError> {
    let executable = Path::new(&recording.executable);
    let gone = |what, path: &Path| {
        let (path, file) = (path.to_owned(), file.to_owned());
        move |reason| ReplayError::Gone { what, path, reason, file }
    };
    fs::metadata(executable).map_err(gone("worker executable", executable))?;
    match recording.current_dir.as_deref().map(Path::new) {
        Some(dir) => fs::read_dir(dir).map(drop).map_err(gone("directory", dir)),
        None => Ok(()),
    }
}
