//! Frames over a blocking socket: one reader, one writer. Does not: know the meaning of any frame.

use crate::ending::WorkerError;
use crate::received::{Received, Source};
use bytes::{Buf, BytesMut};
use procpool_protocol::decoder::{Decoder, FrameError};
use procpool_protocol::frame::Frame;
use procpool_protocol::preamble::{Preamble, PreambleError};
use std::io::{self, IoSlice, Write};

/// Maximum length of a frame after which the decoder's buffer is reused for the next one, in bytes: 1 MiB.
///
/// This limits the memory of an idle worker. Fresh pages for the next large frame are cheap compared to the
/// frame.
const KEEP: usize = 1024 * 1024;

/// Number of bytes that a reader reads at first.
const FIRST_READ: usize = 4 * 1024;

/// The bytes are not a frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Preamble(#[from] PreambleError),
    #[error(transparent)]
    Frame(#[from] FrameError),
}

impl From<ReadError> for WorkerError {
    fn from(error: ReadError) -> Self {
        match error {
            // A connection breaks when the coordinator died with unread bytes.
            ReadError::Io(_) => Self::Orphaned,
            ReadError::Preamble(error) => Self::Preamble(error),
            ReadError::Frame(error) => Self::Frame(error),
        }
    }
}

/// Reads frames, blocking in the kernel while there are none.
#[derive(Debug)]
pub(crate) struct FrameReader<R> {
    source: R,
    decoder: Decoder,
    max_payload: u32,
    /// Number of bytes that were read.
    count: u64,
    /// Descriptors that were received, and whose frames are not complete.
    received: Received,
    /// Buffer of a read before the decoder receives the bytes, because std reads only into initialised
    /// memory. Fresh memory costs a worker's start more time than all reads there, so most of it is allocated
    /// at the first read that needs it.
    landing: Vec<u8>,
    /// Size to which the buffer grows, in bytes.
    room: usize,
}

impl<R: Source> FrameReader<R> {
    /// Returns a reader that takes up to `room` bytes at a time.
    pub(crate) fn new(source: R, max_payload: u32, room: usize) -> Self {
        let landing = vec![0; room.min(FIRST_READ)];
        let decoder = Decoder::with_max_payload(max_payload);
        Self { source, decoder, max_payload, count: 0, received: Received::default(), landing, room }
    }

    pub(crate) fn source(&self) -> &R {
        &self.source
    }

    /// Changes the limit for payloads of later frames, in bytes.
    pub(crate) fn set_max_payload(&mut self, max_payload: u32) {
        self.max_payload = max_payload;
        self.decoder.set_max_payload(max_payload);
    }

