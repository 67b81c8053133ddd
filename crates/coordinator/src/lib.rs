//! Spawns, supervises and feeds worker processes on tokio.
//!
//! Three layers, each of which uses the one before: [`Worker`] is one process with free messages. [`Pool`] is
//! many supervised processes with typed jobs. [`Coordinator`] is the pools of one configuration.
//! `procpool-scheduler`, which has no I/O and no clock, makes the decisions. This crate carries them out.
//!
//! Users depend on the facade `procpool`, which re-exports the public items of this crate.

#![forbid(unsafe_code)]

mod coordinator;
mod deaths;
mod history;
mod invalid;
mod job_times;
mod limits;
mod mailbox;
mod pool;
mod recorder;
mod regions;
mod run_once;
mod setters;
mod sharing;
mod start_data;
mod supervision;
mod symbolizer;
mod worker;
mod worker_error;

pub use coordinator::{Coordinator, CoordinatorConfig, NoPool, PoolChanges};
pub use deaths::{DeathLimits, DeathLog};
pub use invalid::InvalidLimits;
pub use limits::PoolLimits;
#[cfg(feature = "tower")]
pub use pool::PoolService;
pub use pool::{
    CallNames, Canceller, JobEvent, JobEvents, JobHandle, JobRequest, JobTotals, Map, NamesCalls, Pool,
    PoolBuilder, PoolConfig, PoolError, PoolEvent, PoolEvents, RawPool, Reported, RunReport, ShutdownReport,
    WeakPool, WorkerRange, WorkerSource,
};
pub use procpool_process::{
    AttachSocket, Contract, ContractMismatch, EncodingMismatch, Executable, ExecutableError,
    InvalidWorkerLimits, SocketName, StartError, WorkerData, WorkerLimits, absolute, finish_spawns,
    memory_count, preflight, raise_open_files_limit, require_sockets, return_large_memory,
    survive_file_size_signal, unblock_stop_signals,
};
pub use recorder::SaveError;
pub use run_once::{RunError, run_once};
pub use supervision::Supervision;
pub use worker::{Worker, WorkerBuilder, WorkerEvent};
pub use worker_error::{SpawnError, WorkerError};
