//! Which fault comes when: all of it from the seed, none of it from what is happening.

use super::random::Random;
use std::time::Duration;

/// A fault. `pick` chooses among the processes that are there when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL to this number of workers at once, in any state.
    Kill { workers: u32, pick: u64 },
    /// SIGSTOP to a worker that was ready; SIGCONT after so long, or never.
    StopWorker { pick: u64, until: Option<Duration> },
    /// SIGKILL to a template.
    KillTemplate { pick: u64 },
    /// SIGSTOP to a template, SIGCONT after so long.
    StopTemplate { pick: u64, length: Duration },
    /// SIGKILL to a worker that was forked, and to its replacement at its birth.
    KillNewborn { pick: u64 },
    /// SIGSTOP to the server, SIGCONT after so long.
    StopServer(Duration),
    /// SIGHUP to the server: every pool replaces its workers.
    Reload,
}

/// The faults of a run with their times since its first, in order, for ever.
#[derive(Debug)]
pub(crate) struct Schedule(Vec<Stream>);

/// One sort of fault, and when the next of it comes.
#[derive(Debug)]
struct Stream {
    random: Random,
    mean: Duration,
    next: Duration,
    draw: Draw,
}

/// Makes a fault, and says how many gaps follow it.
type Draw = fn(&mut Random) -> (Fault, u32);

/// Faults that come at their own pace, however many kills there are: their mean distance, and what they are.
const OTHERS: &[(Duration, Draw)] =
    &[(Duration::from_secs(7), stop_server), (Duration::from_secs(3), |_| (Fault::Reload, 1))];

impl Schedule {
    pub(crate) fn new(seed: u64, kills_per_minute: u32) -> Self {
        let kills =
            Duration::from_secs(60).checked_div(kills_per_minute).map(|mean| (mean, kill_or_stop as Draw));
        let sorts = kills.into_iter().chain(OTHERS.iter().copied());
        // The streams of clients count from 0, these from the other end.
        let streams = sorts.enumerate().map(|(number, (mean, draw))| {
            let random = Random::new(seed, u64::MAX - number as u64);
            Stream::new(random, mean, draw)
        });
        Self(streams.collect())
    }
}

impl Iterator for Schedule {
    type Item = (Duration, Fault);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.iter_mut().min_by_key(|stream| stream.next).map(Stream::advance)
    }
}

impl Stream {
    fn new(mut random: Random, mean: Duration, draw: Draw) -> Self {
        let next = random.gap(mean);
        Self { random, mean, next, draw }
    }

    fn advance(&mut self) -> (Duration, Fault) {
        let (fault, gaps) = (self.draw)(&mut self.random);
        let now = self.next;
        self.next += (0..gaps).map(|_| self.random.gap(self.mean)).sum::<Duration>();
        (now, fault)
    }
}

/// As many kills in the long run as were asked for, whether they come alone or together; stops beside them.
fn kill_or_stop(random: &mut Random) -> (Fault, u32) {
    let pick = random.next();
    match random.below(100) {
        0..3 => {
            let workers = if random.below(2) == 0 { 2 } else { 6 };
            (Fault::Kill { workers, pick }, workers)
        }
        3..8 => {
            let until = random.millis(5, 300);
            (Fault::StopWorker { pick, until: (random.below(3) > 0).then_some(until) }, 0)
        }
        8..10 => (Fault::KillTemplate { pick }, 1),
        10..12 => (Fault::StopTemplate { pick, length: random.millis(5, 300) }, 0),
        12..17 => (Fault::KillNewborn { pick }, 2),
        _ => (Fault::Kill { workers: 1, pick }, 1),
    }
}

fn stop_server(random: &mut Random) -> (Fault, u32) {
    (Fault::StopServer(random.millis(20, 200)), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_minute(seed: u64, kills_per_minute: u32) -> Vec<(Duration, Fault)> {
        let minute = Duration::from_secs(60);
        Schedule::new(seed, kills_per_minute).take_while(|(at, _)| *at < minute).collect()
    }

    fn killed(faults: &[(Duration, Fault)]) -> u32 {
        let kills = faults.iter().filter_map(|(_, fault)| match fault {
            Fault::Kill { workers, .. } => Some(*workers),
            Fault::KillTemplate { .. } => Some(1),
            Fault::KillNewborn { .. } => Some(2),
            _ => None,
        });
        kills.sum()
    }

    #[test]
    fn the_seed_decides_everything() {
        assert_eq!(first_minute(7, 600), first_minute(7, 600));
        assert_ne!(first_minute(7, 600), first_minute(8, 600));
    }

    #[test]
    fn as_many_workers_are_killed_as_was_asked_for() {
        for rate in [600, 12_000] {
            let minutes = (0..50).map(|seed| killed(&first_minute(seed, rate))).sum::<u32>() / 50;
            assert!((rate * 95 / 100..rate * 105 / 100).contains(&minutes), "{minutes} for {rate}");
        }
    }

    #[test]
    fn every_sort_of_fault_comes_and_in_order() {
        let faults = first_minute(7, 600);
        assert!(faults.is_sorted_by_key(|(at, _)| *at));
        assert!(faults.iter().any(|(_, fault)| matches!(fault, Fault::StopServer(_))));
        assert!(faults.iter().any(|(_, fault)| matches!(fault, Fault::Kill { workers: 2.., .. })));
        assert!(faults.iter().any(|(_, fault)| matches!(fault, Fault::KillTemplate { .. })));
        assert!(faults.iter().any(|(_, fault)| matches!(fault, Fault::StopTemplate { .. })));
        assert!(faults.iter().any(|(_, fault)| matches!(fault, Fault::KillNewborn { .. })));
        assert!(faults.iter().any(|(_, fault)| matches!(fault, Fault::StopWorker { until: None, .. })));
        assert!(faults.iter().any(|(_, fault)| matches!(fault, Fault::StopWorker { until: Some(_), .. })));
    }

    #[test]
    fn without_kills_the_server_is_still_stopped_and_reloaded() {
        let faults = first_minute(7, 0);
        assert!(faults.iter().any(|(_, fault)| matches!(fault, Fault::StopServer(_))));
        assert!(faults.iter().any(|(_, fault)| matches!(fault, Fault::Reload)));
        assert!(!faults.iter().any(|(_, fault)| matches!(fault, Fault::Kill { .. })));
    }
}
