//! The part that all recordings of a pool have in common, and the making of a recording from it. Does not:
//! know files.

use super::{SaveError, ToSave};
use procpool_process::{Contract, Executable, Recipe, WorkerData, WorkerLimits};
use procpool_protocol::JobId;
use procpool_protocol::handshake::Welcome;
use procpool_protocol::recording::{FORMAT, FORMAT_WITH_HISTORY, Recording, SavedJob, SavedLimits};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// A recording of no job.
#[derive(Debug)]
pub(super) struct Template {
    recording: Recording,
    welcome: Welcome,
    worker_data: WorkerData,
    /// Known by the time that a worker has been given a job.
    contract: Arc<OnceLock<Contract>>,
}

impl Template {
    pub(super) fn of(recipe: &Recipe) -> Result<Self, SaveError> {
        let executable = recipe.origin.pinned().ok_or(SaveError::Attached)?.executable();
        let args = executable.args().iter().map(|arg| text("the argument", arg));
        let env = recipe.env.iter().map(|(name, value)| {
            Ok((text("the environment variable", name)?, text("the value of a variable,", value)?))
        });
        let current_dir = match &recipe.current_dir {
            Some(dir) => Some(text("current_dir", dir.as_os_str())?),
            // Its workers start where this process is, and what they are sent may name files from there.
            None => std::env::current_dir().ok().and_then(|dir| dir.to_str().map(str::to_owned)),
        };
        let recording = Recording {
            format: FORMAT,
            pool: recipe.name.clone(),
            job: String::new(),
            contract: 0,
            build: None,
            executable: text("the executable", real_path(executable).as_os_str())?,
            args: args.collect::<Result<_, _>>()?,
            current_dir,
            env: env.collect::<Result<BTreeMap<_, _>, SaveError>>()?,
            id: JobId::from_bits(0),
            attempt: 0,
            outcome: String::new(),
            summary: String::new(),
            jobs_before: None,
            limits: saved_limits(&recipe.limits),
        };
        let contract = recipe.expects.clone();
        let (welcome, worker_data) = (recipe.welcome_of(""), recipe.worker_data.clone());
        Ok(Self { recording, welcome, worker_data, contract })
    }

    /// Returns the recording of this job.
    pub(super) fn fill(&self, job: &ToSave) -> SavedJob {
        let sent = &job.sent;
        let history = sent.history.as_ref().map(|it| it.before(sent.frame.sequence)).unwrap_or_default();
        let recording = Recording {
            job: self.contract.get().map(|contract| contract.job.clone()).unwrap_or_default(),
            contract: sent.contract,
            build: sent.build.clone(),
            id: job.id,
            attempt: sent.attempt,
            outcome: job.outcome.into(),
            summary: job.summary.clone(),
            jobs_before: Some(sent.jobs_before),
            format: if history.is_empty() { FORMAT } else { FORMAT_WITH_HISTORY },
            ..self.recording.clone()
        };
        SavedJob {
            recording,
            welcome: Welcome { worker: sent.worker.clone(), ..self.welcome.clone() },
            worker_data: self.worker_data.given_to(sent.encodings).clone(),
            history,
            job: sent.frame.clone(),
        }
    }
}

/// Returns the limits that a process can set for itself.
fn saved_limits(limits: &WorkerLimits) -> SavedLimits {
    SavedLimits {
        address_space_limit: limits.address_space_limit,
        cpu_limit: limits.cpu_limit.map(|limit| limit.as_secs()),
        open_files_limit: limits.open_files_limit,
        file_size_limit: limits.file_size_limit,
    }
}

/// Returns the path by which another process will find the executable: `/proc/self/exe` is each one's own.
fn real_path(executable: &Executable) -> PathBuf {
    let path = executable.as_path();
    let this = (path == Executable::current().as_path()).then(|| procpool_process::own_path().ok()).flatten();
    this.unwrap_or_else(|| path.to_owned())
}

fn text(what: &'static str, value: &OsStr) -> Result<String, SaveError> {
    let not_text = || SaveError::NotText { what, value: value.to_string_lossy().into_owned() };
    value.to_str().map(str::to_owned).ok_or_else(not_text)
}
