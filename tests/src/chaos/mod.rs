//! The chaos run: a real `procpool serve` under mixed load over HTTP, while its workers are killed, stopped and
//! made to misbehave at random. Afterwards every ledger is compared with every other.
//!
//! `scenario.rs` and `task.rs` say what is served and sent, `schedule.rs` what goes wrong and when, both from the
//! seed alone; `load.rs`, `gate.rs`, `hostile/`, `keyed.rs`, `batches.rs`, `streams.rs`, `killer.rs`, `forks.rs`, `ears.rs`, `viewers/`, `scrapes.rs` and `watch.rs` do and observe it; `books.rs` and what
//! it is made of write it down; `assertions.rs` judges. `store/` is a run of its own: durable jobs, and servers that are killed. So is
//! `cluster/`: jobs on many hosts.

mod assertions;
mod attack;
mod batches;
mod books;
mod budgets;
mod client;
mod clock;
pub mod cluster;
mod counting;
mod distribution;
mod ears;
mod effects;
mod evidence;
mod exposition;
mod followed;
mod forks;
mod gate;
mod hostile;
mod ids;
mod keyed;
mod killer;
mod ledger;
mod live;
mod load;
mod log;
mod options;
mod outcome;
mod pauses;
pub mod random;
mod recovery;
mod report;
mod run;
mod scenario;
mod schedule;
mod scrapes;
mod sse;
mod stage;
mod starvation;
mod status;
pub mod store;
pub mod streams;
mod subject;
mod task;
mod victim;
mod viewers;
mod watch;

pub use options::{Asked, HELP, Options, parse};
pub use report::Report;
pub use stage::run;
