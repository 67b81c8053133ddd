//! [`Lanes`]: the dispatcher. Each pool gets a bounded number of jobs, and the rest waits in the storage.

use super::options::{DurableOptions, PoolOptions};
use procpool_protocol::JobId;
use procpool_protocol::engine::Priority;
use procpool_registry::{Durable, Record, Time};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Maximum number of records of one page of the storage.
const PAGE: usize = 256;

/// Each turn of this number belongs to the priority whose oldest job has waited longest, as in the pools themselves.
const FAIR_TURN: u64 = 8;

/// Time after which a pool is asked again that has refused a job, and the maximum of that time.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The lanes of the durable pools.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<Arc<str>, Lane>,
    /// The pools of the jobs that pools have.
    handed: HashMap<JobId, Handed>,
}

/// A job that a pool has.
#[derive(Clone, Debug)]
pub(super) struct Handed {
    pub(super) pool: Arc<str>,
    /// Number of attempts before this run.
    pub(super) base: u32,
}

/// One pool.
#[derive(Debug)]
struct Lane {
    options: PoolOptions,
    /// Number of jobs that the pool has.
    handed: usize,
    ranks: [Rank; 3],
    turns: u64,
    /// The pool is asked again at this time.
    paused: Option<Time>,
    /// Number of refusals in a row.
    refusals: u32,
}

/// The waiting jobs of one priority.
#[derive(Clone, Copy, Debug)]
struct Rank {
    /// Jobs up to this number were handed out, or have left.
    after: u64,
    /// There may be jobs behind.
    has_more: bool,
}

impl Lanes {
    pub(super) fn new(options: &DurableOptions) -> Self {
        let mut lanes = Self::default();
        lanes.set_pools(options);
        lanes
    }

    /// Takes other pools. Jobs of pools that are gone stay with them until they end.
    pub(super) fn set_pools(&mut self, options: &DurableOptions) {
        let mut old = std::mem::take(&mut self.lanes);
        for (name, options) in options.durable() {
            let lane = old.remove(name).map(|lane| Lane { options: options.clone(), paused: None, ..lane });
            self.lanes.insert(name.clone(), lane.unwrap_or_else(|| Lane::new(options.clone())));
        }
        for lane in self.lanes.values_mut() {
            lane.handed = 0;
        }
        for handed in self.handed.values() {
            if let Some(lane) = self.lanes.get_mut(&handed.pool) {
                lane.handed += 1;
            }
        }
    }

    pub(super) fn options(&self, pool: &str) -> Option<&PoolOptions> {
        self.lanes.get(pool).map(|lane| &lane.options)
    }

    /// Returns the job if a pool has it.
    pub(super) fn handed(&self, job: JobId) -> Option<&Handed> {
        self.handed.get(&job)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.handed.is_empty()
    }

    /// Takes a job back that its pool no longer has.
    pub(super) fn leave(&mut self, job: JobId) {
        let Some(handed) = self.handed.remove(&job) else { return };
        if let Some(lane) = self.lanes.get_mut(&handed.pool) {
            lane.handed -= 1;
            lane.paused = None;
            lane.refusals = 0;
        }
    }

    /// Takes a job back that its pool has refused. `is_full` says that it refuses others, too.
    pub(super) fn refused(&mut self, job: JobId, now: Time, is_full: bool) {
        let Some(handed) = self.handed.remove(&job) else { return };
        if let Some(lane) = self.lanes.get_mut(&handed.pool) {
            lane.handed -= 1;
            if is_full {
                let time = PAUSE.saturating_mul(1 << lane.refusals.min(10)).min(LONGEST_PAUSE);
                lane.refusals += 1;
                lane.paused = Some(now + time);
            }
        }
    }

    /// Notes that this job waits, new or again.
    pub(super) fn waits(&mut self, record: &Record) {
        if let Some(lane) = self.lanes.get_mut(&record.pool) {
            let rank = &mut lane.ranks[record.priority as usize];
            rank.after = rank.after.min(record.seq - 1);
            rank.has_more = true;
        }
    }

    /// Returns when a paused pool is asked again.
    pub(super) fn next_time(&self) -> Option<Time> {
        let has_work = |lane: &&Lane| lane.ranks.iter().any(|rank| rank.has_more);
        self.lanes.values().filter(has_work).filter_map(|lane| lane.paused).min()
    }

