//! Descriptors on their way from a socket to the frames that they were sent with.
//!
//! The kernel returns them together with the bytes that they were sent with, and ends a read there. Therefore
//! the descriptors of one read belong to one frame, whose first byte is in the same read.

use procpool_protocol::attachments::{Attachment, Attachments};
use procpool_protocol::frame::Frame;
use procpool_protocol::limits::MAX_ATTACHMENTS;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

/// Maximum number of descriptors that wait for their frames. They belong to a frame whose end has not
/// arrived, and to the next one, which begins in the read with that end.
const MAX_WAITING: usize = 2 * MAX_ATTACHMENTS;

/// A source of bytes, and of descriptors with them.
pub(crate) trait Source {
    /// Reads once. Returns the number of bytes, 0 at the end, and the received descriptors. They may be fewer
    /// than were sent.
    fn receive(&mut self, into: &mut [u8]) -> io::Result<(usize, Option<Vec<OwnedFd>>)>;
}

impl<R: Read> Source for R {
    fn receive(&mut self, into: &mut [u8]) -> io::Result<(usize, Option<Vec<OwnedFd>>)> {
        Ok((self.read(into)?, None))
    }
}

/// Descriptors of frames that are not yet complete, in their order. Positions count the bytes of the
/// connection.
#[derive(Debug, Default)]
pub(crate) struct Received(VecDeque<Batch>);

/// The descriptors of one read.
#[derive(Debug)]
struct Batch {
    /// The read's first byte.
    from: u64,
    /// The first byte after it.
    until: u64,
    descriptors: Vec<OwnedFd>,
}

impl Received {
    /// Adds the descriptors that arrived with the bytes from `from` until `until`. Closes them if too many
    /// wait already.
    pub(crate) fn add(&mut self, from: u64, until: u64, descriptors: Vec<OwnedFd>) {
        let waiting: usize = self.0.iter().map(|batch| batch.descriptors.len()).sum();
        if waiting + descriptors.len() <= MAX_WAITING {
            self.0.push_back(Batch { from, until, descriptors });
        }
    }

    /// Attaches its descriptors to a frame that began at `start`, and closes earlier ones that no frame has
    /// claimed. A frame that lacks some receives none.
    pub(crate) fn attach(&mut self, start: impl FnOnce() -> u64, frame: &mut Frame) {
        let Some(count) = frame.payload.attachments.absentees() else {
            if !self.0.is_empty() {
                self.close_until(start());
            }
            return;
        };
        let start = start();
        self.close_until(start);
        // A later one belongs to the next frame.
        if self.0.front().is_none_or(|batch| batch.from > start) {
            return;
        }
        let Some(batch) = self.0.pop_front() else { return };
        if batch.descriptors.len() == usize::from(count) {
            let attachments: Vec<_> = batch.descriptors.into_iter().map(Attachment::from).collect();
            frame.payload.attachments = attachments.try_into().unwrap_or_else(|_| Attachments::absent(count));
        }
    }

    fn close_until(&mut self, start: u64) {
        let stale = self.0.iter().take_while(|batch| batch.until <= start).count();
        self.0.drain(..stale);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::Payload;
    use procpool_protocol::frame::Kind;

    fn descriptors(count: usize) -> Vec<OwnedFd> {
        (0..count).map(|_| std::fs::File::open("/dev/null").unwrap().into()).collect()
    }

    /// Returns the number of descriptors that a frame receives if it began at `start` and announced `count`.
    fn attached(received: &mut Received, start: u64, count: u8) -> usize {
        let mut payload = Payload::raw("input");
        payload.attachments = Attachments::absent(count);
        let mut frame = Frame::new(Kind::Job, 1, "").with_payload(payload);
        received.attach(|| start, &mut frame);
        frame.payload.attachments.as_slice().len()
    }

    #[test]
    fn a_frame_gets_what_its_first_byte_came_with() {
        let mut received = Received::default();
        received.add(0, 100, descriptors(2));
        received.add(100, 300, descriptors(1));
        assert_eq!(attached(&mut received, 0, 0), 0, "a frame before it in the same read");
        assert_eq!(attached(&mut received, 50, 2), 2);
        assert_eq!(attached(&mut received, 120, 1), 1);
        assert!(received.0.is_empty());
    }

    #[test]
    fn what_no_frame_asked_for_is_closed() {
        let mut received = Received::default();
        received.add(0, 100, descriptors(2));
        assert_eq!(attached(&mut received, 99, 0), 0);
        assert_eq!(received.0.len(), 1);
        assert_eq!(attached(&mut received, 100, 0), 0);
        assert!(received.0.is_empty());
    }

    #[test]
    fn a_frame_that_lacks_some_takes_none_of_another() {
        let mut received = Received::default();
        received.add(0, 100, descriptors(1));
        received.add(100, 200, descriptors(2));
        assert_eq!(attached(&mut received, 0, 2), 0);
        assert_eq!(attached(&mut received, 50, 2), 0, "none came with it at all");
        assert_eq!(attached(&mut received, 150, 2), 2);
    }

    #[test]
    fn no_more_wait_than_two_frames_may_have() {
        let mut received = Received::default();
        for at in 0..100 {
            received.add(at, at + 1, descriptors(MAX_ATTACHMENTS));
        }
        assert_eq!(received.0.len(), 2);
    }
}
