//! The arenas of a worker: at most one for inputs and one for outputs. The guard maps the arenas that the
//! coordinator offers. The thread that runs the jobs reads inputs in place, and writes outputs where the
//! coordinator finds them.

use bytes::Bytes;
use procpool_memory::input::InputReader;
use procpool_memory::output::{Buffer, OutputWriter};
use procpool_protocol::arena::{Direction, MIN_SHARED, Place, Share};
use procpool_protocol::attachments::Attachment;
use procpool_protocol::frame::Frame;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum number of mapped arenas for inputs: the current one, and the previous one, to which an earlier job
/// may refer.
const KEPT: usize = 2;

/// Shared by the guard and the job's thread.
#[derive(Debug, Default)]
pub(crate) struct Arenas(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The latest is last.
    inputs: VecDeque<(u64, Arc<InputReader>)>,
    output: Option<(u64, Arc<OutputWriter>)>,
    /// The coordinator has not yet read the output that the last answer left in an arena.
    is_unread: bool,
}

impl Arenas {
    /// Maps an offered arena, or drops the current one. Returns `false` if the arena cannot be used. The
    /// worker starts without arenas.
    pub(crate) fn share(&self, number: u64, share: &Share, attachments: &[Attachment]) -> bool {
        let Some(length) = share.length else {
            self.let_go(share.direction);
            return true;
        };
        let (Ok(length), [memory]) = (usize::try_from(length), attachments) else { return false };
        match share.direction {
            Direction::Input => self.take_input(number, memory, length).is_ok(),
            Direction::Output => self.take_output(number, memory, length).is_ok(),
        }
    }

    fn let_go(&self, direction: Direction) {
        match direction {
            Direction::Input => self.lock().inputs.clear(),
            Direction::Output => self.lock().output = None,
        }
    }

    fn take_input(&self, number: u64, memory: &Attachment, length: usize) -> io::Result<()> {
        let arena = InputReader::from_fd(memory, length)?;
        let mut state = self.lock();
        while state.inputs.len() >= KEPT {
            state.inputs.pop_front();
        }
        state.inputs.push_back((number, Arc::new(arena)));
        Ok(())
    }

    fn take_output(&self, number: u64, memory: &Attachment, length: usize) -> io::Result<()> {
        let arena = OutputWriter::from_fd(memory, length)?;
        // An unread output in the previous arena stays unread.
        self.lock().output = Some((number, Arc::new(arena)));
        Ok(())
    }

    /// Replaces a job's reference to an input by the input itself. Returns the arena's number, or
    /// `None` if there is no such input.
    pub(crate) fn fetch(&self, frame: &mut Frame) -> Option<u64> {
        let place = frame.place.filter(|place| place.offset == 0)?;
        let state = self.lock();
        let (number, arena) = state.inputs.iter().find(|(number, _)| *number == place.arena)?;
        frame.payload.bytes = arena.input(usize::try_from(place.length).ok()?)?;
        frame.place = None;
        Some(*number)
    }

    /// Records that the coordinator has read the output of the last answer.
    pub(crate) fn has_taken(&self) {
        self.lock().is_unread = false;
    }

    /// Checks whether a job's code still holds its input in this arena, when the job ends with the frame
    /// `last`. If so, the coordinator no longer owns the arena.
    pub(crate) fn is_held(&self, number: u64, last: &mut Frame) -> bool {
        let mut state = self.lock();
        let Some(at) = state.inputs.iter().position(|(it, _)| *it == number) else { return false };
        let arena = &state.inputs[at].1;
        if arena.holds(&last.payload.bytes) {
            // The output is a part of the input, and must last until it is sent.
            last.payload.bytes = Bytes::copy_from_slice(&last.payload.bytes);
        }
        let is_held = arena.is_held();
        if is_held {
            state.inputs.remove(at);
        }
        is_held
    }

    /// Returns memory in the arena for an output of this length, if that is worthwhile. It may still contain
    /// an earlier output.
    pub(crate) fn buffer(&self, length: usize) -> Option<Buffer> {
        let state = self.lock();
        let arena = state.output.as_ref().filter(|_| length >= MIN_SHARED && !state.is_unread);
        arena.and_then(|(_, arena)| arena.buffer(length))
    }

    /// Writes a large output to the arena, unless it is there already, and makes the frame refer to it.
    pub(crate) fn put(&self, frame: Frame) -> Frame {
        let output = frame.payload.bytes.clone();
        let mut state = self.lock();
        if output.len() < MIN_SHARED || state.is_unread {
            return frame;
        }
        let Some((number, arena)) = &state.output else { return frame };
        let offset = arena.offset_of(&output).or_else(|| {
            arena.buffer(output.len())?.copy_from_slice(&output);
            Some(0)
        });
        let Some(offset) = offset else { return frame };
        let place = Place { arena: *number, offset: offset as u64, length: output.len() as u64 };
        state.is_unread = true;
        frame.referring_to(place)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The only code of the user that runs under this lock is the destructors of its own memory. Therefore
        // a panic leaves nothing half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
