//! The guard: a thread that reads the control connection while the main thread runs jobs.
//!
//! Its main task is to notice the coordinator's death. The end of file on this connection ends the worker at
//! once, even during a job that never returns.

use crate::ending::WorkerError;
use crate::frames::ReadError;
use crate::handshake::Line;
use crate::identity::Identity;
use crate::os::Socket;
use crate::workbench::Workbench;
use procpool_protocol::arena::{Share, Shared};
use procpool_protocol::codec::CodecError;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::Description;
use procpool_protocol::message::{Credit, json_frame, json_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

/// The guard's stack, in bytes. Reading frames needs little of it, but a job's `schema`, which may be
/// generated code, runs on it, too. Pages that are never touched use no memory.
const STACK: usize = 256 * 1024;

/// Everything that the guard watches and sends.
#[derive(Debug)]
pub(crate) struct Guard {
    pub(crate) identity: Identity,
    pub(crate) control: Line,
    pub(crate) bench: Workbench,
    /// The jobs connection, which a shutdown closes for reading.
    pub(crate) jobs: Socket,
}

/// Why the guard stopped. A worker without a guard must not run.
#[derive(Debug)]
pub(crate) enum Lost {
    /// The coordinator is dead.
    Coordinator,
    /// The coordinator broke the protocol.
    Protocol(WorkerError),
}

impl Guard {
    /// Starts the thread. When the watch ends, `on_lost` runs on it and ends the worker.
    pub(crate) fn start(self, on_lost: impl FnOnce(Lost) + Send + 'static) -> Result<(), WorkerError> {
        let watch = move || {
            // The user's schema code runs in there. Its panic must not leave a worker without a guard.
            let end = catch_unwind(AssertUnwindSafe(|| self.watch()));
            on_lost(end.unwrap_or(Lost::Coordinator));
        };
        let thread = thread::Builder::new().name("guard".into()).stack_size(STACK);
        thread.spawn(watch).map(drop).map_err(WorkerError::Guard)
    }

    fn watch(mut self) -> Lost {
        loop {
            let heard = match self.control.reader.frame() {
                Ok(Some(frame)) => self.hear(&frame),
                Ok(None) | Err(ReadError::Io(_)) => return Lost::Coordinator,
                Err(error) => Err(error.into()),
            };
            match heard {
                Ok(()) => {}
                Err(WorkerError::Orphaned) => return Lost::Coordinator,
                Err(error) => return Lost::Protocol(error),
            }
        }
    }

    fn hear(&mut self, frame: &Frame) -> Result<(), WorkerError> {
        match frame.kind {
            Kind::Cancel => self.bench.board.cancel(frame.sequence),
            Kind::Credit => self.bench.board.add_credit(frame.sequence, Credit::from_frame(frame)?.chunks),
            Kind::Ping => self.say(&Frame::new(Kind::Pong, frame.sequence, ""))?,
            // The page says which jobs are withdrawn.
            Kind::Recall => self.bench.outlet.flush_soon().map_err(|_| WorkerError::Orphaned)?,
            Kind::Share => {
                let share: Share = json_of(frame)?;
                let attachments = frame.payload.attachments.as_slice();
                let accepted = self.bench.arenas.share(frame.sequence, &share, attachments);
                let answer = json_frame(Kind::Shared, &Shared { accepted }).map_err(WorkerError::Send)?;
                self.say(&Frame { sequence: frame.sequence, ..answer })?;
            }
            Kind::Describe => {
                let frame = description(self.identity.description()).map_err(WorkerError::Send)?;
                self.say(&frame)?;
            }
            // Jobs that have arrived are still run; afterwards their reader sees the end of file.
            Kind::Shutdown => {
                self.bench.board.shut_down();
                self.jobs.close_for_reading();
            }
            got => {
                return Err(WorkerError::Unexpected { got, expected: "a control frame" });
            }
        }
        Ok(())
    }

    fn say(&mut self, frame: &Frame) -> Result<(), WorkerError> {
        self.control.writer.send(frame).map_err(|_| WorkerError::Orphaned)
    }
}

/// Returns the description as a frame, without the schemas if they are too large to send.
pub(crate) fn description(full: Description) -> Result<Frame, CodecError> {
    match json_frame(Kind::Description, &full) {
        Err(CodecError::TooLarge { .. }) => {
            json_frame(Kind::Description, &Description { input: None, output: None, ..full })
        }
        other => other,
    }
}
