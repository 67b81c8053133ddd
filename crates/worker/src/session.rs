//! A worker's session with its coordinator: connected at its spawn or attached, then welcomed, guarded,
//! ready.
//!
//! Knows the order of these steps. Does not: know jobs; the loops use [`Session`].

use crate::crash;
use crate::ending::{Ending, WorkerError, complain};
use crate::frames::FrameReader;
use crate::guard::{Guard, Lost};
use crate::handshake::{Admitted, Line, Opening};
use crate::identity::Identity;
use crate::os::Socket;
use crate::outlet::Outlet;
use crate::page::Page;
use crate::panics::{self, PanicReport};
use crate::startup::Startup;
use crate::workbench::Workbench;
use procpool_protocol::Failure;
use procpool_protocol::birth::{INPUT_FD, OUTPUT_FD, PAGE_FD};
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::Mode;
use procpool_protocol::message::failure_frame;
use std::sync::Arc;

/// A worker with a guard.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) mode: Mode,
    pub(crate) reader: FrameReader<Socket>,
    pub(crate) bench: Workbench,
    /// `Some` until the worker is ready.
    page: Option<Page>,
}

impl Session {
    /// Prepares the introduction of the worker and starts the guard. `on_lost` ends the worker. Its first
    /// argument says whether the coordinator created the worker's process group.
    pub(crate) fn open(
        identity: &Identity,
        opening: Opening,
        on_lost: impl FnOnce(bool, Lost) + Send + 'static,
    ) -> Result<Self, WorkerError> {
        let Admitted { mode, owned, startup, page, arenas, jobs, control } = opening.answer(identity)?;
        let Line { reader, writer } = jobs;
        let jobs = reader.source().clone();
        let bench = Workbench::new(startup, Outlet::new(writer), Arc::default());
        let guard = Guard { identity: identity.clone(), control, bench: bench.clone(), jobs };
        guard.start(move |lost| on_lost(owned, lost))?;
        Ok(Self { mode, reader, bench, page: take_page(page, arenas) })
    }

    /// Sends the introduction now, because the next step may take long. Otherwise the introduction is sent
    /// together with that step.
    pub(crate) fn introduce(&self) -> Result<(), WorkerError> {
        self.flush()
    }

    /// Creates the state that lasts from here to the end, then reports that the worker accepts jobs. Reports
    /// a failure to the coordinator.
    pub(crate) fn begin<S>(
        &mut self,
        init: impl FnOnce(&Startup) -> Result<S, Failure>,
    ) -> Result<Result<S, Ending>, WorkerError> {
        let (failure, ending) = match panics::caught(|| init(&self.bench.startup)) {
            Ok(Ok(state)) => {
                self.send(&Frame::new(Kind::Ready, 0, ""))?;
                if let Some(page) = self.page.take().map(Arc::new) {
                    self.bench.board.keep(page.clone());
                    self.bench.outlet.keep(page);
                }
                return Ok(Ok(state));
            }
            Ok(Err(failure)) => (failure, Ending::Failed),
            Err(report) => (panicked(&report), Ending::Panicked),
        };
        complain(&format!("failed to initialise: {failure}"));
        self.send(&failure_frame(Kind::StartFailed, &failure).map_err(WorkerError::Send)?)?;
        Ok(Err(ending))
    }

    /// Sends a frame after the pending ones.
    pub(crate) fn send(&self, frame: &Frame) -> Result<(), WorkerError> {
        self.bench.outlet.send(frame).map_err(|_| WorkerError::Orphaned)
    }

    /// Sends a job's last frame, at the latest before waiting for the next frame.
    pub(crate) fn answer(&self, frame: &Frame) -> Result<(), WorkerError> {
        self.bench.outlet.answer(frame).map_err(|_| WorkerError::Orphaned)
    }

    /// Sends the waiting answers.
    pub(crate) fn flush(&self) -> Result<(), WorkerError> {
        self.bench.outlet.flush().map_err(|_| WorkerError::Orphaned)
    }

    /// Notifies the coordinator that a free message's handler failed.
    pub(crate) fn message_failed(&self, sequence: u64, failure: &Failure) -> Result<(), WorkerError> {
        let mut frame = failure_frame(Kind::MessageFailed, failure).map_err(WorkerError::Send)?;
        frame.sequence = sequence;
        self.send(&frame)
    }
}

/// Maps the page that the worker inherited. Closes the arenas that it inherited in case it could not receive
/// any. Without the page the coordinator sends one job at a time.
fn take_page(page: bool, arenas: bool) -> Option<Page> {
    if arenas {
        drop([INPUT_FD, OUTPUT_FD].map(procpool_birth::take));
    }
    // With arenas, this number is in use in any case.
    let born = if page || arenas { procpool_birth::take(PAGE_FD) } else { None };
    let page = born.filter(|_| page)?;
    let kept = Page::from_fd(&page).ok()?;
    crash::record_in(page);
    Some(kept)
}

/// Returns a panic as a failure, for frames that cannot report a panic.
pub(crate) fn panicked(report: &PanicReport) -> Failure {
    Failure::new(report.to_string()).with_code("panicked")
}
