//! A queue of timers that returns the next one due. Does not: know the time or the meaning of a
//! timer; the caller does.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::Time;
use crate::slab::Slab;

/// A queue for timers that are mostly disarmed before they ring, and mostly armed in the order in
/// which they would ring.
///
/// Nearly every job ends before its deadline, so disarming must be cheap. It empties the timer's
/// slot and leaves a stale entry. When stale entries outnumber live ones, the queue drops them.
/// This limits the entries to twice the live timers plus [`SLACK`], at an amortised constant time
/// per disarmed timer.
///
/// Timers with the same duration ring in the order in which they were armed, and few durations are
/// in use at a time. So the queue appends an entry to a run whenever it fits, as in patience
/// sorting. An append takes constant time. All other entries go to a heap.
///
/// Invariant: the first entry of each run and of the heap is live, and `first` is the earliest of
/// these. So [`next`](Self::next), which the scheduler calls after every event, only reads a field.
#[derive(Debug)]
pub(crate) struct Timers<K> {
    /// Each run is in the order in which its timers ring.
    runs: [VecDeque<Timer>; RUNS],
    heap: BinaryHeap<Reverse<Timer>>,
    first: Option<Timer>,
    armed: Slab<Armed<K>>,
    next_serial: u64,
}

/// One run for the deadlines of jobs, and one for timers with longer durations.
const RUNS: usize = 2;

/// Number of stale entries that are not worth a search.
const SLACK: usize = 64;

/// The handle of a timer, and its entry in a run or in the heap. Timers for the same instant ring
/// in the order in which they were armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timer {
    at: Time,
    /// Never reused, unlike the slot, so that a stale entry differs from the slot's next owner.
    serial: u64,
    slot: usize,
}

impl Timer {
    pub(crate) const fn at(self) -> Time {
        self.at
    }
}

#[derive(Debug)]
struct Armed<K> {
    serial: u64,
    key: K,
}

impl<K: Copy> Timers<K> {
    pub(crate) fn new() -> Self {
        Self {
            runs: Default::default(),
            heap: BinaryHeap::new(),
            first: None,
            armed: Slab::new(),
            next_serial: 0,
        }
    }

    /// Returns when the next timer rings.
    pub(crate) fn next(&self) -> Option<Time> {
        self.first.map(Timer::at)
    }

    #[inline]
    pub(crate) fn arm(&mut self, at: Time, key: K) -> Timer {
        let serial = self.next_serial;
        self.next_serial += 1;
        let slot = self.armed.insert(Armed { serial, key });
        self.line_up(at, serial, slot);
        Timer { at, serial, slot }
    }

    /// Inserts the newest timer into a run or the heap. Takes its parts as arguments: a whole
    /// `Timer` would be written to memory and copied back. The copy would wait for all earlier
    /// writes, such as those to the job's record.
    fn line_up(&mut self, at: Time, serial: u64, slot: usize) {
        let timer = Timer { at, serial, slot };
        match self.best_run(at) {
            Some(run) => run.push_back(timer),
            None => self.heap.push(Reverse(timer)),
        }
        if self.first.is_none_or(|first| at < first.at) {
            self.first = Some(timer);
        }
    }

    /// Returns the run whose last timer rings closest before the newest one, so that runs of longer
    /// timers stay free for longer timers.
    fn best_run(&mut self, at: Time) -> Option<&mut VecDeque<Timer>> {
        let fits = self.runs.iter_mut().filter(|run| run.back().is_none_or(|last| last.at <= at));
        fits.max_by_key(|run| run.back().map(|last| last.at))
    }

    /// Disarms a timer. Does nothing if it has rung or was already disarmed.
    pub(crate) fn disarm(&mut self, timer: Timer) {
        if self.is_armed(timer) {
            self.armed.remove(timer.slot);
            self.tidy(timer);
        }
    }

    /// Removes the earliest timer if it rings at `now` or before, and returns its key.
    pub(crate) fn pop_due(&mut self, now: Time) -> Option<K> {
        let timer = self.first.filter(|timer| timer.at <= now)?;
        let armed = self.armed.remove(timer.slot)?;
        self.tidy(timer);
        Some(armed.key)
    }

    pub(crate) fn clear(&mut self) {
        self.runs.iter_mut().for_each(VecDeque::clear);
        self.heap.clear();
        self.first = None;
        self.armed.clear();
    }

    fn is_armed(&self, timer: Timer) -> bool {
        is_armed(&self.armed, timer)
    }

    fn entries(&self) -> usize {
        self.heap.len() + self.runs.iter().map(VecDeque::len).sum::<usize>()
    }

