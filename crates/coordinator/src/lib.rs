//! Spawns, supervises and feeds worker processes on tokio.
//!
//! Three layers, each standing on the one before: [`Worker`] is one process with free messages;
//! [`Pool`] is many supervised processes with typed jobs; [`Coordinator`] is the pools of one
//! configuration. Decisions are made in `procpool-scheduler`, which has no I/O and no clock; this crate
//! carries them out.
//!
//! Users depend on the facade `procpool`, which re-exports what is public here.

#![deny(unsafe_code)]

mod contract;
mod coordinator;
mod death;
mod environment;
mod evidence;
mod executable;
mod hub;
mod launch;
mod leash;
mod limits;
mod mailbox;
mod os;
mod outbox;
mod output;
mod pool;
mod recorder;
mod run_once;
mod session;
mod sharing;
mod supervision;
mod worker;
mod worker_limits;

pub use contract::{Contract, ContractMismatch};
pub use coordinator::{Coordinator, CoordinatorConfig, NoPool};
pub use executable::{Executable, ExecutableError};
pub use launch::StartError;
pub use limits::{InvalidLimits, PoolLimits};
pub use pool::{
    JobEvent, JobFuture, JobHandle, JobRequest, Map, Pool, PoolBuilder, PoolConfig, PoolError, RawPool,
    ShutdownReport,
};
pub use recorder::SaveError;
pub use run_once::{RunError, run_once};
pub use supervision::Supervision;
pub use worker::{SpawnError, Worker, WorkerBuilder, WorkerError, WorkerEvent};
pub use worker_limits::WorkerLimits;
