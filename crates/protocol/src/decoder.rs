//! Decodes frames from bytes that arrive in any chunks. Sans-IO: the owner of a socket feeds it.
//!
//! Memory grows with the received bytes, never with the announced ones. For example, a peer announces a
//! payload of the full limit and sends ten bytes. It costs ten bytes and one read buffer. The buffer doubles
//! when it grows, so that a large frame costs a copy or two of each byte. It is reused for the next frame,
//! because new pages cost more than the copying. Its size is at most twice the largest frame's.

use crate::arena::Place;
use crate::attachments::Attachments;
use crate::frame::{Frame, HEADER_LEN, HeaderBytes, Kind, RawHeader, flags};
use crate::limits::{DEFAULT_MAX_PAYLOAD, MAX_ATTACHMENTS, MAX_HEADER};
use crate::payload::{Encoding, Payload};
use crate::preamble::{PREAMBLE_LEN, Preamble, PreambleError};
use bytes::{Buf, Bytes, BytesMut};

/// Room for one read if the next bytes are unknown, in bytes.
///
/// A Unix socket delivers up to about 200 KiB at once. Small frames, the usual case, fill a page.
const READ_CHUNK: usize = 16 * 1024;

/// Maximum room for one read, in bytes. The decoder increases the room while bytes arrive.
const MAX_READ: usize = 1024 * 1024;

/// Maximum length of a part of a frame that is copied out of the buffer, in bytes.
///
/// A longer part is a piece of the buffer itself. A short piece would be too expensive: while any code holds
/// it, the whole buffer stays allocated, and each read needs a new one.
const COPIED: usize = 1024;

/// The bytes are not frames of this protocol. The connection can no longer be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A header message above [`MAX_HEADER`].
    #[error("a frame announced a header of {announced} bytes; the limit is {limit}")]
    #[non_exhaustive]
    HeaderTooLarge {
        /// The announced length, in bytes.
        announced: u32,
        /// The limit, in bytes.
        limit: u32,
    },
    /// A payload above the connection's limit.
    #[error("a frame announced a payload of {announced} bytes; the limit is {limit}")]
    #[non_exhaustive]
    PayloadTooLarge {
        /// The announced length, in bytes.
        announced: u32,
        /// The limit, in bytes.
        limit: u32,
    },
    /// A kind that this version does not know, in a frame without the flag that it may be ignored.
    #[error("unknown frame kind {0:#06x}")]
    UnknownKind(u16),
    /// A flag that this version does not know.
    #[error("unknown frame flags {0:#06x}")]
    UnknownFlags(u16),
    /// An encoding that this version does not know.
    #[error("unknown payload encoding {0}")]
    UnknownEncoding(u8),
    /// A payload without an encoding.
    #[error("a frame announced a payload of {0} bytes without an encoding")]
    NoEncoding(u32),
    /// A reference to an arena that is malformed, or in a frame that cannot have a large payload.
    #[error("a {kind:?} frame with a reference of {announced} bytes to a payload")]
    #[non_exhaustive]
    BadReference {
        /// The frame's kind.
        kind: Kind,
        /// Length of the reference, in bytes.
        announced: u32,
    },
    /// Descriptors with a frame that may not have any, or not that number.
    #[error("a {kind:?} frame announced {announced} descriptors")]
    #[non_exhaustive]
    BadAttachments {
        /// The frame's kind.
        kind: Kind,
        /// Their number.
        announced: u8,
    },
    /// Reserved bytes that are not zero.
    #[error("reserved bytes of a frame header are not zero")]
    Reserved,
}

/// Decodes bytes to frames.
///
/// ```
/// use procpool_protocol::decoder::Decoder;
/// use procpool_protocol::frame::{Frame, Kind};
///
/// let mut decoder = Decoder::new();
/// for byte in Frame::new(Kind::Ping, 7, "").to_bytes() {
///     assert_eq!(decoder.poll_frame().unwrap(), None);
///     decoder.feed(&[byte]);
/// }
/// assert_eq!(decoder.poll_frame().unwrap().unwrap().sequence, 7);
/// ```
#[derive(Debug)]
pub struct Decoder {
    buffer: BytesMut,
    max_payload: u32,
    /// Number of bytes of an ignorable frame that the decoder must still drop.
    skip: u64,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// Returns a decoder that accepts payloads of up to [`DEFAULT_MAX_PAYLOAD`].
    pub fn new() -> Self {
        Self::with_max_payload(DEFAULT_MAX_PAYLOAD)
    }

    /// Returns a decoder that accepts payloads of up to `max_payload` bytes.
    pub fn with_max_payload(max_payload: u32) -> Self {
        Self { buffer: BytesMut::new(), max_payload, skip: 0 }
    }

    /// Changes the limit for frames whose header has not been read yet.
    pub fn set_max_payload(&mut self, max_payload: u32) {
        self.max_payload = max_payload;
    }

    /// Appends bytes that arrived.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the buffer to read into, with room for at least one efficient read.
    ///
    /// The room doubles with the received part of a large frame, up to 1 MiB. It never exceeds the missing
    /// part of that frame by more than one small read.
    pub fn read_buffer(&mut self) -> &mut BytesMut {
        let room = self.missing().min(self.buffer.len()).clamp(READ_CHUNK, MAX_READ);
        self.buffer.reserve(room);
        &mut self.buffer
    }

    /// Drops a large buffer that is empty. Call it when the peer sends nothing for now. Otherwise a buffer
    /// that once held a large frame stays allocated forever.
    pub fn release(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > MAX_READ {
            self.buffer = BytesMut::new();
        }
    }

