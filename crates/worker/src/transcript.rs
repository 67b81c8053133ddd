//! The output of a replayed job, for a person: the job's output on standard output, all else on standard
//! error.
//!
//! Receives the same frames as a coordinator.

use procpool_protocol::codec::CodecError;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::log::LogRecord;
use procpool_protocol::message::{Done, Progress, Status};
use procpool_protocol::printable::{printable, printable_json};
use procpool_protocol::{Encoding, Payload};
use std::fmt;
use std::io::{self, Write};
use std::time::Duration;

/// Both streams.
pub(crate) struct Transcript {
    notes: Box<dyn Write + Send>,
    output: Box<dyn Write + Send>,
}

impl Transcript {
    /// Returns a transcript on the process's own streams.
    pub(crate) fn standard() -> Self {
        Self::new(io::stderr(), io::stdout())
    }

    pub(crate) fn new(notes: impl Write + Send + 'static, output: impl Write + Send + 'static) -> Self {
        Self { notes: Box::new(notes), output: Box::new(output) }
    }

    /// Writes one line of notes.
    pub(crate) fn note(&mut self, line: &str) {
        // The texts come from a file, and must not control the terminal.
        let line = printable(line);
        // Standard error may be closed; the exit code still reports the end.
        let _ = writeln!(self.notes, "procpool-worker: {line}");
    }

    /// Writes the content of a frame. The error is that of standard output.
    pub(crate) fn tell(&mut self, frame: &Frame) -> io::Result<()> {
        match frame.kind {
            Kind::Progress => self.note_message(Progress::from_frame(frame), progress),
            Kind::Chunk => self.note(&format!("chunk: {}", described(&frame.payload))),
            Kind::Done => {
                self.put(&frame.payload)?;
                self.note_message(Done::from_frame(frame), |done| ending(done, &frame.payload));
            }
            Kind::Log => self.note_message(LogRecord::from_frame(frame), |it| {
                format!("{}: {}", it.level.name(), it.message)
            }),
            kind => self.note(&format!("{kind:?}")),
        }
        Ok(())
    }

    fn note_message<T>(&mut self, message: Result<T, CodecError>, text: impl FnOnce(&T) -> String) {
        match message {
            Ok(message) => self.note(&text(&message)),
            Err(error) => self.note(&error.to_string()),
        }
    }

    /// Writes an output that is text or raw bytes, but not bincode, which a person cannot read.
    fn put(&mut self, output: &Payload) -> io::Result<()> {
        match output.encoding {
            Encoding::Json => {
                writeln!(self.output, "{}", printable_json(&String::from_utf8_lossy(&output.bytes)))?;
            }
            Encoding::Bytes => self.output.write_all(&output.bytes)?,
            _ => {}
        }
        self.output.flush()
    }
}

fn progress(progress: &Progress) -> String {
    match progress.total {
        Some(total) => format!("progress: {} of {total}", progress.done),
        None => format!("progress: {}", progress.done),
    }
}

fn ending(done: &Done, output: &Payload) -> String {
    let run = Duration::from_nanos(done.run_nanos);
    match &done.status {
        Status::Ok if output.encoding == Encoding::Bincode => {
            format!("the job ended well after {run:.1?}; its output: {}", described(output))
        }
        Status::Ok => format!("the job ended well after {run:.1?}"),
        Status::BadInput { message } => format!("bad input: {message}"),
        Status::Failed(failure) => format!("the job failed ({}): {failure}", failure.code()),
        Status::Broke(failure) => format!("the job broke ({}): {failure}", failure.code()),
        Status::Panicked { message, location: Some(location) } => {
            format!("the job panicked at {location}: {message}")
        }
        Status::Panicked { message, location: None } => format!("the job panicked: {message}"),
        Status::Cancelled => "the job ended itself as cancelled".into(),
        Status::TooLarge { size, limit } => format!("the output has {size} bytes; the limit is {limit}"),
    }
}

fn described(payload: &Payload) -> String {
    let length = payload.bytes.len();
    match payload.encoding {
        Encoding::Json => String::from_utf8_lossy(&payload.bytes).into_owned(),
        Encoding::Bytes => format!("{length} raw bytes"),
        _ => format!("{length} bytes of {}", payload.encoding.name()),
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Transcript").finish_non_exhaustive()
    }
}
