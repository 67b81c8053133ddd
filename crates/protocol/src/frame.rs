//! The frame: a fixed 24-byte header, a header message, raw payload bytes.
//!
//! This file knows the layout of a frame. Does not: know the meaning of frames (`message.rs`) or how they
//! arrive (`decoder.rs`).

use crate::arena::Place;
pub use crate::codec::HeaderBytes;
use crate::payload::{Encoding, Payload};
use bytes::{BufMut, Bytes, BytesMut};

/// Length of the fixed frame header, in bytes.
pub const HEADER_LEN: usize = 24;

/// The kind of a frame. The numbers are the wire's; see `WIRE.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum Kind {
    /// Worker introduces itself. JSON header.
    Hello = 0x01,
    /// Coordinator tells the worker its purpose. JSON header, worker data as the payload.
    Welcome = 0x02,
    /// Coordinator rejects a worker. JSON header.
    Refused = 0x03,
    /// Worker that was not spawned introduces a connection. JSON header.
    Attach = 0x04,
    /// Worker has loaded its state and takes jobs.
    Ready = 0x10,
    /// Worker's own initialisation failed; it exits.
    StartFailed = 0x11,
    /// A job to run; the input is the payload.
    Job = 0x20,
    /// The end of a job; the output is the payload.
    Done = 0x21,
    /// Progress of a job.
    Progress = 0x22,
    /// One piece of a job's streamed output.
    Chunk = 0x23,
    /// A free message, either way.
    Message = 0x24,
    /// A free message's handler failed.
    MessageFailed = 0x25,
    /// Sets a job's cancel flag.
    Cancel = 0x30,
    /// Allows a job to send more chunks.
    Credit = 0x31,
    /// Asks the guard for a pong.
    Ping = 0x32,
    /// Answers a ping.
    Pong = 0x33,
    /// Asks the worker to finish its jobs and exit.
    Shutdown = 0x34,
    /// Asks the guard for the worker's schemas.
    Describe = 0x35,
    /// The worker's schemas. JSON header.
    Description = 0x36,
    /// Asks for the waiting answers. Jobs up to this number were withdrawn in the page.
    Recall = 0x37,
    /// A job that was withdrawn just before its begin is skipped.
    Recalled = 0x38,
    /// Gives the worker an arena for large payloads of one direction, or removes it. JSON header.
    Share = 0x39,
    /// Answers a share.
    Shared = 0x3a,
    /// Asks a [template](crate::handshake::Welcome::template) for a worker, to which the attached descriptors belong.
    Fork = 0x3b,
    /// A template did not fork, and why.
    ForkFailed = 0x3c,
    /// The worker's code still holds data in an arena, which must no longer be written to.
    Held = 0x26,
    /// A log record. JSON header.
    Log = 0x27,
    /// The description of a saved job. JSON header. In files only, see [`crate::recording`].
    Recording = 0x40,
}

impl Kind {
    /// Returns the kind with this number on the wire, if there is one.
    pub fn from_wire(number: u16) -> Option<Self> {
        Some(match number {
            0x01 => Self::Hello,
            0x02 => Self::Welcome,
            0x03 => Self::Refused,
            0x04 => Self::Attach,
            0x10 => Self::Ready,
            0x11 => Self::StartFailed,
            0x20 => Self::Job,
            0x21 => Self::Done,
            0x22 => Self::Progress,
            0x23 => Self::Chunk,
            0x24 => Self::Message,
            0x25 => Self::MessageFailed,
            0x30 => Self::Cancel,
            0x31 => Self::Credit,
            0x32 => Self::Ping,
            0x33 => Self::Pong,
            0x34 => Self::Shutdown,
            0x35 => Self::Describe,
            0x36 => Self::Description,
            0x37 => Self::Recall,
            0x38 => Self::Recalled,
            0x39 => Self::Share,
            0x3a => Self::Shared,
            0x3b => Self::Fork,
            0x3c => Self::ForkFailed,
            0x26 => Self::Held,
            0x27 => Self::Log,
            0x40 => Self::Recording,
            _ => return None,
        })
    }

    /// Returns whether frames of this kind may have [attachments](crate::attachments): frames of the
    /// coordinator that pass memory, or the connections of a worker.
    pub fn may_have_attachments(self) -> bool {
        matches!(self, Self::Welcome | Self::Job | Self::Message | Self::Share | Self::Fork)
    }

    /// Returns the flags that every frame of this kind carries.
    fn flags(self) -> u16 {
        match self {
            Self::Recording | Self::Log => flags::IGNORABLE,
            _ => 0,
        }
    }
}

/// Bits of a frame header's flags.
pub mod flags {
    /// A receiver that does not know the frame's kind skips it instead of failing.
    pub const IGNORABLE: u16 = 1;
    /// The last frame of its sequence number.
    pub const END: u16 = 1 << 1;
    /// The payload is a reference to its place in an arena, see [`crate::arena`].
    pub const PAYLOAD_REF: u16 = 1 << 2;
    /// The coordinator has read the output that the worker's last answer left in its arena.
    pub const TAKEN: u16 = 1 << 3;
    /// Every bit that version 2 defines.
    pub const KNOWN: u16 = IGNORABLE | END | PAYLOAD_REF | TAKEN;
}

