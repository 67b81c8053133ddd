//! [`Gifts`]: the memory that a worker is born with, beside its connections.

use super::Recipe;
use crate::os::page::Page;
use procpool_memory::arena::BornArenas;
use procpool_protocol::handshake::Welcome;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// The memory that a worker is born with.
#[derive(Debug, Default)]
pub(super) struct Gifts {
    pub(super) page: Option<Page>,
    pub(super) arenas: Option<BornArenas>,
}

impl Gifts {
    /// Creates the memory for a worker of this name.
    pub(super) fn of(recipe: &Recipe, worker: &str) -> Self {
        Self { page: recipe.page_for(worker), arenas: recipe.arenas_for(worker) }
    }

    /// Returns the worker's `Welcome`, which names them.
    pub(super) fn welcome(&self, recipe: &Recipe, worker: &str) -> Welcome {
        Welcome { page: self.page.is_some(), arenas: self.arenas.is_some(), ..recipe.welcome_of(worker) }
    }

    /// Returns the descriptors that a worker inherits beside its connections, from number 5 on.
    pub(super) fn descriptors(&self) -> io::Result<Vec<OwnedFd>> {
        let page = self.page.as_ref().map(|page| page.as_fd().try_clone_to_owned()).transpose()?;
        let Some(BornArenas { input, output }) = &self.arenas else { return Ok(Vec::from_iter(page)) };
        let [input, output] = [input.as_fd().try_clone_to_owned()?, output.as_fd().try_clone_to_owned()?];
        // The protocol fixes the numbers of the arenas, with or without a page.
        let page = page.map_or_else(|| input.try_clone(), Ok)?;
        Ok(vec![page, input, output])
    }
}
