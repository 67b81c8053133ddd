//! Ordered output to one connection, written by whoever comes by.
//!
//! Frames are appended under the pool's lock, which orders them; they are written outside of it, by
//! the thread that appended them if the socket takes them, else by the session's own writer. Nobody
//! awaits while holding a frame, so dropping a caller's future tears none.

use crate::os::socket::Socket;
use bytes::{BufMut, Bytes, BytesMut};
use procpool_memory::input::InputWriter;
use procpool_protocol::arena::Place;
use procpool_protocol::frame::Frame;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Longest payload that is copied to its head, in bytes: a longer one goes from where it is.
const COPIED: usize = 1024;

/// The output side of a connection.
#[derive(Debug)]
pub struct Outbox {
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
    /// Small frames that come after all segments, together.
    tail: BytesMut,
    /// Bytes of the first segment that were written already.
    skip: usize,
    /// Bytes appended so far, and those of them that the kernel has accepted.
    appended: u64,
    written: u64,
    /// Where frames end, by the bytes appended until then, of those that the kernel has not accepted whole.
    ends: VecDeque<u64>,
    /// Frames whose last byte the kernel has accepted.
    accepted: u64,
    /// Somebody is writing, with the segments in their hands.
    writing: bool,
    /// The socket did not take everything; only the writer goes on.
    waiting: bool,
    /// Somebody has been told to see to it that what was appended is written, and has not begun to.
    is_promised: bool,
    /// Nothing will be written any more.
    closed: bool,
}

#[derive(Debug)]
struct Segment {
    bytes: Bytes,
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
pub struct Ticket(u64);

/// A frame that was appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Its place.
    pub ticket: Ticket,
    /// Nobody else will flush, or have it flushed soon: whoever appended it has to.
    pub is_first: bool,
}

impl Outbox {
    pub(crate) fn new(socket: Arc<Socket>) -> Self {
        Self { socket, queue: Mutex::default(), blocked: Notify::new(), room: Notify::new() }
    }

    /// Appends a frame; [`flush`](Self::flush) writes it.
    pub fn push(&self, frame: &Frame) -> Appended {
        self.push_after(None, frame)
    }

    /// Appends a frame whose payload is copied to `arena` first, by whoever writes it, and which says that it lies at `place`.
    /// Nobody else may write to the arena until the worker has answered.
    pub fn push_shared(&self, frame: &Frame, arena: Arc<InputWriter>, place: Place) -> Appended {
        let fill = Fill { arena, payload: frame.payload.bytes.clone() };
        self.push_after(Some(fill), &frame.clone().referring_to(place))
    }

    fn push_after(&self, before: Option<Fill>, frame: &Frame) -> Appended {
        let mut queue = self.lock();
        let ticket = queue.push(before, frame);
        Appended { ticket, is_first: !std::mem::replace(&mut queue.is_promised, true) }
    }

