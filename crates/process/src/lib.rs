//! One worker process, from its spawn to its reaping: limits, connections, output, kill, reap.
//!
//! [`launch`] turns a [`Recipe`] into a [`ReadyWorker`]. A [`Session`] serves it until it is dead, and its
//! [`Ending`] reports how it died. A [`KillSwitch`] kills it at any moment in between. `Worker` and `Pool` of
//! `procpool-coordinator` are the two users of this crate. All `unsafe` code of the coordinator's side is
//! here, in the module `os`.
//!
//! Does not: decide which job a worker gets, when it is restarted, or what its frames mean.

#![deny(unsafe_code)]

mod agreement;
mod attach;
mod cause;
pub mod clock;
mod contract;
mod crash_record;
mod death;
mod environment;
mod evidence;
mod executable;
mod kill_switch;
mod launch;
mod lines;
mod log;
mod memory_limit;
mod oom;
mod opening;
mod os;
mod outbox;
mod output;
mod preflight;
mod program;
mod session;
mod snapshot;
mod tail;
mod template;
pub mod trust;
mod unnamed;
mod unserved;
mod worker_data;
mod worker_limits;

pub use agreement::{EncodingAgreement, EncodingMismatch, Needs};
pub use attach::{AttachPoint, AttachSocket, SocketName};
pub use contract::{Contract, ContractMismatch};
pub use executable::{Executable, ExecutableError, Pinned, absolute, own_path};
pub use kill_switch::KillSwitch;
pub use launch::{Origin, ReadyWorker, Recipe, StartError, launch, opened};
pub use lines::{JobOf, LastLines};
pub use log::log_record;
pub use os::allocator::return_large_memory;
pub use os::fork::Home;
pub use os::oom_kills::{OomGroups, OomKills};
pub use os::open_files::raise_open_files_limit;
pub use os::signals::{survive_file_size_signal, unblock_stop_signals};
pub use os::spawners::finish_spawns;
pub use outbox::{Appended, Outbox, Pipe, Ticket};
pub use preflight::{memory_count, preflight, require_sockets};
pub use session::{Ending, FrameSink, Outboxes, Session};
pub use snapshot::{MOST_THREADS, SnapshotError, Threads};
pub use template::Templates;
pub use unnamed::refuse_unnamed;
pub use unserved::refuse_unserved;
pub use worker_data::WorkerData;
pub use worker_limits::{InvalidWorkerLimits, WorkerLimits};
