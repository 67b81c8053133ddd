//! Arenas for the large payloads of one worker, in both directions. Refuses to make memory under the pool's lock: what is
//! wanted is told, and made outside.

pub(crate) mod buffers;
mod course;

pub(crate) use course::{Arena, Course};

use procpool_memory::input::InputWriter;
use procpool_memory::output::OutputReader;
use procpool_protocol::arena::{Direction, Share, SharedFile};
use procpool_protocol::codec::CodecError;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::message::json_frame;
use procpool_scheduler::Time;
use std::io;
use std::sync::Arc;

/// Of what a worker may have in memory, an arena may take this part: the job needs the rest.
const SHARE_OF_MEMORY: u64 = 8;

/// What one worker shares with this process.
#[derive(Debug)]
pub(crate) struct Sharing {
    pub(crate) inputs: Course<InputWriter>,
    pub(crate) outputs: Course<OutputReader>,
    last_number: u64,
    /// An output was read, and the worker does not know it yet.
    pub(crate) has_taken: bool,
}

/// An arena that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) direction: Direction,
    /// Bytes.
    pub(crate) length: usize,
}

/// Memory that was made for a wanted arena.
#[derive(Debug)]
pub(crate) enum Memory {
    Input(Arc<InputWriter>),
    Output(Arc<OutputReader>),
}

/// Kept only to be dropped outside of the lock: that gives memory back to the system.
#[derive(Debug)]
pub(crate) enum Dropped {
    Input(#[expect(dead_code, reason = "dropped")] Arena<InputWriter>),
    Output(#[expect(dead_code, reason = "dropped")] Arena<OutputReader>),
    Memory(#[expect(dead_code, reason = "dropped")] Memory),
}

/// Longest payload that a worker may share, in bytes; 0 if it shares none.
pub(crate) fn most(max_payload: u32, memory_limit: Option<u64>) -> usize {
    let bound = memory_limit.map_or(u64::MAX, |limit| limit / SHARE_OF_MEMORY);
    usize::try_from(bound.min(max_payload.into())).unwrap_or(usize::MAX)
}

impl Wanted {
    /// Makes it. `worker` names it for people.
    pub(crate) fn make(self, worker: &str) -> io::Result<Memory> {
        Ok(match self.direction {
            Direction::Input => {
                Memory::Input(InputWriter::create(&format!("procpool-input {worker}"), self.length)?.into())
            }
            Direction::Output => Memory::Output(
                OutputReader::create(&format!("procpool-output {worker}"), self.length)?.into(),
            ),
        })
    }
}

impl Memory {
    fn path(&self) -> String {
        match self {
            Self::Input(memory) => memory.path(),
            Self::Output(memory) => memory.path(),
        }
    }
}

impl Sharing {
    /// Of a worker that shares payloads of up to `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        Self { inputs: Course::new(most), outputs: Course::new(most), last_number: 0, has_taken: false }
    }

    /// How much memory it is, in bytes.
    pub(crate) fn length(&self) -> usize {
        self.inputs.length() + self.outputs.length()
    }

    /// What a payload of this direction and length asks for.
    pub(crate) fn wants(&self, direction: Direction, payload: usize) -> Option<Wanted> {
        let length = match direction {
            Direction::Input => self.inputs.wants(payload),
            Direction::Output => self.outputs.wants(payload),
        };
        length.map(|length| Wanted { direction, length })
    }

    /// The frame that offers this memory. The error gives it back: it is not wanted any more.
    pub(crate) fn offer(&mut self, wanted: Wanted, memory: Memory) -> Result<Frame, Dropped> {
        self.last_number += 1;
        let (number, Wanted { direction, length }) = (self.last_number, wanted);
        let file = SharedFile { path: memory.path(), length: length as u64 };
        let Ok(frame) = share(number, &Share { direction, file: Some(file) }) else {
            return Err(Dropped::Memory(memory));
        };
        match memory {
            Memory::Input(memory) => {
                self.inputs.offer(Arena { number, length, memory }).map_err(Dropped::Input)?;
            }
            Memory::Output(memory) => {
                self.outputs.offer(Arena { number, length, memory }).map_err(Dropped::Output)?;
            }
        }
        Ok(frame)
    }

    /// The worker has answered an offer, when it had been sent jobs up to `newest`.
    pub(crate) fn answered(
        &mut self,
        number: u64,
        accepted: bool,
        newest: u64,
        now: Time,
    ) -> Result<Option<Dropped>, String> {
        if let Ok(dropped) = self.inputs.answered(number, accepted, newest, now) {
            return Ok(dropped.map(Dropped::Input));
        }
        let outputs = self.outputs.answered(number, accepted, newest, now);
        let unknown = |()| format!("it answered arena {number}, which it was not offered");
        Ok(outputs.map_err(unknown)?.map(Dropped::Output))
    }

    /// This job is the worker's no more.
    pub(crate) fn over(&mut self, sequence: u64) -> impl Iterator<Item = Dropped> + use<> {
        let input = self.inputs.over(sequence).map(Dropped::Input);
        input.into_iter().chain(self.outputs.over(sequence).map(Dropped::Output))
    }

    /// Takes back what has rested, of a worker that has no job: the frames that tell it, and what is dropped.
    pub(crate) fn rest(&mut self, now: Time) -> (Vec<Frame>, Vec<Dropped>) {
        let input =
            self.inputs.rest(now).map(|arena| (Direction::Input, arena.number, Dropped::Input(arena)));
        let output =
            self.outputs.rest(now).map(|arena| (Direction::Output, arena.number, Dropped::Output(arena)));
        let rested = input.into_iter().chain(output);
        rested
            .filter_map(|(direction, number, dropped)| {
                Some((share(number, &Share { direction, file: None }).ok()?, dropped))
            })
            .unzip()
    }
}

fn share(number: u64, share: &Share) -> Result<Frame, CodecError> {
    let mut frame = json_frame(Kind::Share, share)?;
    frame.sequence = number;
    Ok(frame)
}
