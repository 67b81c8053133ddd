//! A pool that operators pause, enlarge and shrink while it runs, and the number of workers that it may have then.

use std::time::Duration;

use procpool_scheduler::{Config, Event, Time};

use crate::agenda::Happening;
use crate::broken::Broken;
use crate::ledger::holds;
use crate::plan::Story;
use crate::random::Random;
use crate::run::Run;

/// The temporary excess of a pool that has become smaller.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sizes {
    /// Largest maximum number of workers so far.
    pub(crate) peak: usize,
    /// Number of workers in service when the pool became smaller, less those that have gone since.
    in_service: usize,
    retiring: usize,
    was_resized: bool,
    /// Maximum number of jobs that may wait, or the number that waited when it became lower.
    queue: usize,
    /// Largest maximum of waiting bytes so far.
    pub(crate) most_queue_bytes: usize,
}

impl Sizes {
    pub(crate) fn of(config: &Config) -> Self {
        let (queue, most_queue_bytes) = (config.queue, config.queue_bytes);
        Self { peak: config.max_workers, queue, most_queue_bytes, ..Self::default() }
    }

    /// Returns the number of jobs that may wait now, of which `queued` do.
    pub(crate) fn queue_for(&mut self, config: &Config, queued: usize) -> usize {
        let before = self.queue;
        self.queue = config.queue.max(before.min(queued));
        config.queue.max(before)
    }

    pub(crate) fn reconfigured(&mut self, config: &Config) {
        self.queue = self.queue.max(config.queue);
        self.most_queue_bytes = self.most_queue_bytes.max(config.queue_bytes);
    }
}

impl Run {
    /// Schedules the resizes. Draws from numbers of its own, so that each seed keeps its meaning.
    pub(crate) fn schedule_sizes(&mut self, seed: u64, end: Time) {
        let mut random = Random::new(seed ^ 0x517e);
        if self.plan.story != Story::Storm || !random.percent(40) {
            return;
        }
        for _ in 0..random.between(1, 3) {
            let at = end.since(Time::ZERO).mul_f64(random.between(0, 1_000) as f64 / 1_000.0);
            let max = random.count(1, 6);
            let min = random.count(0, max as u64);
            self.agenda.put(Time::ZERO + at.max(Duration::from_micros(1)), Happening::Resize { min, max });
        }
    }

    /// Schedules pauses, each with its end. Draws from numbers of its own, so that each seed keeps its meaning.
    pub(crate) fn schedule_holds(&mut self, seed: u64, end: Time) {
        let mut random = Random::new(seed ^ 0x9a05e);
        if self.plan.story != Story::Storm || !random.percent(30) {
            return;
        }
        for _ in 0..random.between(1, 3) {
            let mut draw = || end.since(Time::ZERO).mul_f64(random.between(0, 1_000) as f64 / 1_000.0);
            let (one, other) = (Time::ZERO + draw(), Time::ZERO + draw());
            self.agenda.put(one.min(other), Happening::Pause);
            self.agenda.put(one.max(other), Happening::Resume);
        }
    }

    pub(crate) fn pause(&mut self) -> Result<(), Broken> {
        (self.is_held, self.is_closed) = (!self.is_ending, false);
        self.coverage.met("paused");
        self.feed(Event::Pause)
    }

    pub(crate) fn resume(&mut self) -> Result<(), Broken> {
        (self.is_held, self.is_closed) = (false, false);
        self.feed(Event::Resume)
    }

    pub(crate) fn resize(&mut self, min: usize, max: usize) -> Result<(), Broken> {
        (self.plan.config.min_workers, self.plan.config.max_workers) = (min, max);
        let retiring = self.processes.retiring();
        let in_service = self.processes.len() - retiring;
        let peak = self.sizes.peak.max(max);
        self.sizes = Sizes { peak, in_service, retiring, was_resized: true, ..self.sizes };
        self.coverage.met("resized");
        self.feed(Event::Resize { min, max })
    }

    /// Returns whether a worker may retire only because there are too many.
    pub(crate) fn are_too_many(&self, others: usize) -> bool {
        self.sizes.was_resized && others >= self.plan.config.max_workers
    }

    /// Returns whether more workers than the maximum may be in service, because the pool has become
    /// smaller.
    pub(crate) fn is_shrinking(&self) -> bool {
        self.sizes.in_service > self.plan.config.max_workers
    }

    pub(crate) fn check_size(&mut self) -> Result<(), Broken> {
        let (max, retiring) = (self.plan.config.max_workers, self.processes.retiring());
        let in_service = self.processes.len() - retiring;
        let Sizes { in_service: before, retiring: retired, .. } = self.sizes;
        holds(in_service <= max.max(before) + 1, "strength_is_bounded", || {
            format!("{in_service} workers of {max}")
        })?;
        holds(retiring <= max.max(retired), "strength_is_bounded", || {
            format!("{retiring} workers of {max} retire")
        })?;
        (self.sizes.in_service, self.sizes.retiring) = (before.min(in_service), retired.min(retiring));
        Ok(())
    }
}
