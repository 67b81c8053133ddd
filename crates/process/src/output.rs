//! A worker's standard output and standard error: always drained, logged line by line, and the last
//! lines of standard error kept for the report of its death. All of it bounded.

use crate::clock;
use crate::tail::Tail;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::task::JoinHandle;

/// Longest line that is kept; the rest of it is dropped.
const MAX_LINE: usize = 2048;

/// Bytes per read of a pipe.
const READ: usize = 8 * 1024;

/// The output of one worker, being drained in the background until dropped.
#[derive(Debug)]
pub(crate) struct Output {
    tail: Arc<Mutex<Tail>>,
    stdout: JoinHandle<()>,
    stderr: JoinHandle<()>,
}

impl Output {
    /// Starts to drain. Needs a tokio runtime.
    pub(crate) fn drain(worker: &str, stdout: OwnedFd, stderr: OwnedFd) -> std::io::Result<Self> {
        let tail = Arc::new(Mutex::new(Tail::default()));
        let stdout = Receiver::from_owned_fd(stdout)?;
        let stderr = Receiver::from_owned_fd(stderr)?;
        let kept = tail.clone();
        let (name, same_name) = (worker.to_owned(), worker.to_owned());
        Ok(Self {
            tail,
            stdout: tokio::spawn(lines(stdout, move |line| {
                tracing::info!(target: "procpool::stdout", worker = name, "{line}");
            })),
            stderr: tokio::spawn(lines(stderr, move |line| {
                tracing::info!(target: "procpool::stderr", worker = same_name, "{line}");
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            })),
        })
    }

    /// The last lines of standard error, oldest first, once the pipe is empty or `patience` is over: a
    /// grandchild may hold it open for ever.
    pub(crate) async fn last_words(mut self, patience: Duration) -> Vec<String> {
        let _ = clock::timeout(patience, &mut self.stderr).await;
        self.tail.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.stdout.abort();
        self.stderr.abort();
    }
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
            take(printable(&self.line));
            self.line.clear();
        }
    }
}

/// A line without control characters, which could forge log lines or drive a terminal.
pub(crate) fn printable(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for c in String::from_utf8_lossy(line).trim_end().chars() {
        if c.is_control() && c != '\t' {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn a_flood_without_a_newline_becomes_one_bounded_line() {
        let flood = vec![b'x'; 10 * MAX_LINE];
        let lines = split(&[&flood, &flood, b"\nnext"]);
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].len(), MAX_LINE);
        assert_eq!(lines[1], "next");
    }

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(split(&[b"\x1b[31mred\r"]), ["\\u{1b}[31mred"]);
    }
}