    /// Returns the number of bytes that were fed and not yet returned as frames.
    pub fn buffered(&self) -> usize {
        self.buffer.len()
    }

    /// Returns the preamble and removes it from the front, once it is complete.
    ///
    /// # Errors
    /// When the bytes are not a preamble.
    pub fn poll_preamble(&mut self) -> Result<Option<Preamble>, PreambleError> {
        let Some(bytes) = self.buffer.first_chunk::<PREAMBLE_LEN>() else {
            return Ok(None);
        };
        let preamble = Preamble::from_bytes(bytes)?;
        self.buffer.advance(PREAMBLE_LEN);
        Ok(Some(preamble))
    }

    /// Returns the next frame, once it is complete.
    ///
    /// # Errors
    /// When the bytes cannot be a frame. Every later call then returns an error, too.
    pub fn poll_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            self.discard_skipped();
            if self.skip > 0 {
                return Ok(None);
            }
            let Some(bytes) = self.buffer.first_chunk::<HEADER_LEN>() else {
                return Ok(None);
            };
            let raw = RawHeader::from_bytes(bytes);
            let Some((kind, encoding)) = self.judge(&raw)? else {
                self.skip = wire_len(&raw);
                continue;
            };
            // Both lengths are within their limits here, so this fits a usize.
            let (header_len, payload_len) = (raw.header_len as usize, raw.payload_len as usize);
            if self.buffer.len() < HEADER_LEN + header_len + payload_len {
                return Ok(None);
            }
            self.buffer.advance(HEADER_LEN);
            let header = HeaderBytes::from_slice(&self.buffer[..header_len]);
            self.buffer.advance(header_len);
            let mut bytes = self.take(payload_len);
            // Its length was checked above: it is a place.
            let is_place = raw.flags & flags::PAYLOAD_REF != 0;
            let place = is_place.then(|| std::mem::take(&mut bytes)).and_then(|it| Place::from_bytes(&it));
            let attachments = Attachments::absent(raw.attachments);
            return Ok(Some(Frame {
                kind,
                end: raw.flags & flags::END != 0,
                place,
                taken: raw.flags & flags::TAKEN != 0,
                sequence: raw.sequence,
                header,
                payload: Payload { encoding, bytes, attachments },
            }));
        }
    }

    /// Returns the kind and encoding of a header, or `None` if the decoder skips its frame.
    fn judge(&self, raw: &RawHeader) -> Result<Option<(Kind, Encoding)>, FrameError> {
        if raw.header_len > MAX_HEADER {
            return Err(FrameError::HeaderTooLarge { announced: raw.header_len, limit: MAX_HEADER });
        }
        if raw.payload_len > self.max_payload {
            return Err(FrameError::PayloadTooLarge { announced: raw.payload_len, limit: self.max_payload });
        }
        let Some(kind) = Kind::from_wire(raw.kind) else {
            let ignorable = raw.flags & flags::IGNORABLE != 0;
            return if ignorable { Ok(None) } else { Err(FrameError::UnknownKind(raw.kind)) };
        };
        if raw.flags & !flags::KNOWN != 0 {
            return Err(FrameError::UnknownFlags(raw.flags));
        }
        if raw.flags & flags::PAYLOAD_REF != 0
            && (raw.payload_len as usize != Place::LEN || !matches!(kind, Kind::Job | Kind::Done))
        {
            return Err(FrameError::BadReference { kind, announced: raw.payload_len });
        }
        let has_too_many = usize::from(raw.attachments) > MAX_ATTACHMENTS;
        if raw.attachments > 0 && (has_too_many || !kind.may_have_attachments()) {
            return Err(FrameError::BadAttachments { kind, announced: raw.attachments });
        }
        if raw.reserved != [0; 2] {
            return Err(FrameError::Reserved);
        }
        let encoding = Encoding::from_wire(raw.encoding).ok_or(FrameError::UnknownEncoding(raw.encoding))?;
        if encoding == Encoding::None && raw.payload_len > 0 {
            return Err(FrameError::NoEncoding(raw.payload_len));
        }
        Ok(Some((kind, encoding)))
    }

    /// Returns the first `len` bytes of the buffer, all of which have arrived.
    fn take(&mut self, len: usize) -> Bytes {
        if len > COPIED {
            return self.buffer.split_to(len).freeze();
        }
        let bytes = Bytes::copy_from_slice(&self.buffer[..len]);
        self.buffer.advance(len);
        bytes
    }

    fn discard_skipped(&mut self) {
        let present = usize::try_from(self.skip).unwrap_or(usize::MAX).min(self.buffer.len());
        self.buffer.advance(present);
        self.skip -= present as u64;
    }

    /// Returns the number of bytes that the frame at the front still lacks, or 0 if its length is unknown.
    fn missing(&self) -> usize {
        let Some(bytes) = self.buffer.first_chunk::<HEADER_LEN>() else {
            return 0;
        };
        let raw = RawHeader::from_bytes(bytes);
        match self.judge(&raw) {
            Ok(Some(_)) => {
                usize::try_from(wire_len(&raw)).unwrap_or(usize::MAX).saturating_sub(self.buffer.len())
            }
            _ => 0,
        }
    }
}

/// Returns the number of bytes of the whole frame on the wire.
fn wire_len(raw: &RawHeader) -> u64 {
    HEADER_LEN as u64 + u64::from(raw.header_len) + u64::from(raw.payload_len)
}
