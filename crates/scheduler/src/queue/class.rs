//! The waiting jobs of one priority, in the lanes of their tenants, which take turns.

use super::list::{Linked, Links, List};
use super::{InLane, Job, OfTenants};
use crate::Tenant;
use crate::id_map::IdMap;
use crate::slab::Slab;

/// The jobs of one priority.
///
/// Most pools have no tenants, so the jobs without one are in a single list. Only tenants' jobs are in two, and the
/// lanes are in a ring only while a tenant has jobs.
#[derive(Debug)]
pub(super) struct Class {
    /// The jobs without a tenant.
    of_nobody: List<InLane>,
    lanes: Slab<Lane>,
    /// The lanes that take turns, the one whose turn is next first. Empty if there is no tenant.
    ring: List<InRing>,
    /// The jobs of all tenants, the oldest first, and their number.
    of_tenants: List<OfTenants>,
    tenants_jobs: usize,
    lane_of: IdMap<Tenant, u32>,
}

/// The jobs of one tenant in their order, and the place of their lane in the ring.
#[derive(Debug)]
struct Lane {
    tenant: Option<Tenant>,
    jobs: List<InLane>,
    /// Number of these jobs. Not counted for the jobs without a tenant, which are not in this lane.
    len: usize,
    is_in_ring: bool,
    links: Links,
}

/// Maximum number of lanes at which [`Class::before`] looks.
const LANES_LOOKED_AT: usize = 64;

/// The place in the ring of the jobs without a tenant. They are not in this lane, which is always there.
const OF_NOBODY: u32 = 0;

/// Names the links of a lane in the ring of its class.
#[derive(Debug)]
struct InRing;

impl Linked<InRing> for Lane {
    fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    fn linked(&self) -> Links {
        self.links
    }
}

impl Lane {
    const fn new(tenant: Option<Tenant>) -> Self {
        Self { tenant, jobs: List::new(), len: 0, is_in_ring: false, links: Links::NONE }
    }
}

impl Class {
    pub(super) fn new() -> Self {
        let mut lanes = Slab::new();
        lanes.insert(Lane::new(None));
        Self {
            of_nobody: List::new(),
            lanes,
            ring: List::new(),
            of_tenants: List::new(),
            tenants_jobs: 0,
            lane_of: IdMap::default(),
        }
    }

    /// Returns the slot of the job whose turn is next: the oldest job of the lane whose turn it is.
    #[inline]
    pub(super) fn front(&self) -> Option<u32> {
        match self.ring.front() {
            None | Some(OF_NOBODY) => self.of_nobody.front(),
            Some(lane) => self.lanes.get(lane as usize)?.jobs.front(),
        }
    }

    /// Returns the minimum number of jobs of this class, of which `all` wait, that have their turns before one of
    /// this tenant that joins now. Other lanes have at least one turn for each job of the same lane, and one before
    /// the first job of a lane that is new. Looks at a bounded number of lanes.
    pub(super) fn before(&self, tenant: Option<Tenant>, all: usize) -> usize {
        let of_nobody = all - self.tenants_jobs;
        if self.ring.is_empty() && tenant.is_none() {
            return of_nobody;
        }
        let own = tenant.map(|tenant| self.lane_of.get(&tenant).copied()).unwrap_or(Some(OF_NOBODY));
        let len = |at: u32| match at {
            OF_NOBODY => of_nobody,
            at => self.lanes.get(at as usize).map_or(0, |lane| lane.len),
        };
        let own_len = own.map_or(0, len);
        if self.ring.is_empty() {
            // The jobs without a tenant take the first turn.
            return of_nobody.min(1);
        }
        let others = self.ring.iter(&self.lanes).take(LANES_LOOKED_AT).filter(|&at| Some(at) != own);
        own_len + others.map(|at| len(at).min(own_len.max(1))).sum::<usize>()
    }

    /// Returns the number and the slot of the oldest job.
    pub(super) fn oldest(&self, jobs: &Slab<Job>) -> Option<(u64, u32)> {
        let both = [self.of_nobody.front(), self.of_tenants.front()];
        both.into_iter().flatten().filter_map(|slot| Some((jobs.get(slot as usize)?.number, slot))).min()
    }

