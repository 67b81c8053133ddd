//! [`Canceller`]: cancels one job from anywhere, without its handle.

use crate::pool::core::Core;
use procpool_protocol::JobId;
use std::sync::Arc;

/// Cancels one job while another task awaits it, as tokio's `AbortHandle` does for a task.
///
/// Clones cancel the same job. Dropping one does nothing, and keeps no pool alive.
///
/// ```no_run
/// # use procpool_coordinator::Pool;
/// # use procpool_protocol::JobError;
/// # procpool_protocol::job!(Fib, "fib", u64 => u64);
/// # async fn example(pool: Pool<Fib>, hangs_up: impl Future<Output = ()> + Send + 'static) -> Result<(), JobError> {
/// let job = pool.submit(40).await?;
/// let canceller = job.canceller();
/// tokio::spawn(async move {
///     hangs_up.await;
///     canceller.cancel();
/// });
/// let f = job.await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Canceller {
    core: Arc<Core>,
    id: JobId,
}

impl std::fmt::Debug for Canceller {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Canceller").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Canceller {
    pub(crate) fn new(core: Arc<Core>, id: JobId) -> Self {
        Self { core, id }
    }

    /// Returns the job's id.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Cancels the job. Returns `true` if it had no outcome yet. In this case its outcome is
    /// [`JobError::Cancelled`](procpool_protocol::JobError::Cancelled). The pool asks a running job to stop,
    /// and kills its worker after the grace.
    pub fn cancel(&self) -> bool {
        self.core.cancel(self.id)
    }
}
