//! Orders of turns.

use super::*;

impl Queue {
    fn spot_in_turn(&self) -> Option<Spot> {
        self.slot_in_turn().map(Spot)
    }
}

fn queue_of(jobs: std::ops::Range<u64>) -> (Queue, Vec<Spot>) {
    let mut queue = Queue::new();
    let spots = jobs.map(|job| queue.push_back(JobId(job), 1 << (job % 8), Share::default())).collect();
    (queue, spots)
}

fn take_all(queue: &mut Queue) -> Vec<u64> {
    std::iter::from_fn(|| {
        let (spot, job) = (queue.spot_in_turn()?, queue.front()?);
        queue.take_turn(spot);
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
fn the_oldest_job_is_the_one_that_came_first_whatever_its_turn() {
    let (mut queue, spots) = queue_of(0..3);
    assert_eq!(Queue::new().oldest(), None);
    let high = Share { priority: Priority::High, tenant: Some(Tenant(1)) };
    queue.push_back(JobId(3), 1, high);
    assert_eq!((queue.oldest(), queue.front()), (Some(JobId(0)), Some(JobId(3))));
    spots.into_iter().for_each(|spot| queue.remove(spot));
    assert_eq!(queue.oldest(), Some(JobId(3)));
    queue.push_back(JobId(4), 1, Share::default());
    queue.push_front(JobId(9), 1, Share::default());
    assert_eq!(queue.oldest(), Some(JobId(9)), "it has waited before");
}

#[test]
fn a_job_can_come_back_to_the_front() {
    let (mut queue, _) = queue_of(1..3);
    queue.push_front(JobId(0), 1, Share::default());
    assert_eq!(take_all(&mut queue), [0, 1, 2]);
    queue.push_front(JobId(9), 1, Share::default());
    assert_eq!(take_all(&mut queue), [9]);
}

#[test]
fn jobs_leave_from_the_front_the_middle_and_the_back() {
    let (mut queue, spots) = queue_of(0..6);
    for index in [5, 0, 3] {
        queue.remove(spots[index]);
    }
    queue.push_back(JobId(6), 64, Share::default());
    assert_eq!((queue.len(), queue.bytes()), (4, 2 + 4 + 16 + 64));
    assert_eq!(take_all(&mut queue), [1, 2, 4, 6]);
    assert_eq!(queue.bytes(), 0);
}

#[test]
#[cfg_attr(miri, ignore = "takes an interpreter hours")]
fn a_million_jobs_that_gave_up_leave_nothing_behind() {
    let (mut queue, _) = queue_of(0..10);
    for job in 10..1_000_010 {
        let spot = queue.push_back(JobId(job), 1, Share::default());
        assert!(spot.0 <= 10, "slot {} for 11 jobs", spot.0);
        queue.remove(spot);
    }
    assert_eq!(take_all(&mut queue).len(), 10);
}

fn share(priority: Priority, tenant: u64) -> Share {
    Share { priority, tenant: Some(Tenant(tenant)) }
}

#[test]
fn each_eighth_turn_is_the_oldest_ones() {
    let mut queue = Queue::new();
    let priority = |priority| Share { priority, tenant: None };
    queue.push_back(JobId(100), 1, priority(Priority::Low));
    queue.push_back(JobId(200), 1, priority(Priority::Normal));
    for job in 0..20 {
        queue.push_back(JobId(job), 1, priority(Priority::High));
    }
    let order: Vec<_> = (0..7).chain([100]).chain(7..14).chain([200]).chain(14..20).collect();
    assert_eq!(take_all(&mut queue), order);
}

#[test]
fn a_tenant_with_one_job_is_next_but_one_whatever_others_have_waiting() {
    let mut queue = Queue::new();
    for job in 0..1_000 {
        queue.push_back(JobId(job), 1, share(Priority::Normal, 1));
    }
    queue.push_back(JobId(1_000), 1, share(Priority::Normal, 2));
    assert_eq!(take_all(&mut queue)[..3], [0, 1_000, 1]);
}

#[test]
fn jobs_without_a_tenant_take_turns_as_one_tenant() {
    let mut queue = Queue::new();
    for job in 0..3 {
        queue.push_back(JobId(job), 1, Share::default());
    }
    for job in 10..13 {
        queue.push_back(JobId(job), 1, share(Priority::Normal, 1));
    }
    queue.push_back(JobId(3), 1, Share::default());
    assert_eq!(take_all(&mut queue), [0, 10, 1, 11, 2, 12, 3]);
}

#[test]
fn a_job_that_comes_back_goes_before_other_tenants() {
    let mut queue = Queue::new();
    for (job, tenant) in [(0, 1), (1, 2), (2, 1)] {
        queue.push_back(JobId(job), 1, share(Priority::Normal, tenant));
    }
    queue.take_turn(queue.spot_in_turn().unwrap());
    queue.push_front(JobId(0), 1, share(Priority::Normal, 1));
    assert_eq!(take_all(&mut queue), [0, 1, 2]);
}

mod properties {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn priorities() -> impl Strategy<Value = Priority> {
        prop_oneof![Just(Priority::High), Just(Priority::Normal), Just(Priority::Low)]
    }

    proptest! {
        /// The bound on starvation, without tenants: the oldest `n` jobs have run after `8 n` turns.
        #[test]
        fn nobody_starves(first in prop::collection::vec(priorities(), 1..40), more in priorities()) {
            let mut queue = Queue::new();
            for (job, &priority) in first.iter().enumerate() {
                queue.push_back(JobId(job as u64), 1, Share { priority, tenant: None });
            }
            let mut ran = Vec::new();
            for turn in 0..8 * first.len() {
                // A flood of one priority, which never ends.
                queue.push_back(JobId(1_000 + turn as u64), 1, Share { priority: more, tenant: None });
                ran.push(queue.front().unwrap().0);
                queue.take_turn(queue.spot_in_turn().unwrap());
                let oldest = (turn + 1) / 8;
                prop_assert!((0..oldest as u64).all(|job| ran.contains(&job)), "{ran:?}");
            }
        }

        /// Of `k` tenants that wait, each has one of `k` turns in a row.
        #[test]
        fn tenants_take_turns(jobs in prop::collection::vec(0..6_u64, 1..200)) {
            let mut queue = Queue::new();
            let mut waiting = HashMap::<u64, usize>::new();
            for (job, &tenant) in jobs.iter().enumerate() {
                queue.push_back(JobId(job as u64), 1, share(Priority::Normal, tenant));
                *waiting.entry(tenant).or_default() += 1;
            }
            // When each tenant had its last turn, and how many waited then. None joins later.
            let mut last: HashMap<_, _> = waiting.keys().map(|&tenant| (tenant, (0, waiting.len()))).collect();
            for turn in 1..=jobs.len() {
                let job = usize::try_from(queue.front().unwrap().0).unwrap();
                queue.take_turn(queue.spot_in_turn().unwrap());
                let tenants = waiting.len();
                waiting.entry(jobs[job]).and_modify(|left| *left -= 1);
                waiting.retain(|_, left| *left > 0);
                last.insert(jobs[job], (turn, tenants));
                for tenant in waiting.keys() {
                    let (since, tenants) = last[tenant];
                    prop_assert!(turn - since < tenants, "{tenant} waits since {since}, as one of {tenants}");
                }
            }
        }
    }
}

/// A job joins a queue of random jobs, some of whose turns are over. Of the jobs before it at least as many run as were
/// foretold, even if others join after it.
#[test]
fn at_least_as_many_jobs_go_before_one_that_joins_as_are_foretold() {
    let mut foretold_in_all = 0;
    for seed in 0..2_000 {
        let mut random = crate::random::SplitMix64::new(seed);
        let mut below = move |most: u64| random.next() % most;
        let (priorities, tenants) = (1 + below(3), below(5));
        let mut any = || {
            let priority = match below(priorities) {
                0 => Priority::Normal,
                1 => Priority::High,
                _ => Priority::Low,
            };
            let tenant = below(tenants + 1).checked_sub(1).map(Tenant);
            (Share { priority, tenant }, below(10))
        };
        let mut queue = Queue::new();
        for job in 0..30 {
            let (share, what) = any();
            queue.push_back(JobId(job), 1, share);
            if what < 3 {
                let spot = queue.spot_in_turn().unwrap();
                queue.take_turn(spot);
            }
        }
        let (share, _) = any();
        let foretold = queue.before(share);
        queue.push_back(JobId(99), 1, share);
        let mut before = 0;
        while queue.front() != Some(JobId(99)) {
            let spot = queue.spot_in_turn().unwrap();
            queue.take_turn(spot);
            before += 1;
            let (share, what) = any();
            if what < 4 {
                queue.push_back(JobId(100 + before), 1, share);
            }
        }
        assert!(foretold as u64 <= before, "seed {seed}: {foretold} are foretold, {before} went");
        foretold_in_all += foretold;
        if priorities == 1 && tenants == 0 {
            assert_eq!(foretold as u64, before, "seed {seed}");
        }
    }
    assert!(foretold_in_all > 10_000, "{foretold_in_all}");
}
