//! Why a pool takes nothing further: it shuts down, or its runtime has ended.

use super::core::Core;
use procpool_protocol::engine::ReloadError;
use procpool_protocol::outcome::Refusal;
use std::sync::atomic::Ordering;

impl Core {
    /// Returns the reason for which a closed pool refuses jobs.
    pub(super) fn what_ended(&self) -> Refusal {
        let has_runtime_ended = self.has_runtime_ended.load(Ordering::Relaxed);
        if has_runtime_ended { Refusal::RuntimeEnded } else { Refusal::ShuttingDown }
    }

    /// Returns a reload's error, corrected where the runtime of the pool has ended.
    pub(super) fn why_not_reloaded(&self, error: ReloadError) -> ReloadError {
        match error {
            ReloadError::ShutDown { pool, .. } if self.what_ended() == Refusal::RuntimeEnded => {
                ReloadError::runtime_ended(pool)
            }
            error => error,
        }
    }
}
