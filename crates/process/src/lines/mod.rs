//! [`LastLines`]: the last lines of a living worker's standard output and error, each with its time and its job, for
//! those that read or follow them. Costs a worker that writes nothing nothing.

mod ring;

use procpool_protocol::JobId;
use procpool_protocol::engine::BoxFuture;
use procpool_protocol::worker_output::{OutputPage, OutputStream, WorkerOutput};
use ring::LineRing;
use std::fmt;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::SystemTime;
use tokio::sync::Notify;

/// Returns the job to which a worker gave this number.
pub type JobOf = Box<dyn Fn(u64) -> Option<JobId> + Send + Sync>;

/// See the module.
#[derive(Default)]
pub struct LastLines {
    ring: Mutex<LineRing>,
    changed: Notify,
    job_of: OnceLock<JobOf>,
}

impl LastLines {
    /// Sets who knows the worker's jobs by their numbers. It is asked when the worker writes a line, and takes no lock
    /// that is held while this is read. Only the first call has an effect.
    pub fn names_jobs(&self, job_of: JobOf) {
        let _ = self.job_of.set(job_of);
    }

    /// Adds a line that was written while the job of this number ran, if one did.
    pub(crate) fn push(&self, stream: OutputStream, job: Option<u64>, text: &str) {
        let known = job.and_then(|number| self.lock().job(number));
        let found = || self.job_of.get().and_then(|job_of| job_of(job?));
        let id = known.or_else(found);
        let dropped = self.lock().push(SystemTime::now(), stream, job.zip(id), text);
        drop(dropped);
        self.changed.notify_waiters();
    }

    /// Notes that no line follows.
    pub(crate) fn end(&self) {
        self.lock().end();
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, LineRing> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WorkerOutput for LastLines {
    fn read(&self, seen: u64) -> OutputPage {
        self.lock().page(seen)
    }

    fn changed(&self, seen: u64) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before the look, so that nothing is missed between that and the wait.
            changed.as_mut().enable();
            if !self.lock().has_news(seen) {
                changed.await;
            }
        })
    }
}

impl fmt::Debug for LastLines {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("LastLines").field("ring", &*self.lock()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    #[test]
    fn a_job_is_asked_for_once_and_only_when_something_is_written() {
        let (lines, asked) = (LastLines::default(), Arc::new(AtomicU32::new(0)));
        let count = asked.clone();
        lines.names_jobs(Box::new(move |number| {
            count.fetch_add(1, Relaxed);
            Some(JobId::from_bits(number.into()))
        }));
        for _ in 0..3 {
            lines.push(OutputStream::Stderr, Some(7), "x");
        }
        lines.push(OutputStream::Stdout, None, "y");
        lines.push(OutputStream::Stderr, Some(8), "z");
        let jobs: Vec<_> = lines.read(0).lines.iter().map(|line| line.job).collect();
        let [seven, eight] = [7, 8].map(|bits| Some(JobId::from_bits(bits)));
        assert_eq!((jobs, asked.load(Relaxed)), (vec![seven, seven, seven, None, eight], 2));
    }

    #[tokio::test]
    async fn a_reader_hears_of_each_line_and_of_the_end() {
        let lines = Arc::new(LastLines::default());
        let theirs = lines.clone();
        let reader = tokio::spawn(async move {
            let (mut seen, mut heard) = (0, Vec::new());
            loop {
                theirs.changed(seen).await;
                let page = theirs.read(seen);
                seen = page.seen;
                heard.extend(page.lines.iter().map(|line| line.text.clone()));
                if page.is_over {
                    return heard;
                }
            }
        });
        for text in ["one", "two", "three"] {
            lines.push(OutputStream::Stderr, None, text);
            tokio::task::yield_now().await;
        }
        lines.end();
        assert_eq!(reader.await.unwrap(), ["one", "two", "three"]);
        lines.changed(3).await;
    }
}
