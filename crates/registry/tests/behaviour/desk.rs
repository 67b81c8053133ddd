//! A registry with a clock that the test moves, and words for what tests say often.

use std::sync::Arc;
use std::time::Duration;

use procpool_protocol::engine::Submission;
use procpool_protocol::outcome::{Finished, Timing};
use procpool_protocol::{Encoding, JobError, JobId, Payload, Stage};
use procpool_registry::{
    Cursor, Decision, Effect, Event, Filter, Fingerprint, Handled, KeyText, Offer, Record, Refused, Registry,
    Settings, Time,
};

use crate::tested::{Tested, empty};

pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);

pub(crate) struct Desk {
    pub(crate) registry: Registry<Tested>,
    pub(crate) now: Time,
    last: u128,
}

impl Desk {
    pub(crate) fn new() -> Self {
        Self::with(|_| ())
    }

    pub(crate) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        Self::over(empty(), settings, 7)
    }

    pub(crate) fn over(storage: Tested, settings: Settings, number: u64) -> Self {
        let registry = Registry::with_storage(storage, settings, number).expect("settings that fit");
        Self { registry, now: Time::ZERO + HOUR, last: u128::from(number) << 64 }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    pub(crate) fn tick(&mut self) {
        self.registry.tick(self.now);
    }

    /// Returns an offer under a new id.
    pub(crate) fn a_job(&mut self) -> Offer {
        self.last += 1;
        Offer::new(JobId::from_bits(self.last), "fib")
    }

    /// Returns an offer with a key, for a body that `body` stands for.
    pub(crate) fn keyed(&mut self, key: &str, body: u8) -> Offer {
        let mut offer = self.a_job();
        offer.key = Some((KeyText::parse(key.as_bytes()).expect("a key"), Fingerprint([body; 32])));
        offer
    }

    pub(crate) fn offer(&mut self, offer: Offer) -> Result<Decision, Refused> {
        self.registry.offer(self.now, offer)
    }

    /// Offers a job that runs as new.
    #[track_caller]
    pub(crate) fn run(&mut self, offer: Offer) -> JobId {
        match self.offer(offer) {
            Ok(Decision::Run(record)) => record.id,
            other => panic!("did not run as new: {other:?}"),
        }
    }

    /// Runs a job without a key that is queued.
    pub(crate) fn queued(&mut self) -> JobId {
        let offer = self.a_job();
        let job = self.run(offer);
        self.done(job, Event::Queued);
        job
    }

    /// Runs a job without a key that a worker has.
    pub(crate) fn running(&mut self) -> JobId {
        let job = self.queued();
        self.start(job);
        job
    }

    /// Runs a job without a key that has ended successfully.
    pub(crate) fn finished(&mut self) -> JobId {
        let job = self.running();
        self.finish(job, ok("6"));
        job
    }

    pub(crate) fn start(&mut self, job: JobId) {
        self.done(job, Event::started(1, "fib-1"));
    }

    pub(crate) fn finish(&mut self, job: JobId, result: Result<Payload, Box<JobError>>) {
        self.done(job, ends(job, result));
    }

    pub(crate) fn handle(&mut self, job: JobId, event: Event) -> Handled {
        self.registry.handle(self.now, job, event)
    }

    #[track_caller]
    pub(crate) fn done(&mut self, job: JobId, event: Event) {
        let text = format!("{event:?}");
        assert_eq!(self.handle(job, event), Handled::Done, "{text}");
    }

    #[track_caller]
    pub(crate) fn record(&self, job: JobId) -> Arc<Record> {
        self.registry.job(job).expect("a record of this job")
    }

    pub(crate) fn has(&self, job: JobId) -> bool {
        self.registry.job(job).is_some()
    }

    pub(crate) fn effects(&mut self) -> Vec<Effect> {
        std::iter::from_fn(|| self.registry.poll_effect()).collect()
    }

    /// Returns the jobs of a whole list, page by page.
    pub(crate) fn list(&self, filter: &Filter, limit: usize) -> Vec<JobId> {
        let (mut jobs, mut cursor): (_, Option<Cursor>) = (Vec::new(), None);
        loop {
            let page = self.registry.list(filter, cursor, limit).expect("a cursor of this registry");
            assert!(page.jobs.len() <= limit);
            jobs.extend(page.jobs.iter().map(|record| record.id));
            match page.next {
                Some(next) => cursor = Some(next),
                None => return jobs,
            }
        }
    }
}

pub(crate) fn ok(output: &str) -> Result<Payload, Box<JobError>> {
    Ok(Payload::json(output.to_owned()))
}

/// Returns an input of this many bytes.
pub(crate) fn input(count: usize) -> Option<Arc<Submission>> {
    Some(Arc::new(Submission::new("fib", Payload::raw(vec![1; count]), Encoding::Json)))
}

/// Returns an output of this many bytes.
pub(crate) fn bytes(count: usize) -> Result<Payload, Box<JobError>> {
    Ok(Payload::raw(vec![0; count]))
}

/// Returns the outcome of a job that was cancelled in this stage.
pub(crate) fn cancelled(stage: Stage) -> Result<Payload, Box<JobError>> {
    Err(Box::new(JobError::cancelled(stage)))
}

pub(crate) fn ends(job: JobId, result: Result<Payload, Box<JobError>>) -> Event {
    Event::finished(Finished::new(job, Timing::default(), result))
}
