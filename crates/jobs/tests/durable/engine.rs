//! An engine whose jobs do what a test says, and a store around it that a test can crash.

use procpool_jobs::{DurableJobs, DurableOptions, Enqueued, Jobs, Order, PoolOptions, Retry};
use procpool_protocol::engine::{Accepted, Engine, JobEvent, JobEvents, Submission, Watched};
use procpool_protocol::outcome::{Finished, Refusal, Refused, Timing};
use procpool_protocol::{Encoding, JobError, JobId, Payload};
use procpool_registry::{MemoryStore, Record, Settings};
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

/// A bound for an event that must come.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A job that the engine has.
pub(crate) struct Running {
    pub(crate) id: JobId,
    pub(crate) job: Submission,
    events: Mutex<Option<mpsc::UnboundedSender<JobEvent>>>,
    end: Mutex<Option<oneshot::Sender<Result<Payload, JobError>>>>,
}

impl Running {
    pub(crate) fn say(&self, event: JobEvent) {
        let events = self.events.lock().unwrap();
        // The process that listens may be gone.
        let _ = events.as_ref().expect("it has not ended").send(event);
    }

    pub(crate) fn end(&self, result: Result<Payload, JobError>) {
        self.events.lock().unwrap().take();
        let end = self.end.lock().unwrap().take().expect("it has not ended");
        let _ = end.send(result);
    }

    pub(crate) fn succeed(&self) {
        self.end(Ok(Payload::json("13")));
    }
}

/// The engine. Counts the jobs that were ever handed to it.
pub(crate) struct Scripted {
    jobs: watch::Sender<Vec<Arc<Running>>>,
    refusal: Mutex<Option<Refusal>>,
    cancelled: watch::Sender<Vec<JobId>>,
}

impl Scripted {
    pub(crate) fn new() -> Arc<Self> {
        let (jobs, cancelled) = (watch::Sender::new(Vec::new()), watch::Sender::new(Vec::new()));
        Arc::new(Self { jobs, refusal: Mutex::default(), cancelled })
    }

    /// Refuses further jobs for this reason, or takes them.
    pub(crate) fn refuse(&self, reason: Option<Refusal>) {
        *self.refusal.lock().unwrap() = reason;
    }

    /// Returns the number of jobs that it has taken so far.
    pub(crate) fn count(&self) -> usize {
        self.jobs.borrow().len()
    }

    /// Returns the nth job that it has taken, from 0, once it has.
    pub(crate) async fn nth(&self, nth: usize) -> Arc<Running> {
        let mut jobs = self.jobs.subscribe();
        let taken = jobs.wait_for(|jobs| jobs.len() > nth);
        soon(taken).await.unwrap()[nth].clone()
    }

    /// Waits until it was told to cancel a job.
    pub(crate) async fn cancelled(&self) -> JobId {
        let mut cancelled = self.cancelled.subscribe();
        let told = cancelled.wait_for(|jobs| !jobs.is_empty());
        soon(told).await.unwrap()[0]
    }
}

impl Engine for Scripted {
    fn submit(&self, _: Submission) -> Result<Accepted, JobError> {
        panic!("every job is watched")
    }

    fn submit_watched(&self, id: JobId, job: Submission) -> Result<Watched, JobError> {
        if let Some(reason) = self.refusal.lock().unwrap().clone() {
            return Err(Refused::new(job.pool, reason).into());
        }
        let (events, mut receiver) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        let (events, end) = (Mutex::new(Some(events)), Mutex::new(Some(end)));
        let running = Arc::new(Running { id, job, events, end });
        self.jobs.send_modify(|jobs| jobs.push(running));
        let outcome = async move {
            match ended.await {
                Ok(result) => Finished::new(id, Timing::default(), result.map_err(Box::new)),
                Err(_) => std::future::pending().await,
            }
        };
        let events = JobEvents::new(move |context| receiver.poll_recv(context));
        Ok(Watched::new(Accepted::new(id, outcome), events))
    }

    fn cancel(&self, job: JobId) -> bool {
        self.cancelled.send_modify(|jobs| jobs.push(job));
        true
    }
}

/// An engine, a storage, and the jobs over both.
pub(crate) struct Desk {
    pub(crate) engine: Arc<Scripted>,
    pub(crate) store: MemoryStore,
    pub(crate) jobs: DurableJobs,
}

impl Desk {
    pub(crate) fn new(pool: PoolOptions) -> Self {
        Self::over(MemoryStore::default(), pool)
    }

    pub(crate) fn over(store: MemoryStore, pool: PoolOptions) -> Self {
        Self::with(store, Scripted::new(), pool)
    }

    pub(crate) fn with(store: MemoryStore, engine: Arc<Scripted>, pool: PoolOptions) -> Self {
        let options = DurableOptions::new([("fib", pool)]);
        let jobs = DurableJobs::open(engine.clone(), Settings::on_disk(), store.clone(), options).unwrap();
        Self { engine, store, jobs }
    }

    /// Returns what the next process makes of it after a kill of this one.
    pub(crate) fn crash(&self, pool: PoolOptions) -> Self {
        Self::over(self.store.crash(), pool)
    }

    pub(crate) async fn enqueue(&self) -> Enqueued {
        soon(self.jobs.enqueue(order())).await.unwrap()
    }

    pub(crate) async fn record(&self, job: JobId) -> Arc<Record> {
        soon(self.jobs.job(job)).await.expect("a record")
    }

    /// Waits until the record is as it should be.
    pub(crate) async fn until(&self, job: JobId, is_it: impl Fn(&Record) -> bool) -> Arc<Record> {
        let mut record = self.record(job).await;
        while !is_it(&record) {
            record = soon(self.jobs.changed(job, record.version)).await.expect("a record");
        }
        record
    }
}

pub(crate) async fn soon<F: Future>(future: F) -> F::Output {
    timeout(SOON, future).await.expect("it comes soon")
}

pub(crate) fn order() -> Order {
    Order::new(Submission::new("fib", Payload::json("7"), Encoding::Json))
}

pub(crate) fn id(enqueued: &Enqueued) -> JobId {
    enqueued.decision.record().id
}

/// A pool whose jobs run once.
pub(crate) fn once() -> PoolOptions {
    PoolOptions::default()
}

/// A pool whose jobs may be repeated, with this number of attempts.
pub(crate) fn idempotent(attempts: u32) -> PoolOptions {
    let mut options = PoolOptions::default();
    (options.idempotent, options.max_attempts) = (true, attempts);
    options
}

/// The same with retries, at once.
pub(crate) fn retried(attempts: u32) -> PoolOptions {
    let mut options = idempotent(1);
    let mut retry = Retry::default();
    (retry.max_attempts, retry.first, retry.jitter) = (attempts, Duration::ZERO, 0.0);
    options.retry = retry;
    options
}

pub(crate) fn reason<T>(refused: Result<T, JobError>) -> Refusal {
    match refused {
        Err(JobError::Refused(refused)) => refused.reason,
        Err(other) => panic!("not refused: {other}"),
        Ok(_) => panic!("not refused"),
    }
}