/// The fixed header of a frame, as numbers that have not been checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawHeader {
    /// Length of the header message, in bytes.
    pub header_len: u32,
    /// Length of the payload, in bytes.
    pub payload_len: u32,
    /// The kind's number.
    pub kind: u16,
    /// Bits of [`flags`].
    pub flags: u16,
    /// The payload's encoding, see [`Encoding`].
    pub encoding: u8,
    /// Number of [attachments](crate::attachments) that are sent with the frame's first byte.
    pub attachments: u8,
    /// Two bytes that are zero.
    pub reserved: [u8; 2],
    /// The job or the ping that the frame belongs to; 0 if none.
    pub sequence: u64,
}

impl RawHeader {
    /// Returns the header as on the wire.
    pub fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        out[0..4].copy_from_slice(&self.header_len.to_le_bytes());
        out[4..8].copy_from_slice(&self.payload_len.to_le_bytes());
        out[8..10].copy_from_slice(&self.kind.to_le_bytes());
        out[10..12].copy_from_slice(&self.flags.to_le_bytes());
        out[12] = self.encoding;
        out[13] = self.attachments;
        out[14..16].copy_from_slice(&self.reserved);
        out[16..24].copy_from_slice(&self.sequence.to_le_bytes());
        out
    }

    /// Reads a header from its bytes. Any bytes are a header; the decoder checks it.
    pub fn from_bytes(bytes: &[u8; HEADER_LEN]) -> Self {
        let [h0, h1, h2, h3, p0, p1, p2, p3, k0, k1, f0, f1, encoding, attachments, r0, r1, sequence @ ..] =
            *bytes;
        Self {
            header_len: u32::from_le_bytes([h0, h1, h2, h3]),
            payload_len: u32::from_le_bytes([p0, p1, p2, p3]),
            kind: u16::from_le_bytes([k0, k1]),
            flags: u16::from_le_bytes([f0, f1]),
            encoding,
            attachments,
            reserved: [r0, r1],
            sequence: u64::from_le_bytes(sequence),
        }
    }
}

/// A frame that was received whole and is well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its kind.
    pub kind: Kind,
    /// Whether it has [`flags::END`].
    pub end: bool,
    /// The place of the payload's bytes in an arena, if they lie in one. Then the frame has
    /// [`flags::PAYLOAD_REF`] and this place instead of the bytes.
    pub place: Option<Place>,
    /// Whether it has [`flags::TAKEN`].
    pub taken: bool,
    /// The job or ping that it belongs to; 0 if none.
    pub sequence: u64,
    /// The undecoded header message.
    pub header: HeaderBytes,
    /// The payload, with its encoding.
    pub payload: Payload,
}

impl Frame {
    /// Returns a frame with neither payload nor [`flags::END`].
    pub fn new(kind: Kind, sequence: u64, header: impl AsRef<[u8]>) -> Self {
        Self {
            kind,
            end: false,
            place: None,
            taken: false,
            sequence,
            header: HeaderBytes::from_slice(header.as_ref()),
            payload: Payload::none(),
        }
    }

    /// Returns the same frame with `payload`.
    #[must_use]
    pub fn with_payload(mut self, payload: Payload) -> Self {
        self.payload = payload;
        self
    }

    /// Returns the same frame, marked as the last of its sequence number.
    #[must_use]
    pub fn ending(mut self) -> Self {
        self.end = true;
        self
    }

    /// Returns the same frame, with the place of its payload instead of the payload.
    #[must_use]
    pub fn referring_to(mut self, place: Place) -> Self {
        self.payload.bytes = Bytes::new();
        self.place = Some(place);
        self
    }

    /// Returns the bits of its flags.
    fn flags(&self) -> u16 {
        let bits =
            [(self.end, flags::END), (self.place.is_some(), flags::PAYLOAD_REF), (self.taken, flags::TAKEN)];
        bits.into_iter().filter(|(is_set, _)| *is_set).fold(self.kind.flags(), |all, (_, bit)| all | bit)
    }

    /// Returns the length of the part after the header message, in bytes.
    fn body_len(&self) -> usize {
        if self.place.is_some() { Place::LEN } else { self.payload.bytes.len() }
    }

    /// Returns the length on the wire, in bytes.
    pub fn wire_len(&self) -> usize {
        HEADER_LEN + self.header.len() + self.body_len()
    }

    /// Appends everything except the payload's bytes to `out`.
    ///
    /// # Panics
    /// If the header message or the payload is longer than `u32::MAX` bytes. Compare the payload with the
    /// limit of the connection first.
    pub fn put_head(&self, out: &mut BytesMut) {
        let length = |length: usize| u32::try_from(length).expect("a frame part above 4 GiB");
        let header = RawHeader {
            header_len: length(self.header.len()),
            payload_len: length(self.body_len()),
            kind: self.kind as u16,
            flags: self.flags(),
            encoding: self.payload.encoding as u8,
            attachments: self.payload.attachments.count(),
            reserved: [0; 2],
            sequence: self.sequence,
        };
        out.reserve(HEADER_LEN + self.header.len());
        out.put_slice(&header.to_bytes());
        out.put_slice(&self.header);
        if let Some(place) = self.place {
            out.put_slice(&place.to_bytes());
        }
    }

    /// Appends the whole frame to `out`, copying the payload.
    pub fn put(&self, out: &mut BytesMut) {
        self.put_head(out);
        out.put_slice(&self.payload.bytes);
    }

    /// Returns the whole frame as bytes.
    pub fn to_bytes(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(self.wire_len());
        self.put(&mut out);
        out.freeze()
    }
}

impl From<Encoding> for u8 {
    fn from(encoding: Encoding) -> Self {
        encoding as Self
    }
}
