//! Jobs that outlive their requests: asynchronous jobs, and jobs with an idempotency key.
//!
//! [`Jobs`] is the interface of a frontend. [`LocalJobs`] implements it around any
//! [`Engine`](procpool_protocol::engine::Engine) and a
//! [`Registry`](procpool_registry::Registry) in memory. Jobs that end with their request, and have no
//! key, go to the engine directly and never come here. [`DurableJobs`] is the same over a storage that survives the
//! process.
//!
//! ```
//! use procpool_jobs::{Jobs, LocalJobs, Order};
//! use procpool_protocol::engine::{Accepted, Engine, Submission};
//! use procpool_protocol::outcome::{Finished, Timing};
//! use procpool_protocol::{Encoding, JobError, JobId, Payload};
//! use procpool_registry::Settings;
//! use std::sync::Arc;
//!
//! /// Every job answers with its input.
//! struct Echo;
//!
//! impl Engine for Echo {
//!     fn submit(&self, job: Submission) -> Result<Accepted, JobError> {
//!         let id = JobId::from_bits(1);
//!         Ok(Accepted::new(id, async move { Finished::new(id, Timing::default(), Ok(job.input)) }))
//!     }
//!     fn cancel(&self, _: JobId) -> bool {
//!         false
//!     }
//! }
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let jobs = LocalJobs::new(Arc::new(Echo), Settings::default())?;
//! let job = Submission::new("echo", Payload::json("7"), Encoding::Json);
//! let enqueued = jobs.enqueue(Order::new(job)).await?;
//! let id = enqueued.decision.record().id;
//! let finished = enqueued.outcome.await.expect("the outcome");
//! assert_eq!(finished.result.as_ref().unwrap(), &Payload::json("7"));
//! assert!(jobs.job(id).await.unwrap().state.is_finished());
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

mod bells;
mod clock;
mod compact;
mod durable;
mod expiry;
mod fingerprint;
mod ids;
mod interface;
mod late;
mod local;
mod routed;
mod running;
mod scheduled;

pub use durable::{DurableJobs, DurableOptions, Health, OpenError, PoolOptions, Retry, is_retried, ordered};
pub use fingerprint::{fingerprint, key_digest};
pub use ids::is_durable;
pub use interface::{Enqueued, JobNote, Jobs, Order, Reruns};
pub use late::LateJobs;
pub use local::LocalJobs;
/// The times in notes of schedules.
pub use procpool_schedules::Wall;
pub use routed::{DurablePools, RoutedJobs};
pub use scheduled::{
    Away, Clock, Entry as ScheduleEntry, Kept as KeptEntry, Ledger, MemoryNotes, Note, NoteOfJob, Notes,
    Report as ScheduleReport, Run, Scheduled, Schedules, Status as ScheduleStatus,
};
