//! Jobs on many hosts: procpool over NATS JetStream.
//!
//! A front accepts jobs into a queue, and nodes run them. One record a job is the truth about it: every claim
//! and every outcome is a compare-and-set on that record, and acknowledgements only tidy the queue. A node that
//! cannot confirm its lease kills its job before another node gets it.
//!
//! The decisions are made without I/O and clock. `order` and `record` are the messages, `subjects` their
//! places. `decide` says what a node does with a delivery, `lease` how long it may run a job, and `course`
//! joins both to the life of one delivery. `wall` is the clock of the server, by which jobs wait for their time, and
//! `retry` says how they are tried again. `tests/simulator` plays them against a model of the server.
//!
//! [`Cluster`] is the connection, checked and with its streams. [`Front`] and [`Node`] stand on it. `pulling` is the
//! loop of a node, `custody` carries out a course, and `link` gives every request a deadline of its own. `membership` keeps
//! a node out of a pool whose nodes have workers of another [`Contract`].
//!
//! A payload that is too large for a message is in chunks: `large` has their form, `transfer` decides which goes next,
//! and `payloads` carries that out.

#![forbid(unsafe_code)]

mod action;
mod cluster;
mod contract;
mod contracts;
pub mod course;
mod custody;
mod dead;
pub mod decide;
mod depot;
pub mod end;
pub mod envelope;
mod front;
mod hint;
mod hosts;
mod jobs;
mod keys;
mod large;
pub mod lease;
mod link;
mod look;
mod membership;
mod node;
mod node_id;
pub mod order;
mod payloads;
mod pulling;
pub mod record;
pub mod retry;
mod room;
mod run;
mod secrets;
mod settings;
mod streams;
pub mod subjects;
mod sweep;
mod times;
mod timings;
pub mod transfer;
mod waiting;
pub mod wall;

pub use cluster::{Cluster, ClusterError, OLDEST_SERVER};
pub use contract::Contract;
pub use front::{CancelAnswer, EnqueueError, Front};
pub use hosts::{Host, HostState};
pub use jobs::ClusterJobs;
pub use large::{Damage, MAX_INLINE, Reference};
pub use link::LinkError;
pub use look::{JobState, Look, Unreachable};
pub use membership::NodePool;
pub use node::{Node, NodeFigures};
pub use node_id::NodeId;
pub use settings::{Credentials, PoolSettings, RETAINED_LEASES, Settings, SettingsError};
pub use streams::Difference;
pub use timings::{Timings, UnfitTimings};
