//! Raw jobs that are watched: under an id that their watcher gives them, with their events.

use super::caller::pending::Pending;
use super::core::Core;
use super::raw::RawPool;
use super::state::events::{Events, Next};
use super::state::open_job::NewJob;
use procpool_protocol::JobError;
use procpool_protocol::JobId;
use procpool_protocol::engine::{Accepted, JobEvent, JobEvents, JobLimits, Submission, Watched};
use procpool_scheduler::JobId as Key;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

impl RawPool {
    /// Offers a job under this id, and reports what happens to it before its outcome.
    pub(crate) fn submit_watched(&self, id: JobId, job: Submission) -> Result<Watched, JobError> {
        let events = Arc::new(Events::watched_as(id));
        let new = self.new_job(job.input, job.reply, job.limits, None, Some(events.clone()));
        let Submission { reports_usage, client, priority, tenant, trace, .. } = job;
        let new = NewJob { reports_usage, client, priority, tenant, trace, ..new };
        let core = self.core();
        let submitted = core.submit(new).map_err(|rejected| core.refused(rejected.reason))?;
        let reader = Reader { core: core.clone(), key: submitted.key, events };
        let accepted = Accepted::new(submitted.id, Pending::new(core.clone(), submitted));
        Ok(Watched::new(accepted, JobEvents::new(move |context| reader.poll(context))))
    }

    /// Returns whether this job is one of the pool's, and has no outcome yet.
    pub(crate) fn has(&self, job: JobId) -> bool {
        let core = self.core();
        core.is_here() && core.with(|state, _| state.key(job).is_some())
    }

    /// Returns the limits of a job of this pool that asks for these.
    pub(crate) fn limits_of(&self, asked: JobLimits) -> JobLimits {
        self.core().times.get().of_job(asked)
    }
}

/// Takes the events of a job. Dropping it discards the chunks.
struct Reader {
    core: Arc<Core>,
    key: Key,
    events: Arc<Events>,
}

impl Reader {
    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<JobEvent>> {
        // In a fork nothing ever comes.
        if !self.core.is_here() {
            return Poll::Ready(None);
        }
        Poll::Ready(ready!(self.events.poll_next(context)).map(|next| match next {
            Next::Place(place) => place.into(),
            Next::Progress(progress) => JobEvent::Progress(progress),
            Next::Chunk(chunk, grant) => {
                self.grant(grant);
                JobEvent::Chunk(chunk)
            }
        }))
    }

    fn grant(&self, chunks: u32) {
        // A worker that does not read its credit is found out when it sends its next chunk.
        let _ = self.core.grant(self.key, chunks);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.grant(self.events.discard());
    }
}
