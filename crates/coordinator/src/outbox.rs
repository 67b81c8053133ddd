//! Ordered output to one connection, written by whoever comes by.
//!
//! Frames are appended under the pool's lock, which orders them; they are written outside of it, by
//! the thread that appended them if the socket takes them, else by the session's own writer. Nobody
//! awaits while holding a frame, so dropping a caller's future tears none.

use crate::os::socket::Socket;
use bytes::{Bytes, BytesMut};
use procpool_memory::input::InputWriter;
use procpool_protocol::arena::Place;
use procpool_protocol::frame::Frame;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The output side of a connection.
#[derive(Debug)]
pub(crate) struct Outbox {
    socket: Arc<Socket>,
    queue: Mutex<Queue>,
    /// Wakes the writer: the socket was full, or somebody waits for room.
    blocked: Notify,
    /// Wakes those who wait for the queue to become short.
    room: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    segments: VecDeque<Segment>,
    /// Bytes of the first segment that were written already.
    skip: usize,
    /// Bytes in `segments`, those of `skip` included.
    bytes: usize,
    /// Frames appended so far.
    pushed: u64,
    /// Frames whose last byte the kernel has accepted.
    accepted: u64,
    /// Somebody is writing, with the segments in their hands.
    writing: bool,
    /// The socket did not take everything; only the writer goes on.
    waiting: bool,
    /// The writer was asked to write what there is by the time that others have had their turn.
    soon: bool,
    /// Nothing will be written any more.
    closed: bool,
}

#[derive(Debug)]
struct Segment {
    bytes: Bytes,
    ends_frame: bool,
    /// What has to be done before it is written.
    before: Option<Fill>,
}

/// A payload that is to lie in an arena before the frame that refers to it goes out.
#[derive(Debug)]
struct Fill {
    arena: Arc<InputWriter>,
    payload: Bytes,
}

/// A frame's place in the order of its outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

impl Outbox {
    pub(crate) fn new(socket: Arc<Socket>) -> Self {
        Self { socket, queue: Mutex::default(), blocked: Notify::new(), room: Notify::new() }
    }

    /// Appends a frame; [`flush`](Self::flush) writes it.
    pub(crate) fn push(&self, frame: &Frame) -> Ticket {
        self.push_after(None, frame)
    }

    /// Appends a frame whose payload is copied to `arena` first, by whoever writes it, and which says that it lies at `place`.
    /// Nobody else may write to the arena until the worker has answered.
    pub(crate) fn push_shared(&self, frame: Frame, arena: Arc<InputWriter>, place: Place) -> Ticket {
        let fill = Fill { arena, payload: frame.payload.bytes.clone() };
        self.push_after(Some(fill), &frame.referring_to(place))
    }

    fn push_after(&self, before: Option<Fill>, frame: &Frame) -> Ticket {
        let mut head = BytesMut::new();
        frame.put_head(&mut head);
        let payload = frame.payload.bytes.clone();
        let mut queue = self.lock();
        if !queue.closed {
            queue.bytes += head.len() + payload.len();
            queue.segments.push_back(Segment {
                bytes: head.freeze(),
                ends_frame: payload.is_empty(),
                before,
            });
            if !payload.is_empty() {
                queue.segments.push_back(Segment { bytes: payload, ends_frame: true, before: None });
            }
        }
        queue.pushed += 1;
        Ticket(queue.pushed)
    }

    /// Writes what the socket takes. Never waits.
    pub(crate) fn flush(&self) {
        let mut queue = self.lock();
        if queue.writing || queue.waiting {
            return;
        }
        queue.writing = true;
        while !queue.closed && !queue.segments.is_empty() {
            let mut segments = std::mem::take(&mut queue.segments);
            let skip = queue.skip;
            drop(queue);
            for fill in segments.iter_mut().filter_map(|segment| segment.before.take()) {
                fill.perform();
            }
            let written = self.socket.try_write(segments.iter().map(|segment| &segment.bytes), skip);
            queue = self.lock();
            queue.restore(segments);
            match written {
                Ok(written) => queue.advance(written),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    queue.waiting = true;
                    self.blocked.notify_one();
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Most likely the worker is gone, and its death explains more. If it lives, the session has to
                // end it: it can be told nothing any more.
                Err(_) => {
                    queue.close();
                    self.blocked.notify_one();
                }
            }
        }
        queue.writing = false;
        let short = queue.bytes < Self::SHORT;
        drop(queue);
        if short {
            self.room.notify_waiters();
        }
    }

