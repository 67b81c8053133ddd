//! An outbox with a worst-case pipe: every order of the actions of other threads while one thread writes
//! frames.
//!
//! All state that threads share here is behind one lock, so they interleave by whole turns of it. A thread
//! that flushes releases the lock only while the pipe has the segments. The other threads have their turns
//! there: in this test, they run from inside the pipe.

use super::*;
use procpool_protocol::Payload;
use procpool_protocol::frame::Kind;
use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::task::{Context, Waker};

/// The behaviour of the pipe.
#[derive(Clone, Copy, Debug)]
enum Takes {
    All,
    OneByte,
    AllButOne,
    Nothing,
    Interrupted,
    Broken,
}

/// The action of another thread meanwhile.
#[derive(Clone, Copy, Debug)]
enum Meanwhile {
    Nothing,
    /// Appends a frame, and flushes if it must: at once, or when the current writer is done.
    Pushes {
        flushes_later: bool,
    },
    /// The writer is woken, with or without a reason.
    WriterComes,
}

type Step = (Takes, Meanwhile);

/// Number of scripted steps. After them the pipe accepts everything, and no other thread acts.
const STEPS: usize = 3;

fn steps() -> impl Iterator<Item = Step> + Clone {
    let takes =
        [Takes::All, Takes::OneByte, Takes::AllButOne, Takes::Nothing, Takes::Interrupted, Takes::Broken];
    let pushes = [false, true].map(|flushes_later| Meanwhile::Pushes { flushes_later });
    let meanwhile = [Meanwhile::Nothing, pushes[0], pushes[1], Meanwhile::WriterComes];
    takes.into_iter().flat_map(move |takes| meanwhile.map(|meanwhile| (takes, meanwhile)))
}

struct Play<'a> {
    outbox: &'a Outbox,
    script: RefCell<VecDeque<Step>>,
    /// The appended bytes, the end of each frame in them, and the bytes that the pipe accepted.
    pushed: RefCell<Vec<u8>>,
    tickets: RefCell<Vec<(Ticket, usize)>>,
    taken: RefCell<Vec<u8>>,
    /// Number of threads that must flush and have not yet.
    owed: Cell<u32>,
}

impl Play<'_> {
    fn push(&self) -> Appended {
        let (mut pushed, mut tickets) = (self.pushed.borrow_mut(), self.tickets.borrow_mut());
        // Every other payload is long, and so a segment of its own.
        let payload = vec![7; if tickets.len() % 2 == 1 { 1100 } else { 0 }];
        let frame = Frame::new(Kind::Message, tickets.len() as u64, "").with_payload(Payload::raw(payload));
        let appended = self.outbox.push(&frame);
        pushed.extend_from_slice(&frame.to_bytes());
        tickets.push((appended.ticket, pushed.len()));
        appended
    }

    fn act(&self, meanwhile: Meanwhile) {
        match meanwhile {
            Meanwhile::Nothing => {}
            Meanwhile::Pushes { flushes_later } => {
                if self.push().is_first {
                    self.owed.set(self.owed.get() + 1);
                }
                if !flushes_later {
                    self.flush_what_is_owed();
                }
            }
            Meanwhile::WriterComes => {
                self.outbox.resume();
                self.outbox.flush(self);
            }
        }
    }

    fn flush_what_is_owed(&self) {
        while let Some(left) = self.owed.get().checked_sub(1) {
            self.owed.set(left);
            self.outbox.flush(self);
        }
    }

    fn take<'a>(&self, segments: impl Iterator<Item = &'a Bytes>, skip: usize) -> io::Result<usize> {
        let (takes, meanwhile) =
            self.script.borrow_mut().pop_front().unwrap_or((Takes::All, Meanwhile::Nothing));
        self.act(meanwhile);
        let given: Vec<u8> = segments.flatten().copied().skip(skip).collect();
        let length = match takes {
            Takes::All => given.len(),
            Takes::OneByte => 1,
            Takes::AllButOne => given.len() - 1,
            Takes::Nothing => return Err(ErrorKind::WouldBlock.into()),
            Takes::Interrupted => return Err(ErrorKind::Interrupted.into()),
            Takes::Broken => return Err(ErrorKind::BrokenPipe.into()),
        };
        self.taken.borrow_mut().extend_from_slice(&given[..length]);
        Ok(length)
    }

    /// A frame is appended, and each thread flushes if it must.
    fn goes_on(&self) {
        self.act(Meanwhile::Pushes { flushes_later: false });
        self.flush_what_is_owed();
        while self.outbox.is_waiting() {
            assert!(self.writer_is_called(), "nobody writes what the pipe did not take");
            self.outbox.resume();
            self.outbox.flush(self);
            self.flush_what_is_owed();
        }
    }

    /// Returns whether the writer will come without another call.
    fn writer_is_called(&self) -> bool {
        let called = pin!(self.outbox.blocked.notified());
        called.poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }
}

impl Pipe for Play<'_> {
    fn try_write<'a>(&self, segments: impl Iterator<Item = &'a Bytes>, skip: usize) -> io::Result<usize> {
        self.take(segments, skip)
    }

    fn try_send<'a>(&self, _: impl Iterator<Item = &'a Bytes>, _: &[Attachment]) -> io::Result<usize> {
        unreachable!("no frame has descriptors")
    }
}

fn perform(script: &[Step]) {
    let outbox = Outbox::new(false);
    let play = Play {
        outbox: &outbox,
        script: RefCell::new(script.iter().copied().collect()),
        pushed: RefCell::default(),
        tickets: RefCell::default(),
        taken: RefCell::default(),
        owed: Cell::new(0),
    };
    play.goes_on();
    // Then once more without interference.
    play.script.borrow_mut().clear();
    play.goes_on();
    let (pushed, taken) = (play.pushed.borrow(), play.taken.borrow());
    assert!(pushed.starts_with(&taken), "in order, and once: {script:?}");
    assert!(outbox.is_closed() || pushed.len() == taken.len(), "nothing is left behind: {script:?}");
    assert!(!outbox.is_closed() || play.writer_is_called(), "nobody ends the session: {script:?}");
    for (ticket, end) in &*play.tickets.borrow() {
        assert_eq!(outbox.close(Some(*ticket)), *end <= taken.len(), "{ticket:?} has gone out: {script:?}");
    }
}

#[test]
fn whatever_others_do_while_one_writes_frames_go_out_in_order_and_none_is_left() {
    for first in steps() {
        for second in steps() {
            for third in steps() {
                let script: [Step; STEPS] = [first, second, third];
                perform(&script);
            }
        }
    }
}
