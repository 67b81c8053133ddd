//! The life of one job, from its acceptance to its outcome: everything that its engine reports goes to the registry.

use crate::compact::{compact, compact_chunk};
use crate::local::Inner;
use procpool_protocol::engine::{JobEvent, JobLimits, Watched};
use procpool_protocol::outcome::Finished;
use procpool_protocol::{JobError, JobId};
use procpool_registry::Event;
use std::sync::Arc;

/// Reports one job. `asked` are the limits that its client asked for.
pub(crate) async fn run(inner: Arc<Inner>, job: JobId, watched: Watched, asked: JobLimits) {
    let Watched { accepted, mut events, .. } = watched;
    let mut outcome = accepted.outcome;
    let mut finished = loop {
        tokio::select! {
            biased;
            Some(event) = events.next() => report(&inner, job, event),
            finished = &mut outcome => break finished,
        }
    };
    // Its last events come with the outcome.
    while let Some(event) = events.next().await {
        report(&inner, job, event);
    }
    finished.id = job;
    remember(&mut finished, asked);
    if let Ok(output) = &mut finished.result
        && inner.may_hold_result(output)
    {
        *output = compact(output).await;
    }
    inner.finish(job, finished);
}

fn report(inner: &Inner, job: JobId, event: JobEvent) {
    let event = match event {
        JobEvent::Started { attempt, worker, .. } => Event::started(attempt, worker),
        JobEvent::Returned => Event::Returned,
        JobEvent::Progress(progress) => Event::Progress(progress),
        JobEvent::Chunk(chunk) => Event::Chunk(compact_chunk(&chunk)),
        _ => return,
    };
    inner.handle(job, event);
}

/// Adds to a timeout which limits its client asked for: the answer tells who has set the limit.
pub(crate) fn remember(finished: &mut Finished, asked: JobLimits) {
    let is_timeout =
        finished.result.as_ref().is_err_and(|error| matches!(**error, JobError::TimedOut { .. }));
    if is_timeout && asked != JobLimits::default() {
        finished.report.get_or_insert_default().asked = Some(asked);
    }
}
