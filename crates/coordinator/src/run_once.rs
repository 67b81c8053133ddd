//! [`run_once`]: one process, one job. `runFib` of Node's worker-threads tutorial.

use crate::pool::{Pool, PoolError};
use procpool_process::Executable;
use procpool_protocol::{Job, JobError};
use std::time::Duration;

/// How long a worker that has answered may take to exit by itself.
const EXIT: Duration = Duration::from_secs(2);

/// The one process did not come up, or its one job has no output.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The process did not come up.
    #[error(transparent)]
    Start(#[from] PoolError),
    /// The job has no output.
    #[error(transparent)]
    Job(#[from] JobError),
}

/// Runs one job in a process of its own, without a timeout. Dropping the future kills the process.
///
/// ```no_run
/// # use procpool_coordinator::{Executable, run_once};
/// # procpool_protocol::job!(Fib, "fib", u64 => u64);
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let f = run_once::<Fib>(Executable::find("procpool-fib")?, 40).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the process does not come up, or the job has no output.
pub async fn run_once<J: Job>(executable: Executable, input: J::Input) -> Result<J::Output, RunError> {
    let pool = Pool::<J>::builder(executable).workers(1..=1).no_timeout().starts_once().start().await?;
    let job = pool.try_submit(input);
    // One job: its worker exits after it, and none is started in its place if it dies.
    pool.close();
    let output = match job {
        Ok(job) => job.await,
        Err(refused) => Err(refused.into()),
    };
    // The output is not kept waiting for the process to exit.
    tokio::spawn(async move { pool.shutdown(EXIT).await });
    Ok(output?)
}
