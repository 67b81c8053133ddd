//! Keeps jobs that went wrong as files, so that they can be run again under a debugger.
//!
//! A pool has one thread for it: neither its lock nor a runtime ever waits for a disk. The outcome of such a
//! job takes the way through that thread, so that the file is there when its caller hears of it. Saving
//! never costs a job its outcome: what cannot be saved goes out without a file, and a warning says why.

mod shelf;
mod template;

use crate::launch::Recipe;
use procpool_protocol::frame::Frame;
use procpool_protocol::outcome::Finished;
use procpool_protocol::{JobError, Payload, Stage};
use shelf::Shelf;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use template::Template;
use tokio::sync::oneshot;

/// Most jobs that wait to be written, each with its input. A disk that is slower than that has jobs go out
/// without a file rather than late.
const WAITING: usize = 16;

/// What a worker was sent of a job, kept until the job's outcome in case that is one to be saved.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The worker's name.
    pub(crate) worker: String,
    /// Version of its contract.
    pub(crate) contract: u32,
    pub(crate) build: Option<String>,
    pub(crate) attempt: u32,
    pub(crate) frame: Frame,
}

/// A job that is to be saved before its caller hears of its outcome.
#[derive(Debug)]
pub(crate) struct FailedJob {
    pub(crate) sent: Box<Sent>,
    pub(crate) caller: oneshot::Sender<Finished>,
    pub(crate) finished: Finished,
}

/// Failed jobs cannot be saved where, or as, they should be. Reads after “failed to start pool: ”.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaveError {
    /// There is no such directory, and none can be made.
    #[error("save_failed_jobs cannot be the directory {}: {source}", dir.display())]
    Dir {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The files would be called after a pool whose name is no part of a file's name.
    #[error("save_failed_jobs names files after the pool, so the pool's name cannot hold `/` or NUL")]
    PoolName,
    /// A recording describes itself in JSON, which is text.
    #[error("save_failed_jobs cannot write down {what} {value:?}: it is not UTF-8")]
    NotText {
        /// What it is: the executable, an argument, …
        what: &'static str,
        /// Its value, as far as it is text.
        value: String,
    },
    /// The system gives no thread.
    #[error("failed to start the thread that saves jobs: {0}")]
    Thread(#[source] io::Error),
}

/// Whether a job that ended like this is worth another look.
pub(crate) fn is_worth_saving(result: &Result<Payload, JobError>) -> bool {
    matches!(
        result,
        Err(JobError::Crashed(_)
            | JobError::Poisoned { crash: Some(_), .. }
            | JobError::Panicked { .. }
            | JobError::Protocol { .. }
            | JobError::TimedOut { stage: Stage::Running, .. })
    )
}

/// The way to the thread that saves the jobs of one pool. It ends, with what waits written, when this is dropped.
#[derive(Debug)]
pub(crate) struct Recorder {
    pool: String,
    failed: SyncSender<FailedJob>,
}

impl Recorder {
    /// Makes `dir` if need be, and starts the thread, which keeps the newest `most` jobs of the pool.
    pub(crate) fn start(dir: &Path, most: usize, recipe: &Recipe) -> Result<Self, SaveError> {
        let pool = recipe.name.clone();
        let shelf = Shelf::open(dir, &pool, most)?;
        let template = Template::of(recipe)?;
        let (failed, inbox) = sync_channel(WAITING);
        let thread = thread::Builder::new().name("procpool-recorder".into());
        thread.spawn(move || record(&shelf, &template, &inbox)).map_err(SaveError::Thread)?;
        Ok(Self { pool, failed })
    }

    /// Has a job saved, and its caller told after that. Never waits.
    pub(crate) fn save(&self, failed: FailedJob) {
        let (failed, reason) = match self.failed.try_send(failed) {
            Ok(()) => return,
            Err(TrySendError::Full(failed)) => (failed, "as many jobs as may wait are waiting to be written"),
            Err(TrySendError::Disconnected(failed)) => (failed, "the thread that saves jobs is gone"),
        };
        let job = failed.finished.id;
        failed.tell(None);
        tracing::warn!(pool = self.pool, %job, reason, "a failed job was not saved");
    }
}

impl FailedJob {
    /// Tells the caller how its job ended, and where it was saved.
    pub(crate) fn tell(self, file: Option<PathBuf>) {
        let mut finished = self.finished;
        if let Err(JobError::Crashed(report) | JobError::Poisoned { crash: Some(report), .. }) =
            &mut finished.result
        {
            report.replay = file;
        }
        // A caller that went away wants no outcome.
        let _ = self.caller.send(finished);
    }
}

fn record(shelf: &Shelf, template: &Template, inbox: &Receiver<FailedJob>) {
    for failed in inbox {
        let saved = template.fill(&failed);
        let put = shelf.put(&saved);
        failed.tell(put.as_ref().ok().cloned());
        // Last: what logs are written to is not ours, and may fail in ways of its own.
        let (pool, job, outcome) = (&saved.recording.pool, saved.recording.id, &saved.recording.outcome);
        match put {
            Ok(file) => {
                let again = format!("procpool replay {}", file.display());
                tracing::warn!(pool, %job, outcome, again, "saved a failed job");
            }
            Err(error) => {
                let dir = shelf.dir().display();
                tracing::warn!(pool, %job, outcome, %dir, %error, "a failed job was not saved");
            }
        }
    }
}