    /// Writes what the socket takes. Never waits.
    pub fn flush(&self) {
        let mut queue = self.lock();
        if queue.writing || queue.waiting {
            return;
        }
        queue.writing = true;
        while !queue.closed && queue.unwritten() > 0 {
            queue.is_promised = false;
            queue.gather();
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
        let short = queue.unwritten() < Self::SHORT;
        drop(queue);
        if short {
            self.room.notify_waiters();
        }
    }

    /// Has the writer write, when others that may have something to add have had their turn.
    pub fn flush_soon(&self) {
        self.blocked.notify_one();
    }

    /// Writes what flushes could not, or leave to it. Completes when nothing can be written any more.
    pub(crate) async fn write(&self) {
        loop {
            self.blocked.notified().await;
            if self.is_closed() {
                return;
            }
            if !self.is_waiting() {
                tokio::task::yield_now().await;
                self.flush();
                if !self.is_waiting() {
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
    const SHORT: u64 = 64 * 1024;

    /// Whether the peer has left a lot unread.
    pub fn is_long(&self) -> bool {
        self.lock().unwritten() >= Self::SHORT
    }

    /// Waits until little is left unwritten, or nothing will be written any more.
    pub async fn has_room(&self) {
        self.is_shorter_than(Self::SHORT).await;
    }

    /// Waits until all is written, or nothing will be written any more.
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

    /// Writes nothing any more, and tells whether the frame of `ticket` may have reached the worker.
    ///
    /// `false` is certain: the kernel has not accepted its last byte and never will.
    pub fn close(&self, ticket: Option<Ticket>) -> bool {
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

impl Fill {
    fn perform(self) {
        // It was lent for this payload alone, and is long enough for it.
        let is_written = self.arena.write(&self.payload);
        debug_assert!(is_written, "an arena that was lent is free and long enough");
    }
}

impl Queue {
    /// Appends a frame: small ones to each other, so that they are one piece to be written.
    fn push(&mut self, before: Option<Fill>, frame: &Frame) -> Ticket {
        let payload = &frame.payload.bytes;
        if !self.closed {
            if before.is_some() || payload.len() > COPIED {
                self.gather();
            }
            frame.put_head(&mut self.tail);
            if payload.len() <= COPIED {
                self.tail.put_slice(payload);
            }
            if before.is_some() || payload.len() > COPIED {
                let bytes = self.tail.split().freeze();
                self.segments.push_back(Segment { bytes, before });
            }
            if payload.len() > COPIED {
                self.segments.push_back(Segment { bytes: payload.clone(), before: None });
            }
            self.appended += frame.wire_len() as u64;
            self.ends.push_back(self.appended);
        }
        Ticket(self.accepted + self.ends.len() as u64)
    }

    /// Makes a segment of the small frames at the end.
    fn gather(&mut self) {
        if !self.tail.is_empty() {
            self.segments.push_back(Segment { bytes: self.tail.split().freeze(), before: None });
        }
    }

    /// Bytes that the kernel has not accepted.
    fn unwritten(&self) -> u64 {
        self.appended - self.written
    }

    /// Puts segments back in front of those that were appended meanwhile.
    fn restore(&mut self, mut segments: VecDeque<Segment>) {
        segments.append(&mut self.segments);
        self.segments = segments;
    }

    /// Takes `written` bytes off the front.
    fn advance(&mut self, written: usize) {
        self.written += written as u64;
        while self.ends.front().is_some_and(|&end| end <= self.written) {
            self.ends.pop_front();
            self.accepted += 1;
        }
        self.skip += written;
        while let Some(first) = self.segments.front() {
            if self.skip < first.bytes.len() {
                break;
            }
            self.skip -= first.bytes.len();
            self.segments.pop_front();
        }
    }

    fn close(&mut self) {
        // What is left is dropped with the outbox: this is called under the pool's lock, and freeing a
        // large payload takes its time.
        self.closed = true;
        self.written = self.appended;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::Payload;
    use procpool_protocol::frame::{HEADER_LEN, Kind};

    fn frame(length: usize) -> Frame {
        Frame::new(Kind::Job, 1, "").with_payload(Payload::raw(vec![7; length]))
    }

    fn lengths(queue: &mut Queue) -> Vec<usize> {
        queue.gather();
        queue.segments.iter().map(|segment| segment.bytes.len()).collect()
    }

    #[test]
    fn a_frame_is_accepted_with_its_last_byte_only() {
        let mut queue = Queue::default();
        let tickets = [10, 5, COPIED + 1].map(|length| queue.push(None, &frame(length)));
        assert_eq!(tickets, [Ticket(1), Ticket(2), Ticket(3)]);
        assert_eq!(lengths(&mut queue), [2 * HEADER_LEN + 15, HEADER_LEN, COPIED + 1]);
        queue.advance(HEADER_LEN + 9);
        assert_eq!((queue.accepted, queue.segments.len()), (0, 3));
        queue.advance(1);
        assert_eq!((queue.accepted, queue.segments.len()), (1, 3));
        queue.advance(2 * HEADER_LEN + 5 + COPIED);
        assert_eq!((queue.accepted, queue.segments.len(), queue.unwritten()), (2, 1, 1));
        queue.advance(1);
        assert_eq!((queue.accepted, queue.segments.len(), queue.unwritten()), (3, 0, 0));
        assert_eq!(queue.push(None, &frame(1)), Ticket(4));
    }

    #[tokio::test]
    async fn whoever_joins_what_somebody_will_write_has_nothing_to_see_to() {
        let (ours, mut peer) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let socket = Arc::new(Socket::new(ours).unwrap());
        socket.writable().await.unwrap();
        let outbox = Outbox::new(socket);
        for _ in 0..2 {
            assert!(outbox.push(&frame(1)).is_first);
            assert!(!outbox.push(&frame(2)).is_first);
            outbox.flush();
            let mut both = [0; 2 * HEADER_LEN + 3];
            std::io::Read::read_exact(&mut peer, &mut both).unwrap();
        }
    }

    #[test]
    fn what_was_not_written_goes_before_what_was_appended_meanwhile() {
        let mut queue = Queue::default();
        queue.push(None, &frame(7));
        queue.gather();
        let earlier = std::mem::take(&mut queue.segments);
        queue.push(None, &frame(3));
        queue.restore(earlier);
        assert_eq!(lengths(&mut queue), [HEADER_LEN + 7, HEADER_LEN + 3]);
    }

    #[test]
    fn a_frame_that_waits_for_an_arena_is_a_segment_of_its_own() {
        let mut queue = Queue::default();
        let arena = Arc::new(InputWriter::create("test", 4096).unwrap());
        queue.push(None, &frame(1));
        queue.push(Some(Fill { arena, payload: Bytes::from_static(b"input") }), &frame(2));
        queue.push(None, &frame(3));
        assert_eq!(lengths(&mut queue), [1, 2, 3].map(|length| HEADER_LEN + length));
        let waits: Vec<_> = queue.segments.iter().map(|segment| segment.before.is_some()).collect();
        assert_eq!(waits, [false, true, false]);
    }
}
