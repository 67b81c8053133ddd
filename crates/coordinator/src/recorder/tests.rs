//! The outcome of a job that must be saved, on disks that work, fail and hang. A disk that hangs is a FIFO
//! that nobody reads: opening it to write blocks in the kernel.

use super::*;
use procpool_protocol::encodings::Encodings;
use procpool_protocol::frame::Kind;
use procpool_protocol::outcome::{Finished, Timing};
use procpool_protocol::{CrashReport, Exit, ExitReport};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use std::fs::{self, File};
use std::sync::mpsc;
use std::time::Duration;
use tokio::time::timeout;

/// Longer than any outcome may wait; most tests let it pass in a clock of their own.
const LONG: Duration = Duration::from_secs(60);

fn crash() -> JobError {
    let death = ExitReport::new("fib-1", 7, Exit::Code(1));
    JobError::Crashed(Box::new(CrashReport::new(JobId::from_bits(1), Stage::Running, death)))
}

/// Saves a job that crashed, and returns the receiver of its outcome.
fn crashed(recorder: &Recorder) -> oneshot::Receiver<Finished> {
    let (caller, outcome) = oneshot::channel();
    let frame = Frame::new(Kind::Job, 1, "");
    let sent = Sent {
        worker: "fib-1".into(),
        contract: 1,
        build: None,
        encodings: Encodings::ALL,
        attempt: 1,
        jobs_before: 0,
        history: None,
        frame,
    };
    let (id, result) = (JobId::from_bits(1), Err(crash().into()));
    let finished = Finished::new(id, Timing::default(), result);
    recorder.save(FailedJob { sent: Box::new(sent), outcome: PendingOutcome::new(caller, finished) });
    outcome
}

/// Returns the file that an outcome names. It must be the outcome of a crash, whatever happened.
async fn file(outcome: oneshot::Receiver<Finished>) -> Option<PathBuf> {
    let finished = timeout(LONG, outcome).await.expect("an outcome in time").expect("an outcome");
    finished.result.unwrap_err().crash_report().expect("a crash").replay.clone()
}

fn recorder(save: impl FnMut(&ToSave) -> Result<PathBuf, RecordingError> + Send + 'static) -> Recorder {
    Recorder::with("fib", Path::new("/failed"), save).unwrap()
}

/// A FIFO in the place of a disk that hangs, removed when dropped.
struct Hanging {
    fifo: PathBuf,
    /// Told before each job that is about to hang.
    begun: mpsc::Receiver<()>,
}

impl Hanging {
    fn new(test: &str) -> (Self, Recorder) {
        let fifo = std::env::temp_dir().join(format!("pp-recorder-{}-{test}", std::process::id()));
        let _ = fs::remove_file(&fifo);
        mknodat(CWD, &fifo, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let (begin, begun) = mpsc::channel();
        let disk = fifo.clone();
        let recorder = recorder(move |_| {
            let _ = begin.send(());
            File::options().write(true).open(&disk)?;
            Ok(disk.clone())
        });
        (Self { fifo, begun }, recorder)
    }

    /// Releases the writers that hang, and those that come as long as the file lives.
    fn recover(&self) -> File {
        File::options().read(true).write(true).open(&self.fifo).unwrap()
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        let _end = self.recover();
        let _ = fs::remove_file(&self.fifo);
    }
}

#[tokio::test]
async fn an_outcome_comes_with_its_file() {
    let recorder = recorder(|_| Ok("fib-1.job".into()));
    assert_eq!(file(crashed(&recorder)).await, Some("fib-1.job".into()));
}

#[tokio::test]
async fn a_job_that_cannot_be_saved_costs_no_more_than_its_file() {
    let recorder = recorder(|_| Err(std::io::Error::other("the disk is full").into()));
    assert_eq!(file(crashed(&recorder)).await, None);
    assert_eq!(file(crashed(&recorder)).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_hangs_withholds_no_outcome_and_a_full_queue_waits_for_none() {
    let (disk, recorder) = Hanging::new("hangs");
    let first = crashed(&recorder);
    disk.begun.recv().unwrap();
    let mut queued: Vec<_> = (0..WAITING).map(|_| crashed(&recorder)).collect();
    let mut surplus = crashed(&recorder);
    assert!(surplus.try_recv().is_ok(), "there is no room for it, so it need not wait");
    assert!(queued.iter_mut().all(|outcome| outcome.try_recv().is_err()), "their files may still come");
    for outcome in [first].into_iter().chain(queued) {
        assert_eq!(file(outcome).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_works_again_saves_what_waited_and_what_comes() {
    let (disk, recorder) = Hanging::new("recovers");
    assert_eq!(file(crashed(&recorder)).await, None);
    disk.begun.recv().unwrap();
    let queued = crashed(&recorder);
    assert_eq!(file(queued).await, None);

    tokio::time::resume();
    let _open = disk.recover();
    disk.begun.recv().expect("the job that waited is written, though its caller has been told");
    assert_eq!(file(crashed(&recorder)).await, Some(disk.fifo.clone()));
}

#[tokio::test]
async fn a_panic_of_the_thread_that_saves_loses_no_outcome() {
    let (disk, stuck) = mpsc::channel::<()>();
    let recorder = recorder(move |_| {
        let _ = stuck.recv();
        panic!("a bug")
    });
    let outcomes = [(); 3].map(|()| crashed(&recorder));
    drop(disk);
    for outcome in outcomes {
        assert_eq!(file(outcome).await, None);
    }
    assert_eq!(file(crashed(&recorder)).await, None, "nor does one that comes after it");
}

#[test]
fn the_end_of_the_runtime_loses_no_outcome() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (_disk, recorder) = {
        let _runtime = runtime.enter();
        Hanging::new("runtime")
    };
    let before = crashed(&recorder);
    drop(runtime);
    for outcome in [before, crashed(&recorder)] {
        let finished = outcome.blocking_recv().expect("an outcome");
        assert_eq!(finished.result.unwrap_err().name(), "crashed");
    }
}

#[test]
fn what_a_debugger_may_explain_is_worth_saving() {
    let limit = Duration::from_secs(1);
    let worth = |error| is_worth_saving(&error);
    assert!(worth(crash()) && worth(JobError::protocol("")));
    assert!(worth(JobError::panicked("", None)));
    assert!(worth(JobError::timed_out(Stage::Running, limit)));
    assert!(!worth(JobError::timed_out(Stage::Queued, limit)));
    assert!(!worth(JobError::cancelled(Stage::Running)));
    assert!(!worth(JobError::shut_down(Stage::Running)));
}
