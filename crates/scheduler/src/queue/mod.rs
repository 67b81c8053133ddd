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
    /// Number of jobs in each of them.
    waiting: [usize; 3],
    /// Number of jobs in all of them.
    len: usize,
    /// Number of turns since the last one that belonged to the oldest job.
    turns: u8,
}

/// The position of a waiting job. It is valid until the job leaves, and must not be used
/// afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot(u32);

#[derive(Debug)]
struct Job {
    id: JobId,
    bytes: usize,
    /// Lower numbers have waited longer.
    number: u64,
    priority: Priority,
    /// Its lane in its class.
    lane: u32,
    in_lane: Links,
    of_tenants: Links,
}

/// Names the links of a job in its lane.
#[derive(Debug)]
struct InLane;

/// Names the links of a job among those of all tenants of its class.
#[derive(Debug)]
struct OfTenants;

impl Linked<InLane> for Job {
    fn links(&mut self) -> &mut Links {
        &mut self.in_lane
    }

    fn linked(&self) -> Links {
        self.in_lane
    }
}

impl Linked<OfTenants> for Job {
    fn links(&mut self) -> &mut Links {
        &mut self.of_tenants
    }

    fn linked(&self) -> Links {
        self.of_tenants
    }
}

/// Returns a slab's slot as lists name it. No process has the memory for more.
fn slot(slot: usize) -> u32 {
    u32::try_from(slot).unwrap_or(u32::MAX)
}

impl Queue {
    pub(crate) fn new() -> Self {
        let classes = [Class::new(), Class::new(), Class::new()];
        Self { jobs: Slab::new(), bytes: 0, pushed: 0, classes, waiting: [0; 3], len: 0, turns: 0 }
    }

    /// Returns the number of waiting jobs.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Returns the number of waiting jobs of each priority, in the order of [`Priority`].
    pub(crate) const fn by_priority(&self) -> [usize; 3] {
        self.waiting
    }

    /// Returns the total number of bytes of their payloads.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the minimum number of jobs that have their turns before one that joins now, if none leaves.
    ///
    /// Jobs of higher priorities go first. But the one that joins may have each eighth turn, so that at most seven of
    /// them go between two jobs of its own class.
    pub(crate) fn before(&self, Share { priority, tenant }: Share) -> usize {
        let rank = priority as usize;
        let own = self.classes[rank].before(tenant, self.waiting[rank]);
        let higher: usize = self.waiting[..rank].iter().sum();
        own + higher.min(own.saturating_mul(usize::from(TURN_OF_THE_OLDEST) - 1))
    }

    /// Returns the job whose turn is next.
    #[inline]
    pub(crate) fn front(&self) -> Option<JobId> {
        self.front_and_bytes().map(|(job, _)| job)
    }

    /// Returns the job whose turn is next, and its number of bytes.
    #[inline]
    pub(crate) fn front_and_bytes(&self) -> Option<(JobId, usize)> {
        // Asked several times a job, most often of an empty queue.
        if self.len == 0 { None } else { self.first_and_bytes() }
    }

    #[inline(never)]
    fn first_and_bytes(&self) -> Option<(JobId, usize)> {
        let job = self.jobs.get(self.slot_in_turn()? as usize)?;
        Some((job.id, job.bytes))
    }

    /// Returns the job that has waited longest.
    pub(crate) fn oldest(&self) -> Option<JobId> {
        let oldest = self.classes.iter().filter_map(|class| class.oldest(&self.jobs)).min();
        oldest.and_then(|(_, slot)| self.jobs.get(slot as usize)).map(|job| job.id)
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
        self.turns = (self.turns + 1) % TURN_OF_THE_OLDEST;
        self.leave(spot, true);
    }

    fn leave(&mut self, Spot(slot): Spot, is_turn: bool) {
        if let Some(job) = self.jobs.remove(slot as usize) {
            self.bytes -= job.bytes;
            self.waiting[job.priority as usize] -= 1;
            self.len -= 1;
            self.classes[job.priority as usize].remove(&mut self.jobs, &job, is_turn);
        }
    }

    fn insert(&mut self, id: JobId, bytes: usize, share: Share, is_first: bool) -> Spot {
        let Share { priority, tenant } = share;
        self.pushed += 1;
        // One that comes back is older than all that wait.
        let number = if is_first { 0 } else { self.pushed };
        let (in_lane, of_tenants) = (Links::NONE, Links::NONE);
        let job = Job { id, bytes, number, priority, lane: 0, in_lane, of_tenants };
        let slot = slot(self.jobs.insert(job));
        self.classes[priority as usize].insert(&mut self.jobs, slot, tenant, is_first);
        self.bytes += bytes;
        self.waiting[priority as usize] += 1;
        self.len += 1;
        Spot(slot)
    }

    fn slot_in_turn(&self) -> Option<u32> {
        let is_turn_of_the_oldest = self.turns == TURN_OF_THE_OLDEST - 1;
        if self.waiting[Priority::Normal as usize] == self.len || !is_turn_of_the_oldest {
            let highest = self.waiting.iter().position(|&jobs| jobs > 0)?;
            return self.classes[highest].front();
        }
        let waiting =
            self.classes.iter().filter_map(|class| Some((class.oldest(&self.jobs)?.0, class.front()?)));
        waiting.min().map(|(_, slot)| slot)
    }
}

#[cfg(test)]
mod tests;
