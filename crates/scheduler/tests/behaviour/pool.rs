//! A scheduler with a clock in milliseconds and short names for events and actions. Does not:
//! assert anything.

use std::time::Duration;

use procpool_scheduler::{
    Action, Backoff, Config, Death, Event, Fingerprint, Generation, Health, JobId, Limit, Refusal, ReloadEnd,
    Scheduler, Stage, Terms, Time, Verdict, WorkerId, WorkerState,
};

pub(crate) const GRACE: u64 = 1_000;
pub(crate) const STOP_TIMEOUT: u64 = 5_000;

pub(crate) fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn at(millis: u64) -> Time {
    Time::ZERO + ms(millis)
}

/// Returns settings with equal minimum and maximum numbers of workers, so that demand starts none.
pub(crate) fn fixed(workers: usize) -> Config {
    Config { max_workers: workers, ..elastic(workers, workers) }
}

pub(crate) fn elastic(min_workers: usize, max_workers: usize) -> Config {
    Config {
        min_workers,
        max_workers,
        queue: 10,
        grace: ms(GRACE),
        stop_timeout: ms(STOP_TIMEOUT),
        backoff: Backoff::default(),
        ..Config::default()
    }
}

pub(crate) struct Pool {
    pub(crate) scheduler: Scheduler,
    now: Time,
}

impl Pool {
    pub(crate) fn new(config: Config) -> Self {
        let scheduler = Scheduler::new(config, 1).expect("a valid configuration");
        Self { scheduler, now: Time::ZERO }
    }

    /// Returns a pool whose first workers, numbered from 0, are ready.
    pub(crate) fn ready(config: Config) -> Self {
        let mut pool = Self::new(config);
        for action in pool.handle(Event::Start) {
            let Action::Start { worker, .. } = action else { panic!("{action:?}") };
            pool.handle(Event::Ready { worker, takes_ahead: config.ahead > 0 });
        }
        pool
    }

    /// Returns a pool of one ready worker with job 0.
    pub(crate) fn busy() -> Self {
        let mut pool = Self::ready(fixed(1));
        assert_eq!(pool.submit(0), [assign(0, 0)]);
        pool
    }

    /// Sets the time of all later events.
    pub(crate) fn at(&mut self, millis: u64) -> &mut Self {
        self.now = at(millis);
        self
    }

    pub(crate) fn handle(&mut self, event: Event) -> Vec<Action> {
        self.scheduler.handle(self.now, event);
        std::iter::from_fn(|| self.scheduler.poll_action()).collect()
    }

    pub(crate) fn submit(&mut self, job: u64) -> Vec<Action> {
        self.submit_with(job, None, None)
    }

    pub(crate) fn submit_with(&mut self, job: u64, timeout: Option<u64>, run: Option<u64>) -> Vec<Action> {
        self.offer(
            job,
            Terms { timeout: timeout.map(ms), run_timeout: run.map(ms), attempts: 1, ..Terms::default() },
        )
    }

    pub(crate) fn submit_repeatable(&mut self, job: u64, timeout: Option<u64>, attempts: u32) -> Vec<Action> {
        self.offer(job, Terms { timeout: timeout.map(ms), attempts, ..Terms::default() })
    }

    /// Submits a job whose payload is known, with this number of attempts.
    pub(crate) fn submit_payload(&mut self, job: u64, payload: u64, attempts: u32) -> Vec<Action> {
        let fingerprint = Some(Fingerprint(payload));
        self.offer(job, Terms { attempts, fingerprint, ..Terms::default() })
    }

    /// Submits a job with a payload of this number of bytes.
    pub(crate) fn submit_bytes(&mut self, job: u64, bytes: usize) -> Vec<Action> {
        self.offer(job, Terms { attempts: 1, bytes, ..Terms::default() })
    }

    fn offer(&mut self, job: u64, terms: Terms) -> Vec<Action> {
        self.handle(Event::Submit { job: JobId(job), terms })
    }

    pub(crate) fn cancel(&mut self, job: u64) -> Vec<Action> {
        self.handle(Event::Cancel { job: JobId(job) })
    }

    pub(crate) fn up(&mut self, worker: u64) -> Vec<Action> {
        self.handle(Event::Ready { worker: WorkerId(worker), takes_ahead: false })
    }

    pub(crate) fn done(&mut self, worker: u64, job: u64) -> Vec<Action> {
        self.handle(Event::Done { worker: WorkerId(worker), job: JobId(job), health: Health::Sound })
    }

    pub(crate) fn panicked(&mut self, worker: u64, job: u64) -> Vec<Action> {
        self.handle(Event::Done { worker: WorkerId(worker), job: JobId(job), health: Health::Suspect })
    }

    pub(crate) fn died(&mut self, worker: u64) -> Vec<Action> {
        self.died_of(worker, Death::Own, None)
    }

