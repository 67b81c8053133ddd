//! [`Transfer`]: which chunk of a large payload goes next, and when to give up. A pure state machine for both ways:
//! the front, the node and the simulator carry out its steps.
//!
//! A few chunks are on their way at a time. One that fails goes again after a pause. It is given up after a time in which
//! nothing came through, so that a slow connection is not taken for a lost one.

use crate::timings::Timings;
use procpool_registry::Time;
use std::collections::VecDeque;
use std::time::Duration;

/// Maximum number of chunks on their way.
const WINDOW: u32 = 4;

/// The transfer of one payload.
#[derive(Clone, Debug)]
pub struct Transfer {
    timings: Timings,
    patience: Duration,
    count: u32,
    /// The first chunk that never went.
    next: u32,
    /// Those that failed.
    again: VecDeque<u32>,
    /// Number of those that are on their way.
    moving: u32,
    /// Number of those that came through.
    moved: u32,
    /// When the last one did.
    progress: Time,
    /// When to try again after an error.
    retry: Option<Time>,
    tries: u32,
}

/// A thing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Send or fetch this chunk, and tell of it by [`Transfer::moved`] or [`Transfer::failed`].
    Move(u32),
    /// Wait for a chunk, and until this time at most.
    Wait(Time),
    /// All have come through.
    Done,
    /// None came through for too long.
    GiveUp,
}

impl Transfer {
    /// Returns the transfer of a number of chunks, which gives up after a time without progress.
    #[must_use]
    pub fn new(now: Time, count: u32, timings: Timings, patience: Duration) -> Self {
        let again = VecDeque::new();
        Self {
            timings,
            patience,
            count,
            next: 0,
            again,
            moving: 0,
            moved: 0,
            progress: now,
            retry: None,
            tries: 0,
        }
    }

    /// Returns the next thing to do. Call it again after each [`Step::Move`].
    pub fn step(&mut self, now: Time) -> Step {
        let end = self.progress + self.patience;
        if self.moved >= self.count {
            return Step::Done;
        }
        if now >= end {
            return Step::GiveUp;
        }
        let has_more = !self.again.is_empty() || self.next < self.count;
        if self.moving >= WINDOW || !has_more {
            return Step::Wait(end);
        }
        if let Some(at) = self.retry.filter(|at| now < *at) {
            return Step::Wait(at.min(end));
        }
        self.retry = None;
        self.moving += 1;
        Step::Move(self.again.pop_front().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        }))
    }

    /// A chunk came through.
    pub fn moved(&mut self, now: Time) {
        (self.moving, self.moved) = (self.moving.saturating_sub(1), self.moved + 1);
        (self.progress, self.tries, self.retry) = (now, 0, None);
    }

    /// A chunk did not come through, or nobody knows.
    pub fn failed(&mut self, now: Time, nth: u32) {
        self.moving = self.moving.saturating_sub(1);
        self.again.push_back(nth);
        self.retry = Some(now + self.timings.pause_after(self.tries));
        self.tries = self.tries.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::ZERO + Duration::from_millis(millis)
    }

    fn transfer(count: u32) -> Transfer {
        Transfer::new(at(0), count, Timings::default(), Duration::from_secs(10))
    }

    #[test]
    fn a_few_chunks_are_on_their_way_at_a_time() {
        let mut it = transfer(6);
        for nth in 0..WINDOW {
            assert_eq!(it.step(at(0)), Step::Move(nth));
        }
        assert_eq!(it.step(at(0)), Step::Wait(at(10_000)));
        it.moved(at(5));
        assert_eq!((it.step(at(5)), it.step(at(5))), (Step::Move(4), Step::Wait(at(10_005))));
        for _ in 0..4 {
            it.moved(at(6));
        }
        assert_eq!((it.step(at(6)), it.step(at(6))), (Step::Move(5), Step::Wait(at(10_006))));
        it.moved(at(7));
        assert_eq!(it.step(at(99_000)), Step::Done);
    }

    #[test]
    fn one_that_fails_goes_again_after_a_pause_before_the_others() {
        let mut it = transfer(9);
        assert_eq!(it.step(at(0)), Step::Move(0));
        it.failed(at(10), 0);
        assert_eq!(it.step(at(10)), Step::Wait(at(60)));
        assert_eq!((it.step(at(60)), it.step(at(60))), (Step::Move(0), Step::Move(1)));
    }

    #[test]
    fn it_is_given_up_only_after_a_time_without_progress() {
        let mut it = transfer(2);
        assert_eq!((it.step(at(0)), it.step(at(0))), (Step::Move(0), Step::Move(1)));
        it.moved(at(9_000));
        it.failed(at(9_000), 1);
        assert_eq!(it.step(at(18_999)), Step::Move(1));
        assert_eq!(it.step(at(19_000)), Step::GiveUp);
    }
}
