//! One run: who does what next, and what has to hold.

use super::bugs::{Bug, Met};
use super::recipe::{limits, recipe};
use super::worker::{CHUNKS, Does, Fake};
use crate::pool::state::State;
use crate::pool::state::events::Events;
use procpool_protocol::outcome::Finished;
use procpool_protocol::{JobError, JobId};
use procpool_scheduler::{Config, Event, JobId as Key, Scheduler, Time, WorkerId};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// A run that takes more steps than this stands still.
const MOST_STEPS: u32 = 60_000;

/// Number of steps after which nothing is killed or cancelled: a job that has not ended by then has to end by
/// itself.
const CALM: u32 = 1_500;

/// A job as its caller sees it.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) number: u8,
    pub(super) does: Does,
    pub(super) events: Option<Arc<Events>>,
    pub(super) begun: u32,
    /// A worker was killed from outside while it had begun this.
    pub(super) is_lost: bool,
    pub(super) is_cancelled: bool,
    pub(super) chunks: u32,
    pub(super) outcome: Option<oneshot::Receiver<Finished>>,
}

#[derive(Debug)]
pub(super) struct Run {
    pub(super) bug: Option<Bug>,
    pub(super) random: StdRng,
    pub(super) now: Time,
    pub(super) state: State,
    pub(super) workers: BTreeMap<WorkerId, Fake>,
    pub(super) jobs: BTreeMap<u8, Job>,
    pub(super) names: BTreeMap<u8, (Key, JobId)>,
    pub(super) to_submit: u8,
    /// Numbers of jobs that come when memory has just been taken back.
    pub(super) late: RangeInclusive<u8>,
    pub(super) is_calm: bool,
    pub(super) journal: Vec<String>,
    pub(super) met: Met,
}

pub(super) type Checked = Result<(), String>;

impl Run {
    pub(super) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let workers = random.random_range(1..=3);
        let config =
            Config { min_workers: workers, max_workers: workers, queue: 200, ahead: 8, ..Config::default() };
        let scheduler = Scheduler::new(config, seed).expect("a configuration");
        Self {
            bug,
            now: Time::ZERO,
            state: State::new(recipe(), &limits(), false, scheduler),
            workers: BTreeMap::new(),
            jobs: BTreeMap::new(),
            names: BTreeMap::new(),
            to_submit: random.random_range(20..200),
            late: 200..=u8::MAX,
            is_calm: false,
            random,
            journal: Vec::new(),
            met: Met::default(),
        }
    }

    pub(super) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub(super) fn percent(&mut self, percent: u32) -> bool {
        self.random.random_range(0..100) < percent
    }

    /// Runs until every job has its outcome.
    pub(super) fn play(&mut self) -> Checked {
        self.act(|state, now, effects| state.handle(now, Event::Start, effects))?;
        for step in 0..MOST_STEPS {
            self.is_calm = step > CALM;
            if self.to_submit == 0 && self.jobs.values().all(|job| job.outcome.is_none()) {
                return Ok(());
            }
            self.step()?;
        }
        let open: Vec<_> =
            self.jobs.values().filter(|job| job.outcome.is_some()).map(|job| job.number).collect();
        Err(format!("progress: {open:?} do not end"))
    }

    pub(super) fn step(&mut self) -> Checked {
        let pause = match self.random.random_range(0..500) {
            0 => Duration::from_millis(11_000),
            1..=3 => Duration::from_millis(3),
            _ => Duration::from_nanos(self.random.random_range(1..2_000)),
        };
        self.now = self.now + pause;
        if pause > Duration::from_secs(1) {
            self.take_back()?;
            self.submit_late()?;
        }
        if self.state.armed().is_some_and(|armed| armed <= self.now) {
            self.act(|state, now, effects| state.handle(now, Event::Tick, effects))?;
        }
        let at = self.random.random_range(0..self.workers.len().max(1));
        let worker = self.workers.keys().nth(at).copied();
        match (self.random.random_range(0..100), worker) {
            (0..20, _) => self.submit(),
            (20, _) if !self.is_calm && self.percent(10) => self.cancel(),
            (21, _) => self.take_back(),
            (22, Some(worker)) if !self.is_calm && self.percent(15) => self.bury(worker, true),
            (20..45, Some(worker)) => {
                self.write(worker);
                Ok(())
            }
            (45..49, Some(worker)) => {
                self.workers.get_mut(&worker).map(Fake::obey);
                Ok(())
            }
            (49..75, Some(worker)) => self.work(worker),
            (75..95, Some(worker)) => self.hear(worker),
            (_, Some(worker)) => self.hear_control(worker),
            (_, None) => Ok(()),
        }
    }

    /// Looks at the outcomes that there are.
    pub(super) fn look(&mut self) -> Checked {
        self.read_all();
        for job in self.jobs.values_mut() {
            let Some(finished) = job.outcome.as_mut().and_then(|outcome| outcome.try_recv().ok()) else {
                continue;
            };
            job.outcome = None;
            self.journal.push(format!("{:?} {} ends", self.now, job.number));
            match finished.result {
                Ok(output) => {
                    let is_right = output.bytes.iter().all(|&byte| byte == job.number);
                    if !is_right || output.bytes.is_empty() {
                        return Err(format!("answers: job {} has another's", job.number));
                    }
                    let expected = if job.does == Does::Streams { CHUNKS } else { 0 };
                    if job.chunks != expected {
                        return Err(format!("chunks: job {} has {} of {expected}", job.number, job.chunks));
                    }
                }
                Err(error) => match *error {
                    JobError::Crashed(_) if job.is_lost => {}
                    JobError::Cancelled { .. } if job.is_cancelled => {}
                    error => return Err(format!("innocence: job {} ends as {error}", job.number)),
                },
            }
        }
        Ok(())
    }
}
