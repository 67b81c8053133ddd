//! How long deaths take to be made good: from a kill to the moment at which the pool has as many ready workers
//! again as before it. Pure: fed with kills and with the log's lines.

use super::distribution::Distribution;
use super::pauses::Pauses;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Maximum number of kills that are remembered at a time. The deaths of workers that were not ready are never
/// heard of, so the oldest kills are forgotten.
const MOST_KILLS: usize = 4096;

/// Age from which a kill no longer counts as the cause of a death.
const FORGOTTEN: Duration = Duration::from_secs(10);

/// The pools' deaths and births.
#[derive(Debug, Default)]
pub(crate) struct Recovery {
    /// Ready workers, and whose they are.
    ready: HashMap<u32, String>,
    kills: HashMap<u32, Duration>,
    pools: HashMap<String, Pool>,
    /// Deaths by our own kills that were made good.
    pub(crate) times: Distribution,
    /// The same while the server was stopped for some of the time.
    pub(crate) left_out: u64,
    /// Deaths of ready workers, for whatever reason.
    pub(crate) deaths: u64,
}

#[derive(Debug, Default)]
struct Pool {
    /// Deaths that no birth has made good yet.
    open: VecDeque<Death>,
    /// Births that were logged before the death that they make good.
    early: VecDeque<Duration>,
    workers: usize,
    strength: usize,
}

#[derive(Debug)]
struct Death {
    at: Duration,
    killed: bool,
}

impl Recovery {
    /// Returns whether this process is a worker that was ready.
    pub(crate) fn is_ready(&self, pid: u32) -> bool {
        self.ready.contains_key(&pid)
    }

    /// We are about to kill this process.
    pub(crate) fn killed(&mut self, pid: u32, now: Duration) {
        if self.kills.len() >= MOST_KILLS {
            self.kills.retain(|_, killed| now.saturating_sub(*killed) < FORGOTTEN);
        }
        self.kills.insert(pid, now);
    }

    /// Notes that a worker takes jobs, in a pool that should have this number of workers.
    pub(crate) fn ready(&mut self, pool: &str, workers: usize, pid: u32, at: Duration, stops: &Pauses) {
        // Somebody else of that number was killed, long ago.
        if self.kills.get(&pid).is_some_and(|killed| *killed < at) {
            self.kills.remove(&pid);
        }
        self.ready.insert(pid, pool.to_owned());
        let of = self.pools.entry(pool.to_owned()).or_default();
        of.workers = workers;
        if of.strength < workers {
            of.strength += 1;
            if let Some(death) = of.open.pop_front() {
                self.made_good(&death, at, stops);
            }
        } else {
            of.early.push_back(at);
        }
    }

    /// A process is dead, at this time or shortly before.
    pub(crate) fn died(&mut self, pid: u32, at: Duration, stops: &Pauses) {
        let killed = self.kills.remove(&pid);
        let Some(pool) = self.ready.remove(&pid) else { return };
        let Some(of) = self.pools.get_mut(&pool) else { return };
        self.deaths += 1;
        let death = Death { at: killed.unwrap_or(at), killed: killed.is_some() };
        match of.early.pop_front() {
            Some(birth) => self.made_good(&death, birth, stops),
            None => {
                of.strength = of.strength.saturating_sub(1);
                of.open.push_back(death);
            }
        }
    }

    fn made_good(&mut self, death: &Death, at: Duration, stops: &Pauses) {
        if !death.killed {
            return;
        }
        if stops.within(&(death.at..at)).is_zero() {
            self.times.record(at.saturating_sub(death.at));
        } else {
            self.left_out += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Returns a pool of two, both ready at 0.
    fn pair() -> Recovery {
        let mut recovery = Recovery::default();
        for pid in [1, 2] {
            recovery.ready("p", 2, pid, ms(0), &Pauses::default());
        }
        recovery
    }

    /// How many were measured, and the longest.
    fn longest(recovery: &Recovery) -> (u64, Duration) {
        let spread = recovery.times.spread();
        (spread.count, spread.p99)
    }

    #[test]
    fn a_kill_is_made_good_by_the_next_worker_that_is_ready() {
        let (mut recovery, stops) = (pair(), Pauses::default());
        recovery.killed(1, ms(10));
        recovery.died(1, ms(11), &stops);
        recovery.ready("p", 2, 3, ms(15), &stops);
        assert_eq!(longest(&recovery), (1, ms(5)));
    }

    #[test]
    fn the_second_of_two_kills_waits_for_the_second_birth() {
        let (mut recovery, stops) = (pair(), Pauses::default());
        for pid in [1, 2] {
            recovery.killed(pid, ms(10));
            recovery.died(pid, ms(10), &stops);
        }
        recovery.ready("p", 2, 3, ms(12), &stops);
        recovery.ready("p", 2, 4, ms(18), &stops);
        assert_eq!(longest(&recovery), (2, ms(8)));
    }

    #[test]
    fn a_birth_may_be_logged_before_the_death_that_it_makes_good() {
        let (mut recovery, stops) = (pair(), Pauses::default());
        recovery.killed(1, ms(10));
        recovery.ready("p", 2, 3, ms(14), &stops);
        recovery.died(1, ms(15), &stops);
        assert_eq!(longest(&recovery), (1, ms(4)));
    }

    #[test]
    fn deaths_that_were_not_our_doing_take_a_birth_but_are_not_measured() {
        let (mut recovery, stops) = (pair(), Pauses::default());
        recovery.died(2, ms(5), &stops);
        recovery.killed(1, ms(10));
        recovery.died(1, ms(10), &stops);
        recovery.ready("p", 2, 3, ms(11), &stops);
        assert_eq!(longest(&recovery).0, 0, "this one makes the first death good");
        recovery.ready("p", 2, 4, ms(13), &stops);
        assert_eq!((longest(&recovery), recovery.deaths), ((1, ms(3)), 2));
    }

    #[test]
    fn the_death_of_a_worker_that_never_was_ready_takes_nothing_from_the_pool() {
        let (mut recovery, stops) = (pair(), Pauses::default());
        recovery.killed(9, ms(1));
        recovery.died(9, ms(1), &stops);
        assert_eq!(recovery.deaths, 0);
    }

    #[test]
    fn a_number_that_is_used_again_does_not_inherit_a_kill() {
        let (mut recovery, stops) = (pair(), Pauses::default());
        recovery.killed(3, ms(1));
        recovery.died(1, ms(5), &stops);
        recovery.ready("p", 2, 3, ms(6), &stops);
        recovery.died(3, ms(7), &stops);
        recovery.ready("p", 2, 4, ms(9), &stops);
        assert_eq!(longest(&recovery).0, 0);
    }

    #[test]
    fn what_a_stopped_server_could_not_do_is_left_out() {
        let (mut recovery, mut stops) = (pair(), Pauses::default());
        stops.begin(ms(12));
        stops.end(ms(80));
        recovery.killed(1, ms(10));
        recovery.died(1, ms(90), &stops);
        recovery.ready("p", 2, 3, ms(95), &stops);
        assert_eq!((longest(&recovery).0, recovery.left_out), (0, 1));
    }
}
