//! A failed job, saved as a file: the bytes that its worker received, after one frame that describes them.
//!
//! Knows the format, which `WIRE.md` describes. Does not: open files; the caller opens a file and passes it
//! in. A file may have any origin, so it is decoded like a peer's bytes.

use crate::codec::CodecError;
use crate::decoder::{Decoder, FrameError};
use crate::frame::{Frame, Kind};
use crate::handshake::Welcome;
use crate::job_id::JobId;
use crate::message::{self, json_frame, json_of};
use crate::payload::Payload;
use crate::preamble::{Preamble, VERSIONS};
use bytes::BytesMut;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Read, Write};

/// The format of a file with one job.
pub const FORMAT: u32 = 1;

/// The format of a file that starts with earlier jobs of the same worker.
pub const FORMAT_WITH_HISTORY: u32 = 2;

/// Maximum number of jobs before the failed one.
pub const MAX_HISTORY: usize = 1000;

/// Number of bytes that one read of a file takes.
const READ: usize = 64 * 1024;

/// The description of a saved job and of how its worker was started: the header of [`Kind::Recording`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// [`FORMAT`] or [`FORMAT_WITH_HISTORY`].
    pub format: u32,
    /// The pool that ran it.
    pub pool: String,
    /// The job's name, as in `Hello`.
    pub job: String,
    /// Version of the job's contract, as in `Hello`.
    pub contract: u32,
    /// Version of the worker executable's own package, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The worker executable, an absolute path.
    pub executable: String,
    /// The arguments with which the pool starts it.
    pub args: Vec<String>,
    /// The directory in which it was started, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_dir: Option<String>,
    /// The pool's own environment variables. The variables that its workers inherit are not saved.
    pub env: BTreeMap<String, String>,
    /// The job's public id.
    pub id: JobId,
    /// The number of the saved attempt, from 1.
    pub attempt: u32,
    /// The outcome's name, such as `crashed`.
    pub outcome: String,
    /// A sentence about the outcome.
    pub summary: String,
    /// Number of jobs that its worker had received before it, if known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs_before: Option<u64>,
    /// The limits of its worker.
    #[serde(default, skip_serializing_if = "SavedLimits::is_none")]
    pub limits: SavedLimits,
}

/// Limits of a worker that a process can set for itself, by the keys of the configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SavedLimits {
    /// Maximum address space, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_space_limit: Option<u64>,
    /// Maximum processor time of a job, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_limit: Option<u64>,
    /// Maximum number of open descriptors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files_limit: Option<u64>,
    /// Maximum size of a file that it writes, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_size_limit: Option<u64>,
}

impl SavedLimits {
    /// Returns whether there is no limit.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A whole recording: the bytes that the worker received on its jobs connection, and their description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedJob {
    /// The description.
    pub recording: Recording,
    /// The `Welcome` of the worker.
    pub welcome: Welcome,
    /// The worker data that was sent with the welcome.
    pub worker_data: Payload,
    /// Earlier jobs of the worker, oldest first. These are the last ones, because there may have been others.
    /// Empty in a file of [`FORMAT`].
    pub history: Vec<Frame>,
    /// The frame of the job, with its input as the payload.
    pub job: Frame,
}

/// A recording cannot be read or written. Each sentence continues “failed to read the saved job FILE: ”.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The system's error.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file contains something else.
    #[error("it is not a job that procpool has saved")]
    NotARecording,
    /// A newer procpool wrote the file.
    #[error(
        "it has format {found}, and this procpool reads up to format {FORMAT_WITH_HISTORY}; use the one that has \
         written it"
    )]
    #[non_exhaustive]
    Format {
        /// The file's format.
        found: u32,
    },
    /// Its frames have another version of the wire.
    #[error(
        "it was saved over version {saved} of the wire, and this procpool reads version {}; use the procpool \
         that has saved it",
        VERSIONS.end()
    )]
    #[non_exhaustive]
    Version {
        /// The file's version.
        saved: u16,
    },
    /// The file ends too early.
    #[error("it is cut short")]
    CutShort,
    /// Its bytes are not frames.
    #[error("it is damaged: {0}")]
    Frame(FrameError),
    /// A frame does not have the expected content.
    #[error("it is damaged: {0}")]
    Message(CodecError),
    /// A frame of another kind than expected.
    #[error("it is damaged: it has {found:?} where {expected:?} should be")]
    #[non_exhaustive]
    Unexpected {
        /// The actual kind.
        found: Kind,
        /// The expected kind.
        expected: Kind,
    },
    /// The file contains more than one job.
    #[error("it is damaged: something follows after the job")]
    Trailing,
    /// The file contains more jobs than a pool saves.
    #[error("it has more than {MAX_HISTORY} jobs in front of the one that went wrong")]
    TooManyJobs,
}

