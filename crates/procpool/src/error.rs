//! Why something did not work: the errors beside [`JobError`](crate::JobError) and [`PoolError`](crate::PoolError), and what
//! they are made of.

pub use procpool_coordinator::{
    ContractMismatch, EncodingMismatch, ExecutableError, InvalidLimits, InvalidWorkerLimits, NoPool,
    RunError, SaveError, SpawnError, StartError, WorkerError,
};
pub use procpool_protocol::engine::ReloadError;
pub use procpool_protocol::inspection::InspectionError;
pub use procpool_protocol::outcome::{InvalidJobId, Refusal, Refused};
pub use procpool_protocol::{Exit, ExitReport, LimitHit, MemoryCount, PayloadError, Stage};
