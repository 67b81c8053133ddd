//! A pool whose jobs all run for the same time, in virtual time, under more load than it can bear.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use procpool_scheduler::{
    Action, Config, Event, Health, JobId, Refusal, Scheduler, Terms, Time, Verdict, WorkerId,
};

/// A scheduler that does not know what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Each job is said to have half a run less time than it has.
    TakesDeadlinesForEarlier,
    /// Each job is said to have half a run more.
    TakesDeadlinesForLater,
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Waits,
    Refused,
    /// At this time.
    Finished(Time),
    /// Out of time, or given back.
    Late,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    pub(crate) end: End,
    pub(crate) deadline: Time,
}

/// See the file.
pub(crate) struct World {
    scheduler: Scheduler,
    now: Time,
    run: Duration,
    random: u64,
    bug: Option<Bug>,
    /// When each running job is done. A job that must be given up is done at once.
    running: BTreeMap<(Time, WorkerId), JobId>,
    given_up: BTreeSet<JobId>,
    fates: Vec<Fate>,
    /// By how much a job would have been late, and when it may come back.
    pub(crate) retries: Vec<(Duration, Duration)>,
}

/// Number of jobs that run one after the other before there is load.
const LEARNED: u64 = 32;

const LOAD: usize = 60;

impl World {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let workers = 1 + usize::try_from(draw(&mut random) % 6).unwrap_or(0);
        let run = Duration::from_micros(200 + draw(&mut random) % 20_000);
        let config = Config {
            min_workers: workers,
            max_workers: workers,
            queue: 1_000,
            admission: true,
            ..Config::default()
        };
        let mut scheduler = Scheduler::new(config, seed).expect("a valid configuration");
        scheduler.handle(Time::ZERO, Event::Start);
        let mut world = Self {
            scheduler,
            now: Time::ZERO,
            run,
            random,
            bug,
            running: BTreeMap::new(),
            given_up: BTreeSet::new(),
            fates: Vec::new(),
            retries: Vec::new(),
        };
        for worker in 0..workers {
            world
                .scheduler
                .handle(world.now, Event::Ready { worker: WorkerId(worker as u64), takes_ahead: false });
        }
        while world.scheduler.poll_action().is_some() {}
        for job in 0..LEARNED {
            world.submit(JobId(1_000 + job), None);
            world.pass_until(None);
        }
        world
    }

    /// Plays the load. The job that is `let_in` has no deadline, so that it is accepted.
    pub(crate) fn play(&mut self, let_in: Option<usize>) -> Vec<Fate> {
        for job in 0..LOAD {
            // Bursts, and on average more than twice the capacity.
            let gap = if self.draw().is_multiple_of(4) { self.draw() % 1_000 } else { 0 };
            self.pass_until(Some(self.now + self.run.mul_f64(gap as f64 / 500.0)));
            // An idle worker is given every job, so that none is hopeless.
            let timeout = self.run.mul_f64(1.0 + (self.draw() % 1_000) as f64 / 100.0);
            self.fates.push(Fate { end: End::Waits, deadline: self.now + timeout });
            let told = match self.bug {
                Some(Bug::TakesDeadlinesForEarlier) => timeout.saturating_sub(self.run / 2),
                Some(Bug::TakesDeadlinesForLater) => timeout + self.run / 2,
                _ => timeout,
            };
            self.submit(JobId(job as u64), (let_in != Some(job)).then_some(told));
        }
        self.pass_until(None);
        std::mem::take(&mut self.fates)
    }

    fn submit(&mut self, job: JobId, timeout: Option<Duration>) {
        let terms = Terms { timeout, ..Terms::default() };
        self.handle(Event::Submit { job, terms }, timeout);
    }

    /// Lets everything happen until that time, or until nothing is left.
    fn pass_until(&mut self, end: Option<Time>) {
        loop {
            let done = self.running.first_key_value().map(|(&(at, worker), &job)| (at, worker, job));
            let due = self.scheduler.poll_timeout().filter(|_| !self.running.is_empty());
            let next = [done.map(|(at, ..)| at), due].into_iter().flatten().min();
            let Some(next) = next.filter(|&next| end.is_none_or(|end| next <= end)) else { break };
            self.now = self.now.max(next);
            match done {
                // An answer that comes with the deadline is in time.
                Some((at, worker, job)) if at <= self.now => {
                    self.running.remove(&(at, worker));
                    self.handle(Event::Done { worker, job, health: Health::Sound }, None);
                }
                _ => self.handle(Event::Tick, None),
            }
        }
        self.now = self.now.max(end.unwrap_or(self.now));
    }

    fn handle(&mut self, event: Event, timeout: Option<Duration>) {
        self.scheduler.handle(self.now, event);
        while let Some(action) = self.scheduler.poll_action() {
            match action {
                Action::Refuse { job, reason } => {
                    let Refusal::Unreachable { predicted, retry } = reason else { panic!("{reason:?}") };
                    self.retries.push((predicted - timeout.unwrap_or_default(), retry));
                    self.ends(job, End::Refused);
                }
                Action::Assign { worker, job, .. } => {
                    self.running.insert((self.now + self.run, worker), job);
                }
                Action::Cancel { worker, job } => {
                    self.running.retain(|&(_, it), _| it != worker);
                    self.running.insert((self.now, worker), job);
                    self.given_up.insert(job);
                }
                Action::Resolve { job, verdict: Verdict::Finished } => {
                    self.ends(job, End::Finished(self.now));
                }
                Action::Resolve { job, .. } => self.ends(job, End::Late),
                _ => {}
            }
        }
    }

    fn ends(&mut self, job: JobId, end: End) {
        if let Some(fate) = usize::try_from(job.0).ok().and_then(|job| self.fates.get_mut(job)) {
            fate.end = end;
        }
    }

    fn draw(&mut self) -> u64 {
        draw(&mut self.random)
    }
}

/// Returns the next number of xorshift64.
pub(crate) fn draw(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state >> 11
}
