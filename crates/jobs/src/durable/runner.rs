//! One run of a job in its pool: everything that the pool reports goes to the store's thread.

use super::op::Op;
use super::queue::OpQueue;
use crate::compact::{compact, compact_chunk};
use procpool_protocol::JobId;
use procpool_protocol::engine::{JobEvent, JobLimits, Watched};
use procpool_protocol::message::Progress;
use procpool_registry::Event;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Minimum time between two reports of progress. Each becomes durable.
const PROGRESS: Duration = Duration::from_millis(250);

/// A run.
pub(super) struct Run {
    pub(super) job: JobId,
    /// Number of attempts before this run.
    pub(super) base: u32,
    /// The limits that the client asked for.
    pub(super) asked: JobLimits,
    pub(super) watched: Watched,
    pub(super) queue: Arc<OpQueue>,
}

impl Run {
    /// Reports the run until its end. Ends early, and thereby cancels the run, when the store's thread has ended.
    pub(super) async fn report(self) {
        let Self { job, base, asked, watched, queue } = self;
        let Watched { accepted, mut events, .. } = watched;
        let mut outcome = accepted.outcome;
        let mut progress = Throttle::default();
        let mut has_events = true;
        let mut finished = loop {
            tokio::select! {
                biased;
                event = events.next(), if has_events => match event {
                    Some(event) => {
                        let Some(event) = progress.take(event) else { continue };
                        if !report(&queue, job, base, event).await {
                            return;
                        }
                    }
                    None => has_events = false,
                },
                () = progress.is_due() => {
                    if let Some(last) = progress.pending.take() {
                        progress.reported(last);
                        queue.push(Op::Report(job, Event::Progress(last)));
                    }
                }
                finished = &mut outcome => break finished,
                () = queue.closed() => return,
            }
        };
        while has_events && let Some(event) = events.next().await {
            if !matches!(event, JobEvent::Progress(_)) && !report(&queue, job, base, event).await {
                return;
            }
        }
        finished.id = job;
        crate::running::remember(&mut finished, asked);
        if let Ok(output) = &mut finished.result {
            *output = compact(output).await;
        }
        queue.push(Op::End(job, Arc::new(finished)));
    }
}

async fn report(queue: &OpQueue, job: JobId, base: u32, event: JobEvent) -> bool {
    let event = match event {
        JobEvent::Started { attempt, worker, .. } => Event::started(base + attempt, worker),
        JobEvent::Returned => Event::Returned,
        JobEvent::Progress(progress) => Event::Progress(progress),
        JobEvent::Chunk(chunk) => {
            return queue.push_when_room(Op::Report(job, Event::Chunk(compact_chunk(&chunk)))).await;
        }
        _ => return true,
    };
    queue.push(Op::Report(job, event))
}

/// Lets one report of progress pass in a while, and holds the latest of the others.
#[derive(Default)]
struct Throttle {
    last: Option<Instant>,
    pending: Option<Progress>,
}

impl Throttle {
    /// Returns the event, unless it is held back.
    fn take(&mut self, event: JobEvent) -> Option<JobEvent> {
        let JobEvent::Progress(progress) = event else {
            // The progress of an attempt that is over is nobody's.
            self.pending = self.pending.filter(|_| matches!(event, JobEvent::Chunk(_)));
            return Some(event);
        };
        if self.last.is_some_and(|last| last.elapsed() < PROGRESS) {
            self.pending = Some(progress);
            return None;
        }
        self.reported(progress);
        Some(event)
    }

    fn reported(&mut self, _: Progress) {
        self.pending = None;
        self.last = Some(Instant::now());
    }

    /// Is ready when the progress that is held back may pass.
    async fn is_due(&self) {
        match (self.pending, self.last) {
            (Some(_), Some(last)) => sleep_until(last + PROGRESS).await,
            _ => std::future::pending().await,
        }
    }
}
