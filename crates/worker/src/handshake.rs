//! Preamble, Hello and Welcome on the jobs connection. Does not: open sockets, know jobs.

use crate::ending::WorkerError;
use crate::frames::{FrameReader, FrameWriter, ReadError};
use crate::identity::Identity;
use crate::os::Socket;
use crate::startup::Startup;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::{Mode, Refused, Welcome};
use procpool_protocol::limits::MAX_CONTROL_PAYLOAD;
use procpool_protocol::message::{failure_frame, json_of};
use procpool_protocol::preamble::Preamble;
use procpool_protocol::{Failure, Payload};
use std::io;
use std::time::Duration;

/// Maximum time without a message from the coordinator, which has a limit of its own for each step of a
/// launch.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Number of bytes that one read of the jobs connection takes. More would save calls for a large input, but a
/// socket seldom holds more, and an idle worker would hold the memory.
const JOBS_LANDING: usize = 64 * 1024;

/// Number of bytes that one read of the control connection takes: a hundred of its frames.
const CONTROL_LANDING: usize = 4 * 1024;

/// Both connections, and nothing else.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) jobs: Socket,
    pub(crate) control: Socket,
}

/// Both connections, and the coordinator's `Welcome`.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) welcome: Welcome,
    worker_data: Payload,
    jobs: Line,
    control: Line,
    /// Its preamble was sent already.
    has_preamble: bool,
}

/// Both connections of a worker that has introduced itself.
#[derive(Debug)]
pub(crate) struct Admitted {
    pub(crate) mode: Mode,
    /// Whether the coordinator created the worker's process group.
    pub(crate) owned: bool,
    pub(crate) startup: Startup,
    /// Whether the worker inherited a page, which it may use.
    pub(crate) page: bool,
    /// Whether the worker inherited arenas. It does not use them, because it can receive arenas later.
    pub(crate) arenas: bool,
    pub(crate) jobs: Line,
    pub(crate) control: Line,
}

/// Both directions of one connection.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) reader: FrameReader<Socket>,
    pub(crate) writer: FrameWriter<Socket>,
}

impl Opening {
    /// Reads the coordinator's first message, which does not depend on the worker's.
    pub(crate) fn read(sockets: Sockets) -> Result<Self, WorkerError> {
        sockets.jobs.bound_reads(Some(PATIENCE)).map_err(WorkerError::Handshake)?;
        Self::hear(sockets, false)
    }

    /// Reads the first message for a fork of a template, whose preamble has told the coordinator its process id.
    pub(crate) fn of_fork(sockets: Sockets) -> Result<Self, WorkerError> {
        sockets.jobs.bound_reads(Some(PATIENCE)).map_err(WorkerError::Handshake)?;
        Self::hear(sockets, true)
    }

    /// Reads the first message for a worker that has attached.
    pub(crate) fn of_attached(sockets: Sockets) -> Result<Self, WorkerError> {
        Self::hear(sockets, true)
    }

    fn hear(Sockets { jobs, control }: Sockets, has_preamble: bool) -> Result<Self, WorkerError> {
        // The welcome contains the limit and the worker data. Memory grows only with the bytes that arrive.
        let mut jobs = Line::new(jobs, u32::MAX, JOBS_LANDING);
        let control = Line::new(control, MAX_CONTROL_PAYLOAD, CONTROL_LANDING);
        let (welcome, worker_data) = jobs.await_welcome()?;
        jobs.reader.source().bound_reads(None).map_err(WorkerError::Handshake)?;
        jobs.reader.set_max_payload(welcome.max_payload);
        Ok(Self { welcome, worker_data, jobs, control, has_preamble })
    }

    /// Sends the coordinator the reason why the worker serves none of this executable's jobs.
    pub(crate) fn decline(self, failure: &Failure) {
        let mut writer = self.jobs.writer;
        if !self.has_preamble {
            writer.queue_preamble(Preamble::ours());
        }
        if let Ok(frame) = failure_frame(Kind::StartFailed, failure) {
            // An error means that the coordinator is dead and needs no answer.
            let _ = writer.send(&frame);
        }
    }

    /// Prepares the introduction of the worker, which is sent before its first frame.
    pub(crate) fn answer(self, identity: &Identity) -> Result<Admitted, WorkerError> {
        let Self { welcome, worker_data, mut jobs, control, has_preamble } = self;
        jobs.introduce(identity, has_preamble)?;
        if !identity.modes.contains(&welcome.mode) {
            // Also before giving up, so that the coordinator learns what it has started.
            jobs.writer.flush().map_err(|_| WorkerError::Orphaned)?;
            return Err(WorkerError::WrongMode { wanted: welcome.mode, offered: identity.modes });
        }
        let Welcome { mode, owned, worker, max_payload, page, arenas, .. } = welcome;
        let startup = Startup { worker, worker_data, max_payload };
        Ok(Admitted { mode, owned, startup, page, arenas, jobs, control })
    }
}

impl Line {
    fn new(socket: Socket, max_payload: u32, landing: usize) -> Self {
        Self {
            reader: FrameReader::new(socket.clone(), max_payload, landing),
            writer: FrameWriter::new(socket),
        }
    }

    /// Puts the introduction before the first frame.
    fn introduce(&mut self, identity: &Identity, has_preamble: bool) -> Result<(), WorkerError> {
        let hello = identity.hello().map_err(WorkerError::Send)?;
        if !has_preamble {
            self.writer.queue_preamble(Preamble::ours());
        }
        self.writer.queue(&hello);
        Ok(())
    }

    fn await_welcome(&mut self) -> Result<(Welcome, Payload), WorkerError> {
        let theirs = self.reader.preamble().map_err(silence)?.ok_or(WorkerError::HungUp)?;
        if let Err(error) = Preamble::agree(theirs) {
            // The coordinator learns from it that there is no common version.
            self.writer.queue_preamble(Preamble::ours());
            let _ = self.writer.flush();
            return Err(error.into());
        }
        let frame = self.reader.frame().map_err(silence)?.ok_or(WorkerError::HungUp)?;
        match frame.kind {
            Kind::Welcome => Ok((json_of(&frame)?, frame.payload)),
            _ => Err(unexpected(&frame, "Welcome or Refused")),
        }
    }
}

/// Returns the error for a frame that is not allowed here. A rejected worker receives it after its
/// introduction.
pub(crate) fn unexpected(frame: &Frame, expected: &'static str) -> WorkerError {
    match frame.kind {
        Kind::Refused => refused(frame).unwrap_or_else(|error| error),
        got => WorkerError::Unexpected { got, expected },
    }
}

fn refused(frame: &Frame) -> Result<WorkerError, WorkerError> {
    let Refused { reason, detail } = json_of(frame)?;
    Ok(WorkerError::Refused { reason, detail })
}

/// Returns the error of a failed read. During the handshake its cause matters, because the coordinator can
/// still be notified.
fn silence(error: ReadError) -> WorkerError {
    match error {
        ReadError::Io(error) => match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => WorkerError::Silence(PATIENCE),
            _ => WorkerError::Handshake(error),
        },
        other => other.into(),
    }
}
