//! An engine whose jobs sleep, and write that they began and ended to a file that all processes share.

use procpool_protocol::engine::{Accepted, Engine, JobEvents, Submission, Watched};
use procpool_protocol::outcome::{Finished, Timing};
use procpool_protocol::{Encoding, Failure, JobError, JobId, Payload, Stage};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::oneshot;

pub(crate) struct Sleeper {
    book: PathBuf,
    running: Arc<Mutex<HashMap<JobId, oneshot::Sender<()>>>>,
}

impl Sleeper {
    pub(crate) fn new(book: &Path) -> Arc<Self> {
        Arc::new(Self { book: book.to_owned(), running: Arc::default() })
    }
}

fn note(book: &Path, id: JobId, word: &str) {
    let mut file = std::fs::File::options().create(true).append(true).open(book).unwrap();
    file.write_all(format!("{id} {word}\n").as_bytes()).unwrap();
}

impl Engine for Sleeper {
    fn submit(&self, job: Submission) -> Result<Accepted, JobError> {
        Ok(self.submit_watched(JobId::from_bits(rand::random()), job)?.accepted)
    }

    fn submit_watched(&self, id: JobId, job: Submission) -> Result<Watched, JobError> {
        let line = job.input.bytes.split(|byte| *byte == b'\n').next().unwrap();
        let text = std::str::from_utf8(line).unwrap();
        let (time, failures) = text.split_once('/').unwrap_or((text, "0"));
        let time = Duration::from_millis(time.parse().unwrap());
        let failures: usize = failures.parse().unwrap();
        let (cancel, cancelled) = oneshot::channel();
        self.running.lock().unwrap().insert(id, cancel);
        let (book, running, input) = (self.book.clone(), self.running.clone(), job.input);
        note(&book, id, "began");
        let fails = failures > 0 && count(&read(&book)[&id], "began") <= failures;
        let outcome = async move {
            let result = tokio::select! {
                // sleep: the time of the job is its work
                () = tokio::time::sleep(time) => match fails {
                    false => Ok(input),
                    true => Err(Box::new(JobError::Failed(Failure::new("busy").retryable()))),
                },
                _ = cancelled => Err(Box::new(JobError::cancelled(Stage::Running))),
            };
            let word = result.as_ref().map_or(if fails { "failed" } else { "killed" }, |_| "ended");
            note(&book, id, word);
            running.lock().unwrap().remove(&id);
            Finished::new(id, Timing::default(), result)
        };
        Ok(Watched::new(Accepted::new(id, outcome), JobEvents::none()))
    }

    fn cancel(&self, job: JobId) -> bool {
        self.running.lock().unwrap().remove(&job).is_some_and(|cancel| cancel.send(()).is_ok())
    }
}

/// A job that sleeps for this time.
pub(crate) fn job(pool: &str, millis: u64) -> Submission {
    Submission::new(pool, Payload::json(millis.to_string()), Encoding::Json)
}

/// The same, with random bytes up to this size.
pub(crate) fn large(pool: &str, millis: u64, size: usize) -> Submission {
    let mut input = format!("{millis}\n").into_bytes();
    input.resize(size, 0);
    let start = input.iter().position(|byte| *byte == 0).unwrap_or(size);
    rand::fill(&mut input[start..]);
    Submission::new(pool, Payload::raw(input), Encoding::Bytes)
}

/// The same, whose first runs fail in a way that asks for another.
pub(crate) fn flaky(pool: &str, millis: u64, failures: usize) -> Submission {
    Submission::new(pool, Payload::json(format!("{millis}/{failures}")), Encoding::Json)
}

pub(crate) fn id() -> JobId {
    JobId::from_bits(rand::random())
}

/// Returns the words of the book about each job.
pub(crate) fn read(book: &Path) -> HashMap<JobId, Vec<String>> {
    let text = std::fs::read_to_string(book).unwrap_or_default();
    let mut jobs: HashMap<JobId, Vec<String>> = HashMap::new();
    for line in text.lines() {
        let (id, word) = line.split_once(' ').unwrap();
        jobs.entry(id.parse().unwrap()).or_default().push(word.to_owned());
    }
    jobs
}

/// Looks until something is true, for two minutes.
pub(crate) async fn until(what: &str, mut is_true: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !is_true().await {
            // sleep: another process tells nobody that it has come so far
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let patience = Duration::from_secs(120);
    assert!(tokio::time::timeout(patience, looking).await.is_ok(), "not within {patience:?}: {what}");
}

pub(crate) fn count(words: &[String], word: &str) -> usize {
    words.iter().filter(|it| *it == word).count()
}
