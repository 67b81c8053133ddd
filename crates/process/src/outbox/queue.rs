//! The unwritten bytes of an outbox, in pieces for the kernel. Does not: write.

use super::Ticket;
use bytes::{BufMut, Bytes, BytesMut};
use procpool_memory::arena::InputArena;
use procpool_protocol::attachments::Attachments;
use procpool_protocol::frame::Frame;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Maximum length of a payload that is copied behind its head, in bytes. A longer one is written from its own
/// memory.
const COPIED: usize = 1024;

/// Frames as segments of bytes, and how much of them is written.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) segments: VecDeque<Segment>,
    /// Small frames that come after all segments, together.
    tail: BytesMut,
    /// Bytes of the first segment that were written already.
    pub(super) skip: usize,
    /// Bytes appended so far, and those of them that the kernel has accepted.
    appended: u64,
    written: u64,
    /// Where the frames end that the kernel has not accepted whole, by the bytes appended until then.
    ends: VecDeque<u64>,
    /// Frames whose last byte the kernel has accepted.
    pub(super) accepted: u64,
    /// A thread is about to write, and holds the segments.
    pub(super) writing: bool,
    /// That thread is in the system call that hands them over.
    pub(super) is_handing_over: bool,
    /// The socket did not accept everything; only the writer continues.
    pub(super) waiting: bool,
    /// The socket did not accept descriptors, because too many are in flight. It does not become writable to
    /// report that this ended.
    pub(super) is_crowded: bool,
    /// A thread was asked to write the appended frames, and has not begun.
    pub(super) is_promised: bool,
    /// Nothing will be written from now on.
    pub(super) closed: bool,
}

/// Bytes that are written one after the other.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) bytes: Bytes,
    /// The copy to make before the segment is written.
    pub(super) before: Option<Fill>,
    /// The descriptors to send with the first byte, until they are sent.
    pub(super) attachments: Attachments,
}

/// A payload that must lie in an arena before the frame that refers to it is sent.
#[derive(Debug)]
pub(super) struct Fill {
    pub(super) arena: Arc<InputArena>,
    pub(super) payload: Bytes,
}

impl Segment {
    fn plain(bytes: Bytes) -> Self {
        Self { bytes, before: None, attachments: Attachments::NONE }
    }
}

impl Fill {
    /// Copies the payload. The arena was leased for it alone, and is long enough.
    pub(super) fn perform(self) -> io::Result<()> {
        self.arena.write(&self.payload)
    }
}

impl Queue {
    /// Appends a frame. Small frames are joined, so that they are written as one piece.
    pub(super) fn push(&mut self, before: Option<Fill>, frame: &Frame) -> Ticket {
        let payload = &frame.payload.bytes;
        if !self.closed {
            let attachments = frame.payload.attachments.clone();
            let stands_alone =
                before.is_some() || payload.len() > COPIED || !attachments.as_slice().is_empty();
            if stands_alone {
                self.gather();
            }
            frame.put_head(&mut self.tail);
            if payload.len() <= COPIED {
                self.tail.put_slice(payload);
            }
            if stands_alone {
                let bytes = self.tail.split().freeze();
                self.segments.push_back(Segment { bytes, before, attachments });
            }
            if payload.len() > COPIED {
                self.segments.push_back(Segment::plain(payload.clone()));
            }
            self.appended += frame.wire_len() as u64;
            self.ends.push_back(self.appended);
        }
        Ticket(self.accepted + self.ends.len() as u64)
    }

    /// Makes a segment of the small frames at the end.
    pub(super) fn gather(&mut self) {
        if !self.tail.is_empty() {
            self.segments.push_back(Segment::plain(self.tail.split().freeze()));
        }
    }

    /// Returns the number of bytes that the kernel has not accepted.
    pub(super) fn unwritten(&self) -> u64 {
        self.appended - self.written
    }

    /// Puts segments back before those that were appended meanwhile.
    pub(super) fn restore(&mut self, mut segments: VecDeque<Segment>) {
        segments.append(&mut self.segments);
        self.segments = segments;
    }

    /// Removes `written` bytes from the front.
    pub(super) fn advance(&mut self, written: usize) {
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

    pub(super) fn close(&mut self) {
        // The remaining segments are dropped with the outbox: this is called under the pool's lock, and
        // freeing a large payload takes some time.
        self.closed = true;
        self.written = self.appended;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_memory::input::InputWriter;
    use procpool_protocol::Payload;
    use procpool_protocol::attachments::Attachment;
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
        let arena = Arc::new(InputArena::Passed(InputWriter::create("test", 4096).unwrap()));
        queue.push(None, &frame(1));
        queue.push(Some(Fill { arena, payload: Bytes::from_static(b"input") }), &frame(2));
        queue.push(None, &frame(3));
        assert_eq!(lengths(&mut queue), [1, 2, 3].map(|length| HEADER_LEN + length));
        let waits: Vec<_> = queue.segments.iter().map(|segment| segment.before.is_some()).collect();
        assert_eq!(waits, [false, true, false]);
    }

    #[test]
    fn a_frame_with_descriptors_is_a_segment_of_its_own() {
        let mut queue = Queue::default();
        let null = Attachment::from(std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null").unwrap()));
        let mut with = frame(2);
        with.payload.attachments = vec![null].try_into().unwrap();
        for frame in [frame(1), with, frame(3)] {
            queue.push(None, &frame);
        }
        assert_eq!(lengths(&mut queue), [1, 2, 3].map(|length| HEADER_LEN + length));
        let counts: Vec<_> = queue.segments.iter().map(|segment| segment.attachments.count()).collect();
        assert_eq!(counts, [0, 1, 0]);
    }
}
