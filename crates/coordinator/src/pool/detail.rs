//! What one worker does, when somebody asks. Its process is looked at on a thread of its own, and not under the pool's
//! lock.

use super::raw::RawPool;
use super::state::State;
use super::state::events::Events;
use super::status;
use procpool_process::KillSwitch;
use procpool_protocol::engine::{InspectionError, JobLimit, WorkerDetail};
use procpool_scheduler::{JobId as Key, Time};
use std::sync::Arc;
use std::time::Duration;

/// A worker as the pool knows it, and what has to be asked elsewhere.
struct Found {
    detail: WorkerDetail,
    events: Option<Arc<Events>>,
    process: Arc<KillSwitch>,
}

impl RawPool {
    /// Returns the worker of this name with what its process does and how far its job is.
    ///
    /// # Errors
    /// When there is no such worker, or it has ended.
    pub(crate) async fn detail(&self, worker: &str) -> Result<WorkerDetail, InspectionError> {
        // The error of a worker that is not there.
        self.switch_of(worker)?;
        let core = self.core();
        let found = core.with(|state, now| find(state, now, worker, &core.name));
        let Found { mut detail, events, process } = found.ok_or_else(|| InspectionError::gone(worker))?;
        detail.progress = events.and_then(|events| events.last_progress()).map(Into::into);
        let looked = core.runtime().spawn_blocking(move || {
            let memory = process.resident_memory().filter(|&bytes| bytes > 0);
            (memory, process.cpu_time(), process.activity())
        });
        // The pool's runtime may be shutting down: then this much is not known.
        if let Ok((memory, cpu_time, activity)) = looked.await {
            (detail.status.resident_bytes, detail.activity) = (memory, activity);
            detail.status.cpu_ms = cpu_time.map(millis);
        }
        Ok(detail)
    }
}

fn find(state: &State, now: Time, worker: &str, pool: &str) -> Option<Found> {
    let id = state.worker(worker)?;
    let (place, job, _) = state.scheduler.worker(id)?;
    let mut detail = WorkerDetail::new(pool, status::worker(state, now, id, place, job)?);
    detail.limit = job.and_then(|job| limit(state, now, job));
    let events = job.and_then(|job| state.entry(job)?.job.events.clone());
    Some(Found { detail, events, process: state.slots.get(&id)?.kill_switch.clone() })
}

/// Returns the limit of a job that ends first: of its whole time, or of its run.
fn limit(state: &State, now: Time, job: Key) -> Option<JobLimit> {
    let entry = state.entry(job)?;
    let (assigned, _) = entry.assigned?;
    let left = |limit: Duration, begun: Time| (limit.saturating_sub(now.since(begun)), limit);
    let limits = entry.job.limits;
    let total = limits.timeout.map(|limit| left(limit, entry.accepted));
    let run = limits.run_timeout.map(|limit| left(limit, assigned));
    let (left, limit) = total.into_iter().chain(run).min()?;
    Some(JobLimit::new(millis(limit), millis(left)))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
