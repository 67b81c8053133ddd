//! Which fault comes when: all of it follows from `--seed`.

use super::super::random::Random;
use super::plan::LEASE;
use std::time::Duration;

/// A fault. `pick` chooses who is hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGKILL to a worker.
    KillWorker { pick: u64 },
    /// SIGKILL to a node, and a next one after this time.
    KillNode { pick: u64, away: Duration },
    /// SIGSTOP to a node, whose workers run on, and SIGCONT after this time, which is longer than a lease.
    StopNode { pick: u64, length: Duration },
    /// SIGTERM to a node, and a next one after its end.
    DrainNode { pick: u64 },
    /// SIGKILL to a front, and a next one after this time.
    KillFront { pick: u64, away: Duration },
    /// SIGKILL to a nats-server, and its return after this time, which may be longer than a lease.
    KillNats { pick: u64, away: Duration },
    /// SIGSTOP to a nats-server, and SIGCONT after this time.
    StopNats { pick: u64, length: Duration },
}

/// Makes a fault.
type Draw = fn(&mut Random) -> Fault;

/// Mean distances of the faults that do not depend on the options.
const OTHERS: &[(Duration, Draw)] = &[
    (Duration::from_secs(7), |random| Fault::KillNode { pick: random.next(), away: random.millis(0, 2000) }),
    (Duration::from_secs(9), |random| {
        let lease = u64::try_from(LEASE.as_millis()).unwrap_or_default();
        Fault::StopNode { pick: random.next(), length: random.millis(lease + 500, lease + 4000) }
    }),
    (Duration::from_secs(15), |random| Fault::DrainNode { pick: random.next() }),
    (Duration::from_secs(8), |random| Fault::KillFront { pick: random.next(), away: random.millis(0, 1000) }),
    (Duration::from_secs(11), kill_nats),
    (Duration::from_secs(25), |random| Fault::StopNats {
        pick: random.next(),
        length: random.millis(300, 3000),
    }),
];

/// The faults with their times since the first moment, in order, for ever.
#[derive(Debug)]
pub(super) struct Schedule(Vec<Stream>);

#[derive(Debug)]
struct Stream {
    random: Random,
    mean: Duration,
    next: Duration,
    draw: Draw,
}

impl Schedule {
    pub(super) fn new(seed: u64, kills_per_minute: u32) -> Self {
        let kills = Duration::from_secs(60).checked_div(kills_per_minute);
        let kills = kills
            .map(|mean| (mean, (|random: &mut Random| Fault::KillWorker { pick: random.next() }) as Draw));
        let sorts = kills.into_iter().chain(OTHERS.iter().copied());
        // The streams of clients count from 0, these from the other end.
        let streams = sorts.enumerate().map(|(number, (mean, draw))| {
            let mut random = Random::new(seed, u64::MAX - number as u64);
            let next = random.gap(mean);
            Stream { random, mean, next, draw }
        });
        Self(streams.collect())
    }
}

impl Iterator for Schedule {
    type Item = (Duration, Fault);

    fn next(&mut self) -> Option<Self::Item> {
        let stream = self.0.iter_mut().min_by_key(|stream| stream.next)?;
        let at = stream.next;
        stream.next += stream.random.gap(stream.mean);
        Some((at, (stream.draw)(&mut stream.random)))
    }
}

/// One in four lasts for longer than a lease, so that every job is killed.
fn kill_nats(random: &mut Random) -> Fault {
    let pick = random.next();
    let away = match random.below(4) {
        0 => random.millis(5000, 8000),
        _ => random.millis(0, 1500),
    };
    Fault::KillNats { pick, away }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_minutes(seed: u64, kills_per_minute: u32) -> Vec<(Duration, Fault)> {
        let minutes = Duration::from_secs(300);
        Schedule::new(seed, kills_per_minute).take_while(|(at, _)| *at < minutes).collect()
    }

    #[test]
    fn the_seed_decides_everything() {
        assert_eq!(first_minutes(7, 60), first_minutes(7, 60));
        assert_ne!(first_minutes(7, 60), first_minutes(8, 60));
    }

    #[test]
    fn every_sort_of_fault_comes_and_in_order() {
        let faults = first_minutes(7, 60);
        assert!(faults.is_sorted_by_key(|(at, _)| *at));
        let count = |is: fn(&Fault) -> bool| faults.iter().filter(|(_, fault)| is(fault)).count();
        assert!(count(|it| matches!(it, Fault::KillWorker { .. })) > 200);
        assert!(count(|it| matches!(it, Fault::KillNode { .. })) > 20);
        assert!(count(|it| matches!(it, Fault::StopNode { length, .. } if *length > LEASE)) > 15);
        assert!(count(|it| matches!(it, Fault::DrainNode { .. })) > 5);
        assert!(count(|it| matches!(it, Fault::KillFront { .. })) > 20);
        assert!(count(|it| matches!(it, Fault::KillNats { away, .. } if *away > LEASE)) > 2);
        assert!(count(|it| matches!(it, Fault::StopNats { .. })) > 4);
    }

    #[test]
    fn without_kills_of_workers_the_hosts_are_killed_all_the_same() {
        let faults = first_minutes(7, 0);
        assert!(!faults.iter().any(|(_, it)| matches!(it, Fault::KillWorker { .. })));
        assert!(faults.iter().any(|(_, it)| matches!(it, Fault::KillNode { .. })));
    }
}
