//! [`Reference`]: where a payload is that is too large for a message, and how its chunks are told from others. Pure.
//!
//! A payload is cut into chunks, each a message with the digest of its bytes. The reference has the digest of these
//! digests. So a reader finds each chunk that is missing or has changed, and names it.

use crate::envelope::{self, HeadTooLarge};
use bytes::{Bytes, BytesMut};
use procpool_protocol::JobId;
use ring::digest::{Context, SHA256, digest};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Maximum size of an input or an output inside of a message, in bytes. A larger one is cut into chunks.
pub const MAX_INLINE: usize = 512 << 10;

/// Size of each chunk but the last, in bytes. Renewals of leases go over the same connection, and wait behind few of them.
const CHUNK: u32 = 256 << 10;

/// The place of a payload that is not in the message which refers to it. All of its chunks were stored before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// Distinguishes it from other writings for the same job.
    pub nonce: u64,
    /// Its size, in bytes.
    pub length: u64,
    /// The size of each chunk but the last, in bytes.
    pub chunk: u32,
    /// The SHA-256 of the digests of its chunks, in order, in hexadecimal digits.
    pub sha256: String,
}

/// A payload is not as it was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// The servers no longer have a chunk.
    #[error("chunk {nth} of {count} of the {what} of job {job} is missing on the servers")]
    #[non_exhaustive]
    Missing {
        /// The number of the chunk, from 1.
        nth: u32,
        /// Number of chunks.
        count: u32,
        /// `input` or `output`.
        what: &'static str,
        /// The job.
        job: JobId,
    },
    /// A chunk has other bytes than were written.
    #[error("chunk {nth} of {count} of the {what} of job {job} is not as it was written: {reason}")]
    #[non_exhaustive]
    Altered {
        /// The number of the chunk, from 1.
        nth: u32,
        /// Number of chunks.
        count: u32,
        /// `input` or `output`.
        what: &'static str,
        /// The job.
        job: JobId,
        /// The difference.
        reason: String,
    },
    /// Each chunk is whole, and together they are another payload.
    #[error("the {count} chunks of the {what} of job {job} are not those that were written together")]
    #[non_exhaustive]
    Mixed {
        /// Number of chunks.
        count: u32,
        /// `input` or `output`.
        what: &'static str,
        /// The job.
        job: JobId,
    },
}

/// The head of a chunk.
#[derive(Serialize, Deserialize)]
struct Head {
    /// Its number, from 0.
    nth: u32,
    /// The digest of its bytes.
    sha256: String,
}

/// A payload as its job and its messages name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of {
    pub(crate) job: JobId,
    /// `input` or `output`.
    pub(crate) what: &'static str,
}

impl Reference {
    /// Returns the reference to a payload, and its chunks.
    pub(crate) fn cut(nonce: u64, payload: &Bytes) -> (Self, Vec<Bytes>) {
        let mut chunks = Vec::with_capacity(payload.len().div_ceil(CHUNK as usize));
        let (mut rest, mut sums) = (payload.clone(), Context::new(&SHA256));
        while !rest.is_empty() {
            let chunk = rest.split_to(rest.len().min(CHUNK as usize));
            sums.update(digest(&SHA256, &chunk).as_ref());
            chunks.push(chunk);
        }
        let sha256 = hex(sums.finish().as_ref());
        (Self { nonce, length: payload.len() as u64, chunk: CHUNK, sha256 }, chunks)
    }

