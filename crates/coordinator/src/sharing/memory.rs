//! The memory of arenas, from the wish for some to its end. All of it is made and dropped outside of the pool's lock.

use super::Arena;
use procpool_memory::arena::{BornArenas, InputArena, OutputArena};
use procpool_memory::born::BornArena;
use procpool_memory::input::InputWriter;
use procpool_memory::output::OutputReader;
use procpool_protocol::arena::Direction;
use procpool_protocol::attachments::Attachment;
use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

/// An arena that is wanted.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(super) direction: Direction,
    /// Bytes.
    pub(crate) length: usize,
    /// The memory that the worker was born with, unused so far.
    pub(super) born: Option<Memory>,
}

/// Memory that was made for a wanted arena.
#[derive(Clone, Debug)]
pub(crate) enum Memory {
    Input(Arc<InputArena>),
    Output(Arc<OutputArena>),
}

/// Kept only to be dropped outside of the lock: that gives memory back to the system.
#[derive(Debug)]
pub(crate) enum Dropped {
    Input(Arena<InputArena>),
    Output(Arena<OutputArena>),
    Memory(#[expect(dead_code, reason = "dropped")] Memory),
}

impl Wanted {
    /// Makes it. `worker` names it for people.
    pub(crate) fn make(self, worker: &str) -> io::Result<Memory> {
        let Self { direction, length, born } = self;
        if let Some(memory) = born {
            memory.born().map_or(Ok(()), |arena| arena.grow(length))?;
            return Ok(memory);
        }
        Ok(match direction {
            Direction::Input => {
                let arena = InputWriter::create(&format!("procpool-input {worker}"), length)?;
                Memory::Input(InputArena::Passed(arena).into())
            }
            Direction::Output => {
                let arena = OutputReader::create(&format!("procpool-output {worker}"), length)?;
                Memory::Output(OutputArena::Passed(arena).into())
            }
        })
    }
}

impl Memory {
    pub(super) fn of_birth(born: &BornArenas, direction: Direction) -> Self {
        match direction {
            Direction::Input => Self::Input(born.input.clone()),
            Direction::Output => Self::Output(born.output.clone()),
        }
    }

    pub(super) fn direction(&self) -> Direction {
        match self {
            Self::Input(_) => Direction::Input,
            Self::Output(_) => Direction::Output,
        }
    }

    /// Returns the attachment that hands the memory to a worker that was not born with it.
    pub(super) fn attachment(&self) -> Attachment {
        let memory: Arc<dyn AsFd + Send + Sync> = match self {
            Self::Input(memory) => memory.clone(),
            Self::Output(memory) => memory.clone(),
        };
        memory.into()
    }

    fn born(&self) -> Option<&BornArena> {
        match self {
            Self::Input(memory) => memory.born(),
            Self::Output(memory) => memory.born(),
        }
    }
}

impl Dropped {
    /// Frees it: nothing in it is needed any longer.
    pub(crate) fn rest(&self) {
        if let Some(arena) = self.born() {
            arena.rest();
        }
    }

    /// Drops it. The lane that a worker was born with stays, without its memory.
    pub(crate) fn give_back(self) -> io::Result<()> {
        self.born().map_or(Ok(()), BornArena::give_back)
    }

    fn born(&self) -> Option<&BornArena> {
        match self {
            Self::Input(arena) => arena.memory.born(),
            Self::Output(arena) => arena.memory.born(),
            Self::Memory(_) => None,
        }
    }
}
