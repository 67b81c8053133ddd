//! [`OnDisk`]: the store of durable jobs as the server ends it.

use crate::error::Error;
use procpool_jobs::{DurableJobs, DurablePools, Health};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::timeout;

/// A store on disk.
#[derive(Clone, Debug)]
pub(crate) struct OnDisk {
    pub(crate) jobs: DurableJobs,
    pub(crate) state_dir: PathBuf,
    /// The pools whose jobs go there.
    pub(crate) names: DurablePools,
}

impl OnDisk {
    /// Is ready with the error once a write has failed. The process has to end then.
    pub(crate) async fn broken(&self) -> Error {
        self.error(self.jobs.broken().await.to_string())
    }

    /// Hands out no further job, and waits until pools have none, for up to `limit`.
    pub(crate) async fn drain(&self, limit: Duration) {
        // Jobs that are left end with their pools.
        let _ = timeout(limit, self.jobs.drain()).await;
    }

    /// Closes the store. Waits up to `limit` for the ends of jobs whose pools are gone.
    ///
    /// # Errors
    /// When a write has failed.
    pub(crate) async fn close(&self, limit: Duration) -> Result<(), Error> {
        self.drain(limit).await;
        self.jobs.close().await;
        match self.jobs.health() {
            Health::Broken(reason) => Err(self.error(reason)),
            _ => Ok(()),
        }
    }

    fn error(&self, reason: String) -> Error {
        Error::StoreBroken { state_dir: self.state_dir.clone(), reason }
    }
}