    /// Has the writer write, when others that may have something to add have had their turn.
    pub(crate) fn flush_soon(&self) {
        if !std::mem::replace(&mut self.lock().soon, true) {
            self.blocked.notify_one();
        }
    }

    /// Writes what flushes could not, or leave to it. Completes when nothing can be written any more.
    pub(crate) async fn write(&self) {
        loop {
            self.blocked.notified().await;
            if self.is_closed() {
                return;
            }
            if std::mem::take(&mut self.lock().soon) {
                tokio::task::yield_now().await;
                self.flush();
                if !self.lock().waiting {
                    continue;
                }
            }
            // An error shows at the next write.
            let _ = self.socket.writable().await;
            self.lock().waiting = false;
            self.flush();
        }
    }

    /// More than this many unwritten bytes and [`has_room`](Self::has_room) waits.
    const SHORT: usize = 64 * 1024;

    /// Whether the peer has left a lot unread.
    pub(crate) fn is_long(&self) -> bool {
        self.lock().bytes >= Self::SHORT
    }

    /// Waits until little is left unwritten, or nothing will be written any more.
    pub(crate) async fn has_room(&self) {
        self.is_shorter_than(Self::SHORT).await;
    }

    /// Waits until all is written, or nothing will be written any more.
    pub(crate) async fn is_empty(&self) {
        self.is_shorter_than(1).await;
    }

    async fn is_shorter_than(&self, length: usize) {
        loop {
            let room = self.room.notified();
            tokio::pin!(room);
            room.as_mut().enable();
            {
                let queue = self.lock();
                if queue.closed || queue.bytes < length {
                    return;
                }
            }
            room.await;
        }
    }

    /// Writes nothing any more, and tells whether the frame of `ticket` may have reached the worker.
    ///
    /// `false` is certain: the kernel has not accepted its last byte and never will.
    pub(crate) fn close(&self, ticket: Option<Ticket>) -> bool {
        let mut queue = self.lock();
        // Whoever is writing at this moment may be handing over any frame, and knows in a moment: it is in
        // one system call that does not block, and needs no other lock to come back.
        while queue.writing {
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

    /// Whether nothing will be written any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fill {
    fn perform(self) {
        // It was lent for this payload alone, and is long enough for it.
        let is_written = self.arena.write(&self.payload);
        debug_assert!(is_written, "an arena that was lent is free and long enough");
    }
}

impl Queue {
    /// Puts segments back in front of those that were appended meanwhile.
    fn restore(&mut self, mut segments: VecDeque<Segment>) {
        segments.append(&mut self.segments);
        self.segments = segments;
    }

    /// Takes `written` bytes off the front.
    fn advance(&mut self, written: usize) {
        self.skip += written;
        while let Some(first) = self.segments.front() {
            if self.skip < first.bytes.len() {
                break;
            }
            self.skip -= first.bytes.len();
            self.bytes = self.bytes.saturating_sub(first.bytes.len());
            self.accepted += u64::from(first.ends_frame);
            self.segments.pop_front();
        }
    }

    fn close(&mut self) {
        // What is left is dropped with the outbox: this is called under the pool's lock, and freeing a
        // large payload takes its time.
        self.closed = true;
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(lengths: &[usize]) -> Queue {
        let mut queue = Queue::default();
        for &length in lengths {
            queue.segments.push_back(Segment {
                bytes: vec![0; length].into(),
                ends_frame: true,
                before: None,
            });
            queue.bytes += length;
        }
        queue
    }

    #[test]
    fn a_frame_is_accepted_with_its_last_byte_only() {
        let mut queue = queue(&[10, 5]);
        queue.advance(9);
        assert_eq!((queue.accepted, queue.skip, queue.bytes), (0, 9, 15));
        queue.advance(1);
        assert_eq!((queue.accepted, queue.skip, queue.bytes), (1, 0, 5));
        queue.advance(5);
        assert_eq!((queue.accepted, queue.segments.len(), queue.bytes), (2, 0, 0));
    }

    #[test]
    fn what_was_not_written_goes_before_what_was_appended_meanwhile() {
        let mut queue = queue(&[3]);
        let earlier = queue_of(7).segments;
        queue.restore(earlier);
        let lengths: Vec<usize> = queue.segments.iter().map(|segment| segment.bytes.len()).collect();
        assert_eq!(lengths, [7, 3]);
    }

    fn queue_of(length: usize) -> Queue {
        queue(&[length])
    }
}
