//! What a pool tells of itself: at one moment, as it happens, and at its end.

pub use procpool_coordinator::{PoolEvent, PoolEvents, ShutdownReport};
pub use procpool_protocol::engine::ReloadReport;
pub use procpool_protocol::status::{
    Latency, PoolCounters, PoolSchemas, PoolStatus, Quarantine, SuspectClient, SuspectPayload, WorkerCounts,
    WorkerState, WorkerStatus,
};
