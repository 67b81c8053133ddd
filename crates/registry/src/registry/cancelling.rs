//! Cancelling one job, or all that match a filter.

use procpool_protocol::{JobId, OutcomeKind};

use super::{Handled, Registry};
use crate::cursor::{Cursor, ForeignCursor};
use crate::event::Event;
use crate::filter::{Class, Filter};
use crate::storage::Storage;
use crate::time::Time;

/// The answer to a cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancelled {
    /// The engine receives an [`Effect::Cancel`](crate::Effect::Cancel), at the latest when it has
    /// the job. It decides the outcome.
    Requested,
    /// The job has this outcome already.
    TooLate(OutcomeKind),
    /// There is no such job.
    Unknown,
}

/// Whether a cancel by filter is carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trial {
    /// It only returns the jobs.
    DryRun,
    /// It cancels them.
    Order,
}

/// The jobs of a cancel by filter.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Selection {
    /// The unfinished jobs, the newest first.
    pub jobs: Vec<JobId>,
    /// Where the order continues, or `None` if it is complete.
    pub next: Option<Cursor>,
}

impl Selection {
    /// Returns a selection of another store than a registry.
    #[must_use]
    pub fn new(jobs: Vec<JobId>, next: Option<Cursor>) -> Self {
        Self { jobs, next }
    }
}

impl<S: Storage> Registry<S> {
    /// Cancels a job. A registry that [holds the queue](Registry::durable) ends it at once: its engine is told of
    /// something that is decided.
    pub fn cancel(&mut self, now: Time, job: JobId) -> Cancelled {
        if self.holds_queue {
            return self.end_as_cancelled(now, job);
        }
        match self.handle(now, job, Event::Cancel) {
            Handled::Unknown => Cancelled::Unknown,
            Handled::Done | Handled::Stale => {
                let outcome = self.storage.get(job).and_then(|record| record.state.outcome());
                outcome.map_or(Cancelled::Requested, Cancelled::TooLate)
            }
        }
    }

    /// Cancels the unfinished jobs that match, or only returns them: at most `limit`, from 1 to
    /// [`MAX_PAGE`](crate::MAX_PAGE).
    ///
    /// The cursor continues the order with older jobs. A job that is accepted after the order began
    /// is not cancelled.
    ///
    /// # Errors
    /// When the cursor comes from another registry.
    pub fn cancel_matching(
        &mut self,
        now: Time,
        filter: &Filter,
        from: Option<Cursor>,
        limit: usize,
        trial: Trial,
    ) -> Result<Selection, ForeignCursor> {
        let unfinished = |class: &Class| Class::UNFINISHED.contains(class);
        let classes: Vec<_> = match filter.classes() {
            None => Class::UNFINISHED.to_vec(),
            Some(classes) => classes.into_iter().filter(unfinished).collect(),
        };
        let page = self.page(filter, Some(&classes), from, limit)?;
        let jobs: Vec<_> = page.jobs.iter().map(|record| record.id).collect();
        if trial == Trial::Order {
            for &job in &jobs {
                self.cancel(now, job);
            }
        }
        Ok(Selection { jobs, next: page.next })
    }
}
