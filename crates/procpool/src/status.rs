//! The reports of a pool: its state at one moment, its events, the deaths of its workers, and its final figures.

pub use procpool_coordinator::{DeathLimits, DeathLog, JobTotals, PoolEvent, PoolEvents, ShutdownReport};
pub use procpool_protocol::deaths::{DeadPayload, Death, DeathGroup, DeathPage, DeathQuery};
pub use procpool_protocol::engine::{PoolSettings, ReloadReport};
pub use procpool_protocol::inspection::{Profile, Sample, StackOptions};
pub use procpool_protocol::stack::{Stack, StackFrame, ThreadStack};
pub use procpool_protocol::status::{
    Latency, PoolCounters, PoolSchemas, PoolStatus, PoolUsage, Quarantine, SuspectClient, SuspectPayload,
    WorkerCounts, WorkerState, WorkerStatus, WorkerUsage,
};
