//! Ordered output to one connection, written by any thread that has the connection.
//!
//! Frames are appended under the pool's lock, which orders them. They are written outside of it, by the
//! thread that appended them if the socket accepts them, or else by the session's own writer. No task awaits
//! while it holds a frame, so dropping a caller's future truncates none.

mod queue;

use crate::clock;
use crate::os::socket::{CROWDED, Socket, is_crowded};
use bytes::Bytes;
use procpool_memory::arena::InputArena;
use procpool_protocol::arena::Place;
use procpool_protocol::attachments::{Attachment, Attachments};
use procpool_protocol::frame::Frame;
use queue::{Fill, Queue, Segment};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The output side of a connection.
#[derive(Debug)]
pub struct Outbox {
    /// Whether the peer receives descriptors.
    receives: bool,
    queue: Mutex<Queue>,
    /// Wakes the writer: the socket was full, or a task waits for room.
    blocked: Notify,
    /// Wakes the tasks that wait for the queue to become short.
    room: Notify,
}

/// A frame's place in the order of its outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// A frame that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The frame's place.
    pub ticket: Ticket,
    /// No other thread will flush soon: the caller must.
    pub is_first: bool,
}

/// The destination of bytes, which accepts as many at a time as it can: a socket, or its substitute in a
/// simulation.
pub trait Pipe {
    /// Accepts as much as it can of `segments`, starting `skip` bytes into the first. Never waits.
    ///
    /// # Errors
    /// As those of a socket.
    fn try_write<'a>(&self, segments: impl Iterator<Item = &'a Bytes>, skip: usize) -> io::Result<usize>;

    /// Accepts descriptors with the first byte of `segments`, and as many bytes of those as it can. The
    /// descriptors are accepted only if this returns a number.
    ///
    /// # Errors
    /// As those of a socket.
    fn try_send<'a>(
        &self,
        segments: impl Iterator<Item = &'a Bytes>,
        attachments: &[Attachment],
    ) -> io::Result<usize>;
}

impl Outbox {
    /// Returns an outbox. `receives` says whether its peer receives descriptors.
    pub fn new(receives: bool) -> Self {
        let (blocked, room) = (Notify::new(), Notify::new());
        Self { receives, queue: Mutex::default(), blocked, room }
    }

    /// Appends a frame; [`flush`](Self::flush) writes it. The attachments of its payload are sent with its
    /// first byte, or omitted for a peer that receives none.
    pub fn push(&self, frame: &Frame) -> Appended {
        self.push_after(None, frame)
    }

    /// Appends a frame that says that its payload lies at `place`. The writer of the frame copies the payload
    /// to `arena` first. No other thread may write to the arena until the worker has answered.
    pub fn push_shared(&self, frame: &Frame, arena: Arc<InputArena>, place: Place) -> Appended {
        let fill = Fill { arena, payload: frame.payload.bytes.clone() };
        self.push_after(Some(fill), &frame.clone().referring_to(place))
    }

    fn push_after(&self, before: Option<Fill>, frame: &Frame) -> Appended {
        if !self.receives && !frame.payload.attachments.is_none() {
            let mut frame = frame.clone();
            frame.payload.attachments = Attachments::NONE;
            return self.push_after(before, &frame);
        }
        let mut queue = self.lock();
        let ticket = queue.push(before, frame);
        Appended { ticket, is_first: !std::mem::replace(&mut queue.is_promised, true) }
    }

