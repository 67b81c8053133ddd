//! The waiting jobs of one priority: in the order of their arrival, and in the lanes of their tenants.

use super::Job;
use super::list::{Linked, Links, List};
use crate::Tenant;
use crate::id_map::IdMap;
use crate::slab::Slab;

/// The jobs of one priority. Each tenant that has any has a lane, and the lanes take turns.
#[derive(Debug)]
pub(super) struct Class {
    /// All jobs, the oldest first.
    order: List<super::InClass>,
    lanes: Slab<Lane>,
    /// The lanes, the one whose turn is next first.
    ring: List<InRing>,
    of_tenants: IdMap<Tenant, usize>,
    /// The lane of the jobs without a tenant.
    of_nobody: Option<usize>,
    len: usize,
}

/// The jobs of one tenant in their order. There is none without jobs.
#[derive(Debug)]
struct Lane {
    tenant: Option<Tenant>,
    jobs: List<super::InLane>,
    len: usize,
    links: Links,
}

/// Names the links of a lane in the ring of its class.
#[derive(Debug)]
struct InRing;

impl Linked<InRing> for Lane {
    fn links(&self) -> &Links {
        &self.links
    }

    fn links_mut(&mut self) -> &mut Links {
        &mut self.links
    }
}

impl Class {
    pub(super) fn new() -> Self {
        Self {
            order: List::new(),
            lanes: Slab::new(),
            ring: List::new(),
            of_tenants: IdMap::default(),
            of_nobody: None,
            len: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Returns the slot of the oldest job.
    pub(super) const fn oldest(&self) -> Option<usize> {
        self.order.front()
    }

    /// Returns the slot of the job whose turn is next: the oldest job of the lane whose turn it is.
    pub(super) fn front(&self) -> Option<usize> {
        self.lanes.get(self.ring.front()?)?.jobs.front()
    }

    /// Adds the job in this slot: behind the others of its tenant, or before all others.
    pub(super) fn insert(
        &mut self,
        jobs: &mut Slab<Job>,
        slot: usize,
        tenant: Option<Tenant>,
        is_first: bool,
    ) {
        let (at, is_new) = self.lane_of(tenant);
        let Some(lane) = self.lanes.get_mut(at) else { return };
        lane.len += 1;
        self.len += 1;
        if let Some(job) = jobs.get_mut(slot) {
            job.lane = at;
        }
        if is_first {
            lane.jobs.push_front(jobs, slot);
            self.order.push_front(jobs, slot);
            if !is_new {
                self.ring.remove(&mut self.lanes, at);
            }
            self.ring.push_front(&mut self.lanes, at);
        } else {
            lane.jobs.push_back(jobs, slot);
            self.order.push_back(jobs, slot);
            if is_new {
                self.ring.push_back(&mut self.lanes, at);
            }
        }
    }

    /// Removes the job in this slot, which is in `lane`. `is_turn` says that its lane has had its turn by this.
    pub(super) fn remove(&mut self, jobs: &mut Slab<Job>, slot: usize, at: usize, is_turn: bool) {
        self.order.remove(jobs, slot);
        let Some(lane) = self.lanes.get_mut(at) else { return };
        lane.jobs.remove(jobs, slot);
        lane.len -= 1;
        self.len -= 1;
        if lane.len == 0 {
            self.ring.remove(&mut self.lanes, at);
            match self.lanes.remove(at).and_then(|lane| lane.tenant) {
                Some(tenant) => drop(self.of_tenants.remove(&tenant)),
                None => self.of_nobody = None,
            }
        } else if is_turn && self.lanes.len() > 1 {
            self.ring.remove(&mut self.lanes, at);
            self.ring.push_back(&mut self.lanes, at);
        }
    }

    /// Returns the lane of this tenant, and whether it is new and not in the ring yet.
    fn lane_of(&mut self, tenant: Option<Tenant>) -> (usize, bool) {
        let known = match tenant {
            Some(tenant) => self.of_tenants.get(&tenant).copied(),
            None => self.of_nobody,
        };
        if let Some(at) = known {
            return (at, false);
        }
        let at = self.lanes.insert(Lane { tenant, jobs: List::new(), len: 0, links: Links::default() });
        match tenant {
            Some(tenant) => drop(self.of_tenants.insert(tenant, at)),
            None => self.of_nobody = Some(at),
        }
        (at, true)
    }
}
