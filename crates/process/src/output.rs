//! A worker's standard output and standard error: always drained, and logged line by line. The last lines of
//! standard error go into the report of its death. All bounded.

use crate::clock;
use crate::lines::LastLines;
use crate::tail::{Author, LastWords, Tail};
use procpool_protocol::printable::printable;
use procpool_protocol::worker_output::OutputStream;
use std::io;
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, ReadBuf};
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;

/// Maximum length of a recorded line, in bytes; the rest of it is dropped.
const MAX_LINE: usize = 2048;

/// Number of bytes per read of a pipe.
const READ: usize = 8 * 1024;

/// Maximum number of consecutive reads before other tasks get a turn: enough for a full pipe.
const READS: usize = 9;

/// The output of one worker, which is drained in the background until dropped.
#[derive(Debug)]
pub(crate) struct Output {
    said: Arc<Stderr>,
    stdout: JoinHandle<()>,
    stderr: JoinHandle<()>,
}

impl Output {
    /// Starts to drain. Needs a tokio runtime.
    pub(crate) fn drain(
        worker: &str,
        stdout: OwnedFd,
        stderr: OwnedFd,
        last: &Arc<LastLines>,
    ) -> io::Result<Self> {
        let stdout = Receiver::from_owned_fd(stdout)?;
        let said = Arc::new(Stderr {
            worker: worker.to_owned(),
            pipe: Receiver::from_owned_fd(stderr)?,
            last: last.clone(),
            heard: Mutex::default(),
        });
        let theirs = said.clone();
        Ok(Self {
            stdout: tokio::spawn(lines(stdout, move |line| theirs.keep_stdout(&line))),
            stderr: tokio::spawn(said.clone().drain()),
            said,
        })
    }

    /// Records that the worker serves now. `jobs` reports its progress.
    pub(crate) fn serves(&self, jobs: Arc<dyn Jobs>) {
        self.said.heard().jobs = Some(jobs);
    }

    /// Reads standard error after the end of a job has arrived and before it counts. Thus the job's lines are
    /// known as its own. Needs one system call, since tokio may not have noticed yet that there is something
    /// to read.
    pub(crate) fn catch_up(&self) {
        self.said.heard().read_out(&self.said);
    }

    /// Returns the last lines of standard error that `job` may have written, or all for `None`. Waits until
    /// the pipe has ended or `patience` is over: a grandchild may hold the pipe open forever. The dead
    /// worker's own lines are read in any case.
    pub(crate) async fn last_words(mut self, patience: Duration, job: Option<u64>) -> LastWords {
        if clock::timeout(patience, &mut self.stderr).await.is_err() {
            let mut heard = self.said.heard();
            heard.read_out(&self.said);
            heard.finish(&self.said);
        }
        self.said.heard().tail.take(job)
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.stdout.abort();
        self.stderr.abort();
    }
}

/// The progress of a worker with its jobs.
pub(crate) trait Jobs: std::fmt::Debug + Send + Sync {
    /// Returns the jobs that may have written the bytes that were read just now.
    fn author(&self) -> Author;
}

/// Standard error, read by its own task and by the worker's session. A lock orders its bytes.
#[derive(Debug)]
struct Stderr {
    worker: String,
    pipe: Receiver,
    /// Lines of standard output are kept here, too.
    last: Arc<LastLines>,
    heard: Mutex<Heard>,
}

#[derive(Debug, Default)]
struct Heard {
    splitter: Splitter,
    tail: Tail,
    jobs: Option<Arc<dyn Jobs>>,
    author: Author,
}

impl Stderr {
    async fn drain(self: Arc<Self>) {
        while self.pipe.readable().await.is_ok() && self.read().is_continue() {
            tokio::task::yield_now().await;
        }
        let mut heard = self.heard();
        heard.finish(&self);
    }

    /// Keeps a line of standard output. It is read at leisure, so the job that runs now may not have written it.
    fn keep_stdout(&self, line: &str) {
        let jobs = self.heard().jobs.clone();
        tracing::info!(target: "procpool::stdout", worker = self.worker, "{line}");
        self.last.push(OutputStream::Stdout, jobs.and_then(|jobs| jobs.author().job()), line);
    }

