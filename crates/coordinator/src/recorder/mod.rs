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

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::frame::Kind;
    use procpool_protocol::outcome::Timing;
    use procpool_protocol::{CrashReport, Exit, ExitReport, JobId};

    fn crash() -> Result<Payload, JobError> {
        let death = ExitReport::new("fib-1", 7, Exit::Code(1));
        Err(JobError::Crashed(Box::new(CrashReport::new(JobId::from_bits(1), Stage::Running, death))))
    }

    fn failed() -> (FailedJob, oneshot::Receiver<Finished>) {
        let (caller, outcome) = oneshot::channel();
        let frame = Frame::new(Kind::Job, 1, "");
        let sent = Sent { worker: "fib-1".into(), contract: 1, build: None, attempt: 1, frame };
        let finished = Finished { id: JobId::from_bits(1), timing: Timing::default(), result: crash() };
        (FailedJob { sent: Box::new(sent), caller, finished }, outcome)
    }

    fn file(mut outcome: oneshot::Receiver<Finished>) -> Option<PathBuf> {
        let finished = outcome.try_recv().expect("an outcome");
        finished.result.unwrap_err().crash_report().expect("a crash").replay.clone()
    }

    #[test]
    fn a_job_that_finds_no_room_has_its_outcome_at_once_and_without_a_file() {
        let (sender, inbox) = sync_channel(1);
        let recorder = Recorder { pool: "fib".into(), failed: sender };
        let [(first, mut waits), (second, full), (third, gone)] = [(); 3].map(|()| failed());
        recorder.save(first);
        recorder.save(second);
        assert!(waits.try_recv().is_err(), "its file is not there yet");
        assert_eq!(file(full), None);
        inbox.recv().unwrap().tell(Some("fib-1.job".into()));
        assert_eq!(file(waits), Some("fib-1.job".into()));
        drop(inbox);
        recorder.save(third);
        assert_eq!(file(gone), None);
    }

    #[test]
    fn what_a_debugger_may_explain_is_worth_saving() {
        let limit = std::time::Duration::from_secs(1);
        let worth = |error| is_worth_saving(&Err(error));
        assert!(is_worth_saving(&crash()) && worth(JobError::Protocol { violation: String::new() }));
        assert!(worth(JobError::Panicked { message: String::new(), location: None }));
        assert!(worth(JobError::TimedOut { stage: Stage::Running, limit }));
        assert!(!worth(JobError::TimedOut { stage: Stage::Queued, limit }));
        assert!(!worth(JobError::Cancelled { stage: Stage::Running }));
        assert!(
            !worth(JobError::ShutDown { stage: Stage::Running }) && !is_worth_saving(&Ok(Payload::none()))
        );
    }
}
