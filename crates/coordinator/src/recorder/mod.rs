//! Keeps jobs that went wrong as files, so that they can be run again under a debugger.
//!
//! A pool has one thread for it: neither its lock nor a runtime ever waits for a disk. The outcome of such a job
//! waits on the runtime for word from that thread, so that the file is there when its caller hears of it; but
//! it stays off the thread, and waits for [`LONGEST_WAIT`](pending_outcome::LONGEST_WAIT) at most. Saving never costs a
//! job its outcome: what is not saved in time goes out without a file, and a warning says why.

mod error;
mod history;
mod pending_outcome;
mod shelf;
mod template;
#[cfg(test)]
mod tests;

pub use error::SaveError;
pub(crate) use history::History;
pub(crate) use pending_outcome::PendingOutcome;

use crate::deaths::DeathLog;
use pending_outcome::Unsaved;
use procpool_process::Recipe;
use procpool_protocol::encodings::Encodings;
use procpool_protocol::frame::Frame;
use procpool_protocol::limits::cut;
use procpool_protocol::recording::RecordingError;
use procpool_protocol::{JobError, JobId, Stage};
use shelf::Shelf;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use template::Template;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Maximum number of jobs that wait to be written, each with its input, beside the one that is being written.
/// A disk that is slower than that has jobs go out without a file rather than late.
const WAITING: usize = 16;

/// A copy of a job as its worker was sent it, kept until the job's outcome in case that must be saved.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The worker's name.
    pub(crate) worker: String,
    /// Version of its contract.
    pub(crate) contract: u32,
    pub(crate) build: Option<String>,
    /// The encodings that it reads.
    pub(crate) encodings: Encodings,
    pub(crate) attempt: u32,
    /// Number of jobs that it was given before this one.
    pub(crate) jobs_before: u64,
    /// The last of them, where they are kept.
    pub(crate) history: Option<Arc<History>>,
    pub(crate) frame: Frame,
}

/// A job that must be saved before its caller hears of its outcome.
#[derive(Debug)]
pub(crate) struct FailedJob {
    pub(crate) sent: Box<Sent>,
    pub(crate) outcome: PendingOutcome,
}

/// A job on its way to the thread that saves it: all that goes into its file, and not its outcome.
#[derive(Debug)]
struct ToSave {
    sent: Box<Sent>,
    id: JobId,
    /// Its outcome's name, and what is known of it in a sentence.
    outcome: &'static str,
    summary: String,
    /// Where its outcome waits to be told which file it is in, or that it is in none.
    saved: oneshot::Sender<Option<PathBuf>>,
}

/// Returns whether a job that ended like this is worth another look.
pub(crate) fn is_worth_saving(error: &JobError) -> bool {
    matches!(
        error,
        JobError::Crashed(_)
            | JobError::Panicked { .. }
            | JobError::Protocol { .. }
            | JobError::TimedOut { stage: Stage::Running, .. }
    )
}

/// The way to the thread that saves the jobs of one pool. It ends, with what waits written, when this is dropped.
#[derive(Debug)]
pub(crate) struct Recorder {
    pool: String,
    jobs: SyncSender<ToSave>,
    /// On which outcomes wait for their files. At most [`WAITING`] and one do, as each has its job on the way.
    runtime: Handle,
}

impl Recorder {
    /// Makes `dir` if need be, and starts the thread, which keeps the newest `most` jobs of the pool, and notes their files
    /// in `deaths`. To be called on the runtime that keeps the pool's time.
    pub(crate) fn start(
        dir: &Path,
        most: usize,
        recipe: &Recipe,
        deaths: Option<Arc<DeathLog>>,
    ) -> Result<Self, SaveError> {
        let shelf = Shelf::open(dir, &recipe.name, most)?;
        let template = Template::of(recipe)?;
        let place = shelf.dir().to_owned();
        Self::with(&recipe.name, &place, move |job| {
            let file = shelf.put(&template.fill(job))?;
            if let Some(deaths) = &deaths {
                deaths.saved(job.id, &file);
            }
            Ok(file)
        })
    }

    /// Starts the thread, which saves each job by `save`.
    fn with(
        pool: &str,
        dir: &Path,
        save: impl FnMut(&ToSave) -> Result<PathBuf, RecordingError> + Send + 'static,
    ) -> Result<Self, SaveError> {
        let (jobs, inbox) = sync_channel(WAITING);
        let (name, dir) = (pool.to_owned(), dir.to_owned());
        let thread = thread::Builder::new().name("procpool-recorder".into());
        thread.spawn(move || record(&name, &dir, save, &inbox)).map_err(SaveError::Thread)?;
        Ok(Self { pool: pool.into(), jobs, runtime: Handle::current() })
    }

    /// Queues a job to be saved. Its caller is told after that. Never waits.
    pub(crate) fn save(&self, failed: FailedJob) {
        let FailedJob { sent, outcome: pending } = failed;
        let Some(finished) = pending.finished() else { return };
        let (id, error) = (finished.id, finished.result.as_ref().err().map(Box::as_ref));
        let (saved, word) = oneshot::channel();
        let outcome = error.map_or("ok", JobError::name);
        let summary = error.map(|error| cut(error.to_string())).unwrap_or_default();
        let reason = match self.jobs.try_send(ToSave { sent, id, outcome, summary, saved }) {
            Ok(()) => return self.tell_in_time(id, pending, word),
            Err(TrySendError::Full(_)) => "as many jobs as may wait are waiting to be written",
            Err(TrySendError::Disconnected(_)) => "the thread that saves jobs is gone",
        };
        pending.tell(None);
        not_saved(&self.pool, id, reason);
    }

    fn tell_in_time(&self, id: JobId, pending: PendingOutcome, word: oneshot::Receiver<Option<PathBuf>>) {
        let pool = self.pool.clone();
        self.runtime.spawn(async move {
            match pending.tell_with(word).await {
                Ok(()) => {}
                Err(Unsaved::Gone) => not_saved(&pool, id, "the thread that saves jobs has ended"),
                Err(Unsaved::Late) => {
                    let waited = pending_outcome::LONGEST_WAIT;
                    tracing::warn!(
                        pool, job = %id, ?waited,
                        "a failed job is not saved yet, and its outcome went out without a file"
                    );
                }
            }
        });
    }
}

fn not_saved(pool: &str, job: JobId, reason: &str) {
    tracing::warn!(pool, %job, reason, "a failed job was not saved");
}

fn record(
    pool: &str,
    dir: &Path,
    mut save: impl FnMut(&ToSave) -> Result<PathBuf, RecordingError>,
    inbox: &Receiver<ToSave>,
) {
    for job in inbox {
        let put = save(&job);
        let ToSave { id, outcome, saved, .. } = job;
        // An outcome that could not wait is told by now; its file is only logged.
        let _ = saved.send(put.as_ref().ok().cloned());
        // Last: what logs are written to is not ours, and may fail in ways of its own.
        match put {
            Ok(file) => {
                let again = format!("procpool replay {}", file.display());
                tracing::warn!(pool, job = %id, outcome, again, "saved a failed job");
            }
            Err(error) => {
                let dir = dir.display();
                tracing::warn!(pool, job = %id, outcome, %dir, %error, "a failed job was not saved");
            }
        }
    }
}
