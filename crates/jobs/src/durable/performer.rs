//! [`Act`]: a thing to tell or to do once a group is durable. A task beside the store's thread performs them in order, so
//! that the next group need not wait for them.

use super::op::{Accepted, Op, Tell};
use super::queue::OpQueue;
use super::runner::Run;
use super::shared::Shared;
use procpool_protocol::engine::{JobLimits, Submission};
use procpool_protocol::outcome::Finished;
use procpool_protocol::{JobError, JobId};
use procpool_registry::{Cancelled, ForeignCursor, Selection};
use std::sync::Arc;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::yield_now;

/// The way to the task. Their number is bounded by those who wait for an answer, and by the jobs that pools have.
pub(super) type Acts = UnboundedSender<Vec<Act>>;

/// A thing to tell or to do.
pub(super) enum Act {
    Accepted(Tell<Accepted>, Accepted),
    Cancelled(Tell<Cancelled>, Cancelled),
    Selected(Tell<Result<Selection, ForeignCursor>>, Result<Selection, ForeignCursor>),
    Noted(Tell<Result<(), JobError>>),
    /// The store has nothing left to do, or is closed.
    Done(Tell<()>),
    /// A job has changed. Those who wait get its outcome, if it has one.
    Changed(JobId, Option<Arc<Finished>>),
    /// No outcome of this job comes any longer.
    Gone(JobId),
    /// No outcome of any job comes any longer.
    AllGone,
    /// A pool gets a job.
    HandOut(Box<HandOut>),
    /// A pool cancels a job. It has got it before.
    Cancel(JobId),
}

/// A job on its way to its pool.
pub(super) struct HandOut {
    pub(super) job: JobId,
    /// Number of attempts before this run.
    pub(super) base: u32,
    pub(super) submission: Submission,
    /// The limits that the client asked for.
    pub(super) asked: JobLimits,
}

/// Performs acts until the store's thread has ended.
pub(super) async fn run(shared: Arc<Shared>, queue: Arc<OpQueue>, mut acts: UnboundedReceiver<Vec<Act>>) {
    /// Number of acts after which other tasks get their turn.
    const TURN: usize = 64;
    while let Some(acts) = acts.recv().await {
        for (nth, act) in acts.into_iter().enumerate() {
            if nth % TURN == TURN - 1 {
                yield_now().await;
            }
            perform(&shared, &queue, act);
        }
    }
}

fn perform(shared: &Shared, queue: &Arc<OpQueue>, act: Act) {
    // Who has gone away in between learns nothing.
    match act {
        Act::Accepted(tell, accepted) => drop(tell.send(accepted)),
        Act::Cancelled(tell, cancelled) => drop(tell.send(cancelled)),
        Act::Selected(tell, selected) => drop(tell.send(selected)),
        Act::Noted(tell) => drop(tell.send(Ok(()))),
        Act::Done(tell) => drop(tell.send(())),
        Act::Changed(job, outcome) => {
            if let Some(outcome) = &outcome {
                shared.bells.leave(job, outcome);
            }
            shared.bells.ring(job);
        }
        Act::Gone(job) => {
            shared.bells.close(job);
            shared.bells.ring(job);
        }
        Act::AllGone => shared.bells.close_all(),
        Act::HandOut(hand_out) => hand_out.perform(shared, queue),
        Act::Cancel(job) => drop(shared.engine.cancel(job)),
    }
}

impl HandOut {
    fn perform(self: Box<Self>, shared: &Shared, queue: &Arc<OpQueue>) {
        let Self { job, base, submission, asked } = *self;
        match shared.engine.submit_watched(job, submission) {
            Ok(watched) => {
                let run = Run { job, base, asked, watched, queue: queue.clone() };
                drop(shared.runtime.spawn(run.report()));
            }
            Err(error) => drop(queue.push(Op::NotTaken(job, Arc::new(error)))),
        }
    }
}
