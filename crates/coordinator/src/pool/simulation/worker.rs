//! A worker that reads and writes frames, as WIRE.md has it: a page, memory from birth, credit, two
//! connections that know nothing of each other. The inputs say how its jobs behave.

use bytes::Bytes;
use procpool_memory::arena::BornArenas;
use procpool_process::{Outboxes, Pipe};
use procpool_protocol::Payload;
use procpool_protocol::arena::{Direction, MIN_SHARED, Place, Share, Shared};
use procpool_protocol::attachments::Attachment;
use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::message::{Credit, Done, Job, Status, json_frame, json_of};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The behaviour of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Echoes,
    Streams,
    Kills,
    TakesLong,
    AnswersMuch,
}

const ALL: [Does; 5] = [Does::Echoes, Does::Streams, Does::Kills, Does::TakesLong, Does::AnswersMuch];

/// Chunks of a job that streams: more than it may send at once.
pub(super) const CHUNKS: u32 = 40;

/// Returns the input of a job, in which each byte behind the head says whose it is.
pub(super) fn input(number: u8, does: Does, length: usize) -> Bytes {
    let mut bytes = vec![number; length.max(2)];
    bytes[0] = ALL.iter().position(|&it| it == does).and_then(|at| u8::try_from(at).ok()).unwrap_or_default();
    bytes.into()
}

/// One connection to the worker: takes as many bytes as there is room for.
#[derive(Debug, Default)]
pub(super) struct Tap {
    decoder: RefCell<Decoder>,
    room: Cell<usize>,
}

impl Tap {
    pub(super) fn open(&self, room: usize) {
        self.room.set(room);
    }

    fn frame(&self) -> Option<Frame> {
        self.decoder.borrow_mut().poll_frame().expect("a frame")
    }
}

impl Pipe for Tap {
    fn try_write<'a>(&self, segments: impl Iterator<Item = &'a Bytes>, skip: usize) -> io::Result<usize> {
        let bytes: Vec<u8> = segments.flatten().copied().skip(skip).take(self.room.get()).collect();
        if bytes.is_empty() {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.room.set(self.room.get() - bytes.len());
        self.decoder.borrow_mut().feed(&bytes);
        Ok(bytes.len())
    }

    fn try_send<'a>(&self, segments: impl Iterator<Item = &'a Bytes>, _: &[Attachment]) -> io::Result<usize> {
        self.try_write(segments, 0)
    }
}

/// See the file.
#[derive(Debug)]
pub(super) struct Fake {
    pub(super) lines: Arc<Outboxes>,
    pub(super) jobs: Tap,
    pub(super) control: Tap,
    born: BornArenas,
    /// The page.
    pub(super) begun: u64,
    pub(super) recalled: u64,
    running: Option<Running>,
    /// The job that it has written down and looks whether it may begin, and the one before.
    pending: Option<(Frame, u64)>,
    /// The messages that it has sent and nobody has read.
    pub(super) said: VecDeque<Frame>,
    pub(super) told: VecDeque<Frame>,
    output: Option<u64>,
    is_unread: bool,
    cancelled: Vec<u64>,
    pub(super) is_killed: bool,
    /// Whether somebody has been asked to write to it.
    pub(super) is_flushed: bool,
}

/// The job that it runs.
#[derive(Clone, Debug)]
struct Running {
    sequence: u64,
    number: u8,
    does: Does,
    /// Steps that are left.
    steps: u32,
    chunks: u32,
    credit: Option<u32>,
}

impl Fake {
    pub(super) fn new(name: &str) -> Self {
        Self {
            lines: Arc::new(Outboxes::loose(false)),
            jobs: Tap::default(),
            control: Tap::default(),
            born: BornArenas::create(name).expect("memory"),
            begun: 0,
            recalled: 0,
            running: None,
            pending: None,
            said: VecDeque::new(),
            told: VecDeque::new(),
            output: None,
            is_unread: false,
            cancelled: Vec::new(),
            is_killed: false,
            is_flushed: false,
        }
    }

    pub(super) fn arenas(&self) -> BornArenas {
        self.born.clone()
    }

    /// Reads one order on control, if there is one.
    pub(super) fn obey(&mut self) {
        let Some(frame) = self.control.frame() else { return };
        match frame.kind {
            Kind::Cancel => self.cancelled.push(frame.sequence),
            Kind::Credit => {
                let more = Credit::from_frame(&frame).expect("credit").chunks;
                if let Some(running) = self.running.as_mut().filter(|it| it.sequence == frame.sequence) {
                    running.credit = running.credit.map(|credit| credit + more);
                }
            }
            Kind::Share => {
                let share: Share = json_of(&frame).expect("a share");
                if share.direction == Direction::Output {
                    self.output = share.length.map(|_| frame.sequence);
                }
                let mut answer = json_frame(Kind::Shared, &Shared { accepted: true }).expect("a frame");
                answer.sequence = frame.sequence;
                self.told.push_back(answer);
            }
            _ => {}
        }
    }

