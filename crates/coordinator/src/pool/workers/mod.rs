//! The workers' side of a pool: who starts them, what their frames mean, and what is made of their deaths.

pub(super) mod arenas;
mod blame;
pub(super) mod burial;
mod fetching;
pub(super) mod frames;
mod last_words;
mod obituary;
pub(super) mod supervisor;
pub(super) mod worker_task;
