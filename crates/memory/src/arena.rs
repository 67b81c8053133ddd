//! The coordinator's side of an arena: either sealed and passed to the worker, or inherited by the worker and
//! able to grow.

use crate::born::BornArena;
use crate::input::InputWriter;
use crate::output::OutputReader;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// Memory for the inputs of one worker.
#[derive(Debug)]
pub enum InputArena {
    /// An arena that is passed to a running worker.
    Passed(InputWriter),
    /// An arena that the worker inherits.
    Born(BornArena),
}

/// Memory for the outputs of one worker.
#[derive(Debug)]
pub enum OutputArena {
    /// An arena that is passed to a running worker.
    Passed(OutputReader),
    /// An arena that the worker inherits.
    Born(BornArena),
}

/// The two arenas that a worker inherits.
#[derive(Clone, Debug)]
pub struct BornArenas {
    /// The worker's descriptor 6.
    pub input: Arc<InputArena>,
    /// The worker's descriptor 7.
    pub output: Arc<OutputArena>,
}

impl BornArenas {
    /// Creates both, empty. `worker` names them for people.
    ///
    /// # Errors
    /// When the system cannot create one.
    pub fn create(worker: &str) -> io::Result<Self> {
        let arena = |direction| BornArena::create(&format!("procpool-{direction} {worker}"));
        let input = Arc::new(InputArena::Born(arena("input")?));
        Ok(Self { input, output: Arc::new(OutputArena::Born(arena("output")?)) })
    }
}

impl InputArena {
    /// Copies an input to the beginning.
    ///
    /// # Errors
    /// When the input does not fit, another thread uses the arena, or there is no memory for it.
    pub fn write(&self, input: &[u8]) -> io::Result<()> {
        match self {
            Self::Passed(arena) if arena.write(input) => Ok(()),
            Self::Passed(_) => Err(io::Error::other("the arena is too short or in use")),
            Self::Born(arena) => arena.write(input),
        }
    }

    /// Returns the arena, if the worker inherited it.
    pub fn born(&self) -> Option<&BornArena> {
        match self {
            Self::Passed(_) => None,
            Self::Born(arena) => Some(arena),
        }
    }
}

impl OutputArena {
    /// Copies the bytes at `offset` to `output`.
    ///
    /// # Errors
    /// When the range reaches beyond the end.
    pub fn read(&self, offset: u64, output: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Passed(arena) => arena.read(offset, output),
            Self::Born(arena) => arena.read(offset, output),
        }
    }

    /// Returns the arena, if the worker inherited it.
    pub fn born(&self) -> Option<&BornArena> {
        match self {
            Self::Passed(_) => None,
            Self::Born(arena) => Some(arena),
        }
    }
}

impl AsFd for InputArena {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Passed(arena) => arena.as_fd(),
            Self::Born(arena) => arena.as_fd(),
        }
    }
}

impl AsFd for OutputArena {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Passed(arena) => arena.as_fd(),
            Self::Born(arena) => arena.as_fd(),
        }
    }
}
