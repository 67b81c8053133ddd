//! [`Health`]: whether the store takes jobs.

use procpool_registry::CommitError;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Time for which a store counts as full after the last group that found no space. Refused clients are told to come back
/// then.
const FULL: Duration = Duration::from_secs(10);

/// Whether the store takes jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Health {
    /// It does.
    Ok,
    /// The state directory had no space for the last job. Accepted jobs are finished.
    Full,
    /// A write has failed: its error. The process has to be restarted.
    Broken(String),
    /// The servers that hold the jobs do not answer: the last problem.
    Away(String),
}

/// The health as the store's thread sets it.
#[derive(Debug)]
pub(super) struct Monitor {
    full: Mutex<Option<Instant>>,
    broken: watch::Sender<Option<String>>,
}

impl Monitor {
    pub(super) fn new() -> Self {
        Self { full: Mutex::default(), broken: watch::Sender::new(None) }
    }

    pub(super) fn health(&self) -> Health {
        if let Some(cause) = self.broken.borrow().clone() {
            return Health::Broken(cause);
        }
        let full = *self.full.lock().unwrap_or_else(PoisonError::into_inner);
        if full.is_some_and(|since| since.elapsed() < FULL) { Health::Full } else { Health::Ok }
    }

    pub(super) fn set_full(&self, is_full: bool) {
        *self.full.lock().unwrap_or_else(PoisonError::into_inner) = is_full.then(Instant::now);
    }

    pub(super) fn set_broken(&self, cause: &str) {
        self.broken.send_replace(Some(cause.to_owned()));
    }

    /// Is ready once a write has failed.
    pub(super) async fn broken(&self) -> CommitError {
        let mut broken = self.broken.subscribe();
        match broken.wait_for(Option::is_some).await {
            Ok(cause) => CommitError::Broken(cause.clone().unwrap_or_default()),
            // The sender is in `self`.
            Err(_) => std::future::pending().await,
        }
    }
}
