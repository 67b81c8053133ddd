//! A pool under three times the load that it can bear, with run times that vary, in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use procpool_scheduler::{Action, Config, Event, Health, JobId, Scheduler, Terms, Time, Verdict, WorkerId};

use crate::world::draw;

const WORKERS: u32 = 4;

/// Mean run time.
const RUN: Duration = Duration::from_millis(5);

/// The load.
pub(crate) struct Overload {
    /// By how much run times differ from the mean, in percent of it.
    pub(crate) spread: u64,
    /// In runs.
    pub(crate) deadline: u32,
    pub(crate) admission: bool,
}

/// The outcomes of the jobs, in percent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Jobs in time, of those that the pool could run.
    pub(crate) goodput: f64,
    /// Refused jobs that would have been in time with a tenth of it to spare, of all refused ones: a later job was.
    pub(crate) in_vain: f64,
}

struct Job {
    deadline: Time,
    answered: Option<Time>,
    is_refused: bool,
}

impl Overload {
    /// Offers as many jobs as fit in 400 times the run of each worker, three times.
    pub(crate) fn play(&self, seed: u64) -> Figures {
        let workers = usize::try_from(WORKERS).unwrap_or(1);
        let config = Config {
            min_workers: workers,
            max_workers: workers,
            queue: 100_000,
            admission: self.admission,
            ..Config::default()
        };
        let mut pool = Pool {
            scheduler: Scheduler::new(config, seed).expect("a valid configuration"),
            now: Time::ZERO,
            random: (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            spread: self.spread,
            spare: RUN * self.deadline / 10,
            running: BTreeMap::new(),
            jobs: Vec::new(),
        };
        pool.handle(Event::Start);
        (0..u64::from(WORKERS))
            .for_each(|id| pool.handle(Event::Ready { worker: WorkerId(id), takes_ahead: false }));
        let offered = 3 * 400 * WORKERS;
        let gap = RUN / (3 * WORKERS);
        for _ in 0..offered {
            pool.pass_until(pool.now + gap);
            let deadline = RUN * self.deadline;
            pool.jobs.push(Job { deadline: pool.now + deadline, answered: None, is_refused: false });
            let terms = Terms { timeout: Some(deadline), ..Terms::default() };
            pool.handle(Event::Submit { job: JobId(pool.jobs.len() as u64 - 1), terms });
        }
        let lasted = pool.now;
        pool.pass_until(pool.now + RUN * (self.deadline + 10));
        pool.figures(lasted)
    }
}

struct Pool {
    scheduler: Scheduler,
    now: Time,
    random: u64,
    spread: u64,
    /// A refusal is in vain if a job would have been in time by this much.
    spare: Duration,
    running: BTreeMap<(Time, WorkerId), JobId>,
    jobs: Vec<Job>,
}

impl Pool {
    fn figures(&self, lasted: Time) -> Figures {
        let in_time =
            self.jobs.iter().filter(|job| job.answered.is_some_and(|at| at <= job.deadline && at <= lasted));
        let possible = lasted.since(Time::ZERO).as_secs_f64() / RUN.as_secs_f64() * f64::from(WORKERS);
        let (mut refused, mut in_vain, mut earliest) = (0_u32, 0_u32, None::<Time>);
        for job in self.jobs.iter().rev() {
            if job.is_refused {
                refused += 1;
                in_vain += u32::from(earliest.is_some_and(|at| at + self.spare <= job.deadline));
            }
            earliest = [earliest, job.answered].into_iter().flatten().min();
        }
        Figures {
            goodput: 100.0 * in_time.count() as f64 / possible,
            in_vain: 100.0 * f64::from(in_vain) / f64::from(refused.max(1)),
        }
    }

    fn pass_until(&mut self, end: Time) {
        loop {
            let done = self.running.first_key_value().map(|(&(at, worker), &job)| (at, worker, job));
            let next = [done.map(|(at, ..)| at), self.scheduler.poll_timeout()].into_iter().flatten().min();
            let Some(next) = next.filter(|&next| next <= end) else { break };
            self.now = self.now.max(next);
            match done {
                Some((at, worker, job)) if at <= self.now => {
                    self.running.remove(&(at, worker));
                    self.handle(Event::Done { worker, job, health: Health::Sound });
                }
                _ => self.handle(Event::Tick),
            }
        }
        self.now = end;
    }

    fn handle(&mut self, event: Event) {
        self.scheduler.handle(self.now, event);
        while let Some(action) = self.scheduler.poll_action() {
            match action {
                Action::Refuse { job, .. }
                | Action::Resolve { job, verdict: Verdict::Unreachable { .. } } => {
                    self.job(job).is_refused = true;
                }
                // A job that is asked to end its run does not look, and ends as it would have.
                Action::Assign { worker, job, .. } => {
                    let percent = 100 - self.spread + draw(&mut self.random) % (2 * self.spread + 1);
                    let run = RUN.mul_f64(percent as f64 / 100.0);
                    self.running.insert((self.now + run, worker), job);
                }
                Action::Resolve { job, verdict: Verdict::Finished } => {
                    self.job(job).answered = Some(self.now);
                }
                _ => {}
            }
        }
    }

    fn job(&mut self, job: JobId) -> &mut Job {
        &mut self.jobs[usize::try_from(job.0).expect("a number of this world")]
    }
}
