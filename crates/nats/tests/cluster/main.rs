//! Fronts and nodes on a real nats-server: load, kills, stops, refusals. The server is that of
//! `PROCPOOL_NATS_SERVER`, of the search path, or of `target/nats`, where `.ci/run` puts it.
//!
//! Nodes that have to die are processes of their own: this executable, run again as `child::node`.
#![allow(clippy::print_stdout, reason = "the figures of a run are printed")]

mod child;
mod contracts;
mod dead;
mod doors;
mod engine;
mod fake;
mod faults;
mod keys;
mod large;
mod later;
mod load;
mod retries;
mod server;
