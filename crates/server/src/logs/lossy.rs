//! Standard error as a place for logs that can neither stop nor end the server.
//!
//! A log reader may stall or go away. Lines wait for a thread of their own, a bounded number of them;
//! what does not fit is dropped and counted, and what cannot be written is nobody's error.

use std::io::{self, Write, stderr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait.
const WAITING: usize = 1024;

/// How long the end of the process waits for lines that are still to be written.
const LAST_LINES: Duration = Duration::from_millis(200);

/// Takes lines and never waits.
#[derive(Clone, Debug)]
pub(crate) struct Lossy {
    lines: SyncSender<Vec<u8>>,
    lost: Arc<AtomicU64>,
}

/// Keeps the thread; dropped, it gives the thread a moment to write what is left.
#[derive(Debug)]
pub(crate) struct Flush {
    end: SyncSender<Vec<u8>>,
    /// Disconnected once the thread has written everything.
    ended: Receiver<()>,
}

/// Starts the thread.
pub(crate) fn start() -> io::Result<(Lossy, Flush)> {
    let (lines, waiting) = sync_channel(WAITING);
    let lost = Arc::<AtomicU64>::default();
    let writer = Lossy { lines: lines.clone(), lost: lost.clone() };
    let (ending, ended) = sync_channel(0);
    std::thread::Builder::new().name("logs".into()).spawn(move || {
        write(&waiting, &lost);
        drop(ending);
    })?;
    Ok((writer, Flush { end: lines, ended }))
}

/// Writes until it is sent an empty line.
fn write(lines: &Receiver<Vec<u8>>, lost: &AtomicU64) {
    for line in lines {
        if line.is_empty() {
            return;
        }
        // Standard error may be closed, full or a broken pipe.
        let _ = stderr().write_all(&line);
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(stderr(), "({lost} lines of log were dropped: they were read too slowly)");
        }
    }
}

impl Write for Lossy {
    /// One event is one call.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        if !event.is_empty() && self.lines.try_send(event.to_vec()).is_err() {
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
        if self.end.try_send(Vec::new()).is_ok() {
            let _ = self.ended.recv_timeout(LAST_LINES);
        }
    }
}
