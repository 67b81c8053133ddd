//! The waiting jobs in their order, with their sizes. Does not: limit their number or their time.

use crate::JobId;
use crate::slab::Slab;

/// A first-in, first-out queue from which any job can be removed.
///
/// A doubly linked list over a slab. Removal takes constant time at any position and leaves no
/// tombstone to skip or count.
#[derive(Debug)]
pub(crate) struct Queue {
    nodes: Slab<Node>,
    /// Total number of bytes of all waiting jobs.
    bytes: usize,
    head: Option<Spot>,
    tail: Option<Spot>,
}

/// The position of a waiting job. It is valid until the job leaves, and must not be used
/// afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot(usize);

#[derive(Debug)]
struct Node {
    job: JobId,
    bytes: usize,
    before: Option<Spot>,
    after: Option<Spot>,
}

impl Queue {
    pub(crate) const fn new() -> Self {
        Self { nodes: Slab::new(), bytes: 0, head: None, tail: None }
    }

    /// Returns the number of waiting jobs.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Returns the total number of bytes of their payloads.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the first job.
    pub(crate) fn front(&self) -> Option<JobId> {
        self.front_and_bytes().map(|(job, _)| job)
    }

    /// Returns the first job and its number of bytes.
    pub(crate) fn front_and_bytes(&self) -> Option<(JobId, usize)> {
        let node = self.nodes.get(self.head?.0)?;
        Some((node.job, node.bytes))
    }

    pub(crate) fn push_back(&mut self, job: JobId, bytes: usize) -> Spot {
        self.insert(self.tail, (job, bytes), None)
    }

    pub(crate) fn push_front(&mut self, job: JobId, bytes: usize) -> Spot {
        self.insert(None, (job, bytes), self.head)
    }

    /// Removes a job: the first one, or one that ends early.
    pub(crate) fn remove(&mut self, spot: Spot) {
        if let Some(node) = self.nodes.remove(spot.0) {
            self.bytes -= node.bytes;
            *self.link_after(node.before) = node.after;
            *self.link_before(node.after) = node.before;
        }
    }

    fn insert(&mut self, before: Option<Spot>, (job, bytes): (JobId, usize), after: Option<Spot>) -> Spot {
        let spot = Spot(self.nodes.insert(Node { job, bytes, before, after }));
        self.bytes += bytes;
        *self.link_after(before) = Some(spot);
        *self.link_before(after) = Some(spot);
        spot
    }

    /// Returns the link from `spot` to the next job, or the head for `None`.
    fn link_after(&mut self, spot: Option<Spot>) -> &mut Option<Spot> {
        match spot.and_then(|Spot(slot)| self.nodes.get_mut(slot)) {
            Some(node) => &mut node.after,
            None => &mut self.head,
        }
    }

    /// Returns the link from `spot` to the previous job, or the tail for `None`.
    fn link_before(&mut self, spot: Option<Spot>) -> &mut Option<Spot> {
        match spot.and_then(|Spot(slot)| self.nodes.get_mut(slot)) {
            Some(node) => &mut node.before,
            None => &mut self.tail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue_of(jobs: std::ops::Range<u64>) -> (Queue, Vec<Spot>) {
        let mut queue = Queue::new();
        let spots = jobs.map(|job| queue.push_back(JobId(job), 1 << (job % 8))).collect();
        (queue, spots)
    }

    fn take_all(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| {
            let (spot, job) = (queue.head?, queue.front()?);
            queue.remove(spot);
            Some(job.0)
        })
        .collect()
    }

    #[test]
    fn first_in_is_first_out() {
        let (mut queue, _) = queue_of(0..4);
        assert_eq!(queue.len(), 4);
        assert_eq!(take_all(&mut queue), [0, 1, 2, 3]);
        assert_eq!((queue.len(), queue.front()), (0, None));
    }

    #[test]
    fn a_job_can_come_back_to_the_front() {
        let (mut queue, _) = queue_of(1..3);
        queue.push_front(JobId(0), 1);
        assert_eq!(take_all(&mut queue), [0, 1, 2]);
        queue.push_front(JobId(9), 1);
        assert_eq!(take_all(&mut queue), [9]);
    }

    #[test]
    fn jobs_leave_from_the_front_the_middle_and_the_back() {
        let (mut queue, spots) = queue_of(0..6);
        for index in [5, 0, 3] {
            queue.remove(spots[index]);
        }
        queue.push_back(JobId(6), 64);
        assert_eq!((queue.len(), queue.bytes()), (4, 2 + 4 + 16 + 64));
        assert_eq!(take_all(&mut queue), [1, 2, 4, 6]);
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes an interpreter hours")]
    fn a_million_jobs_that_gave_up_leave_nothing_behind() {
        let (mut queue, _) = queue_of(0..10);
        for job in 10..1_000_010 {
            let spot = queue.push_back(JobId(job), 1);
            assert!(spot.0 <= 10, "slot {} for 11 jobs", spot.0);
            queue.remove(spot);
        }
        assert_eq!(take_all(&mut queue).len(), 10);
    }
}
