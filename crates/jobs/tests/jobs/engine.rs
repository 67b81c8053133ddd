//! An engine whose jobs do what a test says.

use procpool_protocol::engine::{Accepted, Engine, JobEvent, JobEvents, Submission, Watched};
use procpool_protocol::outcome::{Finished, Refusal, Refused, Timing};
use procpool_protocol::{JobError, JobId, Payload};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// The engine's answer to a job.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Accept,
    RefuseSlowly,
}

/// A job that the engine has.
pub(crate) struct Running {
    pub(crate) id: JobId,
    events: Mutex<Option<mpsc::UnboundedSender<JobEvent>>>,
    end: Mutex<Option<oneshot::Sender<Result<Payload, JobError>>>>,
}

impl Running {
    /// Reports an event.
    pub(crate) fn say(&self, event: JobEvent) {
        let events = self.events.lock().unwrap();
        events.as_ref().expect("it has not ended").send(event).unwrap();
    }

    /// Ends the job, and with it its events.
    pub(crate) fn end(&self, result: Result<Payload, JobError>) {
        self.events.lock().unwrap().take();
        let end = self.end.lock().unwrap().take().expect("it has not ended");
        assert!(end.send(result).is_ok());
    }
}

pub(crate) struct Scripted {
    answer: Mutex<Answer>,
    jobs: Mutex<Vec<Arc<Running>>>,
    offered: Mutex<usize>,
    cancelled: Mutex<Vec<JobId>>,
}

impl Scripted {
    pub(crate) fn new() -> Arc<Self> {
        let (jobs, offered, cancelled) = (Mutex::default(), Mutex::default(), Mutex::default());
        Arc::new(Self { answer: Mutex::new(Answer::Accept), jobs, offered, cancelled })
    }

    pub(crate) fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// Returns the only job that was accepted.
    pub(crate) fn only(&self) -> Arc<Running> {
        let jobs = self.jobs.lock().unwrap();
        assert_eq!(jobs.len(), 1);
        jobs[0].clone()
    }

    /// Returns the job with this id.
    pub(crate) fn running(&self, id: JobId) -> Arc<Running> {
        let jobs = self.jobs.lock().unwrap();
        jobs.iter().find(|job| job.id == id).expect("it was accepted").clone()
    }

    /// Ends every job that has not ended.
    pub(crate) fn end_all(&self, result: impl Fn() -> Result<Payload, JobError>) {
        for job in self.jobs.lock().unwrap().drain(..) {
            job.end(result());
        }
    }

    /// Returns the number of jobs that were offered.
    pub(crate) fn count(&self) -> usize {
        *self.offered.lock().unwrap()
    }

    pub(crate) fn cancelled(&self) -> Vec<JobId> {
        self.cancelled.lock().unwrap().clone()
    }
}

impl Engine for Scripted {
    fn submit(&self, _: Submission) -> Result<Accepted, JobError> {
        panic!("every job is watched")
    }

    fn submit_watched(&self, id: JobId, job: Submission) -> Result<Watched, JobError> {
        *self.offered.lock().unwrap() += 1;
        if let Answer::RefuseSlowly = *self.answer.lock().unwrap() {
            // sleep: the moment in which another request may see the record.
            std::thread::sleep(Duration::from_millis(2));
            return Err(Refused::new(job.pool, Refusal::queue_full(1)).into());
        }
        let (events, mut receiver) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        self.jobs.lock().unwrap().push(Arc::new(Running {
            id,
            events: Mutex::new(Some(events)),
            end: Mutex::new(Some(end)),
        }));
        let outcome = async move {
            let result = ended.await.expect("the test ends it");
            Finished::new(id, Timing::default(), result.map_err(Box::new))
        };
        let events = JobEvents::new(move |context| receiver.poll_recv(context));
        Ok(Watched::new(Accepted::new(id, outcome), events))
    }

    fn cancel(&self, job: JobId) -> bool {
        self.cancelled.lock().unwrap().push(job);
        true
    }
}
