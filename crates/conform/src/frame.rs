//! Frames as bytes: written well or broken, and read as the coordinator reads them.

use procpool_protocol::codec::encode_header;
use procpool_protocol::frame::{HEADER_LEN, Kind, RawHeader, flags};
use procpool_protocol::limits::{MAX_ATTACHMENTS, MAX_HEADER};
use procpool_protocol::message::{Extra, Job};
use std::fmt;

/// A number of no kind.
pub(crate) const UNKNOWN_KIND: u16 = 0x7777;

/// Numbers of encodings.
pub(crate) const NONE: u8 = 0;
pub(crate) const BINCODE: u8 = 1;
pub(crate) const JSON: u8 = 2;
pub(crate) const RAW: u8 = 3;

/// A frame to send, of which every part can be wrong.
#[derive(Clone, Debug)]
pub(crate) struct Out {
    pub(crate) head: RawHeader,
    pub(crate) message: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl Out {
    /// Returns a frame without header message and payload.
    pub(crate) fn of(kind: Kind, sequence: u64) -> Self {
        Self::numbered(kind as u16, sequence)
    }

    /// Returns a frame of a kind that has no name.
    pub(crate) fn numbered(kind: u16, sequence: u64) -> Self {
        let head = RawHeader {
            header_len: 0,
            payload_len: 0,
            kind,
            flags: 0,
            encoding: NONE,
            attachments: 0,
            reserved: [0; 2],
            sequence,
        };
        Self { head, message: Vec::new(), payload: Vec::new() }
    }

    /// Returns a frame of an unknown kind that a receiver skips.
    pub(crate) fn ignorable(message: usize, payload: usize) -> Self {
        Self::numbered(UNKNOWN_KIND, 99)
            .message(vec![b'x'; message])
            .payload(RAW, vec![b'y'; payload])
            .flags(flags::IGNORABLE)
    }

    pub(crate) fn message(mut self, message: impl Into<Vec<u8>>) -> Self {
        self.message = message.into();
        self.head.header_len = u32::try_from(self.message.len()).unwrap_or(u32::MAX);
        self
    }

    pub(crate) fn payload(mut self, encoding: u8, payload: impl Into<Vec<u8>>) -> Self {
        self.payload = payload.into();
        self.head.payload_len = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        self.head.encoding = encoding;
        self
    }

    pub(crate) fn flags(mut self, flags: u16) -> Self {
        self.head.flags = flags;
        self
    }

    /// Changes the header after everything else.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut RawHeader)) -> Self {
        change(&mut self.head);
        self
    }

    /// Returns whether it has as many bytes as its header announces.
    pub(crate) fn is_whole(&self) -> bool {
        let announced = [self.head.header_len as usize, self.head.payload_len as usize];
        announced == [self.message.len(), self.payload.len()]
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&self.head.to_bytes()[..], &self.message, &self.payload].concat()
    }
}

/// Returns the header message of an ordinary job, which wants JSON.
pub(crate) fn job() -> Job {
    Job { id: [7; 16], attempt: 1, remaining_nanos: None, reply: JSON, credit: None, extras: Vec::new() }
}

/// Returns an ordinary job with these extras.
pub(crate) fn job_with(extras: Vec<Extra>) -> Job {
    Job { extras, ..job() }
}

/// Returns the frame of a job whose input is JSON.
pub(crate) fn job_frame(sequence: u64, job: &Job, input: &[u8]) -> Out {
    let message = encode_header(job).map(|bytes| bytes.to_vec()).unwrap_or_default();
    Out::of(Kind::Job, sequence).message(message).payload(JSON, input)
}

/// A frame that a worker sent.
#[derive(Clone, Debug)]
pub(crate) struct In {
    pub(crate) kind: Kind,
    pub(crate) head: RawHeader,
    pub(crate) message: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

impl In {
    pub(crate) fn sequence(&self) -> u64 {
        self.head.sequence
    }

    pub(crate) fn has(&self, flag: u16) -> bool {
        self.head.flags & flag != 0
    }

    /// Returns whether it is a header alone, without flags and sequence number.
    pub(crate) fn is_bare(&self) -> bool {
        self.head.flags == 0 && self.sequence() == 0 && self.message.is_empty() && self.payload.is_empty()
    }

    /// Returns the length on the wire, in bytes.
    pub(crate) fn length(&self) -> u64 {
        (HEADER_LEN + self.message.len() + self.payload.len()) as u64
    }
}

impl fmt::Display for In {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RawHeader { flags, sequence, encoding, .. } = self.head;
        let (message, payload) = (self.message.len(), self.payload.len());
        write!(
            out,
            "{:?} (flags {flags}, sequence {sequence}, header message of {message} bytes, payload of {payload} bytes in \
             encoding {encoding})",
            self.kind
        )
    }
}

/// Judges the header of a frame from the worker as the coordinator does. Returns its kind, or what is wrong.
pub(crate) fn judge(head: &RawHeader, max_payload: u32) -> Result<Kind, String> {
    let Some(kind) = Kind::from_wire(head.kind) else {
        return Err(format!("a frame of kind {:#06x}, which version 2 does not have", head.kind));
    };
    let is_reference = head.flags & flags::PAYLOAD_REF != 0;
    let faults = [
        (head.header_len > MAX_HEADER, "a header message above the limit"),
        (head.payload_len > max_payload, "a payload above max_payload"),
        (head.flags & !flags::KNOWN != 0, "unknown flags"),
        (is_reference && kind != Kind::Done, "PAYLOAD_REF on a frame that is no Done"),
        (is_reference && head.payload_len != 24, "PAYLOAD_REF with a payload that has not 24 bytes"),
        (head.encoding > RAW, "an unknown encoding"),
        (head.encoding == NONE && head.payload_len > 0, "a payload with encoding 0"),
        (head.attachments > 0, "descriptors, which only coordinators send"),
        (usize::from(head.attachments) > MAX_ATTACHMENTS, "too many descriptors"),
        (head.reserved != [0; 2], "reserved bytes that are not 0"),
        (kind == Kind::Done && head.flags & flags::END == 0, "a Done without END"),
        (kind == Kind::Log && head.flags & flags::IGNORABLE == 0, "a Log without IGNORABLE"),
    ];
    match faults.iter().find(|(is_wrong, _)| *is_wrong) {
        Some((_, what)) => Err(format!("{what}: {head:?}")),
        None => Ok(kind),
    }
}
