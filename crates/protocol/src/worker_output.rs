//! The last lines that a living worker wrote to its standard output and standard error, as operators read them.
//! Does not: keep them.

use crate::engine::BoxFuture;
use crate::job_id::JobId;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// A line that a worker wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputLine {
    /// Its number, counted from 1 for each worker.
    pub number: u64,
    /// When it was read.
    pub time: SystemTime,
    /// Where the worker wrote it.
    pub stream: OutputStream,
    /// The job that ran. `None` if none did, and where the pool no longer knows.
    pub job: Option<JobId>,
    /// The line, in which nothing drives a terminal. At most 2048 bytes before that.
    pub text: String,
}

impl OutputLine {
    /// Returns a line with all that belongs to it.
    pub fn new(
        number: u64,
        time: SystemTime,
        stream: OutputStream,
        job: Option<JobId>,
        text: impl Into<String>,
    ) -> Self {
        Self { number, time, stream, job, text: text.into() }
    }
}

/// One of a worker's two outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl OutputStream {
    /// Returns its name: `stdout` or `stderr`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// The lines after one that a reader has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutputPage {
    /// The lines, oldest first.
    pub lines: Vec<Arc<OutputLine>>,
    /// Number of lines after the one that was seen that are no longer held.
    pub missed: u64,
    /// Whether no line follows these: the worker is dead.
    pub is_over: bool,
    /// The number from which the next page goes on: of the last line that was written, held or not.
    pub seen: u64,
}

impl OutputPage {
    /// Returns the page of these lines, after which number `seen` is the last one that was written.
    pub fn new(lines: Vec<Arc<OutputLine>>, missed: u64, is_over: bool, seen: u64) -> Self {
        Self { lines, missed, is_over, seen }
    }
}

/// The last lines of one worker. It can be read after the worker's death, by those that hold it.
pub trait WorkerOutput: Send + Sync {
    /// Returns the lines after number `seen`. A number that no line has had yet counts as 0, which is before all lines.
    fn read(&self, seen: u64) -> OutputPage;

    /// Completes once a line was written after number `seen`, or none will follow. Completes at once if no line has had
    /// that number yet. [`read`](Self::read) then tells where to go on.
    fn changed(&self, seen: u64) -> BoxFuture<'_, ()>;
}

/// The output of a worker, with the name of its pool.
#[derive(Clone)]
#[non_exhaustive]
pub struct OutputOf {
    /// The pool.
    pub pool: String,
    /// The lines.
    pub output: Arc<dyn WorkerOutput>,
}

impl OutputOf {
    /// Returns the output of a worker of this pool.
    pub fn new(pool: impl Into<String>, output: Arc<dyn WorkerOutput>) -> Self {
        Self { pool: pool.into(), output }
    }
}

impl fmt::Debug for OutputOf {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("OutputOf").field("pool", &self.pool).finish_non_exhaustive()
    }
}
