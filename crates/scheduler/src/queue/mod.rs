//! The waiting jobs in the order of their turns, with their sizes. Does not: limit their number or their time.
//!
//! Higher [priorities](Priority) go first. But each eighth turn belongs to the priority whose oldest job has
//! waited longest, so that a flood of high priority delays the others and starves none. Among `n` jobs of one
//! tenant that wait, the oldest `n` have run after `8 n` turns.
//!
//! Within a priority the tenants take turns, one job each: round robin, as fair queueing does with equal jobs
//! (Nagle, RFC 970, 1985). A tenant's own jobs run in the order of their arrival.

mod class;
mod list;

use crate::slab::Slab;
use crate::{JobId, Priority, Tenant};
use class::Class;
use list::{Linked, Links};

/// Each turn with this number belongs to the priority whose oldest job has waited longest.
const TURN_OF_THE_OLDEST: u8 = 8;

/// The owner of a job and its rank among waiting jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) priority: Priority,
    pub(crate) tenant: Option<Tenant>,
}

/// A queue from which any job can be removed.
///
/// Each operation takes constant time, and removal leaves no tombstone to skip or count.
#[derive(Debug)]
pub(crate) struct Queue {
    jobs: Slab<Job>,
    /// Total number of bytes of all waiting jobs.
    bytes: usize,
    /// Number of jobs that have ever been pushed, for their age.
    pushed: u64,
    /// In the order of [`Priority`].
    classes: [Class; 3],
    /// Number of turns since the last one that belonged to the oldest job.
    turns: u8,
}

/// The position of a waiting job. It is valid until the job leaves, and must not be used
/// afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot(usize);

#[derive(Debug)]
struct Job {
    id: JobId,
    bytes: usize,
    /// Lower numbers have waited longer.
    number: u64,
    priority: Priority,
    /// The lane of its tenant in its class.
    lane: usize,
    in_class: Links,
    in_lane: Links,
}

/// Names the links of a job among all jobs of its class.
#[derive(Debug)]
struct InClass;

/// Names the links of a job in the lane of its tenant.
#[derive(Debug)]
struct InLane;

impl Linked<InClass> for Job {
    fn links(&self) -> &Links {
        &self.in_class
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.in_class
    }
}

impl Linked<InLane> for Job {
    fn links(&self) -> &Links {
        &self.in_lane
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.in_lane
    }
}

impl Queue {
    pub(crate) fn new() -> Self {
        Self {
            jobs: Slab::new(),
            bytes: 0,
            pushed: 0,
            classes: [Class::new(), Class::new(), Class::new()],
            turns: 0,
        }
    }

    /// Returns the number of waiting jobs.
    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Returns the total number of bytes of their payloads.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the job whose turn is next.
    pub(crate) fn front(&self) -> Option<JobId> {
        self.front_and_bytes().map(|(job, _)| job)
    }

    /// Returns the job whose turn is next, and its number of bytes.
    pub(crate) fn front_and_bytes(&self) -> Option<(JobId, usize)> {
        let job = self.jobs.get(self.class_in_turn()?.front()?)?;
        Some((job.id, job.bytes))
    }

    /// Adds a job behind those of the same priority and tenant.
    pub(crate) fn push_back(&mut self, job: JobId, bytes: usize, share: Share) -> Spot {
        self.insert(job, bytes, share, false)
    }

    /// Returns a job that had its turn already. It is the next one of its priority.
    pub(crate) fn push_front(&mut self, job: JobId, bytes: usize, share: Share) -> Spot {
        self.insert(job, bytes, share, true)
    }

    /// Removes a job that does not run now.
    pub(crate) fn remove(&mut self, spot: Spot) {
        self.leave(spot, false);
    }

    /// Removes a job that runs now, and passes the turn on.
    pub(crate) fn take_turn(&mut self, spot: Spot) {
        self.turns = if self.is_turn_of_the_oldest() { 0 } else { self.turns + 1 };
        self.leave(spot, true);
    }

    fn leave(&mut self, Spot(slot): Spot, is_turn: bool) {
        let Some(&Job { priority, lane, bytes, .. }) = self.jobs.get(slot) else { return };
        self.classes[priority as usize].remove(&mut self.jobs, slot, lane, is_turn);
        self.jobs.remove(slot);
        self.bytes -= bytes;
    }

    fn insert(&mut self, id: JobId, bytes: usize, share: Share, is_first: bool) -> Spot {
        let Share { priority, tenant } = share;
        self.pushed += 1;
        // One that comes back is older than all that wait.
        let number = if is_first { 0 } else { self.pushed };
        let (in_class, in_lane) = (Links::default(), Links::default());
        let slot = self.jobs.insert(Job { id, bytes, number, priority, lane: 0, in_class, in_lane });
        self.classes[priority as usize].insert(&mut self.jobs, slot, tenant, is_first);
        self.bytes += bytes;
        Spot(slot)
    }

    fn class_in_turn(&self) -> Option<&Class> {
        let mut waiting = self.classes.iter().filter(|class| class.len() > 0);
        if self.is_turn_of_the_oldest() {
            return waiting
                .min_by_key(|class| class.oldest().and_then(|slot| Some(self.jobs.get(slot)?.number)));
        }
        waiting.next()
    }

    const fn is_turn_of_the_oldest(&self) -> bool {
        self.turns == TURN_OF_THE_OLDEST - 1
    }
}

#[cfg(test)]
mod tests;
