//! The outcome of a job whose time is up, withheld until the stack of its worker is there. It is delivered once,
//! whatever breaks down on the way.

use crate::pool::core::Core;
use crate::recorder::{FailedJob, PendingOutcome, Sent};
use procpool_protocol::outcome::Finished;
use procpool_protocol::stack::Stack;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Time after which an outcome goes out with what is known by then. The start of the process that names a stack fits
/// in. A caller should not have to wait for more.
const USUAL: Duration = Duration::from_millis(225);

/// Maximum time for which an outcome is withheld.
const LONGEST: Duration = Duration::from_millis(240);

/// An outcome that is ready but for its stack.
#[derive(Debug)]
pub(crate) struct Withheld {
    since: Instant,
    inside: Mutex<Inside>,
}

/// An outcome that nobody has been told yet. Dropping it tells it, without a stack and without a file.
#[derive(Debug)]
struct Inside(Option<Outcome>);

/// An outcome on its way to its caller.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) caller: oneshot::Sender<Finished>,
    pub(crate) finished: Finished,
    /// The job as it was sent, if it is saved.
    pub(crate) sent: Option<Box<Sent>>,
}

impl Withheld {
    pub(crate) fn new(outcome: Outcome) -> Self {
        Self { since: Instant::now(), inside: Mutex::new(Inside(Some(outcome))) }
    }

    /// Returns how long its caller still waits for names.
    pub(super) fn left(&self) -> Duration {
        USUAL.saturating_sub(self.since.elapsed())
    }

    /// Returns how long its caller still waits.
    pub(super) fn longest(&self) -> Duration {
        LONGEST.saturating_sub(self.since.elapsed())
    }

    /// Delivers the outcome, unless that was done before.
    pub(crate) fn deliver(&self, core: &Core, stack: Option<&Arc<Stack>>) {
        let outcome = self.inside.lock().unwrap_or_else(PoisonError::into_inner).0.take();
        let Some(mut outcome) = outcome else { return };
        if let (Err(error), Some(stack)) = (&mut outcome.finished.result, stack) {
            error.seen_with(stack.clone());
        }
        core.tell(outcome);
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        if let Some(Outcome { caller, finished, .. }) = self.0.take() {
            // A caller that went away wants no outcome.
            let _ = caller.send(finished);
        }
    }
}

impl Core {
    /// Tells a caller how its job ended, once the job is saved, if it must be.
    pub(crate) fn tell(&self, outcome: Outcome) {
        let Outcome { caller, finished, sent } = outcome;
        match sent {
            None => self.untaken.send(caller, finished),
            Some(sent) => self.save(FailedJob { sent, outcome: PendingOutcome::new(caller, finished) }),
        }
    }
}
