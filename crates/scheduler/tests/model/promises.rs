//! The promises that hold after every step, and those that hold after a period without faults.

use std::collections::BTreeSet;
use std::time::Duration;

use procpool_scheduler::{Config, Event, Settings, WorkerId, WorkerState};

use crate::run::Run;

/// Maximum total number of bytes of the jobs of a worker that has jobs ahead.
const BYTES_AHEAD: usize = 128 * 1024;

/// Run time of a worker's first job after which the pool recalls the jobs behind it.
const PATIENCE: Duration = Duration::from_millis(2);

/// The temporary excess of a pool that has become smaller.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Largest maximum number of workers so far.
    pub(crate) peak: usize,
    /// Number of workers in service when the pool became smaller, less those that have gone since.
    pub(crate) in_service: usize,
    pub(crate) retiring: usize,
    /// Largest maximum number of jobs that may wait so far.
    pub(crate) queue: usize,
}

impl Run {
    /// Returns the number of workers in service, and the number of retiring ones.
    fn counts(&self) -> (usize, usize) {
        let retiring =
            self.scheduler.workers().filter(|&(_, state, _)| state == WorkerState::Retiring).count();
        (self.scheduler.workers().count() - retiring, retiring)
    }

    /// Applies another number of workers from the next event on.
    pub(crate) fn resize(&mut self, min: usize, max: usize) {
        let max = max.max(1);
        (self.config.min_workers, self.config.max_workers) = (min.min(max), max);
        let (in_service, retiring) = self.counts();
        self.bounds = Bounds { peak: self.bounds.peak.max(max), in_service, retiring, ..self.bounds };
    }

    /// Applies other settings from the next event on.
    pub(crate) fn reconfigure(&mut self, settings: Settings) {
        self.config.apply(settings);
        self.bounds.queue = self.bounds.queue.max(settings.queue);
    }

    fn check_size(&mut self) {
        let (max, workers) = (self.config.max_workers, self.counts());
        let Bounds { in_service, retiring, .. } = &mut self.bounds;
        // One more is allowed during a replacement.
        assert!(workers.0 <= max.max(*in_service) + 1, "too many workers: {:?}", self.scheduler);
        assert!(workers.1 <= max.max(*retiring), "too many retiring workers: {:?}", self.scheduler);
        (*in_service, *retiring) = ((*in_service).min(workers.0), (*retiring).min(workers.1));
    }

    /// Checks that a worker gets at most `ahead` jobs ahead, and none while another worker
    /// could take them.
    pub(crate) fn check_ahead(&self, worker: WorkerId) {
        let Config { ahead, process_per_job, .. } = self.config;
        let held = &self.world.alive[&worker].held;
        assert!(held.len() <= 1 + ahead && !process_per_job, "{worker} has {held:?}, {ahead} may be ahead");
        let bytes: usize = held.iter().map(|&job| self.ledger.bytes(job)).sum();
        assert!(bytes <= BYTES_AHEAD, "{worker} has {bytes} bytes to run");
        let mut states = self.scheduler.workers().map(|(_, state, _)| state);
        assert!(!states.any(|state| state == WorkerState::Idle), "{worker} gets a job, another is idle");
    }

    pub(crate) fn recall(&mut self, worker: WorkerId) {
        self.world.recall(worker);
        let turn = self.world.process(worker).turn;
        assert!(turn + PATIENCE <= self.now, "{worker} is recalled though its job is brisk");
    }

    pub(crate) fn check(&mut self, event: Event) {
        self.check_size();
        let Config { process_per_job, .. } = self.config;
        let (queued, running) = (self.scheduler.queued(), self.scheduler.running());
        assert_eq!(queued + running, self.ledger.open().count(), "the job tables disagree");
        assert_eq!(running, self.ledger.out(), "the job tables disagree about who has a worker");
        self.check_bounds();
        let workers: Vec<_> = self.scheduler.workers().collect();
        let known: BTreeSet<_> = workers.iter().map(|&(id, ..)| id).collect();
        assert_eq!(known, self.world.alive.keys().copied().collect(), "the workers disagree");
        for &(id, _, job) in &workers {
            let process = &self.world.alive[&id];
            // The end of a drain has also ended the jobs that workers hold ahead, and removes them.
            let is_forgotten = job.is_none() && self.is_draining && process.is_killed;
            assert!(is_forgotten || job == process.first(), "{id} runs another job than is known");
        }
        let count = |state| workers.iter().filter(|&&(_, it, _)| it == state).count();
        let is_asked = self.world.asked.iter().any(|&job| self.ledger.is_open(job));
        let waiting = queued - self.scheduler.set_apart();
        let is_held = is_asked || self.is_paused;
        assert!(waiting == 0 || is_held || count(WorkerState::Idle) == 0, "a job waits, a worker is idle");
        assert!(self.open_reloads.len() <= 3, "reloads pile up: {:?}", self.open_reloads);
        assert!(
            !process_per_job || workers.iter().all(|&(id, ..)| self.world.alive[&id].jobs_done <= 1),
            "{workers:?}"
        );

        let counters = self.scheduler.counters();
        assert_eq!(counters.accepted, counters.resolved + (queued + running) as u64);
        assert_eq!(counters.starts, counters.deaths + workers.len() as u64);
        match event {
            Event::Tick => self.check_times(),
            Event::Stalled { worker, has_begun } => self.check_stalled(worker, has_begun),
            _ => {}
        }
    }

