//! The stream of a server's events for people who watch it: `GET /v1/events`.
//!
//! `encode` turns samples of the pools into text, without I/O and clock; `changes` finds in two of them what happened in
//! between, `deaths` adds what is reported of a death, and `storm` folds many of them. `frame` is that text for all viewers.
//! `sampler` is the one task that makes it while somebody watches, as often as `pace` decides, and `viewer` the life of one
//! stream.

mod changes;
#[cfg(test)]
mod counting;
mod deaths;
mod encode;
mod frame;
mod pace;
mod sampler;
mod states;
mod storm;
mod viewer;

pub(crate) use sampler::Board;
pub(crate) use viewer::{Selection, events};
