//! Jobs that outlive the process (feature `durable`): [`Jobs`] keeps them in a directory until a pool has run them.
//!
//! ```no_run
//! use procpool::{Executable, Jobs, Pool, job};
//!
//! job!(Thumbnail, "thumbnail", String => u64);
//!
//! # async fn service() -> Result<(), Box<dyn std::error::Error>> {
//! let pool = Pool::<Thumbnail>::builder(Executable::find("thumbnails")?).name("thumbnails").start().await?;
//! let jobs = Jobs::builder("/var/lib/shop/jobs").pool(&pool).open().await?;
//! let thumbnails = jobs.queue(&pool);
//!
//! // On disk once this returns: a kill -9 of this process, or a power cut, does not lose it.
//! let id = thumbnails.enqueue("cat.jpg".to_owned()).await?;
//!
//! // The next process asks with the same id.
//! println!("{} bytes", thumbnails.outcome(id).await?);
//! # Ok(())
//! # }
//! ```
//!
//! The directory is that of a server's `state_dir`: `procpool store stats` reads it while nobody has it open. One process
//! at a time has it. Inputs and outputs are kept as JSON, or as they are if they are [`Bytes`](crate::Bytes): a service
//! that was updated reads the jobs of its predecessor as far as serde reads the old form of its types.
//!
//! A job that a worker had when the process died runs again if its pool is idempotent, and has attempts left. Otherwise it
//! has crashed, and [`JobError::may_have_run`](crate::JobError::may_have_run) is true.

mod builder;
mod engines;
mod error;
mod queue;

pub use self::builder::JobsBuilder;
pub use self::error::{EnqueueError, OpenError, OutcomeError};
pub use self::queue::{NewJob, Queue};
pub use procpool_jobs::{Health, Retry};
pub use procpool_registry::{Cancelled, Cursor, Filter, InvalidKey, Phase, Record, State, Time};
pub use procpool_store::Durability;

use crate::{Job, JobId, Pool};
use procpool_jobs::{DurableJobs, Jobs as _};
use std::path::PathBuf;
use std::sync::Arc;

/// Jobs on disk, of all pools that were given to [`JobsBuilder::pool`]. Clones share them.
///
/// They keep their pools. Dropping the last clone closes the store: jobs that wait are run by the next process.
#[derive(Clone, Debug)]
pub struct Jobs {
    jobs: DurableJobs,
    damage: Arc<[String]>,
}

impl Jobs {
    /// Returns a builder for the jobs in this directory, which is made if it is missing.
    pub fn builder(directory: impl Into<PathBuf>) -> JobsBuilder {
        JobsBuilder::new(directory.into())
    }

    /// Returns the queue of a pool. Its jobs are refused unless the pool was given to [`JobsBuilder::pool`].
    pub fn queue<J: Job>(&self, pool: &Pool<J>) -> Queue<J> {
        Queue::new(self.jobs.clone(), pool.raw().name().into())
    }

    /// Returns the record of a job, with its state. Returns `None` if there is none, or none any longer.
    pub async fn record(&self, job: JobId) -> Option<Arc<Record>> {
        self.jobs.job(job).await
    }

    /// Returns the jobs of all pools that match, the newest first: at most `limit`, and where the list continues.
    pub async fn list(
        &self,
        filter: Filter,
        from: Option<Cursor>,
        limit: usize,
    ) -> (Vec<Arc<Record>>, Option<Cursor>) {
        // A cursor of another store is at the end of this one.
        self.jobs
            .list(filter, from, limit)
            .await
            .map_or_else(|_| Default::default(), |page| (page.jobs, page.next))
    }

    /// Cancels a job. A waiting one ends at once, a running one is asked to stop.
    pub async fn cancel(&self, job: JobId) -> Cancelled {
        self.jobs.cancel(job).await
    }

    /// Returns whether jobs are accepted.
    #[must_use]
    pub fn health(&self) -> Health {
        self.jobs.health()
    }

    /// Returns the damage that was found at the start, one sentence each. Damaged records are set aside.
    #[must_use]
    pub fn damage(&self) -> &[String] {
        &self.damage
    }

    /// Is ready once a write has failed, with the reason. The process has to end: only the next one can read what has
    /// become durable.
    pub async fn broken(&self) -> String {
        self.jobs.broken().await.to_string()
    }

    /// Hands out no further job, waits until pools have none, and closes the store. To be called before the pools are
    /// shut down. Waiting jobs stay for the next process.
    pub async fn shutdown(&self) {
        self.jobs.drain().await;
        self.jobs.close().await;
    }
}
