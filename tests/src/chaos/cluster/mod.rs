//! The chaos run of jobs on many hosts: nodes, servers of procpool and a nats-server on one machine, of which each is
//! killed, stopped or told to end while clients submit jobs. The clients' books are those of durable jobs (`store/`).
//!
//! `plan.rs` says what is served and sent, and `schedule.rs` what goes wrong and when, both from `--seed` alone.
//! `nats.rs` and `hosts.rs` are the processes, `client.rs` submits, `faults.rs` disturbs, `settle.rs` asks for every job
//! at the end, and `assertions.rs` judges.

mod assertions;
mod client;
mod evidence;
mod faults;
mod hosts;
mod nats;
mod plan;
mod report;
mod run;
mod schedule;
mod settle;
mod stage;

pub use report::Report;
pub use stage::run;