    /// Reads the available bytes, up to a bound. Breaks at the end. Does not read a pipe that is not known to
    /// be readable.
    fn read(&self) -> ControlFlow<()> {
        let mut heard = self.heard();
        for _ in 0..READS {
            let mut space = [MaybeUninit::uninit(); READ];
            let mut buffer = ReadBuf::uninit(&mut space);
            match self.pipe.try_read_buf(&mut buffer) {
                Ok(1..) => heard.take(self, buffer.filled()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => return ControlFlow::Break(()),
            }
        }
        ControlFlow::Continue(())
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heard {
    /// Reads the available bytes, up to a bound, even if tokio has not noticed them. Tokio does not notice that
    /// they were read, either.
    fn read_out(&mut self, said: &Stderr) {
        for _ in 0..READS {
            // Not zeroed: this runs after each answer, and usually there is nothing to read.
            let mut space = [MaybeUninit::uninit(); READ];
            match rustix::io::read(&said.pipe, &mut space) {
                Ok((bytes, _)) if !bytes.is_empty() => {
                    let length = bytes.len();
                    self.take(said, bytes);
                    // A pipe gives what it has: less than was asked for is all of it.
                    if length < READ {
                        break;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Ok(_) | Err(_) => break,
            }
        }
    }

    fn take(&mut self, said: &Stderr, bytes: &[u8]) {
        let author = self.jobs.as_ref().map(|jobs| jobs.author()).unwrap_or_default();
        // The next job must not complete a line that an earlier job began.
        if author.earliest > self.author.latest {
            self.finish(said);
        }
        let earliest = if self.splitter.line.is_empty() { author.earliest } else { self.author.earliest };
        self.author = Author { earliest, ..author };
        let Self { splitter, tail, author, .. } = self;
        splitter.feed(bytes, &mut |line| keep(tail, said, line, *author));
    }

    fn finish(&mut self, said: &Stderr) {
        let Self { splitter, tail, author, .. } = self;
        splitter.finish(&mut |line| keep(tail, said, line, *author));
    }
}

fn keep(tail: &mut Tail, said: &Stderr, line: String, author: Author) {
    tracing::info!(target: "procpool::stderr", worker = said.worker, "{line}");
    said.last.push(OutputStream::Stderr, author.job(), &line);
    tail.push(line, author);
}

async fn lines(mut pipe: Receiver, mut take: impl FnMut(String)) {
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; READ];
    while let Ok(length @ 1..) = pipe.read(&mut buffer).await {
        splitter.feed(&buffer[..length], &mut take);
    }
    splitter.finish(&mut take);
}

/// Splits bytes into printable lines of bounded length.
#[derive(Debug, Default)]
struct Splitter {
    line: Vec<u8>,
}

impl Splitter {
    fn feed(&mut self, bytes: &[u8], take: &mut impl FnMut(String)) {
        for (index, piece) in bytes.split(|&byte| byte == b'\n').enumerate() {
            if index > 0 {
                self.finish(take);
            }
            let room = MAX_LINE - self.line.len();
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
        }
    }

    fn finish(&mut self, take: &mut impl FnMut(String)) {
        if !self.line.is_empty() {
            let line = String::from_utf8_lossy(&self.line);
            take(printable(line.trim_end()).into_owned());
            self.line.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::JobId;
    use procpool_protocol::worker_output::WorkerOutput;
    use std::io::Write;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn split(pieces: &[&[u8]]) -> Vec<String> {
        let mut lines = Vec::new();
        let mut splitter = Splitter::default();
        for piece in pieces {
            splitter.feed(piece, &mut |line| lines.push(line));
        }
        splitter.finish(&mut |line| lines.push(line));
        lines
    }

    #[test]
    fn lines_are_joined_across_reads_and_the_last_needs_no_newline() {
        assert_eq!(split(&[b"one\ntw", b"o\n\nth", b"ree"]), ["one", "two", "three"]);
    }

    #[tokio::test]
    async fn what_the_dead_wrote_is_read_though_nobody_had_the_time_and_somebody_holds_the_pipe() {
        let (stdout, out) = io::pipe().unwrap();
        let (stderr, mut err) = io::pipe().unwrap();
        let last = Arc::default();
        let output = Output::drain("fib-0", stdout.into(), stderr.into(), &last).unwrap();
        err.write_all(b"out of cheese\nand of bread").unwrap();
        let words = output.last_words(Duration::ZERO, None).await;
        assert_eq!(words.lines, ["out of cheese", "and of bread"]);
        let page = last.read(0);
        assert_eq!(
            (page.lines[1].text.as_str(), page.is_over),
            ("and of bread", false),
            "its death is not known yet"
        );
        drop((out, err));
    }

    #[derive(Debug)]
    struct Running(AtomicU64);

    impl Jobs for Running {
        fn author(&self) -> Author {
            let job = self.0.load(Ordering::Relaxed);
            Author { earliest: job, latest: job }
        }
    }

    #[tokio::test]
    async fn what_a_job_wrote_is_read_before_its_end_counts_though_tokio_has_not_noticed_it() {
        let (stdout, _out) = io::pipe().unwrap();
        let (stderr, mut err) = io::pipe().unwrap();
        let last = Arc::default();
        let output = Output::drain("fib-0", stdout.into(), stderr.into(), &last).unwrap();
        last.names_jobs(Box::new(|number| Some(JobId::from_bits(number.into()))));
        let running = Arc::new(Running(AtomicU64::new(1)));
        output.serves(running.clone());
        err.write_all(b"out of memory").unwrap();
        output.catch_up();
        running.0.store(2, Ordering::Relaxed);
        err.write_all(b"out of cheese").unwrap();
        let words = output.last_words(Duration::ZERO, Some(2)).await;
        assert_eq!(words.lines, ["out of cheese"]);
        let jobs: Vec<_> = last.read(0).lines.iter().map(|line| line.job).collect();
        assert_eq!(jobs, [1, 2].map(|job| Some(JobId::from_bits(job))));
    }

    #[test]
    fn a_flood_without_a_newline_becomes_one_bounded_line() {
        let flood = vec![b'x'; 10 * MAX_LINE];
        let lines = split(&[&flood, &flood, b"\nnext"]);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), MAX_LINE);
        assert_eq!(lines[1], "next");
    }

    #[test]
    fn what_does_not_show_as_itself_is_escaped() {
        assert_eq!(split(&[b"\x1b[31mred\r"]), ["\\u{1b}[31mred"]);
        assert_eq!(
            split(&["a\u{202e}b\u{2028}c\u{85}d\u{200b}e".as_bytes()]),
            [r"a\u{202e}b\u{2028}c\u{85}d\u{200b}e"]
        );
    }
}