    /// Returns the number of chunks.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.length.div_ceil(u64::from(self.chunk.max(1)))).unwrap_or(u32::MAX)
    }

    /// Returns the last part of the subject of a chunk.
    pub(crate) fn name(&self, nth: u32) -> String {
        format!("{:016x}.{nth}", self.nonce)
    }

    /// Returns the size of a chunk.
    fn length_of(&self, nth: u32) -> u64 {
        let before = u64::from(nth) * u64::from(self.chunk);
        self.length.saturating_sub(before).min(u64::from(self.chunk))
    }

    /// Returns the bytes of a message that should be this chunk.
    pub(crate) fn open(&self, of: Of, nth: u32, message: &Bytes) -> Result<Bytes, Damage> {
        let altered = |reason: String| {
            let Of { job, what } = of;
            Damage::Altered { nth: nth + 1, count: self.count(), what, job, reason }
        };
        let (head, bytes) = envelope::open::<Head>(message).map_err(|error| altered(error.to_string()))?;
        let (length, wanted) = (bytes.len() as u64, self.length_of(nth));
        if length != wanted || head.nth != nth {
            return Err(altered(format!("it is chunk {} with {length} bytes, not {wanted}", head.nth + 1)));
        }
        match hex(digest(&SHA256, &bytes).as_ref()) == head.sha256 {
            true => Ok(bytes),
            false => Err(altered("its digest is another one".into())),
        }
    }

    /// Joins the chunks of a payload.
    pub(crate) fn join(&self, of: Of, chunks: &[Bytes]) -> Result<Bytes, Damage> {
        let (mut all, mut sums) = (BytesMut::new(), Context::new(&SHA256));
        for chunk in chunks {
            sums.update(digest(&SHA256, chunk).as_ref());
        }
        if hex(sums.finish().as_ref()) != self.sha256 {
            return Err(Damage::Mixed { count: self.count(), what: of.what, job: of.job });
        }
        all.reserve(chunks.iter().map(Bytes::len).sum());
        chunks.iter().for_each(|chunk| all.extend_from_slice(chunk));
        Ok(all.freeze())
    }
}

/// Returns the message of a chunk.
///
/// # Errors
/// Never: its head is short.
pub(crate) fn seal(nth: u32, chunk: &Bytes) -> Result<Bytes, HeadTooLarge> {
    let sha256 = hex(digest(&SHA256, chunk).as_ref());
    envelope::seal(&Head { nth, sha256 }, chunk)
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of() -> Of {
        Of { job: JobId::from_bits(7), what: "input" }
    }

    fn payload(length: usize) -> Bytes {
        (0..=250_u8).cycle().step_by(31).take(length).collect::<Vec<_>>().into()
    }

    #[test]
    fn a_payload_comes_back_from_its_chunks() {
        let chunk = CHUNK as usize;
        for (length, count) in [(1, 1), (chunk, 1), (chunk + 1, 2), (5 * chunk - 1, 5)] {
            let payload = payload(length);
            let (reference, chunks) = Reference::cut(9, &payload);
            assert_eq!((reference.count() as usize, chunks.len()), (count, count));
            let opened: Vec<_> = (0..)
                .zip(&chunks)
                .map(|(nth, chunk)| reference.open(of(), nth, &seal(nth, chunk).unwrap()).unwrap())
                .collect();
            assert_eq!(reference.join(of(), &opened), Ok(payload));
        }
    }

    #[test]
    fn a_chunk_that_has_changed_is_named() {
        let (reference, chunks) = Reference::cut(9, &payload(3 * CHUNK as usize));
        let mut flipped = seal(1, &chunks[1]).unwrap().to_vec();
        *flipped.last_mut().unwrap() ^= 1;
        let sentence = |message: Vec<u8>| reference.open(of(), 1, &message.into()).unwrap_err().to_string();
        let said = sentence(flipped);
        let job = JobId::from_bits(7);
        assert!(said.contains(&format!("chunk 2 of 3 of the input of job {job}")), "{said}");
        let cut = seal(1, &chunks[1].slice(1..)).unwrap();
        assert!(sentence(cut.to_vec()).contains("262143 bytes, not 262144"));
        assert!(sentence(seal(0, &chunks[1]).unwrap().to_vec()).contains("it is chunk 1"));
        assert!(sentence(b"nothing".to_vec()).contains("not one of procpool"));
    }

    #[test]
    fn whole_chunks_of_another_payload_are_told() {
        let (reference, mut chunks) = Reference::cut(9, &payload(2 * CHUNK as usize + 5));
        chunks.swap(0, 1);
        let error = reference.join(of(), &chunks).unwrap_err();
        assert!(matches!(error, Damage::Mixed { count: 3, .. }), "{error}");
    }
}
