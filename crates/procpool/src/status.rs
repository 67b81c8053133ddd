//! The reports of a pool: its state at one moment, its events, and its final figures.

pub use procpool_coordinator::{PoolEvent, PoolEvents, ShutdownReport};
pub use procpool_protocol::engine::{PoolSettings, ReloadReport};
pub use procpool_protocol::inspection::{Profile, Sample};
pub use procpool_protocol::stack::{Stack, StackFrame, ThreadStack};
pub use procpool_protocol::status::{
    Latency, PoolCounters, PoolSchemas, PoolStatus, Quarantine, SuspectClient, SuspectPayload, WorkerCounts,
    WorkerState, WorkerStatus,
};
