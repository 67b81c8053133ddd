//! The output of a worker, of which a test decides each line.

use procpool_protocol::JobId;
use procpool_protocol::engine::{BoxFuture, OutputLine, OutputPage, OutputStream, WorkerOutput};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::Notify;

/// See the file.
#[derive(Default)]
pub(crate) struct Lines {
    held: Mutex<Held>,
    changed: Notify,
}

#[derive(Default)]
struct Held {
    /// Number of lines that are gone.
    gone: u64,
    lines: Vec<Arc<OutputLine>>,
    is_over: bool,
}

impl Lines {
    /// Adds a line. Each second one is of a job.
    pub(crate) fn write(&self, text: &str) {
        let mut held = self.held.lock().unwrap();
        let number = held.gone + held.lines.len() as u64 + 1;
        let job = number.is_multiple_of(2).then(|| JobId::from_bits(0xfeed));
        let time = UNIX_EPOCH + Duration::from_secs(number);
        held.lines.push(Arc::new(OutputLine::new(number, time, OutputStream::Stderr, job, text)));
        drop(held);
        self.changed.notify_waiters();
    }

    /// Drops all lines so far.
    pub(crate) fn forget(&self) {
        let mut held = self.held.lock().unwrap();
        held.gone += held.lines.len() as u64;
        held.lines.clear();
    }

    pub(crate) fn end(&self) {
        self.held.lock().unwrap().is_over = true;
        self.changed.notify_waiters();
    }
}

impl WorkerOutput for Lines {
    fn read(&self, seen: u64) -> OutputPage {
        let held = self.held.lock().unwrap();
        let rest = held.lines.iter().filter(|line| line.number > seen).cloned().collect();
        let last = held.gone + held.lines.len() as u64;
        OutputPage::new(rest, held.gone.saturating_sub(seen), held.is_over, last)
    }

    fn changed(&self, seen: u64) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let changed = self.changed.notified();
            let page = self.read(seen);
            if page.seen == seen && !page.is_over {
                changed.await;
            }
        })
    }
}
