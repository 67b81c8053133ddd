//! The protocol crate from outside, in one program: a module for each promise.

mod apart;
mod batches;
mod bounds;
mod carriage;
mod carried;
mod chunking;
mod contract;
mod document;
mod extras;
mod frames;
mod golden;
mod hello;
mod hostile;
mod logs;
mod outcomes;
mod payloads;
mod printable;
mod public;
mod recordings;