    pub(crate) fn died_before_handover(&mut self, worker: u64) -> Vec<Action> {
        let (worker, death) = (WorkerId(worker), Death::Own);
        self.handle(Event::Died { worker, begun: 0, death, fingerprint: None })
    }

    pub(crate) fn died_of(&mut self, worker: u64, death: Death, payload: Option<u64>) -> Vec<Action> {
        let fingerprint = payload.map(Fingerprint);
        self.handle(Event::Died { worker: WorkerId(worker), begun: 1, death, fingerprint })
    }

    pub(crate) fn reload(&mut self, generation: u64) -> Vec<Action> {
        self.handle(Event::Reload { generation: Generation(generation) })
    }

    pub(crate) fn violated(&mut self, worker: u64) -> Vec<Action> {
        self.handle(Event::Violated { worker: WorkerId(worker) })
    }

    pub(crate) fn kill(&mut self, worker: u64) -> Vec<Action> {
        self.handle(Event::Kill { worker: WorkerId(worker) })
    }

    pub(crate) fn drain(&mut self, limit: Option<u64>) -> Vec<Action> {
        self.handle(Event::Drain { limit: limit.map(ms) })
    }

    pub(crate) fn tick(&mut self) -> Vec<Action> {
        self.handle(Event::Tick)
    }

    /// Jumps to the next timeout and ticks there.
    pub(crate) fn tick_when_due(&mut self) -> Vec<Action> {
        self.now = self.scheduler.poll_timeout().expect("something is due");
        self.tick()
    }

    pub(crate) fn now(&self) -> Time {
        self.now
    }

    /// Lets this number of workers die before they are ready, one after the other.
    pub(crate) fn fail_to_start(&mut self, times: u64) {
        self.handle(Event::Start);
        for worker in 0..times {
            assert_eq!(self.died(worker), []);
            if worker + 1 < times {
                assert_eq!(self.tick_when_due(), [start(worker + 1)]);
            }
        }
    }

    pub(crate) fn state(&self, worker: u64) -> Option<WorkerState> {
        self.scheduler.workers().find(|&(id, ..)| id.0 == worker).map(|(_, state, _)| state)
    }
}

pub(crate) const QUEUE_FULL: Refusal = Refusal::QueueFull;
pub(crate) const FINISHED: Verdict = Verdict::Finished;
pub(crate) const CRASHED: Verdict =
    Verdict::Crashed { handed_over: true, payload_deaths: 0, quarantined: None };
pub(crate) const CANCELLED_QUEUED: Verdict = Verdict::Cancelled { stage: Stage::Queued };
pub(crate) const CANCELLED_RUNNING: Verdict = Verdict::Cancelled { stage: Stage::Running };
pub(crate) const SHUT_DOWN_QUEUED: Verdict = Verdict::ShutDown { stage: Stage::Queued };
pub(crate) const SHUT_DOWN_RUNNING: Verdict = Verdict::ShutDown { stage: Stage::Running };
pub(crate) const EXPIRED_QUEUED: Verdict = Verdict::TimedOut { stage: Stage::Queued, limit: Limit::Total };
pub(crate) const EXPIRED_RUNNING: Verdict = Verdict::TimedOut { stage: Stage::Running, limit: Limit::Total };
pub(crate) const RAN_TOO_LONG: Verdict = Verdict::TimedOut { stage: Stage::Running, limit: Limit::Run };

pub(crate) fn refuse(job: u64, reason: Refusal) -> Action {
    Action::Refuse { job: JobId(job), reason }
}

pub(crate) fn start(worker: u64) -> Action {
    start_of(worker, 0)
}

pub(crate) fn start_of(worker: u64, generation: u64) -> Action {
    Action::Start { worker: WorkerId(worker), generation: Generation(generation) }
}

pub(crate) fn reloaded(generation: u64, end: ReloadEnd) -> Action {
    Action::Reloaded { generation: Generation(generation), end }
}

pub(crate) fn assign(worker: u64, job: u64) -> Action {
    Action::Assign { worker: WorkerId(worker), job: JobId(job), attempt: 1, remaining: None }
}

pub(crate) fn assign_for(worker: u64, job: u64, millis: u64) -> Action {
    Action::Assign { worker: WorkerId(worker), job: JobId(job), attempt: 1, remaining: Some(ms(millis)) }
}

pub(crate) fn resolve(job: u64, verdict: Verdict) -> Action {
    Action::Resolve { job: JobId(job), verdict }
}

pub(crate) fn cancel(worker: u64, job: u64) -> Action {
    Action::Cancel { worker: WorkerId(worker), job: JobId(job) }
}

pub(crate) fn kill(worker: u64, job: impl Into<Option<u64>>) -> Action {
    Action::Kill { worker: WorkerId(worker), job: job.into().map(JobId) }
}

pub(crate) fn retire(worker: u64) -> Action {
    Action::Retire { worker: WorkerId(worker) }
}
