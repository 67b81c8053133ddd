//! The jobs that a worker holds ahead, in the order in which it will run them, with their sizes.
//! Does not: know whether a job has been resolved.

use std::collections::VecDeque;

use crate::{Cause, JobId};

/// Jobs in their order, with their total size.
#[derive(Debug, Default)]
pub(crate) struct Line {
    jobs: VecDeque<Ahead>,
    bytes: usize,
}

/// One job that a worker holds ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ahead {
    pub(crate) job: JobId,
    /// Length of its payload.
    pub(crate) bytes: usize,
    /// The cause of the kill if the worker runs this job and does not give it up. Set if the job
    /// was resolved while it waited.
    pub(crate) given_up: Option<Cause>,
}

impl Line {
    pub(crate) fn push(&mut self, job: JobId, bytes: usize) {
        self.jobs.push_back(Ahead { job, bytes, given_up: None });
        self.bytes += bytes;
    }

    /// Removes and returns the next job.
    pub(crate) fn pop(&mut self) -> Option<Ahead> {
        let next = self.jobs.pop_front()?;
        self.bytes -= next.bytes;
        Some(next)
    }

    /// Marks a job that was resolved while it waited, with the cause.
    pub(crate) fn give_up(&mut self, job: JobId, cause: Cause) {
        if let Some(ahead) = self.jobs.iter_mut().find(|it| it.job == job) {
            ahead.given_up = Some(cause);
        }
    }

    /// Removes and returns all jobs except the first `kept`, in their order.
    pub(crate) fn split_off(&mut self, kept: usize) -> Vec<JobId> {
        let back = self.jobs.split_off(kept.min(self.jobs.len()));
        self.bytes -= back.iter().map(|it| it.bytes).sum::<usize>();
        back.into_iter().map(|it| it.job).collect()
    }

    /// Removes this job. Returns `false` if the line does not contain it.
    pub(crate) fn remove(&mut self, job: JobId) -> bool {
        let at = self.jobs.iter().position(|it| it.job == job);
        let removed = at.and_then(|at| self.jobs.remove(at));
        self.bytes -= removed.map_or(0, |it| it.bytes);
        removed.is_some()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = JobId> + '_ {
        self.jobs.iter().map(|it| it.job)
    }

    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Returns the total number of bytes of all payloads.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_are_those_of_the_jobs_that_are_there() {
        let mut line = Line::default();
        for job in 0..5 {
            line.push(JobId(job), 1 << job);
        }
        assert_eq!((line.len(), line.bytes()), (5, 31));
        line.give_up(JobId(0), Cause::TimedOut);
        let first = Ahead { job: JobId(0), bytes: 1, given_up: Some(Cause::TimedOut) };
        assert_eq!(line.pop(), Some(first));
        assert_eq!(line.split_off(3), [JobId(4)]);
        assert!(line.remove(JobId(2)) && !line.remove(JobId(2)));
        assert_eq!((line.iter().collect::<Vec<_>>(), line.bytes()), (vec![JobId(1), JobId(3)], 10));
        assert_eq!(line.split_off(9), []);
    }
}
