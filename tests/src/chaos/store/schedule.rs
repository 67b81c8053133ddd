//! Which fault comes when: all of it from the seed.

use super::super::random::Random;
use std::time::Duration;

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// SIGKILL to a worker.
    KillWorker { pick: u64 },
    /// SIGKILL to the server, maybe at the moment at which a client has its answer: what that says must be durable. And to
    /// the next one after so long, before it is ready.
    KillServer { at_an_answer: bool, again_after: Option<Duration> },
    /// SIGTERM to the server.
    Terminate,
    /// SIGHUP to the server.
    Reload,
}

/// Makes a fault.
type Draw = fn(&mut Random) -> Fault;

/// Mean distances of the faults that do not depend on the options.
const OTHERS: &[(Duration, Draw)] = &[
    (Duration::from_secs(4), kill_server),
    (Duration::from_secs(12), |_| Fault::Terminate),
    (Duration::from_secs(3), |_| Fault::Reload),
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

fn kill_server(random: &mut Random) -> Fault {
    let after = random.millis(0, 150);
    let at_an_answer = random.below(2) == 0;
    Fault::KillServer { at_an_answer, again_after: (random.below(3) == 0).then_some(after) }
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
        assert!(count(|it| matches!(it, Fault::KillServer { again_after: Some(_), .. })) > 10);
        assert!(count(|it| matches!(it, Fault::KillServer { again_after: None, .. })) > 30);
        assert!(count(|it| matches!(it, Fault::KillServer { at_an_answer: true, .. })) > 20);
        assert!(count(|it| *it == Fault::Terminate) > 10);
        assert!(count(|it| *it == Fault::Reload) > 50);
    }

    #[test]
    fn without_kills_of_workers_the_server_is_killed_all_the_same() {
        let faults = first_minutes(7, 0);
        assert!(!faults.iter().any(|(_, it)| matches!(it, Fault::KillWorker { .. })));
        assert!(faults.iter().any(|(_, it)| matches!(it, Fault::KillServer { .. })));
    }
}
