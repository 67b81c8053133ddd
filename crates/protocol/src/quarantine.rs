//! What a pool holds against the payloads that have killed its workers, in the shape that operators see.

use crate::job_id::JobId;
use serde::Serialize;

/// The payloads that have killed workers of a pool lately.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Quarantine {
    /// Those that are not run first, and then those with the most deaths.
    pub payloads: Vec<SuspectPayload>,
}

/// A payload that has killed workers lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SuspectPayload {
    /// Names the payload in this pool, until the pool is started anew: 16 hexadecimal digits.
    pub fingerprint: String,
    /// Number of workers that it has killed.
    pub deaths: u32,
    /// Whether jobs with it end as `poisoned` without being run.
    pub quarantined: bool,
    /// Milliseconds until that is forgotten, unless it kills again.
    pub remaining_ms: u64,
    /// Milliseconds since it killed the last worker.
    pub since_last_death_ms: u64,
    /// The last job that died with it.
    pub last_job: Option<JobId>,
}

impl SuspectPayload {
    /// A payload of which nothing is known but its name.
    pub fn new(fingerprint: impl Into<String>) -> Self {
        Self {
            fingerprint: fingerprint.into(),
            deaths: 0,
            quarantined: false,
            remaining_ms: 0,
            since_last_death_ms: 0,
            last_job: None,
        }
    }
}