    /// Adds the job in this slot behind the others of its lane, or before all others.
    #[inline]
    pub(super) fn insert(&mut self, jobs: &mut Slab<Job>, slot: u32, tenant: Option<Tenant>, is_first: bool) {
        let at = tenant.map_or(OF_NOBODY, |tenant| self.lane(jobs, slot, tenant, is_first));
        let Some(lane) = self.jobs(at) else { return };
        if is_first {
            lane.push_front(jobs, slot);
        } else {
            lane.push_back(jobs, slot);
        }
        if !self.lane_of.is_empty() {
            self.takes_turns(at, is_first);
        }
    }

    /// Removes a job that has left the slab. `is_turn` says that its lane has had its turn by this.
    #[inline]
    pub(super) fn remove(&mut self, jobs: &mut Slab<Job>, job: &Job, is_turn: bool) {
        let Some(lane) = self.jobs(job.lane) else { return };
        lane.remove(jobs, job.in_lane);
        if !self.ring.is_empty() {
            self.has_lost(jobs, job, is_turn);
        }
    }

    fn has_lost(&mut self, jobs: &mut Slab<Job>, job: &Job, is_turn: bool) {
        if job.lane != OF_NOBODY {
            self.of_tenants.remove(jobs, job.of_tenants);
            self.tenants_jobs -= 1;
            if let Some(lane) = self.lanes.get_mut(job.lane as usize) {
                lane.len -= 1;
            }
        }
        if !self.lanes.get(job.lane as usize).is_some_and(|lane| lane.is_in_ring) {
            return;
        }
        if self.jobs(job.lane).is_none_or(|jobs| jobs.is_empty()) {
            self.leaves_ring(job.lane);
            self.forget(job.lane);
        } else if is_turn && !self.ring.has_one() {
            self.leaves_ring(job.lane);
            self.enters_ring(job.lane, false);
        }
    }

    #[inline]
    fn jobs(&mut self, lane: u32) -> Option<&mut List<InLane>> {
        if lane == OF_NOBODY {
            return Some(&mut self.of_nobody);
        }
        Some(&mut self.lanes.get_mut(lane as usize)?.jobs)
    }

    /// Returns the lane of a tenant's job, and notes the job among those of all tenants.
    fn lane(&mut self, jobs: &mut Slab<Job>, slot: u32, tenant: Tenant, is_first: bool) -> u32 {
        if self.lane_of.is_empty() && !self.of_nobody.is_empty() {
            self.takes_turns(OF_NOBODY, false);
        }
        let lanes = &mut self.lanes;
        let at =
            *self.lane_of.entry(tenant).or_insert_with(|| super::slot(lanes.insert(Lane::new(Some(tenant)))));
        if let Some(job) = jobs.get_mut(slot as usize) {
            job.lane = at;
        }
        self.tenants_jobs += 1;
        if let Some(lane) = self.lanes.get_mut(at as usize) {
            lane.len += 1;
        }
        if is_first {
            self.of_tenants.push_front(jobs, slot);
        } else {
            self.of_tenants.push_back(jobs, slot);
        }
        at
    }

    /// Puts a lane with jobs into the ring, unless it is there. Its turn is next if `is_first`.
    fn takes_turns(&mut self, at: u32, is_first: bool) {
        let Some(lane) = self.lanes.get_mut(at as usize) else { return };
        if lane.is_in_ring && !is_first {
            return;
        }
        if lane.is_in_ring {
            self.leaves_ring(at);
        }
        self.enters_ring(at, is_first);
    }

    fn enters_ring(&mut self, at: u32, is_first: bool) {
        if let Some(lane) = self.lanes.get_mut(at as usize) {
            lane.is_in_ring = true;
        }
        if is_first {
            self.ring.push_front(&mut self.lanes, at);
        } else {
            self.ring.push_back(&mut self.lanes, at);
        }
    }

    fn leaves_ring(&mut self, at: u32) {
        let Some(lane) = self.lanes.get_mut(at as usize) else { return };
        lane.is_in_ring = false;
        let links = lane.links;
        self.ring.remove(&mut self.lanes, links);
    }

    /// Removes the lane of a tenant without jobs.
    fn forget(&mut self, at: u32) {
        if at != OF_NOBODY
            && let Some(tenant) = self.lanes.remove(at as usize).and_then(|lane| lane.tenant)
        {
            self.lane_of.remove(&tenant);
        }
    }
}
