//! One of the two connections, from the coordinator's side.

use crate::check::{Checked, ensure, wrong};
use crate::frame::{In, Out, judge};
use crate::os::process::is_readable;
use crate::{PATIENCE, START};
use procpool_protocol::batch;
use procpool_protocol::frame::{HEADER_LEN, RawHeader};
use procpool_protocol::limits::DEFAULT_MAX_PAYLOAD;
use procpool_protocol::preamble::{PREAMBLE_LEN, Preamble};
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Number of bytes that one `read` asks for.
const READ: usize = 1 << 20;

/// A connection. Every wait has a bound.
#[derive(Debug)]
pub(crate) struct Line {
    name: &'static str,
    /// `None` once it is closed.
    stream: Option<UnixStream>,
    buffer: Vec<u8>,
    /// Whether the worker has closed its side.
    is_over: bool,
    /// Number of bytes of all frames that were read.
    pub(crate) heard: u64,
    pub(crate) max_payload: u32,
}

impl Line {
    /// Returns a connection, and the worker's end.
    pub(crate) fn pair(name: &'static str) -> std::io::Result<(Self, OwnedFd)> {
        let (stream, its) = UnixStream::pair()?;
        Ok((Self::over(name, stream)?, its.into()))
    }

    /// Returns a connection over a socket.
    pub(crate) fn over(name: &'static str, stream: UnixStream) -> std::io::Result<Self> {
        stream.set_write_timeout(Some(PATIENCE))?;
        let max_payload = batch::max_answers(DEFAULT_MAX_PAYLOAD);
        Ok(Self { name, stream: Some(stream), buffer: Vec::new(), is_over: false, heard: 0, max_payload })
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> Checked {
        match self.stream.as_mut().map(|stream| stream.write_all(bytes)) {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => wrong(format!("{} could not be written to: {error}", self.name)),
            None => wrong(format!("the kit has closed {}", self.name)),
        }
    }

    /// Sends bytes to a worker that may have gone.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) {
        let _ = self.send(bytes);
    }

    /// Sends bytes one by one.
    pub(crate) fn send_slowly(&mut self, bytes: &[u8]) -> Checked {
        for piece in bytes.chunks(1) {
            self.send(piece)?;
            // Lets the worker read this byte alone.
            std::thread::yield_now();
        }
        Ok(())
    }

    /// Sends a frame.
    pub(crate) fn say(&mut self, frame: &Out) -> Checked {
        self.send(&frame.bytes())
    }

    /// Sends a frame with one descriptor.
    pub(crate) fn say_with(&mut self, frame: &Out, descriptor: BorrowedFd<'_>) -> Checked {
        use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
        let bytes = frame.bytes();
        let Some(stream) = &self.stream else { return wrong(format!("the kit has closed {}", self.name)) };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors = [descriptor];
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        let sent = sendmsg(stream, &[IoSlice::new(&bytes)], &mut ancillary, SendFlags::NOSIGNAL)?;
        self.send(&bytes[sent..])
    }

    /// Ends the coordinator's half: the worker reads an end of file, and can write.
    pub(crate) fn finish(&mut self) {
        if let Some(stream) = &self.stream {
            let _ = stream.shutdown(Shutdown::Write);
        }
    }

    /// Closes the connection.
    pub(crate) fn close(&mut self) {
        self.stream = None;
    }

    /// Returns the next `length` bytes, or `None` at an end of file before the first.
    pub(crate) fn bytes(&mut self, length: usize, patience: Duration) -> Checked<Option<Vec<u8>>> {
        let until = Instant::now() + patience;
        while self.buffer.len() < length {
            if !self.fill(until)? {
                return match self.buffer.len() {
                    0 => Ok(None),
                    got => wrong(format!("{} ended after {got} of {length} bytes", self.name)),
                };
            }
        }
        let rest = self.buffer.split_off(length);
        Ok(Some(std::mem::replace(&mut self.buffer, rest)))
    }

    /// Reads a preamble, and checks it. Returns `false` at the end of file.
    pub(crate) fn preamble(&mut self) -> Checked<bool> {
        let Some(bytes) = self.bytes(PREAMBLE_LEN, START)? else { return Ok(false) };
        let bytes: [u8; PREAMBLE_LEN] = bytes.try_into().unwrap_or([0; PREAMBLE_LEN]);
        let theirs = match Preamble::from_bytes(&bytes) {
            Ok(theirs) => theirs,
            Err(error) => return wrong(format!("{error}: {bytes:02x?}")),
        };
        if let Err(error) = Preamble::agree(theirs) {
            return wrong(error.to_string());
        }
        let features = theirs.features;
        ensure(features == 0, || format!("the preamble has features {features:#x}; version 2 has none"))?;
        Ok(true)
    }

    /// Returns the next frame, or `None` at the end of file.
    pub(crate) fn frame(&mut self, patience: Duration) -> Checked<Option<In>> {
        let until = Instant::now() + patience;
        let Some(head) = self.bytes(HEADER_LEN, patience)? else { return Ok(None) };
        let head: [u8; HEADER_LEN] = head.try_into().unwrap_or([0; HEADER_LEN]);
        let head = RawHeader::from_bytes(&head);
        let kind = match judge(&head, self.max_payload) {
            Ok(kind) => kind,
            Err(fault) => return wrong(format!("the worker sent {fault}")),
        };
        // Both are within their limits.
        let (message, payload) = (head.header_len as usize, head.payload_len as usize);
        let left = until.saturating_duration_since(Instant::now());
        let Some(mut message_and_payload) = self.bytes(message + payload, left)? else {
            return wrong(format!("{} ended within a frame", self.name));
        };
        let payload = message_and_payload.split_off(message);
        let frame = In { kind, head, message: message_and_payload, payload };
        self.heard += frame.length();
        Ok(Some(frame))
    }

    /// Returns everything up to the end of file.
    pub(crate) fn rest(&mut self, patience: Duration) -> Checked<Vec<u8>> {
        let until = Instant::now() + patience;
        while self.fill(until)? {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// Returns whether nothing comes for this time. An end of file is silence.
    pub(crate) fn is_silent(&mut self, patience: Duration) -> Checked<bool> {
        if self.buffer.is_empty() && !self.is_over {
            let Some(stream) = &self.stream else { return Ok(true) };
            if is_readable(stream.as_fd(), patience)? {
                self.fill(Instant::now() + PATIENCE)?;
            }
        }
        Ok(self.buffer.is_empty())
    }

    /// Returns whether nothing comes for this time, not even an end of file.
    pub(crate) fn is_quiet(&self, patience: Duration) -> Checked<bool> {
        let Some(stream) = &self.stream else { return Ok(false) };
        Ok(self.buffer.is_empty() && !self.is_over && !is_readable(stream.as_fd(), patience)?)
    }

    /// Reads once. Returns `false` at the end of file.
    fn fill(&mut self, until: Instant) -> Checked<bool> {
        let Some(stream) = &mut self.stream else { return Ok(false) };
        if self.is_over {
            return Ok(false);
        }
        let left = until.saturating_duration_since(Instant::now());
        if !is_readable(stream.as_fd(), left)? {
            return wrong(format!("nothing came on {} in time", self.name));
        }
        let start = self.buffer.len();
        self.buffer.resize(start + READ, 0);
        let read = stream.read(&mut self.buffer[start..]);
        self.buffer.truncate(start + read.as_ref().copied().unwrap_or(0));
        match read {
            Ok(length) => self.is_over = length == 0,
            // The worker closed it with bytes unread.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => self.is_over = true,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
        Ok(!self.is_over)
    }
}
