//! The payloads and clients to which a pool attributes deaths of its workers, in the form that operators see.

use crate::job_id::JobId;
use serde::Serialize;

/// The payloads that have killed workers of a pool lately, and the clients whose jobs did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Quarantine {
    /// Payloads in quarantine first, then by number of deaths, largest first.
    pub payloads: Vec<SuspectPayload>,
    /// By number of deaths, largest first.
    pub clients: Vec<SuspectClient>,
}

/// A payload that has killed workers lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SuspectPayload {
    /// Names the payload in this pool, until the pool is restarted: 16 hexadecimal digits.
    pub fingerprint: String,
    /// Number of workers that it has killed.
    pub deaths: u32,
    /// Whether jobs with it end as `poisoned` without running.
    pub quarantined: bool,
    /// Milliseconds until the pool forgets the payload, unless it kills again.
    pub remaining_ms: u64,
    /// Milliseconds since it killed the last worker.
    pub since_last_death_ms: u64,
    /// The last job that crashed with it.
    pub last_job: Option<JobId>,
}

impl SuspectPayload {
    /// Returns a payload with only its name.
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

/// A client whose jobs have killed workers lately.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SuspectClient {
    /// Names the client in this pool, until the pool is restarted: 16 hexadecimal digits.
    pub fingerprint: String,
    /// The client: over HTTP its address, or its network for IPv6.
    pub client: String,
    /// Number of workers that its jobs have killed.
    pub deaths: u32,
    /// Whether its jobs are refused.
    pub quarantined: bool,
    /// Milliseconds until the pool forgets the client.
    pub remaining_ms: u64,
}

impl SuspectClient {
    /// Returns a client with only its names.
    pub fn new(fingerprint: impl Into<String>, client: impl Into<String>) -> Self {
        let (fingerprint, client) = (fingerprint.into(), client.into());
        Self { fingerprint, client, deaths: 0, quarantined: false, remaining_ms: 0 }
    }
}