impl From<FrameError> for RecordingError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<CodecError> for RecordingError {
    fn from(error: CodecError) -> Self {
        Self::Message(error)
    }
}

impl SavedJob {
    /// Writes the recording, without copying the payloads.
    ///
    /// # Errors
    /// When the sink fails, or the description is larger than the maximum header
    /// ([`MAX_JSON`](crate::limits::MAX_JSON)).
    pub fn write(&self, sink: &mut impl Write) -> Result<(), RecordingError> {
        let recording = json_frame(Kind::Recording, &self.recording)?;
        let welcome = json_frame(Kind::Welcome, &self.welcome)?.with_payload(self.worker_data.clone());
        let mut head = BytesMut::from(&Preamble::ours().to_bytes()[..]);
        for frame in [&recording, &welcome].into_iter().chain(&self.history).chain([&self.job]) {
            frame.put_head(&mut head);
            sink.write_all(&head)?;
            sink.write_all(&frame.payload.bytes)?;
            head.clear();
        }
        Ok(())
    }

    /// Reads a recording to its end. Memory grows with the bytes of the source, never with announced lengths.
    ///
    /// # Errors
    /// When the source fails, or is not exactly one whole recording.
    pub fn read(source: impl Read) -> Result<Self, RecordingError> {
        let mut frames = Frames::new(source);
        frames.preamble()?;
        let recording = frames.recording()?;
        let frame = frames.next(Kind::Welcome)?;
        let welcome: Welcome = json_of(&frame)?;
        frames.decoder.set_max_payload(welcome.max_payload);
        let (mut job, mut history) = (frames.job()?, Vec::new());
        while !frames.is_over()? {
            match (recording.format, history.len()) {
                (FORMAT, _) => return Err(RecordingError::Trailing),
                (_, MAX_HISTORY..) => return Err(RecordingError::TooManyJobs),
                _ => history.push(std::mem::replace(&mut job, frames.job()?)),
            }
        }
        Ok(Self { recording, welcome, worker_data: frame.payload, history, job })
    }
}

/// The frames of a file.
struct Frames<R> {
    source: R,
    decoder: Decoder,
    landing: Box<[u8]>,
}

impl<R: Read> Frames<R> {
    fn new(source: R) -> Self {
        // The welcome contains the limit, as for a worker.
        let decoder = Decoder::with_max_payload(u32::MAX);
        Self { source, decoder, landing: vec![0; READ].into_boxed_slice() }
    }

    fn preamble(&mut self) -> Result<(), RecordingError> {
        loop {
            match self.decoder.poll_preamble() {
                Ok(Some(preamble)) => {
                    let saved = preamble.highest;
                    return Preamble::agree(preamble)
                        .map(drop)
                        .map_err(|_| RecordingError::Version { saved });
                }
                Ok(None) if self.fill()? => {}
                Ok(None) | Err(_) => return Err(RecordingError::NotARecording),
            }
        }
    }

    fn recording(&mut self) -> Result<Recording, RecordingError> {
        /// The fields that every later format shares with this one.
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let frame = self.next(Kind::Recording)?;
        match json_of::<Head>(&frame)?.format {
            FORMAT | FORMAT_WITH_HISTORY => Ok(json_of(&frame)?),
            found => Err(RecordingError::Format { found }),
        }
    }

    fn next(&mut self, expected: Kind) -> Result<Frame, RecordingError> {
        loop {
            match self.decoder.poll_frame()? {
                Some(frame) if frame.kind == expected => return Ok(frame),
                Some(Frame { kind: found, .. }) => {
                    return Err(RecordingError::Unexpected { found, expected });
                }
                None if self.fill()? => {}
                None => return Err(RecordingError::CutShort),
            }
        }
    }

    fn job(&mut self) -> Result<Frame, RecordingError> {
        let job = self.next(Kind::Job)?;
        message::Job::checked(&job)?;
        Ok(job)
    }

    fn is_over(&mut self) -> Result<bool, RecordingError> {
        Ok(self.decoder.buffered() == 0 && !self.fill()?)
    }

    /// Reads once. Returns `false` at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        loop {
            match self.source.read(&mut self.landing) {
                Ok(length) => {
                    self.decoder.feed(&self.landing[..length]);
                    return Ok(length > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
