//! The outgoing side of the worker: all output of the jobs connection, in order. In a replay of a saved job,
//! a person reads it.
//!
//! Also limits the rate of progress reports: of many reports, the latest counts. If a page protects the
//! answers of small jobs, it sends them together.

use crate::frames::FrameWriter;
use crate::os::Socket;
use crate::page::Page;
use crate::transcript::Transcript;
use procpool_protocol::frame::Frame;
use procpool_protocol::log::{LogLevel, LogRecord};
use procpool_protocol::page::RING_LEN;
use std::fmt::Display;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Number of progress reports of one job that are sent at once before the pace applies. It is enough for a
/// job with a few stages, each of whose reports matters.
const BURST: u32 = 10;

/// Afterwards, the minimum time between two progress reports of a job. No person or gauge reads faster.
const PACE: Duration = Duration::from_millis(10);

/// Maximum time that an answer waits to be sent together with others. It is unknown in advance whether the
/// following job takes longer. If it does, the coordinator asks.
const LINGER: Duration = Duration::from_micros(200);

/// The receiver of the frames.
#[derive(Debug)]
pub(crate) enum Listener {
    Coordinator(FrameWriter<Socket>),
    Person(Transcript),
}

/// The jobs connection's writing side, shared by the job's context, the loop around it, and the guard.
#[derive(Debug)]
pub(crate) struct Outlet {
    state: Mutex<State>,
    /// Whether the guard wants the waiting frames sent, and could not send them itself.
    is_asked: AtomicBool,
}

#[derive(Debug)]
struct State {
    listener: Listener,
    pace: Pace,
    /// The latest progress report that was not sent.
    pending: Option<Frame>,
    page: Option<Kept>,
}

/// A page in use.
#[derive(Debug)]
struct Kept {
    page: Arc<Page>,
    /// Number of bytes that were sent before the first counted one.
    base: u64,
    /// When the first of the waiting answers was queued.
    since: Option<Instant>,
}

impl Outlet {
    pub(crate) fn new(listener: impl Into<Listener>) -> Self {
        let state = State { listener: listener.into(), pace: Pace::new(), pending: None, page: None };
        Self { state: Mutex::new(state), is_asked: AtomicBool::new(false) }
    }

    /// Counts the sent bytes from now on, and stores answers in the page until they are sent.
    pub(crate) fn keep(&self, page: Arc<Page>) {
        let mut state = self.lock();
        if let Listener::Coordinator(writer) = &state.listener {
            let base = writer.total();
            state.page = Some(Kept { page, base, since: None });
        }
    }

    /// Prints a line for a person beside the frames. Does nothing for a coordinator.
    pub(crate) fn note(&self, line: &str) {
        if let Listener::Person(transcript) = &mut self.lock().listener {
            transcript.note(line);
        }
    }

    /// Begins a job. Resets the pace of the previous one.
    pub(crate) fn begin_job(&self) {
        self.with(|state| {
            state.pace = Pace::new();
            state.pending = None;
        });
    }

    /// Sends a job's last frame, at the latest with the next [`flush`](Self::flush).
    pub(crate) fn answer(&self, frame: &Frame) -> io::Result<()> {
        self.with(|state| state.answer(frame))
    }

    /// Sends the waiting answers.
    pub(crate) fn flush(&self) -> io::Result<()> {
        self.lock().flush()
    }

    /// Sends the waiting answers for the guard, which must not block. If another thread is sending, that
    /// thread sends them when it is done.
    pub(crate) fn flush_soon(&self) -> io::Result<()> {
        self.is_asked.store(true, Ordering::SeqCst);
        self.heed()
    }

    /// Sends a progress report, or stores it to be sent later instead of earlier ones.
    pub(crate) fn progress(&self, report: Frame) -> io::Result<()> {
        self.with(|state| {
            if state.pace.allows(Instant::now()) {
                state.pending = None;
                return state.send(&report);
            }
            state.pending = Some(report);
            Ok(())
        })
    }

    /// Sends a log record about a job, or about none.
    pub(crate) fn log(&self, level: LogLevel, message: &dyn Display, job: u64) {
        // Formatted before the lock is taken, because this calls the user's code.
        let record = LogRecord { level, message: message.to_string(), target: None };
        if let Ok(frame) = record.into_frame(job) {
            // If the connection is broken, the job's last frame reports it.
            let _ = self.send(&frame);
        }
    }

