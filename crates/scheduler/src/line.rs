//! The jobs that a worker has ahead, in the order in which it will run them, with the bytes that they take. Refuses to know
//! whether any of them has been resolved.

use std::collections::VecDeque;

use crate::JobId;

/// Jobs, each with the length of its payload in bytes.
#[derive(Debug, Default)]
pub(crate) struct Line {
    jobs: VecDeque<(JobId, usize)>,
    bytes: usize,
}

impl Line {
    pub(crate) fn push(&mut self, job: JobId, bytes: usize) {
        self.jobs.push_back((job, bytes));
        self.bytes += bytes;
    }

    /// Takes out the next one.
    pub(crate) fn pop(&mut self) -> Option<(JobId, usize)> {
        let (job, bytes) = self.jobs.pop_front()?;
        self.bytes -= bytes;
        Some((job, bytes))
    }

    /// Takes out all but the first `kept`, in their order.
    pub(crate) fn split_off(&mut self, kept: usize) -> Vec<JobId> {
        let back = self.jobs.split_off(kept.min(self.jobs.len()));
        self.bytes -= back.iter().map(|(_, bytes)| bytes).sum::<usize>();
        back.into_iter().map(|(job, _)| job).collect()
    }

    /// Takes out this one. `false` if it is not there.
    pub(crate) fn remove(&mut self, job: JobId) -> bool {
        let at = self.jobs.iter().position(|&(it, _)| it == job);
        let removed = at.and_then(|at| self.jobs.remove(at));
        self.bytes -= removed.map_or(0, |(_, bytes)| bytes);
        removed.is_some()
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = JobId> + '_ {
        self.jobs.iter().map(|&(job, _)| job)
    }

    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Of all payloads together.
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
        assert_eq!(line.pop(), Some((JobId(0), 1)));
        assert_eq!(line.split_off(3), [JobId(4)]);
        assert!(line.remove(JobId(2)) && !line.remove(JobId(2)));
        assert_eq!((line.iter().collect::<Vec<_>>(), line.bytes()), (vec![JobId(1), JobId(3)], 10));
        assert_eq!(line.split_off(9), []);
    }
}
