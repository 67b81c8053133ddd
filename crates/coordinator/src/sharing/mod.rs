//! Arenas for the large payloads of one worker, in both directions. Refuses to make memory under the pool's lock: what is
//! wanted is told, and made outside.

mod lane;
mod memory;

pub(crate) use lane::{Arena, ArenaLane};
pub(crate) use memory::{Dropped, Memory, Wanted};

use procpool_memory::arena::{BornArenas, InputArena, OutputArena};
use procpool_protocol::arena::{Direction, Share, TakesArenas};
use procpool_protocol::attachments::Attachments;
use procpool_protocol::codec::CodecError;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::message::json_frame;
use procpool_scheduler::Time;

/// Of what a worker may have in memory, an arena may take this part: the job needs the rest.
const SHARE_OF_MEMORY: u64 = 8;

/// The memory that one worker shares with this process.
#[derive(Debug)]
pub(crate) struct Sharing {
    pub(crate) inputs: ArenaLane<InputArena>,
    pub(crate) outputs: ArenaLane<OutputArena>,
    /// The memory that the worker was born with, if it uses that.
    born: Option<BornArenas>,
    last_number: u64,
    /// An output was read, and the worker does not know it yet.
    pub(crate) has_taken: bool,
}

/// Returns the maximum length of a payload that a worker may share, in bytes, or 0 if it shares none.
pub(crate) fn most(max_payload: u32, memory_limit: Option<u64>) -> usize {
    let bound = memory_limit.map_or(u64::MAX, |limit| limit / SHARE_OF_MEMORY);
    usize::try_from(bound.min(max_payload.into())).unwrap_or(usize::MAX)
}

impl Sharing {
    /// Creates the state of a worker that shares payloads of up to `most` bytes.
    pub(crate) fn new(most: usize) -> Self {
        let (inputs, outputs) = (ArenaLane::new(most), ArenaLane::new(most));
        Self { inputs, outputs, born: None, last_number: 0, has_taken: false }
    }

    /// Takes in how the worker receives arenas. It may have been born with some.
    pub(crate) fn settle(&mut self, takes: Option<TakesArenas>, born: Option<BornArenas>) {
        match takes {
            Some(TakesArenas::Received) => {}
            Some(TakesArenas::Born) if born.is_some() => self.born = born,
            Some(TakesArenas::Born) | None => *self = Self::new(0),
        }
    }

    /// Returns the number of bytes that the worker has mapped for it.
    pub(crate) fn length(&self) -> usize {
        if self.born.is_some() {
            return 0;
        }
        self.inputs.length() + self.outputs.length()
    }

    /// Returns the memory that a payload of this direction and length asks for.
    pub(crate) fn wants(&self, direction: Direction, payload: usize) -> Option<Wanted> {
        let length = match direction {
            Direction::Input => self.inputs.wants(payload),
            Direction::Output => self.outputs.wants(payload),
        };
        let born = || self.born.as_ref().map(|born| Memory::of_birth(born, direction));
        length.map(|length| Wanted { direction, length, born: born() })
    }

    /// Returns the frame that offers this memory of `length` bytes. The error returns the memory: it is no
    /// longer wanted.
    pub(crate) fn offer(&mut self, length: usize, memory: Memory) -> Result<Frame, Dropped> {
        self.last_number += 1;
        let number = self.last_number;
        let (direction, born) = (memory.direction(), self.born.is_some());
        let Ok(mut frame) = share(number, &Share { direction, length: Some(length as u64), born }) else {
            return Err(Dropped::Memory(memory));
        };
        if !born {
            frame.payload.attachments = Attachments::one(memory.attachment());
        }
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

    /// Takes in the worker's answer to an offer, when it had been sent jobs up to `newest`.
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
        match self.outputs.answered(number, accepted, newest, now) {
            Ok(dropped) => Ok(dropped.map(Dropped::Output).inspect(|it| self.let_rest(it))),
            // It may answer twice, and what was taken back. Nothing hangs on that.
            Err(()) if number <= self.last_number => Ok(None),
            Err(()) => Err(format!("it answered arena {number}, which it was not offered")),
        }
    }

    /// Gives back memory that is used for nothing else.
    fn let_rest(&self, dropped: &Dropped) {
        if self.outputs.is_empty() {
            dropped.rest();
        }
    }

    /// Ends a job: the worker no longer holds it.
    pub(crate) fn over(&mut self, sequence: u64) -> impl Iterator<Item = Dropped> + use<> {
        let input = self.inputs.over(sequence).map(Dropped::Input);
        let output = self.outputs.over(sequence).map(Dropped::Output);
        input.into_iter().chain(output.inspect(|it| self.let_rest(it)))
    }

    /// Takes back what has rested, of a worker that has no job: the frames that tell it, and what is dropped.
    pub(crate) fn rest(&mut self, now: Time) -> (Vec<Frame>, Option<Dropped>) {
        let input = self.inputs.rest(now);
        let told = input.as_ref().map(|arena| (Direction::Input, arena.number));
        let output = self.outputs.rest_until_heard(now).map(|number| (Direction::Output, number));
        let frame = |(direction, number)| share(number, &Share { direction, length: None, born: false }).ok();
        let frames = told.into_iter().chain(output).filter_map(frame).collect();
        (frames, input.map(Dropped::Input).inspect(Dropped::rest))
    }
}

fn share(number: u64, share: &Share) -> Result<Frame, CodecError> {
    let mut frame = json_frame(Kind::Share, share)?;
    frame.sequence = number;
    Ok(frame)
}
