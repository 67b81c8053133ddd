//! A ring of seconds, made of the differences between totals. Driven by the time that it is given.

use procpool_protocol::engine::{Distribution, Latency, PoolHistory};
use std::collections::VecDeque;
use std::time::Instant;

/// Number of seconds that a ring holds: a quarter of an hour. Ten numbers of four bytes each are 36 KB.
const HELD: usize = 900;

/// Number of seconds over which percentiles of now are taken: long enough for some jobs, short enough for what is
/// wrong at present. Ten pairs of distributions are 41 KB.
const WINDOW: u64 = 10;

/// The totals of a pool since its start, and its state, at one moment.
#[derive(Clone, Debug)]
pub(super) struct Measured {
    /// When the pool was started: another one of its name has totals of its own.
    pub(super) born: Instant,
    pub(super) finished: u64,
    pub(super) failed: u64,
    pub(super) refused: u64,
    pub(super) deaths: u64,
    pub(super) queued: usize,
    pub(super) busy: usize,
    pub(super) workers: usize,
    pub(super) wait: Distribution,
    pub(super) run: Distribution,
}

/// The last seconds of one pool.
#[derive(Debug)]
pub(super) struct Ring {
    seconds: VecDeque<Option<Second>>,
    /// The second that comes next.
    next: u64,
    last: Measured,
    /// The ends of the seconds before, for as long as the window reaches back.
    earlier: VecDeque<(u64, Measured)>,
}

/// The events within a second, and the state at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Second {
    finished: u32,
    failed: u32,
    refused: u32,
    deaths: u32,
    queued: u32,
    busy: u32,
    workers: u32,
    wait_p99_us: u32,
    run_p50_us: u32,
    run_p99_us: u32,
}

impl Ring {
    /// Returns a ring without seconds. The first one begins now.
    pub(super) fn of(now: u64, measured: Measured) -> Self {
        Self { seconds: VecDeque::new(), next: now, last: measured, earlier: VecDeque::new() }
    }

    /// Takes in the end of the second before `now`. Two measurements of one second are one.
    pub(super) fn take(&mut self, now: u64, measured: Measured) {
        if now <= self.next {
            return;
        }
        let missed = usize::try_from(now - self.next - 1).unwrap_or(usize::MAX).min(HELD);
        for _ in 0..missed {
            self.push(None);
        }
        let second = Second::between(&self.last, &measured);
        self.push(Some(second));
        if self.last.born == measured.born {
            self.earlier.push_back((self.next, std::mem::replace(&mut self.last, measured)));
        } else {
            self.earlier.clear();
            self.last = measured;
        }
        while self.earlier.front().is_some_and(|(second, _)| now - second > WINDOW) && self.earlier.len() > 1
        {
            self.earlier.pop_front();
        }
        self.next = now;
    }

    /// Returns the times in the queue and with a worker of the jobs that ended in the last ten seconds. The maximum is
    /// that since the pool's start.
    pub(super) fn window(&self) -> (Latency, Latency) {
        let since = |of: fn(&Measured) -> &Distribution| match self.earlier.front() {
            Some((_, earlier)) => of(&self.last).since(of(earlier)).latency(),
            None => Latency::default(),
        };
        (since(|it| &it.wait), since(|it| &it.run))
    }

    /// Returns the last seconds, at most this number of them.
    pub(super) fn last(&self, seconds: usize) -> PoolHistory {
        let skipped = self.seconds.len().saturating_sub(seconds);
        let of = |column: fn(&Second) -> u32| {
            self.seconds.iter().skip(skipped).map(|second| second.as_ref().map(column)).collect()
        };
        let mut history = PoolHistory::default();
        history.seconds = self.seconds.len() - skipped;
        history.start = self.next - history.seconds as u64;
        history.finished = of(|second| second.finished);
        history.failed = of(|second| second.failed);
        history.refused = of(|second| second.refused);
        history.deaths = of(|second| second.deaths);
        history.queued = of(|second| second.queued);
        history.busy = of(|second| second.busy);
        history.workers = of(|second| second.workers);
        history.wait_p99_us = of(|second| second.wait_p99_us);
        history.run_p50_us = of(|second| second.run_p50_us);
        history.run_p99_us = of(|second| second.run_p99_us);
        history
    }

    fn push(&mut self, second: Option<Second>) {
        if self.seconds.len() == HELD {
            self.seconds.pop_front();
        }
        self.seconds.push_back(second);
    }
}

