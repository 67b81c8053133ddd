//! Which fault comes when: all of it from the seed, none of it from what is happening.

use super::random::Random;
use std::time::Duration;

/// A fault. `pick` chooses among whoever there is when it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// SIGKILL to so many workers at once, in whatever state they are.
    Kill { workers: u64, pick: u64 },
    /// SIGSTOP to a worker that was ready; SIGCONT after so long, or never.
    StopWorker { pick: u64, until: Option<Duration> },
    /// SIGSTOP to the server, SIGCONT after so long.
    StopServer(Duration),
}

/// The faults of a run with their times since its first, in order, for ever.
#[derive(Debug)]
pub(crate) struct Schedule {
    kills: Option<Stream>,
    stops: Stream,
}

/// One sort of fault and when the next of it comes.
#[derive(Debug)]
struct Stream {
    random: Random,
    mean: Duration,
    next: Duration,
}

/// How often the server is stopped.
const STOP_EVERY: Duration = Duration::from_secs(7);

impl Schedule {
    pub(crate) fn new(seed: u64, kills_per_minute: u32) -> Self {
        let mean = Duration::from_secs(60).checked_div(kills_per_minute);
        Self {
            // Streams of clients count from 0.
            kills: mean.map(|mean| Stream::new(Random::new(seed, u64::MAX), mean)),
            stops: Stream::new(Random::new(seed, u64::MAX - 1), STOP_EVERY),
        }
    }
}

impl Iterator for Schedule {
    type Item = (Duration, Fault);

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.kills {
            Some(kills) if kills.next <= self.stops.next => Some(kills.kill_or_stop()),
            _ => Some(self.stops.stop_server()),
        }
    }
}

impl Stream {
    fn new(mut random: Random, mean: Duration) -> Self {
        let next = random.gap(mean);
        Self { random, mean, next }
    }

    /// This one's time; the next comes after so many gaps.
    fn advance(&mut self, gaps: u64) -> Duration {
        let now = self.next;
        self.next += (0..gaps).map(|_| self.random.gap(self.mean)).sum::<Duration>();
        now
    }

    fn kill_or_stop(&mut self) -> (Duration, Fault) {
        let pick = self.random.next();
        match self.random.below(100) {
            // As many kills in the long run as were asked for, whether they come alone or together.
            0..3 => {
                let workers = 2 + self.random.below(5);
                (self.advance(workers), Fault::Kill { workers, pick })
            }
            // Beside the kills, so it takes none of their time.
            3..8 => (self.next, self.stop_worker(pick)),
            _ => (self.advance(1), Fault::Kill { workers: 1, pick }),
        }
    }

    fn stop_worker(&mut self, pick: u64) -> Fault {
        let until = self.random.millis(5, 300);
        Fault::StopWorker { pick, until: (self.random.below(3) > 0).then_some(until) }
    }

    fn stop_server(&mut self) -> (Duration, Fault) {
        let length = self.random.millis(20, 200);
        // Never sooner than the last one is over.
        let now = self.advance(1);
        self.next = self.next.max(now + Duration::from_secs(1));
        (now, Fault::StopServer(length))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_minute(seed: u64, kills_per_minute: u32) -> Vec<(Duration, Fault)> {
        let minute = Duration::from_secs(60);
        Schedule::new(seed, kills_per_minute).take_while(|(at, _)| *at < minute).collect()
    }

    fn killed(faults: &[(Duration, Fault)]) -> u64 {
        let kills = faults.iter().filter_map(|(_, fault)| match fault {
            Fault::Kill { workers, .. } => Some(*workers),
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
            let minutes = (0..50).map(|seed| killed(&first_minute(seed, rate))).sum::<u64>() / 50;
            let rate = u64::from(rate);
            assert!((rate * 95 / 100..rate * 105 / 100).contains(&minutes), "{minutes} for {rate}");
        }
    }

    #[test]
    fn every_sort_of_fault_comes_and_in_order() {
        let faults = first_minute(7, 600);
        assert!(faults.is_sorted_by_key(|(at, _)| *at));
        assert!(faults.iter().any(|(_, fault)| matches!(fault, Fault::StopServer(_))));
        assert!(faults.iter().any(|(_, fault)| matches!(fault, Fault::Kill { workers: 2.., .. })));
        assert!(faults.iter().any(|(_, fault)| matches!(fault, Fault::StopWorker { until: None, .. })));
        assert!(faults.iter().any(|(_, fault)| matches!(fault, Fault::StopWorker { until: Some(_), .. })));
    }

    #[test]
    fn without_kills_the_server_is_still_stopped() {
        let faults = first_minute(7, 0);
        assert!(!faults.is_empty());
        assert!(faults.iter().all(|(_, fault)| matches!(fault, Fault::StopServer(_))));
    }
}
