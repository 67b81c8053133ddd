//! The state that a worker is born with, whatever its host has done to itself, and hosts that are hard on
//! their workers.
#![allow(clippy::print_stderr)] // how a host says that it is ready

mod careless;
mod descriptors;
mod forks;
mod hanging;
mod hosts;
mod paused;
mod state;
mod tools;
mod wrappers;