    /// Returns the jobs that pools may get now, and counts them as theirs. [`put_back`](Self::put_back) undoes that.
    pub(super) fn choose(&mut self, storage: &impl Durable, now: Time) -> Vec<Arc<Record>> {
        let mut chosen = Vec::new();
        for (pool, lane) in &mut self.lanes {
            if lane.paused.is_some_and(|paused| paused > now) {
                continue;
            }
            lane.paused = None;
            for record in lane.choose(storage, pool, &self.handed) {
                self.handed.insert(record.id, Handed { pool: pool.clone(), base: record.attempt });
                chosen.push(record);
            }
        }
        chosen
    }

    /// Takes jobs back that were chosen and not handed out.
    pub(super) fn put_back(&mut self, chosen: &[Arc<Record>]) {
        for record in chosen {
            if self.handed.remove(&record.id).is_some()
                && let Some(lane) = self.lanes.get_mut(&record.pool)
            {
                lane.handed -= 1;
            }
            self.waits(record);
        }
    }
}

impl Lane {
    fn new(options: PoolOptions) -> Self {
        let ranks = [Rank { after: 0, has_more: true }; 3];
        Self { options, handed: 0, ranks, turns: 0, paused: None, refusals: 0 }
    }

    fn choose(
        &mut self,
        storage: &impl Durable,
        pool: &str,
        handed: &HashMap<JobId, Handed>,
    ) -> Vec<Arc<Record>> {
        let room = self.options.window().saturating_sub(self.handed);
        if room == 0 || self.ranks.iter().all(|rank| !rank.has_more) {
            return Vec::new();
        }
        // Lower priorities are looked at only if it can be their turn.
        let has_fair_turn = (self.turns + room as u64) / FAIR_TURN > self.turns / FAIR_TURN;
        let mut waiting: [Candidates; 3] = std::array::from_fn(|_| Vec::new().into_iter());
        let mut found = 0;
        for priority in Priority::ALL {
            if found >= room && !has_fair_turn {
                break;
            }
            let rank = &mut self.ranks[priority as usize];
            waiting[priority as usize] = rank.candidates(storage, pool, priority, room, handed);
            found += waiting[priority as usize].len();
        }
        let mut chosen = Vec::new();
        while chosen.len() < room {
            self.turns += 1;
            let Some(rank) = next_rank(&waiting, self.turns.is_multiple_of(FAIR_TURN)) else { break };
            let Some(record) = waiting[rank].next() else { break };
            self.ranks[rank].after = record.seq;
            chosen.push(record);
        }
        for (rank, left) in self.ranks.iter_mut().zip(&waiting) {
            rank.has_more |= !left.as_slice().is_empty();
        }
        self.handed += chosen.len();
        chosen
    }
}

/// Jobs of one priority, in order.
type Candidates = std::vec::IntoIter<Arc<Record>>;

/// Returns the priority whose turn it is.
fn next_rank(waiting: &[Candidates; 3], is_fair: bool) -> Option<usize> {
    let first = |rank: &usize| waiting[*rank].as_slice().first().map(|record| record.seq);
    let mut filled = (0..3).filter(|rank| first(rank).is_some());
    if is_fair { filled.min_by_key(first) } else { filled.next() }
}

impl Rank {
    /// Returns the next jobs that no pool has, at most `room`. Notes whether there are more.
    fn candidates(
        &mut self,
        storage: &impl Durable,
        pool: &str,
        priority: Priority,
        room: usize,
        handed: &HashMap<JobId, Handed>,
    ) -> Candidates {
        let mut found = Vec::new();
        let mut after = self.after;
        while self.has_more && found.len() < room {
            let limit = (room - found.len()).min(PAGE);
            let page = storage.waiting(pool, Some((priority, after)), limit);
            let own = page.iter().take_while(|record| record.priority == priority);
            let count = own.clone().count();
            for record in own {
                after = record.seq;
                if !handed.contains_key(&record.id) {
                    found.push(record.clone());
                } else if found.is_empty() {
                    self.after = after;
                }
            }
            self.has_more = count == limit;
        }
        found.into_iter()
    }
}