    /// Goes on with its job, or begins the next. Returns the number of the job that it begins.
    pub(super) fn work(&mut self) -> Result<Option<u8>, String> {
        if let Some(running) = self.running.take() {
            return self.go_on(running).map(|()| None);
        }
        if let Some((frame, last)) = self.pending.take() {
            return self.begin(&frame, last);
        }
        if let Some(frame) = self.jobs.frame() {
            self.is_unread &= !frame.taken;
            let last = std::mem::replace(&mut self.begun, frame.sequence);
            self.pending = Some((frame, last));
        }
        Ok(None)
    }

    /// Returns the job that it has written down as begun, or `None` if it has answered it.
    pub(super) fn current(&self) -> Option<u8> {
        let pending = || self.input(&self.pending.as_ref()?.0).ok()?.get(1).copied();
        self.running.as_ref().map(|running| running.number).or_else(pending)
    }

    /// Looks whether it may, only now that it has written down that it does.
    fn begin(&mut self, frame: &Frame, last: u64) -> Result<Option<u8>, String> {
        if frame.sequence <= self.recalled {
            self.begun = last;
            self.said.push_back(Frame::new(Kind::Recalled, frame.sequence, ""));
            return Ok(None);
        }
        let job = Job::checked(frame).map_err(|error| error.to_string())?;
        let input = self.input(frame)?;
        let (Some(&does), Some(&number)) =
            (input.first().and_then(|&at| ALL.get(usize::from(at))), input.get(1))
        else {
            return Err("an input has no head".into());
        };
        if input[1..].iter().any(|&byte| byte != number) {
            return Err(format!("the input of job {number} has another's bytes"));
        }
        let steps = if does == Does::TakesLong { 60 } else { 1 };
        let chunks = if does == Does::Streams && job.credit.is_some() { CHUNKS } else { 0 };
        self.running =
            Some(Running { sequence: frame.sequence, number, does, steps, chunks, credit: job.credit });
        Ok(Some(number))
    }

    fn input(&self, frame: &Frame) -> Result<Bytes, String> {
        let Some(place) = frame.place else { return Ok(frame.payload.bytes.clone()) };
        let mut bytes = vec![0; usize::try_from(place.length).unwrap_or_default()];
        let file = File::from(self.born.input.as_fd().try_clone_to_owned().expect("a descriptor"));
        file.read_exact_at(&mut bytes, place.offset).map_err(|error| error.to_string())?;
        Ok(bytes.into())
    }

    fn go_on(&mut self, mut running: Running) -> Result<(), String> {
        if self.cancelled.contains(&running.sequence) {
            return self.answer(&running, Status::Cancelled, Payload::none());
        }
        if running.chunks > 0 {
            if running.credit.is_some_and(|credit| credit > 0) {
                running.chunks -= 1;
                running.credit = running.credit.map(|credit| credit - 1);
                let chunk = Frame::new(Kind::Chunk, running.sequence, "");
                self.said.push_back(chunk.with_payload(Payload::raw(vec![running.number])));
            }
        } else if running.steps > 0 {
            running.steps -= 1;
        } else if running.does == Does::Kills {
            self.is_killed = true;
        } else {
            let length = if running.does == Does::AnswersMuch { MIN_SHARED } else { 1 };
            return self.answer(&running, Status::Ok, Payload::raw(vec![running.number; length]));
        }
        self.running = Some(running);
        Ok(())
    }

    fn answer(&mut self, running: &Running, status: Status, output: Payload) -> Result<(), String> {
        let length = output.bytes.len();
        let done = Done { status, run_nanos: 1, extras: Vec::new() };
        let frame = done.into_frame(running.sequence, output).map_err(|error| error.to_string())?;
        let arena = self.output.filter(|_| length >= MIN_SHARED && !self.is_unread);
        let Some(arena) = arena else {
            self.said.push_back(frame);
            return Ok(());
        };
        let file = File::from(self.born.output.as_fd().try_clone_to_owned().expect("a descriptor"));
        file.write_all_at(&frame.payload.bytes, 0).map_err(|error| error.to_string())?;
        self.is_unread = true;
        self.said.push_back(frame.referring_to(Place { arena, offset: 0, length: length as u64 }));
        Ok(())
    }
}