    /// Checks that the number of waiting jobs stays within its limits, in the queue and aside.
    fn check_bounds(&self) {
        let (Config { queue_bytes, ahead, poison, .. }, queue) = (self.config, self.bounds.queue);
        let (queued, apart) = (self.scheduler.queued(), self.scheduler.set_apart());
        let most_apart = if poison.deaths > 0 { queue.max(1) } else { 0 };
        // Jobs return to the queue if their workers died before they had begun them. This includes
        // the jobs of a surplus worker.
        let most = queue + (self.bounds.peak + 1) * (1 + ahead) + most_apart;
        assert!(queued <= most, "{queued} jobs wait in a queue of {queue}");
        assert!(apart <= most_apart, "{apart} jobs are set apart, {most_apart} may wait");
        let bytes = self.scheduler.set_apart_bytes();
        assert!(apart <= 1 || bytes <= queue_bytes, "{bytes} bytes are set apart, {queue_bytes} may wait");
    }

    fn check_times(&self) {
        assert!(self.scheduler.poll_timeout().is_none_or(|at| at > self.now), "a busy loop of ticks");
        for (job, entry) in self.ledger.open() {
            assert!(entry.deadline.is_none_or(|end| end > self.now), "job {job} outlives its deadline");
        }
        for (id, process) in &self.world.alive {
            let first = process.first().filter(|&job| self.ledger.is_open(job));
            let limit = first.and_then(|job| self.ledger.run_timeout(job));
            let is_over = limit.is_some_and(|limit| process.turn + limit <= self.now);
            assert!(!is_over || process.is_killed, "{first:?} outlives its run timeout");
            // The scheduler checks only every so often.
            let is_slow = process.held.len() > 1 && process.waited_for + 2 * PATIENCE <= self.now;
            // A worker that has hung up is about to die, and its death returns the jobs.
            let is_going = process.is_killed || process.has_hung_up;
            assert!(!is_slow || process.is_recalled || is_going, "jobs wait behind a slow one of {id}");
        }
    }

    /// Checks that a worker that was stopped before it began a job does not stay. Its jobs go to
    /// others.
    fn check_stalled(&self, worker: WorkerId, has_begun: bool) {
        let Some(process) = self.world.alive.get(&worker) else { return };
        let is_going = process.is_killed || process.is_retiring || process.has_hung_up;
        assert!(!process.is_up || is_going || has_begun, "{worker} has been stopped, and stays");
    }

    /// Simulates a quiet period: no new requests, time passes, all workers are healthy. At its end
    /// every job that could end has ended, and the pool is at its strength.
    pub(crate) fn settle(&mut self) {
        self.handle(Event::Resume);
        for _ in 0..10_000 {
            self.handle(Event::Tick);
            while let Some(event) = self.react() {
                self.handle(event);
            }
            if self.is_at_rest() {
                return self.check_rest();
            }
            match self.scheduler.poll_timeout() {
                Some(due) => self.now = due,
                None => panic!("nothing will ever happen: {:?}", self.scheduler),
            }
        }
        panic!("the pool does not come to rest: {:?}", self.scheduler);
    }

    /// Returns whether every job and every reload has ended, and the pool is at its strength or
    /// gone. Renewal of workers for their age never ends, so it does not count.
    fn is_at_rest(&self) -> bool {
        let mut workers = self.scheduler.workers();
        let is_awake = self.has_submitted || (self.is_started && !self.config.lazy);
        let least = if is_awake { self.config.min_workers } else { 0 };
        self.ledger.open().next().is_none()
            && self.open_reloads.is_empty()
            && match self.is_draining {
                true => self.is_drained,
                false => {
                    self.world.alive.len() >= least && workers.all(|(_, state, _)| state == WorkerState::Idle)
                }
            }
    }

    fn check_rest(&self) {
        let (current, max) = (self.scheduler.generation(), self.config.max_workers);
        assert!(self.world.alive.values().all(|process| process.generation == current), "outdated workers");
        assert!(self.world.alive.len() <= max, "one too many: {:?}", self.scheduler);
        assert!(!self.scheduler.is_reloading(), "{:?}", self.scheduler);
        assert!(
            self.world.alive.values().all(|process| !process.is_dismissed),
            "one was to retire, and stays"
        );
    }
}