    /// Sends a frame, and before it the stored progress report, if any.
    pub(crate) fn send(&self, frame: &Frame) -> io::Result<()> {
        self.lock().send(frame)
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let done = work(&mut self.lock());
        // A broken connection is reported with the next frame.
        let _ = self.heed();
        done
    }

    /// Sends the waiting frames if the guard has asked for it and no other thread is sending. Such a thread
    /// calls this afterwards.
    fn heed(&self) -> io::Result<()> {
        while self.is_asked.load(Ordering::SeqCst) {
            let Ok(mut state) = self.state.try_lock() else { return Ok(()) };
            self.is_asked.store(false, Ordering::SeqCst);
            state.flush()?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The user's code does not run under this lock, so no panic leaves a frame incomplete.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answer(&mut self, frame: &Frame) -> io::Result<()> {
        let Self { listener: Listener::Coordinator(writer), page: Some(kept), pending: None, .. } = self
        else {
            return self.send(frame);
        };
        let length = frame.wire_len() as u64;
        if length > RING_LEN / 2 {
            return self.send(frame);
        }
        if writer.queued() as u64 + length > RING_LEN {
            writer.flush()?;
        }
        let from = writer.total() - kept.base;
        kept.page.put(from, writer.queue(frame));
        kept.page.has_ended(from + length);
        if kept.since.get_or_insert_with(Instant::now).elapsed() > LINGER {
            return self.flush();
        }
        Ok(())
    }

    fn send(&mut self, frame: &Frame) -> io::Result<()> {
        if let Some(report) = self.pending.take() {
            self.listener.queue(&report)?;
        }
        self.listener.send(frame)?;
        self.count();
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Listener::Coordinator(writer) = &mut self.listener {
            writer.flush()?;
        }
        self.count();
        Ok(())
    }

    /// Records that no answers wait.
    fn count(&mut self) {
        if let (Listener::Coordinator(writer), Some(kept)) = (&self.listener, &mut self.page) {
            kept.page.has_ended(writer.total() - kept.base);
            kept.since = None;
        }
    }
}

impl Listener {
    /// Sends the frame now.
    fn send(&mut self, frame: &Frame) -> io::Result<()> {
        match self {
            Self::Coordinator(writer) => writer.send(frame),
            Self::Person(transcript) => transcript.tell(frame),
        }
    }

    /// Queues the frame, to be sent together with the next one.
    fn queue(&mut self, frame: &Frame) -> io::Result<()> {
        match self {
            Self::Coordinator(writer) => {
                writer.queue(frame);
                Ok(())
            }
            Self::Person(transcript) => transcript.tell(frame),
        }
    }
}

impl From<FrameWriter<Socket>> for Listener {
    fn from(writer: FrameWriter<Socket>) -> Self {
        Self::Coordinator(writer)
    }
}

impl From<Transcript> for Listener {
    fn from(transcript: Transcript) -> Self {
        Self::Person(transcript)
    }
}

/// The number of progress reports that may be sent: a bucket of [`BURST`] that gains one every [`PACE`].
#[derive(Debug)]
struct Pace {
    left: u32,
    since: Option<Instant>,
}

impl Pace {
    fn new() -> Self {
        Self { left: BURST, since: None }
    }

    fn allows(&mut self, now: Instant) -> bool {
        let since = *self.since.get_or_insert(now);
        let gained = now.saturating_duration_since(since).as_nanos() / PACE.as_nanos();
        if gained > 0 {
            self.left = u32::try_from(gained).unwrap_or(BURST).saturating_add(self.left).min(BURST);
            self.since = Some(now);
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tight_loop_is_held_to_the_pace() {
        let (mut pace, start) = (Pace::new(), Instant::now());
        let sent =
            (0..1_000_000).filter(|&micros| pace.allows(start + Duration::from_micros(micros))).count();
        assert_eq!(sent, 10 + 99);
    }

    #[test]
    fn after_a_rest_there_is_a_burst_again_but_no_more() {
        let (mut pace, start) = (Pace::new(), Instant::now());
        let burst = |pace: &mut Pace, now| (0..100).filter(|_| pace.allows(now)).count();
        assert_eq!(burst(&mut pace, start), 10);
        assert_eq!(burst(&mut pace, start + 2 * PACE), 2);
        assert_eq!(burst(&mut pace, start + Duration::from_secs(3600 * 24 * 365)), 10);
    }
}
