//! Decides the number of a map's jobs under way: enough that no worker runs out of jobs, and few enough that
//! their payloads do not fill the memory.

use crate::limits::PoolLimits;

/// Number of jobs for each worker: as many as the pool sends ahead.
const FOR_EACH: usize = 64;

/// Minimum for short jobs, in jobs, however few workers there are.
const SHORT: usize = 256;

/// Number of jobs while nothing is known of their size.
const FIRST: usize = 16;

/// Maximum total of the inputs, and of the outputs, of the jobs under way, in bytes.
const BYTES: usize = 64 << 20;

/// Decides how many jobs are under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// The number that the caller wants.
    pub(super) ahead: Option<usize>,
    /// Number of inputs that are one job.
    pub(super) chunk: usize,
    /// Maximum number of workers, which a resize changes.
    pub(super) workers: usize,
    /// Number of queue slots, which are shared with others.
    queue: usize,
    /// Size of the largest payload so far, in bytes, once a job has ended.
    largest: Option<usize>,
    largest_input: usize,
}

impl Window {
    pub(super) fn of(limits: &PoolLimits) -> Self {
        let (workers, queue) = (limits.max_workers, limits.queue);
        Self { ahead: None, chunk: 1, workers, queue, largest: None, largest_input: 0 }
    }

    /// Takes note of the size of an input, in bytes.
    pub(super) fn give(&mut self, bytes: usize) {
        self.largest_input = self.largest_input.max(bytes);
    }

    /// Takes note of the size of an output, in bytes.
    pub(super) fn take(&mut self, bytes: usize) {
        self.largest = self.largest.max(Some(bytes));
    }

    /// Returns the number of jobs that may be under way.
    pub(super) fn jobs(&self) -> usize {
        if let Some(ahead) = self.ahead {
            return ahead;
        }
        let busy = 2 * self.workers;
        let share = (self.queue / 2).max(busy);
        let most = match self.largest {
            None => FIRST,
            Some(_) => (FOR_EACH * self.workers).max(SHORT).div_ceil(self.chunk).max(2 * busy).min(share),
        };
        let largest = self.largest.unwrap_or_default().max(self.largest_input).max(1);
        most.min(BYTES / largest).max(busy)
    }

    /// Returns the number of jobs of one input each that may be under way when chunks are taken apart.
    pub(super) fn pieces(&self) -> usize {
        Self { chunk: 1, ..*self }.jobs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(workers: usize, queue: usize) -> Window {
        Window::of(&PoolLimits { max_workers: workers, queue, ..PoolLimits::default() })
    }

    #[test]
    fn few_jobs_are_under_way_until_one_has_shown_how_large_its_output_is() {
        let mut window = window(2, 1024);
        window.give(10);
        assert_eq!(window.jobs(), 16);
        window.take(10);
        assert_eq!(window.jobs(), 256);
    }

    #[test]
    fn large_payloads_make_it_narrow_and_workers_do_not_run_dry() {
        for (input, output) in [(10, 10 << 20), (10 << 20, 10)] {
            let mut window = window(2, 1024);
            window.give(input);
            window.take(output);
            assert_eq!(window.jobs(), 6);
            window.take(1 << 30);
            assert_eq!(window.jobs(), 4);
        }
    }

    #[test]
    fn others_find_room_in_the_queue() {
        let known = |workers, queue| {
            let mut window = window(workers, queue);
            window.take(0);
            window.jobs()
        };
        assert_eq!(known(2, 100), 50);
        assert_eq!(known(2, 0), 4);
        assert_eq!(known(64, 100_000), 64 * 64);
    }

    #[test]
    fn few_chunks_are_enough() {
        let mut window = Window { chunk: 1000, ..window(2, 1024) };
        window.take(10_000);
        assert_eq!(window.jobs(), 8);
    }

    #[test]
    fn the_callers_word_counts() {
        let mut window = Window { ahead: Some(3), ..window(8, 1024) };
        window.take(1 << 30);
        assert_eq!(window.jobs(), 3);
    }
}
