//! The way out of the worker: everything that goes over the jobs connection, in order. A saved job that is run
//! again has a person at its end.
//!
//! Also keeps progress from flooding it: of many reports, the latest counts.

use crate::frames::FrameWriter;
use crate::os::Socket;
use crate::transcript::Transcript;
use procpool_protocol::frame::Frame;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Progress reports of one job that are sent at once before the pace applies: enough for a job with
/// a few stages, whose every report is worth seeing.
const BURST: u32 = 10;

/// After that, the time between two progress reports of a job; no person or gauge reads faster.
const PACE: Duration = Duration::from_millis(10);

/// Who is told.
#[derive(Debug)]
pub(crate) enum Listener {
    Coordinator(FrameWriter<Socket>),
    Person(Transcript),
}

/// The jobs connection's writing side, shared by the job's context and the loop around it.
#[derive(Debug)]
pub(crate) struct Outlet(Mutex<State>);

#[derive(Debug)]
struct State {
    listener: Listener,
    pace: Pace,
    /// The latest progress report that was not sent.
    pending: Option<Frame>,
}

impl Outlet {
    pub(crate) fn new(listener: impl Into<Listener>) -> Self {
        Self(Mutex::new(State { listener: listener.into(), pace: Pace::new(), pending: None }))
    }

    /// Forgets the pace of the job before.
    pub(crate) fn begin_job(&self) {
        let mut state = self.lock();
        state.pace = Pace::new();
        state.pending = None;
    }

    /// Sends a progress report, or keeps it to be sent later in place of any before it.
    pub(crate) fn progress(&self, report: Frame) -> io::Result<()> {
        let mut state = self.lock();
        if state.pace.allows(Instant::now()) {
            state.pending = None;
            return state.listener.send(&report);
        }
        state.pending = Some(report);
        Ok(())
    }

    /// Sends a frame, and before it the latest progress report if that was kept.
    pub(crate) fn send(&self, frame: &Frame) -> io::Result<()> {
        let mut state = self.lock();
        if let Some(report) = state.pending.take() {
            state.listener.queue(&report)?;
        }
        state.listener.send(frame)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code of the user's runs under this lock, so no panic leaves a frame torn.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Tells now.
    fn send(&mut self, frame: &Frame) -> io::Result<()> {
        match self {
            Self::Coordinator(writer) => writer.send(frame),
            Self::Person(transcript) => transcript.tell(frame),
        }
    }

    /// Tells together with what is sent next.
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

/// How many progress reports may be sent: a bucket of [`BURST`] that gains one each [`PACE`].
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
