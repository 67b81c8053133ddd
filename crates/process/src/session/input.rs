//! The reading side of one connection of a worker: from bytes to frames, and what is left of them after its death.

use super::FrameSink;
use crate::os::page::Page;
use crate::os::socket::Socket;
use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::Connection;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Number of reads of one connection before other tasks get a turn.
const READS_A_TURN: usize = 16;

/// Maximum number of bytes that are read of a dead worker's jobs connection: more than a socket holds.
const LAST_READ: usize = 4 * 1024 * 1024;

/// One connection's reading side.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) socket: Arc<Socket>,
    decoder: Decoder,
    /// Number of bytes that were read.
    received: u64,
    /// Number of jobs whose end was received.
    pub(super) answered: u64,
    /// The earliest job whose words may be unread.
    pub(super) unread_from: Arc<AtomicU64>,
    pub(super) open: bool,
    /// The kernel reported that the peer closed with unread input. It reports that once.
    pub(super) reset: bool,
    /// The last turn ended before the input did.
    pub(super) is_flooding: bool,
}

impl Input {
    /// Returns the input of a connection whose first bytes may have arrived together with the handshake.
    pub(super) fn new(socket: Arc<Socket>, decoder: Decoder) -> Self {
        let received = decoder.buffered() as u64;
        Self {
            socket,
            decoder,
            received,
            answered: 0,
            unread_from: Arc::new(AtomicU64::new(1)),
            open: true,
            reset: false,
            is_flooding: false,
        }
    }

    /// Reads the available bytes, up to a bound, and delivers the frames in them. For `hear`, see
    /// [`deliver`](Self::deliver).
    pub(super) fn turn(
        &mut self,
        connection: Connection,
        sink: &mut impl FrameSink,
        hear: impl Fn(),
    ) -> Result<(), String> {
        self.is_flooding = false;
        for _ in 0..READS_A_TURN {
            // The rest of a frame may be long: read it to its final place, in large pieces.
            let is_between_frames = self.decoder.buffered() == 0;
            let buffer = self.decoder.read_buffer();
            let read = if is_between_frames {
                self.socket.try_read_all(buffer)
            } else {
                self.socket.try_read(buffer).map(|length| (length, false))
            };
            match read {
                Ok((0, _)) => {
                    self.open = false;
                    return Ok(());
                }
                Ok((length, is_all)) => {
                    self.received += length as u64;
                    self.deliver(connection, sink, &hear)?;
                    if is_all {
                        self.decoder.release();
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.decoder.release();
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.open = false;
                    self.note(&error);
                    return Ok(());
                }
            }
        }
        self.is_flooding = true;
        Ok(())
    }

    /// Delivers the frames that were read. Calls `hear`, which reads what the jobs wrote to standard error, before
    /// the end of a job counts. It costs a system call. So jobs whose ends came together share their words.
    pub(super) fn deliver(
        &mut self,
        connection: Connection,
        sink: &mut impl FrameSink,
        hear: impl Fn(),
    ) -> Result<(), String> {
        let mut result = Ok(());
        let before = self.answered;
        while result.is_ok()
            && let Some(frame) = self.decoder.poll_frame().transpose()
        {
            if frame.as_ref().is_ok_and(|it| it.kind == Kind::Done) {
                let comes_alone = self.answered == before && self.decoder.buffered() == 0;
                if comes_alone {
                    hear();
                }
                self.answered += 1;
                if comes_alone {
                    self.unread_from.store(self.answered + 1, Ordering::Relaxed);
                }
            }
            result = frame.map_err(|error| error.to_string()).and_then(|it| sink.frame(connection, it));
        }
        // Frames before a breach of the protocol count.
        let delivered = sink.delivered();
        result.and(delivered)
    }

    /// Returns the whole frames in the last bytes of a dead worker. Ignores garbage, because the worker is
    /// dead already.
    pub(super) fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut read = 0;
        loop {
            while let Ok(Some(frame)) = self.decoder.poll_frame() {
                frames.push(frame);
            }
            match self.socket.try_read(self.decoder.read_buffer()) {
                Ok(length @ 1..) if read < LAST_READ => {
                    read += length;
                    self.received += length as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.note(&error);
                    return frames;
                }
                Ok(_) => return frames,
            }
        }
    }

    /// Returns the whole frames that a dead worker had completed and not sent.
    pub(super) fn unsent(&mut self, page: &Page) -> Vec<Frame> {
        self.decoder.feed(&page.unsent(self.received));
        std::iter::from_fn(|| self.decoder.poll_frame().ok().flatten()).collect()
    }

    /// Marks the connection as closed, because it can no longer be written to.
    pub(super) fn close(&mut self) -> Result<(), String> {
        self.open = false;
        Ok(())
    }

    fn note(&mut self, error: &io::Error) {
        self.reset |= error.kind() == io::ErrorKind::ConnectionReset;
    }
}
