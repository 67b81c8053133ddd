//! The chaos run of durable jobs: a server with a state directory is killed, told to stop and reloaded, its workers are
//! killed, and a next server continues each time. Afterwards the clients' books are compared with what the last one tells.
//!
//! `plan.rs` says what is served and sent, and `schedule.rs` what goes wrong and when, both from the seed alone.
//! `client.rs` submits, `faults.rs` and `server.rs` disturb, `settle.rs` asks for every job at the end, `book.rs` has it
//! written down, and `assertions.rs` judges.

mod assertions;
pub(super) mod book;
mod client;
mod evidence;
mod faults;
pub(super) mod plan;
mod report;
mod run;
mod schedule;
mod server;
mod settle;
mod stage;

pub use report::Report;
pub use stage::run;
