//! Keeps jobs that went wrong as files, so that they can be run again under a debugger.
//!
//! A pool has one thread for it: neither its lock nor a runtime ever waits for a disk. The outcome of such a
//! job waits for that thread, so that the file is there when its caller hears of it, but not for long. Saving
//! never costs a job its outcome: what cannot be saved goes out without a file, and a warning says why.

mod shelf;
mod template;

use crate::launch::Recipe;
use procpool_protocol::frame::Frame;
use procpool_protocol::limits::cut;
use procpool_protocol::outcome::Finished;
use procpool_protocol::{JobError, JobId, Payload, Stage};
use shelf::Shelf;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::Duration;
use template::Template;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Most jobs that wait to be written, each with its input. A disk that is slower than that has jobs go out
/// without a file rather than late.
const WAITING: usize = 16;

/// How long an outcome waits for its file. A disk may hang for good, be it one at the other end of a network.
const PATIENCE: Duration = Duration::from_secs(1);

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

/// A job on its way to the disk.
#[derive(Debug)]
struct Case {
    sent: Box<Sent>,
    id: JobId,
    /// How it ended: as a word, and as a sentence.
    outcome: &'static str,
    summary: String,
    /// Told of the file; dropped if there is none.
    written: oneshot::Sender<PathBuf>,
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
    cases: SyncSender<Case>,
    /// The runtime on which outcomes wait.
    runtime: Handle,
}

impl Recorder {
    /// Makes `dir` if need be, and starts the thread, which keeps the newest `most` jobs of the pool.
    pub(crate) fn start(dir: &Path, most: usize, recipe: &Recipe) -> Result<Self, SaveError> {
        let pool = recipe.name.clone();
        let shelf = Shelf::open(dir, &pool, most)?;
        let template = Template::of(recipe)?;
        let (cases, inbox) = sync_channel(WAITING);
        let thread = thread::Builder::new().name("procpool-recorder".into());
        thread.spawn(move || record(&shelf, &template, &inbox)).map_err(SaveError::Thread)?;
        Ok(Self { pool, cases, runtime: Handle::current() })
    }

    /// Has a job saved, and its caller told after that, or after [`PATIENCE`]. Never waits.
    pub(crate) fn save(&self, failed: FailedJob) {
        let FailedJob { sent, caller, finished } = failed;
        let id = finished.id;
        let (written, file) = oneshot::channel();
        let error = finished.result.as_ref().err();
        let outcome = error.map_or("ok", JobError::name);
        let summary = error.map(|error| cut(error.to_string())).unwrap_or_default();
        let reason = match self.cases.try_send(Case { sent, id, outcome, summary, written }) {
            Ok(()) => {
                self.runtime.spawn(async move {
                    let file = tokio::time::timeout(PATIENCE, file).await;
                    tell(caller, finished, file.ok().and_then(Result::ok));
                });
                return;
            }
            Err(TrySendError::Full(_)) => "as many jobs as may wait are waiting to be written",
            Err(TrySendError::Disconnected(_)) => "the thread that saves jobs is gone",
        };
        tell(caller, finished, None);
        tracing::warn!(pool = self.pool, job = %id, reason, "a failed job was not saved");
    }
}

/// Tells the caller how its job ended, and where it was saved.
fn tell(caller: oneshot::Sender<Finished>, mut finished: Finished, file: Option<PathBuf>) {
    if let Err(JobError::Crashed(report) | JobError::Poisoned { crash: Some(report), .. }) =
        &mut finished.result
    {
        report.replay = file;
    }
    // A caller that went away wants no outcome.
    let _ = caller.send(finished);
}

fn record(shelf: &Shelf, template: &Template, inbox: &Receiver<Case>) {
    for case in inbox {
        let saved = template.fill(&case);
        let put = shelf.put(&saved);
        let is_late = put.as_ref().is_ok_and(|file| case.written.send(file.clone()).is_err());
        // Last: what logs are written to is not ours, and may fail in ways of its own.
        let (pool, job, outcome) = (&saved.recording.pool, case.id, case.outcome);
        match put {
            Ok(file) => {
                let again = format!("procpool replay {}", file.display());
                let late = if is_late { ", too late for its caller to be told" } else { "" };
                tracing::warn!(pool, %job, outcome, again, "saved a failed job{late}");
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
    use procpool_protocol::{CrashReport, Exit, ExitReport};

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

    async fn file(outcome: oneshot::Receiver<Finished>) -> Option<PathBuf> {
        let finished = outcome.await.expect("an outcome");
        finished.result.unwrap_err().crash_report().expect("a crash").replay.clone()
    }

    fn recorder(room: usize) -> (Recorder, Receiver<Case>) {
        let (cases, inbox) = sync_channel(room);
        (Recorder { pool: "fib".into(), cases, runtime: Handle::current() }, inbox)
    }

    #[tokio::test(start_paused = true)]
    async fn an_outcome_waits_for_its_file() {
        let (recorder, inbox) = recorder(1);
        let (job, mut outcome) = failed();
        recorder.save(job);
        tokio::time::sleep(PATIENCE / 2).await;
        assert!(outcome.try_recv().is_err(), "its file is not there yet");
        inbox.recv().unwrap().written.send("fib-1.job".into()).unwrap();
        assert_eq!(file(outcome).await, Some("fib-1.job".into()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_disk_that_hangs_withholds_no_outcome_for_long() {
        let (recorder, _inbox) = recorder(1);
        let (job, outcome) = failed();
        recorder.save(job);
        assert_eq!(file(outcome).await, None);
    }

    #[tokio::test]
    async fn a_job_that_finds_no_room_has_its_outcome_at_once_and_without_a_file() {
        let (recorder, inbox) = recorder(1);
        let [(first, mut waits), (second, mut full), (third, mut gone)] = [(); 3].map(|()| failed());
        recorder.save(first);
        recorder.save(second);
        assert!(full.try_recv().is_ok() && waits.try_recv().is_err());
        drop(inbox);
        recorder.save(third);
        assert!(gone.try_recv().is_ok());
        assert_eq!(file(waits).await, None, "the thread has died with it");
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
