//! The outcome of a job that is being saved, on its way to its caller. It is delivered once, with the file if
//! that is there in time, whether or not the disk, its writing thread and the runtime work. Does not: know
//! files.

use procpool_protocol::outcome::Finished;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::oneshot;

/// Maximum time for which a job's outcome waits for its file. A working disk needs a few milliseconds, and a
/// caller should not have to wait for a broken one.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// An outcome that nobody has been told yet. Dropping it tells it, without a file: what breaks down on the way
/// costs the job its file at most.
#[derive(Debug)]
pub(crate) struct PendingOutcome(Option<(oneshot::Sender<Finished>, Finished)>);

/// Why an outcome went out before it was known whether its job was saved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsaved {
    /// [`LONGEST_WAIT`] is over. The file may still come.
    Late,
    /// The thread that saves jobs has ended amid this one, or before it.
    Gone,
}

impl PendingOutcome {
    pub(crate) fn new(caller: oneshot::Sender<Finished>, finished: Finished) -> Self {
        Self(Some((caller, finished)))
    }

    /// Returns the job's end.
    pub(super) fn finished(&self) -> Option<&Finished> {
        self.0.as_ref().map(|(_, finished)| finished)
    }

    /// Tells the caller how its job ended, and where it was saved.
    pub(crate) fn tell(mut self, file: Option<PathBuf>) {
        self.tell_once(file);
    }

    /// Tells the caller as soon as it is known where the job was saved, and in any case after [`LONGEST_WAIT`].
    ///
    /// # Errors
    /// The caller has been told, and this is why without a file.
    pub(super) async fn tell_with(self, saved: oneshot::Receiver<Option<PathBuf>>) -> Result<(), Unsaved> {
        // The word of the thread counts, if both are there: this process may have been stopped for long.
        let (file, reason) = match tokio::time::timeout(LONGEST_WAIT, saved).await {
            Ok(Ok(file)) => (file, Ok(())),
            Ok(Err(_)) => (None, Err(Unsaved::Gone)),
            Err(_) => (None, Err(Unsaved::Late)),
        };
        self.tell(file);
        reason
    }

    fn tell_once(&mut self, file: Option<PathBuf>) {
        let Some((caller, mut finished)) = self.0.take() else { return };
        if let (Err(error), Some(file)) = (&mut finished.result, file) {
            error.saved_as(file);
        }
        // A caller that went away wants no outcome.
        let _ = caller.send(finished);
    }
}

impl Drop for PendingOutcome {
    fn drop(&mut self) {
        self.tell_once(None);
    }
}