impl Second {
    fn between(before: &Measured, now: &Measured) -> Self {
        let is_same = before.born == now.born;
        let since = |total: fn(&Measured) -> u64| {
            let earlier = if is_same { total(before) } else { 0 };
            narrow(total(now).saturating_sub(earlier))
        };
        let times = |of: fn(&Measured) -> &Distribution| {
            let times = if is_same { of(now).since(of(before)) } else { of(now).clone() };
            times.latency()
        };
        let (wait, run) = (times(|it| &it.wait), times(|it| &it.run));
        Self {
            finished: since(|it| it.finished),
            failed: since(|it| it.failed),
            refused: since(|it| it.refused),
            deaths: since(|it| it.deaths),
            queued: narrow(now.queued as u64),
            busy: narrow(now.busy as u64),
            workers: narrow(now.workers as u64),
            wait_p99_us: narrow(wait.p99_us),
            run_p50_us: narrow(run.p50_us),
            run_p99_us: narrow(run.p99_us),
        }
    }
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn measured(finished: u64) -> Measured {
        let (wait, run) = (Distribution::default(), Distribution::default());
        let (born, failed, refused, deaths) = (Instant::now(), 0, 0, 0);
        Measured { born, finished, failed, refused, deaths, queued: 0, busy: 1, workers: 2, wait, run }
    }

    #[test]
    fn a_second_is_what_came_after_the_one_before() {
        let first = measured(100);
        let mut ring = Ring::of(1_000, first.clone());
        let mut second = Measured { finished: 107, queued: 5, ..first };
        second.run.record(Duration::from_millis(50));
        ring.take(1_001, second.clone());
        second.run.record(Duration::from_millis(2));
        ring.take(1_002, Measured { finished: 110, deaths: 1, ..second.clone() });
        ring.take(1_002, Measured { finished: 111, ..second });
        let history = ring.last(HELD);
        assert_eq!((history.start, history.seconds), (1_000, 2));
        assert_eq!((history.finished, history.deaths), (vec![Some(7), Some(3)], vec![Some(0), Some(1)]));
        assert_eq!((history.queued, history.workers), (vec![Some(5), Some(5)], vec![Some(2), Some(2)]));
        let [Some(slow), Some(quick)] = history.run_p99_us[..] else { panic!("{:?}", history.run_p99_us) };
        assert!(slow.abs_diff(50_000) < 2_300 && quick.abs_diff(2_000) < 100, "{slow}, {quick}");
        assert_eq!(ring.last(1).finished, [Some(3)]);
    }

    #[test]
    fn seconds_without_a_measurement_are_left_blank() {
        let first = measured(0);
        let mut ring = Ring::of(10, first.clone());
        ring.take(13, Measured { finished: 9, ..first.clone() });
        assert_eq!(ring.last(HELD).finished, [None, None, Some(9)]);
        ring.take(13 + 5_000, first);
        let history = ring.last(usize::MAX);
        assert_eq!((history.seconds, history.start), (HELD, 13 + 5_000 - HELD as u64));
        assert!(history.finished[..HELD - 1].iter().all(Option::is_none));
    }

    #[test]
    fn percentiles_of_now_are_those_of_the_last_ten_seconds() {
        let mut now = measured(0);
        let mut ring = Ring::of(100, now.clone());
        assert_eq!(ring.window().1.count, 0);
        now.run.record(Duration::from_secs(8));
        ring.take(101, now.clone());
        (102..=111).for_each(|second| {
            now.run.record(Duration::from_millis(2));
            now.wait.record(Duration::from_millis(1));
            ring.take(second, now.clone());
        });
        let (wait, run) = ring.window();
        assert_eq!((wait.count, run.count), (10, 10), "the slow one is over ten seconds ago");
        assert!(run.p99_us.abs_diff(2_000) < 100, "{run:?}");
        ring.take(200, now.clone());
        assert_eq!(ring.window().1.count, 0, "no job has ended since");
        assert!(ring.earlier.len() <= 10);
        now.born += Duration::from_secs(1);
        ring.take(201, now);
        assert_eq!(ring.window().1.count, 0, "another pool has no past");
    }

    #[test]
    fn another_pool_of_the_name_begins_at_zero() {
        let mut ring = Ring::of(1, measured(500));
        let mut other = measured(3);
        other.born += Duration::from_secs(1);
        ring.take(2, other);
        assert_eq!(ring.last(1).finished, [Some(3)]);
    }
}