    /// Writes as many bytes as the pipe accepts. Never waits.
    pub fn flush(&self, pipe: &impl Pipe) {
        let mut queue = self.lock();
        if queue.writing || queue.waiting {
            return;
        }
        queue.writing = true;
        while !queue.closed && queue.unwritten() > 0 {
            queue.is_promised = false;
            queue.gather();
            let mut segments = std::mem::take(&mut queue.segments);
            let mut filled = Ok(());
            if segments.iter().any(|segment| segment.before.is_some()) {
                drop(queue);
                // This may take long, so a close does not wait for it.
                filled = fill(&mut segments);
                queue = self.lock();
                if queue.closed {
                    queue.restore(segments);
                    break;
                }
            }
            let skip = queue.skip;
            queue.is_handing_over = true;
            drop(queue);
            let written = filled.and_then(|()| hand_over(pipe, &mut segments, skip));
            queue = self.lock();
            queue.is_handing_over = false;
            queue.restore(segments);
            match written {
                Ok(written) => queue.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock || is_crowded(&error) => {
                    queue.waiting = true;
                    queue.is_crowded = is_crowded(&error);
                    self.blocked.notify_one();
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Most likely the worker is dead, and its death explains more. If it lives, the session must
                // end it, because nothing can be sent to it.
                Err(_) => {
                    queue.close();
                    self.blocked.notify_one();
                }
            }
        }
        queue.writing = false;
        let short = queue.unwritten() < Self::SHORT;
        drop(queue);
        if short {
            self.room.notify_waiters();
        }
    }

    /// Records that the pipe accepts bytes again.
    pub fn resume(&self) {
        self.lock().waiting = false;
    }

    /// Wakes the writer, after other tasks that may have something to add have had their turn.
    pub fn flush_soon(&self) {
        self.blocked.notify_one();
    }

    /// Writes the bytes that flushes could not write, or left to it. Completes when nothing can be written.
    pub(crate) async fn write(&self, socket: &Socket) {
        loop {
            self.blocked.notified().await;
            if self.is_closed() {
                return;
            }
            if !self.is_waiting() {
                tokio::task::yield_now().await;
                self.flush(socket);
                if !self.is_waiting() {
                    continue;
                }
            }
            if self.lock().is_crowded {
                clock::sleep(CROWDED).await;
            } else {
                // An error shows at the next write.
                let _ = socket.writable().await;
            }
            self.resume();
            self.flush(socket);
        }
    }

    /// Number of unwritten bytes beyond which [`has_room`](Self::has_room) waits.
    const SHORT: u64 = 64 * 1024;

    /// Returns whether the peer has left many bytes unread.
    pub fn is_long(&self) -> bool {
        self.lock().unwritten() >= Self::SHORT
    }

    /// Waits until few bytes are unwritten, or the outbox is closed.
    pub async fn has_room(&self) {
        self.is_shorter_than(Self::SHORT).await;
    }

    /// Waits until all bytes are written, or the outbox is closed.
    pub async fn is_empty(&self) {
        self.is_shorter_than(1).await;
    }

    async fn is_shorter_than(&self, length: u64) {
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            {
                let queue = self.lock();
                if queue.closed || queue.unwritten() < length {
                    return;
                }
            }
            room.await;
        }
    }

    /// Stops writing, and returns whether the frame of `ticket` may have reached the worker.
    ///
    /// `false` is certain: the kernel has not accepted its last byte and never will.
    pub fn close(&self, ticket: Option<Ticket>) -> bool {
        let mut queue = self.lock();
        // A thread that is handing over frames is in one non-blocking system call, and needs no other lock to
        // return. It knows the result in a moment.
        while queue.is_handing_over {
            drop(queue);
            std::thread::yield_now();
            queue = self.lock();
        }
        let handed_over = ticket.is_some_and(|Ticket(number)| queue.accepted >= number);
        queue.close();
        drop(queue);
        self.room.notify_waiters();
        handed_over
    }

    /// Returns whether the outbox is closed for writing.
    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn is_waiting(&self) -> bool {
        self.lock().waiting
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the pipe segments from `skip` bytes into the first on. Returns the number of bytes that it accepted.
fn hand_over(pipe: &impl Pipe, segments: &mut VecDeque<Segment>, skip: usize) -> io::Result<usize> {
    // The descriptors of one write go with its first byte, so a segment with descriptors begins a write.
    let begins = |segment: &Segment| !segment.attachments.is_none();
    let together = segments.iter().enumerate().take_while(|(at, segment)| *at == 0 || !begins(segment));
    let bytes = together.map(|(_, segment)| &segment.bytes);
    match segments.front().filter(|first| begins(first)) {
        None => pipe.try_write(bytes, skip),
        Some(first) => {
            let written = pipe.try_send(bytes, first.attachments.as_slice())?;
            // Now the kernel owns them, even if it accepted only some of the bytes.
            if let Some(first) = segments.front_mut().filter(|_| written > 0) {
                first.attachments = Attachments::NONE;
            }
            Ok(written)
        }
    }
}

/// Copies payloads to their arenas before the frames go out that refer to them.
fn fill(segments: &mut VecDeque<Segment>) -> io::Result<()> {
    segments.iter_mut().filter_map(|segment| segment.before.take()).try_for_each(Fill::perform)
}

#[cfg(test)]
mod interleavings;
#[cfg(test)]
mod tests;
