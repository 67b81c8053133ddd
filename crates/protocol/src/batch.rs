//! Several inputs in one job, and all of their results in one answer. `Pool::map` sends them in
//! chunks.
//!
//! Both are the raw payloads of an ordinary job frame and of its `Done`. Therefore a batch is one job to all
//! code between the two ends.

use crate::codec::{self, CodecError};
use crate::limits::{MAX_HEADER, cut};
use crate::message::Status;
use crate::payload::{Encoding, Payload};
use bytes::{Buf as _, Bytes};

/// The head of each input: its length.
const INPUT_HEAD: usize = 4;

/// The head of each answer: the output's encoding, the lengths of status and output.
const ANSWER_HEAD: usize = 9;

/// The same as a `u32`, for lengths of the wire.
const HEAD: u32 = 9;
const _: () = assert!(HEAD as usize == ANSWER_HEAD);

/// Length of the answers at which a batch ends early, in bytes. Half of `max_payload` applies if that is
/// smaller.
const ENOUGH: u32 = 1 << 20;

/// Maximum length of one output in a batch, in bytes. It leaves room in a frame for the other answers.
pub const MAX_OUTPUT: u32 = u32::MAX - ENOUGH - MAX_HEADER - HEAD;

/// Returns the length of the answers at which a worker ends a batch early, in bytes: 1 MiB, or half of
/// `max_payload`. The coordinator sends the rest again.
pub fn enough(max_payload: u32) -> u32 {
    ENOUGH.min(max_payload / 2)
}

/// Returns the maximum length of a batch's answers, in bytes: [`enough`], and one more answer. The status and
/// output of that one may be as long as those of a single job.
pub fn max_answers(max_payload: u32) -> u32 {
    enough(max_payload) + HEAD + MAX_HEADER + max_payload.min(MAX_OUTPUT)
}

/// The bytes are not a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBatch {
    /// A length that exceeds the remaining bytes.
    #[error("a batch with {left} bytes left has an item of {length}")]
    #[non_exhaustive]
    Short {
        /// The announced number of bytes.
        length: u64,
        /// Number of remaining bytes.
        left: usize,
    },
    /// A status that does not exist.
    #[error("a batch with a status that is none: {0}")]
    Status(String),
    /// An encoding that does not exist.
    #[error("a batch with the encoding {0}, which is none")]
    Encoding(u8),
}

/// Consecutive inputs, each encoded as the payload of a job.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    bytes: Vec<u8>,
    count: usize,
}

impl Inputs {
    /// Adds one input. Inputs of more than 4 GiB, which no pool accepts, are cut.
    pub fn push(&mut self, input: &[u8]) {
        let length = u32::try_from(input.len()).unwrap_or(u32::MAX);
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(&input[..length as usize]);
        self.count += 1;
    }

    /// Returns the number of inputs.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the length of all inputs, in bytes.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }
}

impl From<Inputs> for Bytes {
    fn from(inputs: Inputs) -> Self {
        inputs.bytes.into()
    }
}

/// Returns the next input and removes it from `rest`, or returns `None` after the last.
///
/// # Errors
/// When fewer bytes remain than its length says.
pub fn next_input(rest: &mut Bytes) -> Option<Result<Bytes, InvalidBatch>> {
    let head: [u8; INPUT_HEAD] = match head(rest)? {
        Ok(head) => head,
        Err(error) => return Some(Err(error)),
    };
    Some(take(rest, u32::from_le_bytes(head)))
}

/// Checks that a batch consists of whole inputs.
///
/// # Errors
/// When they do not fill the bytes exactly.
pub fn check(inputs: &Bytes) -> Result<(), InvalidBatch> {
    let mut rest = inputs.clone();
    while let Some(input) = next_input(&mut rest) {
        input?;
    }
    Ok(())
}

/// Consecutive answers, each with the contents of a job's `Done`.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    bytes: Vec<u8>,
}

impl Answers {
    /// Adds one answer.
    ///
    /// # Errors
    /// When the status is larger than a header may be.
    pub fn push(&mut self, mut status: Status, output: &Payload) -> Result<(), CodecError> {
        if let Status::BadInput { message } = &mut status {
            *message = cut(std::mem::take(message));
        }
        let status = codec::encode_header(&status)?;
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        self.bytes.push(output.encoding as u8);
        self.bytes.extend_from_slice(&length(&status));
        self.bytes.extend_from_slice(&length(&output.bytes));
        self.bytes.extend_from_slice(&status);
        self.bytes.extend_from_slice(&output.bytes);
        Ok(())
    }

    /// Returns the length of all answers, in bytes.
    pub fn length(&self) -> usize {
        self.bytes.len()
    }
}

impl From<Answers> for Payload {
    fn from(answers: Answers) -> Self {
        match answers.bytes.is_empty() {
            true => Self::none(),
            false => Self::raw(answers.bytes),
        }
    }
}

/// Returns the next answer and removes it from `rest`, or returns `None` after the last.
///
/// # Errors
/// When the bytes are not an answer.
pub fn next_answer(rest: &mut Bytes) -> Option<Result<(Status, Payload), InvalidBatch>> {
    let head: [u8; ANSWER_HEAD] = match head(rest)? {
        Ok(head) => head,
        Err(error) => return Some(Err(error)),
    };
    let [encoding, a, b, c, d, e, f, g, h] = head;
    let answer = status(rest, u32::from_le_bytes([a, b, c, d])).and_then(|status| {
        let output = take(rest, u32::from_le_bytes([e, f, g, h]))?;
        let encoding = Encoding::from_wire(encoding).ok_or(InvalidBatch::Encoding(encoding))?;
        Ok((status, Payload::new(encoding, output)))
    });
    Some(answer)
}

fn status(rest: &mut Bytes, length: u32) -> Result<Status, InvalidBatch> {
    let short = || InvalidBatch::Short { length: length.into(), left: rest.len() };
    let status = rest.get(..length as usize).ok_or_else(short)?;
    let status = match status {
        // The usual status.
        [0] => Status::Ok,
        _ => codec::decode_header(status).map_err(|error| InvalidBatch::Status(error.to_string()))?,
    };
    rest.advance(length as usize);
    Ok(status)
}

fn head<const N: usize>(rest: &mut Bytes) -> Option<Result<[u8; N], InvalidBatch>> {
    if rest.is_empty() {
        return None;
    }
    let short = || InvalidBatch::Short { length: N as u64, left: rest.len() };
    let head = rest.first_chunk().copied().ok_or_else(short);
    Some(head.inspect(|_| rest.advance(N)))
}

fn take(rest: &mut Bytes, length: u32) -> Result<Bytes, InvalidBatch> {
    match usize::try_from(length).ok().filter(|&length| length <= rest.len()) {
        Some(length) => Ok(rest.split_to(length)),
        None => Err(InvalidBatch::Short { length: length.into(), left: rest.len() }),
    }
}
