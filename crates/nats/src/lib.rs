//! Jobs on many hosts: procpool over NATS JetStream.
//!
//! A front accepts jobs into a queue, and nodes run them. One record a job is the truth about it: every claim
//! and every outcome is a compare-and-set on that record, and acknowledgements only tidy the queue. A node that
//! cannot confirm its lease kills its job before another node gets it.
//!
//! The decisions are made without I/O and clock. `order` and `record` are the messages, `subjects` their
//! places. `decide` says what a node does with a delivery, `lease` how long it may run a job, and `course`
//! joins both to the life of one delivery. `tests/simulator` plays them against a model of the server.

#![forbid(unsafe_code)]

mod action;
pub mod course;
pub mod decide;
pub mod end;
pub mod envelope;
pub mod lease;
mod node_id;
pub mod order;
pub mod record;
pub mod subjects;
mod timings;

pub use node_id::NodeId;
pub use timings::{Timings, UnfitTimings};