    /// Restores the invariant and the size limit after the removal of `gone`.
    fn tidy(&mut self, gone: Timer) {
        let Self { runs, heap, armed, .. } = self;
        if let Some(run) = runs.iter_mut().find(|run| run.front() == Some(&gone)) {
            while run.front().is_some_and(|&timer| !is_armed(armed, timer)) {
                run.pop_front();
            }
        } else {
            while heap.peek().is_some_and(|&Reverse(timer)| !is_armed(armed, timer)) {
                heap.pop();
            }
        }
        if self.first == Some(gone) {
            let runs = self.runs.iter().filter_map(|run| run.front().copied());
            self.first = runs.chain(self.heap.peek().map(|&Reverse(timer)| timer)).min();
        }
        if self.entries() > 2 * self.armed.len() + SLACK {
            let Self { runs, heap, armed, .. } = self;
            runs.iter_mut().for_each(|run| run.retain(|&timer| is_armed(armed, timer)));
            heap.retain(|&Reverse(timer)| is_armed(armed, timer));
        }
    }
}

fn is_armed<K>(armed: &Slab<Armed<K>>, timer: Timer) -> bool {
    armed.get(timer.slot).is_some_and(|armed| armed.serial == timer.serial)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SplitMix64;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    fn ring_all(timers: &mut Timers<u64>) -> Vec<u64> {
        std::iter::from_fn(|| timers.pop_due(at(u64::MAX))).collect()
    }

    #[test]
    fn they_ring_by_time_and_then_in_the_order_they_were_armed() {
        let mut timers = Timers::new();
        for (time, key) in [(20, 0), (10, 1), (20, 2), (10, 3)] {
            timers.arm(at(time), key);
        }
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(ring_all(&mut timers), [1, 3, 0, 2]);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn nothing_rings_before_its_time() {
        let mut timers = Timers::new();
        timers.arm(at(10), 'a');
        assert_eq!(timers.pop_due(at(9)), None);
        assert_eq!(timers.pop_due(at(10)), Some('a'));
    }

    #[test]
    fn a_disarmed_timer_is_neither_announced_nor_rung() {
        let mut timers = Timers::new();
        let first = timers.arm(at(10), 'a');
        timers.arm(at(20), 'b');
        timers.disarm(first);
        assert_eq!(timers.next(), Some(at(20)));
        assert_eq!(timers.pop_due(at(15)), None);
    }

    #[test]
    fn an_old_receipt_does_not_disarm_the_slots_next_owner() {
        let mut timers = Timers::new();
        let old = timers.arm(at(10), 'a');
        timers.disarm(old);
        let new = timers.arm(at(10), 'b');
        assert_eq!(old.slot, new.slot);
        timers.disarm(old);
        assert_eq!(timers.pop_due(at(10)), Some('b'));
    }

    #[test]
    #[cfg_attr(miri, ignore = "takes an interpreter hours")]
    fn a_million_disarmed_timers_leave_nothing_behind() {
        let mut timers = Timers::new();
        let lasting: Vec<_> = (0..100).map(|key| timers.arm(at(30_000_000), key)).collect();
        let mut widest = 0;
        for time in 0..1_000_000 {
            let timer = timers.arm(at(40_000_000 + time), 0);
            timers.disarm(timer);
            widest = widest.max(timers.entries());
        }
        assert!(widest <= 2 * (lasting.len() + 1) + SLACK, "{widest} entries for 100 timers");
        assert_eq!(timers.armed.len(), 100);
        for timer in lasting {
            timers.disarm(timer);
        }
        assert_eq!((timers.next(), timers.entries()), (None, 0));
    }

    #[test]
    fn timers_of_few_lengths_need_no_heap() {
        let mut timers = Timers::new();
        for now in 0..10_000 {
            for length in [300_000, 60_000] {
                timers.arm(at(now + length), now);
            }
            timers.pop_due(at(now));
        }
        // A timer with a new duration may displace another one at first, but later none does.
        assert!(timers.heap.len() <= 1, "{} on the heap", timers.heap.len());
    }

    #[test]
    fn it_agrees_with_a_sorted_list() {
        let (mut timers, mut list, mut random) = (Timers::new(), Vec::new(), SplitMix64::new(1));
        for _ in 0..10_000 {
            if random.next().is_multiple_of(3) && !list.is_empty() {
                let index = usize::try_from(random.next() % list.len() as u64).unwrap_or(0);
                timers.disarm(list.swap_remove(index));
            } else {
                list.push(timers.arm(at(random.next() % 500), random.next()));
            }
            assert_eq!(timers.next(), list.iter().min().map(|timer: &Timer| timer.at()));
        }
        assert_eq!(ring_all(&mut timers).len(), list.len());
    }
}
