//! Encoded bytes in, encoded bytes out: pools without types, and the seam at which a frontend meets whatever runs the jobs.

pub use procpool_coordinator::{Contract, RawPool, WorkerData};
pub use procpool_protocol::Payload;
pub use procpool_protocol::engine::{
    Accepted, Admin, BoxFuture, ClientName, Engine, JobLimits, Reloaded, Submission,
};
pub use procpool_protocol::outcome::{Finished, Outcome, Timing};
