//! [`Act`]: a thing to tell or to do once a group is durable. A task beside the store's thread performs those of large groups,
//! in order, so that the next group need not wait for them. A few take less time than to wake the task.

use super::op::{Accepted, Op, Tell};
use super::queue::OpQueue;
use super::runner::Run;
use super::shared::Shared;
use super::view::Reply;
use procpool_protocol::engine::{JobLimits, Submission};
use procpool_protocol::outcome::{Finished, Refusal, Refused};
use procpool_protocol::{JobError, JobId};
use procpool_registry::{Cancelled, CommitError, ForeignCursor, Selection, Settled};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::yield_now;

/// Maximum number of acts that are performed without the task, and size of a group that is committed without another thread.
pub(super) const FEW: usize = 4;

/// The way of acts to their end. Their number is bounded by those who wait for an answer, and by the jobs that pools have.
#[derive(Clone)]
pub(super) struct Acts {
    shared: Arc<Shared>,
    queue: Arc<OpQueue>,
    task: UnboundedSender<Vec<Act>>,
    /// Number of groups that the task has not performed.
    waiting: Arc<AtomicUsize>,
}

impl Acts {
    /// Returns the way, and starts the task.
    pub(super) fn start(shared: Arc<Shared>, queue: Arc<OpQueue>) -> Self {
        let (task, acts) = mpsc::unbounded_channel();
        let this = Self { shared, queue, task, waiting: Arc::default() };
        let (shared, queue, waiting) = (this.shared.clone(), this.queue.clone(), this.waiting.clone());
        this.shared.runtime.spawn(run(shared, queue, waiting, acts));
        this
    }

    /// Returns what performs the acts of a group once that is durable.
    pub(super) fn once_durable(&self, acts: Vec<Act>) -> Settled {
        let way = self.clone();
        Box::new(move |durable| way.settle(acts, durable))
    }

    /// Performs the acts of a group that has become durable, after those of all groups before. If it has not, the store is
    /// broken, and whom an act would have told learns that.
    fn settle(&self, acts: Vec<Act>, durable: Result<(), CommitError>) {
        let _context = self.shared.runtime.enter();
        match durable {
            Ok(()) => self.perform(acts),
            Err(error) => {
                let cause = cause(&error);
                self.shared.monitor.set_broken(&cause);
                acts.into_iter().for_each(|act| act.refuse(&cause));
                self.perform(vec![Act::AllGone]);
            }
        }
    }

    /// Performs the acts of a group, after those of all groups before. The caller is in the runtime.
    pub(super) fn perform(&self, acts: Vec<Act>) {
        if acts.len() <= FEW && self.waiting.load(Ordering::Acquire) == 0 {
            acts.into_iter().for_each(|act| perform(&self.shared, &self.queue, act));
        } else {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            // The task is gone with its runtime alone.
            let _ = self.task.send(acts);
        }
    }
}

/// A thing to tell or to do.
pub(super) enum Act {
    Accepted(Tell<Accepted>, Accepted),
    Cancelled(Tell<Cancelled>, Cancelled),
    Selected(Tell<Result<Selection, ForeignCursor>>, Result<Selection, ForeignCursor>),
    Noted(Tell<Result<(), JobError>>),
    /// A look is told.
    Read(Reply),
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

impl Act {
    /// Tells whom the act would have told that nothing came of it.
    fn refuse(self, cause: &str) {
        match self {
            Self::Accepted(tell, accepted) => {
                let refused = accepted.and_then(|(decision, _)| Err(broken(&decision.record().pool, cause)));
                drop(tell.send(refused));
            }
            Self::Noted(tell) => drop(tell.send(Err(broken("", cause)))),
            // Their channels close.
            _ => {}
        }
    }
}

/// Returns why nothing is durable any longer.
pub(super) fn cause(error: &CommitError) -> String {
    match error {
        CommitError::Broken(cause) => cause.clone(),
        other => other.to_string(),
    }
}

pub(super) fn broken(pool: &str, cause: &str) -> JobError {
    Refused::new(pool, Refusal::store_broken(cause)).into()
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
async fn run(
    shared: Arc<Shared>,
    queue: Arc<OpQueue>,
    waiting: Arc<AtomicUsize>,
    mut acts: UnboundedReceiver<Vec<Act>>,
) {
    /// Number of acts after which other tasks get their turn.
    const TURN: usize = 64;
    while let Some(acts) = acts.recv().await {
        for (nth, act) in acts.into_iter().enumerate() {
            if nth % TURN == TURN - 1 {
                yield_now().await;
            }
            perform(&shared, &queue, act);
        }
        waiting.fetch_sub(1, Ordering::Release);
    }
}

fn perform(shared: &Shared, queue: &Arc<OpQueue>, act: Act) {
    // Who has gone away in between learns nothing.
    match act {
        Act::Accepted(tell, accepted) => drop(tell.send(accepted)),
        Act::Cancelled(tell, cancelled) => drop(tell.send(cancelled)),
        Act::Selected(tell, selected) => drop(tell.send(selected)),
        Act::Noted(tell) => drop(tell.send(Ok(()))),
        Act::Read(tell) => tell(),
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