    /// Reads the preamble. Returns `None` at the end of the connection.
    pub(crate) fn preamble(&mut self) -> Result<Option<Preamble>, ReadError> {
        loop {
            if let Some(preamble) = self.decoder.poll_preamble()? {
                return Ok(Some(preamble));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Reads the next frame. Returns `None` at the end of the connection, even after a part of a frame.
    pub(crate) fn frame(&mut self) -> Result<Option<Frame>, ReadError> {
        loop {
            if let Some(frame) = self.buffered()? {
                return Ok(Some(frame));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Returns the next frame, if all of it has been read already.
    pub(crate) fn buffered(&mut self) -> Result<Option<Frame>, ReadError> {
        let Some(mut frame) = self.decoder.poll_frame()? else { return Ok(None) };
        let (end, length) = (self.count - self.decoder.buffered() as u64, frame.wire_len() as u64);
        self.received.attach(|| end - length, &mut frame);
        self.shrink_after(&frame);
        Ok(Some(frame))
    }

    /// Reads once. Returns `false` at the end of the connection.
    fn fill(&mut self) -> io::Result<bool> {
        loop {
            match self.source.receive(&mut self.landing) {
                Ok((length, descriptors)) => {
                    let from = self.count;
                    self.count += length as u64;
                    if let Some(descriptors) = descriptors {
                        self.received.add(from, self.count, descriptors);
                    }
                    self.decoder.feed(&self.landing[..length]);
                    if length == self.landing.len() {
                        self.landing.resize(self.room, 0);
                    }
                    return Ok(length > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Drops a large buffer as soon as its frame is taken. Then the decoder holds only bytes of later frames.
    fn shrink_after(&mut self, frame: &Frame) {
        if frame.wire_len() > KEEP && self.decoder.buffered() == 0 {
            self.decoder = Decoder::with_max_payload(self.max_payload);
        }
    }
}

/// Writes frames. Heads are collected, and payloads are written from their own memory.
#[derive(Debug)]
pub(crate) struct FrameWriter<W> {
    sink: W,
    heads: BytesMut,
    /// Number of bytes that were sent.
    sent: u64,
}

impl<W: Write> FrameWriter<W> {
    pub(crate) fn new(sink: W) -> Self {
        Self { sink, heads: BytesMut::new(), sent: 0 }
    }

    /// Puts a small frame before the next one that is sent. Returns its bytes.
    pub(crate) fn queue(&mut self, frame: &Frame) -> &[u8] {
        let before = self.heads.len();
        frame.put(&mut self.heads);
        &self.heads[before..]
    }

    /// Returns the number of bytes that wait to be sent with the next frame.
    pub(crate) fn queued(&self) -> usize {
        self.heads.len()
    }

    /// Returns the number of bytes that were sent or wait.
    pub(crate) fn total(&self) -> u64 {
        self.sent + self.heads.len() as u64
    }

    /// Sends the waiting bytes.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        let length = self.heads.len() as u64;
        write_all(&mut self.sink, &mut self.heads, &[])?;
        self.sent += length;
        Ok(())
    }

    /// Sends the waiting bytes and `frame`, with one write if the socket accepts it.
    pub(crate) fn send(&mut self, frame: &Frame) -> io::Result<()> {
        frame.put_head(&mut self.heads);
        let length = (self.heads.len() + frame.payload.bytes.len()) as u64;
        write_all(&mut self.sink, &mut self.heads, &frame.payload.bytes)?;
        self.sent += length;
        Ok(())
    }

    /// Puts a preamble before the next frame that is sent.
    pub(crate) fn queue_preamble(&mut self, preamble: Preamble) {
        self.heads.extend_from_slice(&preamble.to_bytes());
    }

    /// Sends a preamble and a frame with one write.
    pub(crate) fn greet(&mut self, preamble: Preamble, frame: &Frame) -> io::Result<()> {
        self.queue_preamble(preamble);
        self.send(frame)
    }
}

/// Writes both, and removes the written part from the front of `head`.
fn write_all(sink: &mut impl Write, head: &mut BytesMut, mut payload: &[u8]) -> io::Result<()> {
    while head.has_remaining() || !payload.is_empty() {
        match sink.write_vectored(&[IoSlice::new(head), IoSlice::new(payload)]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                let of_head = written.min(head.len());
                head.advance(of_head);
                payload = &payload[written - of_head..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::Payload;
    use procpool_protocol::frame::Kind;
    use std::io::Read;

    fn frame(sequence: u64, length: usize) -> Frame {
        Frame::new(Kind::Message, sequence, "head").with_payload(Payload::raw(vec![7; length]))
    }

    /// Accepts and returns three bytes at a time.
    struct Trickle(Vec<u8>);

    impl Write for Trickle {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(3);
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn frames_survive_a_socket_that_takes_and_gives_a_few_bytes_at_a_time() {
        let mut writer = FrameWriter::new(Trickle(Vec::new()));
        writer.queue(&frame(1, 5));
        writer.send(&frame(2, 100)).unwrap();
        writer.send(&frame(3, 0)).unwrap();
        let mut reader = FrameReader::new(&writer.sink.0[..], 1000, 3);
        for (sequence, length) in [(1, 5), (2, 100), (3, 0)] {
            assert_eq!(reader.frame().unwrap(), Some(frame(sequence, length)));
        }
        assert_eq!(reader.frame().unwrap(), None);
    }

    #[test]
    fn an_unfinished_frame_is_the_end() {
        let bytes = frame(1, 100).to_bytes();
        let mut reader = FrameReader::new(&bytes[..50], 1000, 64);
        assert_eq!(reader.frame().unwrap(), None);
    }

    #[test]
    fn a_large_frame_leaves_no_large_buffer_behind() {
        let bytes = [frame(1, 2 * KEEP).to_bytes(), frame(2, 3).to_bytes()];
        let mut reader = FrameReader::new(Read::chain(&bytes[0][..], &bytes[1][..]), u32::MAX, 64 * 1024);
        assert_eq!(reader.frame().unwrap(), Some(frame(1, 2 * KEEP)));
        assert!(reader.decoder.read_buffer().capacity() < KEEP);
        assert_eq!(reader.frame().unwrap(), Some(frame(2, 3)));
    }
}
