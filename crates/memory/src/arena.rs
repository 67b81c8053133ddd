//! The coordinator's side of an arena: a sealed one that is passed to the worker, or one that the
//! worker is born with and that grows.

use crate::born::BornArena;
use crate::input::InputWriter;
use crate::output::OutputReader;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// Memory for the inputs of one worker.
#[derive(Debug)]
pub enum InputArena {
    /// It is passed this one.
    Passed(InputWriter),
    /// It was born with this one.
    Born(BornArena),
}

/// Memory for the outputs of one worker.
#[derive(Debug)]
pub enum OutputArena {
    /// It is passed this one.
    Passed(OutputReader),
    /// It was born with this one.
    Born(BornArena),
}

/// The two arenas that a worker is born with.
#[derive(Clone, Debug)]
pub struct BornArenas {
    /// The worker's descriptor 6.
    pub input: Arc<InputArena>,
    /// The worker's descriptor 7.
    pub output: Arc<OutputArena>,
}

impl BornArenas {
    /// Makes both, empty. `worker` names them for people.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn create(worker: &str) -> io::Result<Self> {
        let arena = |direction| BornArena::create(&format!("procpool-{direction} {worker}"));
        let input = Arc::new(InputArena::Born(arena("input")?));
        Ok(Self { input, output: Arc::new(OutputArena::Born(arena("output")?)) })
    }
}

impl InputArena {
    /// Copies an input to its beginning.
    ///
    /// # Errors
    /// When it does not fit, somebody else is at it, or there is no memory for it.
    pub fn write(&self, input: &[u8]) -> io::Result<()> {
        match self {
            Self::Passed(arena) if arena.write(input) => Ok(()),
            Self::Passed(_) => Err(io::Error::other("the arena is too short or in use")),
            Self::Born(arena) => arena.write(input),
        }
    }

    /// Returns the arena, if the worker was born with it.
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
    /// When it reaches beyond the end.
    pub fn read(&self, offset: u64, output: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Passed(arena) => arena.read(offset, output),
            Self::Born(arena) => arena.read(offset, output),
        }
    }

    /// Returns the arena, if the worker was born with it.
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
