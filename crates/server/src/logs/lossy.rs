//! Standard error as a place for logs that can neither stop nor end the server.
//!
//! A log reader may stall or go away. Lines wait for a thread of their own, a bounded number of them;
//! what does not fit is dropped and counted, and what cannot be written is nobody's error. The same thread tells how
//! many lines were left out because their source had no budget for them.

use super::limit::Limits;
use super::{LogFormat, json};
use std::io::{self, Write, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait.
const WAITING: usize = 1024;

/// How long the end of the process waits for lines that are still to be written.
const LAST_LINES: Duration = Duration::from_millis(200);

/// A message for the thread.
#[derive(Debug)]
enum Message {
    Line(Vec<u8>),
    /// A source has begun to have lines left out.
    LeavesOut,
    End,
}

/// Takes lines and never waits.
#[derive(Clone, Debug)]
pub(crate) struct Lossy {
    thread: SyncSender<Message>,
    lost: Arc<AtomicU64>,
}

/// Keeps the thread; dropped, it gives the thread a moment to write what is left.
#[derive(Debug)]
pub(crate) struct Flush {
    thread: SyncSender<Message>,
    /// Disconnected once the thread has written everything.
    ended: Receiver<()>,
}

/// Starts the thread.
pub(super) fn start(limits: Limits, format: LogFormat) -> io::Result<(Lossy, Flush)> {
    let (thread, waiting) = sync_channel(WAITING);
    let lost = Arc::<AtomicU64>::default();
    let writer = Lossy { thread: thread.clone(), lost: lost.clone() };
    let (ending, ended) = sync_channel(0);
    std::thread::Builder::new().name("logs".into()).spawn(move || {
        write(&waiting, &lost, &limits, format);
        drop(ending);
    })?;
    Ok((writer, Flush { thread, ended }))
}

/// Writes until it is told that this is the end.
fn write(messages: &Receiver<Message>, lost: &AtomicU64, limits: &Limits, format: LogFormat) {
    loop {
        let message = match limits.due_in() {
            Some(soon) => messages.recv_timeout(soon),
            None => messages.recv().map_err(RecvTimeoutError::from),
        };
        match message {
            // Standard error may be closed, full or a broken pipe.
            Ok(Message::Line(line)) => drop(stderr().write_all(&line)),
            Ok(Message::LeavesOut) | Err(RecvTimeoutError::Timeout) => {}
            Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => {
                return limits.rest().iter().for_each(|it| tell(it, format));
            }
        }
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tell(format_args!("({lost} lines of log were dropped: they were read too slowly)"), format);
        }
        limits.due().iter().for_each(|it| tell(it, format));
    }
}

fn tell(what: impl std::fmt::Display, format: LogFormat) {
    let _ = match format {
        LogFormat::Text => writeln!(stderr(), "{what}"),
        LogFormat::Json => writeln!(stderr(), "{}", json::notice(&what.to_string())),
    };
}

impl Lossy {
    /// Wakes the thread to look after lines that are left out. If it has no time for that, it is about to
    /// look anyway.
    pub(super) fn leaves_out(&self) {
        let _ = self.thread.try_send(Message::LeavesOut);
    }
}

impl Write for Lossy {
    /// Queues a line. One event is one call.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        if !event.is_empty() && self.thread.try_send(Message::Line(event.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lossy {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        // Full: the thread is stuck on its reader, and there is nothing to wait for.
        if self.thread.try_send(Message::End).is_ok() {
            let _ = self.ended.recv_timeout(LAST_LINES);
        }
    }
}
