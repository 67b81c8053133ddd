//! [`Schedules`]: submits the jobs of schedules when they are due. The times are those of `procpool-schedules`, this file
//! asks and submits. `shared` does so for schedules that other servers have, too.

mod notes;
mod shared;

pub use notes::{MemoryNotes, Note, NoteOfJob, Notes, Run};
pub use shared::{Away, Entry, Kept, Ledger};

use crate::interface::{Jobs, Order};
use procpool_protocol::engine::Submission;
use procpool_protocol::outcome::Refusal;
use procpool_protocol::{JobError, JobId};
use procpool_registry::Record;
use procpool_schedules::{Schedule, Wall};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Maximum time between two looks at the clock: it may have been set.
const LOOK: Duration = Duration::from_secs(30);

/// Time after which a run is submitted again that its pool has refused for the moment.
const RETRY: Duration = Duration::from_secs(5);

/// Reads the wall clock.
pub type Clock = dyn Fn() -> Wall + Send + Sync;

/// A schedule with its job.
#[derive(Clone, Debug)]
pub struct Scheduled {
    /// Its name.
    pub name: Arc<str>,
    /// The line and the zone of its times, as they were written.
    pub written: (String, String),
    /// Its times and rules.
    pub schedule: Schedule,
    /// The job of each run.
    pub job: Submission,
}

impl Scheduled {
    /// Returns who asks for the jobs of this schedule: `schedule:NAME`.
    fn principal(&self) -> Arc<str> {
        format!("schedule:{}", self.name).into()
    }

    /// Returns its state at this time.
    fn status(&self, note: Note, now: Wall, record: Option<Arc<Record>>) -> Status {
        let next = self.schedule.step(Some(note.done.max(now)), now, false).next;
        let Note { last, left_out, .. } = note;
        Status { of: self.clone(), next, last, left_out, record }
    }
}

/// A schedule, with its next run and its last.
#[derive(Clone, Debug)]
pub struct Status {
    /// The schedule.
    pub of: Scheduled,
    /// When its next run is due, if ever.
    pub next: Option<Wall>,
    /// Its last run.
    pub last: Option<Run>,
    /// Number of runs that were left out so far.
    pub left_out: u64,
    /// The job of the last run, as long as it is remembered.
    pub record: Option<Arc<Record>>,
}

/// An event of one schedule.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Report {
    /// The run that was due at this time is this job.
    Submitted(Wall, JobId),
    /// This number of runs was left out: they were missed, or the run before was unfinished.
    LeftOut(usize),
    /// The run that was due at this time was refused, and is tried again.
    Postponed(Wall, JobError),
    /// The run that was due at this time was refused for good.
    Refused(Wall, JobError),
    /// Schedules that several servers share wait, because their store does not answer. It is told once.
    Away(String),
    /// That store answers again.
    Back,
}

/// The schedules of a server. Clones share them.
#[derive(Clone)]
pub struct Schedules(Arc<Inner>);

struct Inner {
    jobs: Arc<dyn Jobs>,
    notes: Arc<dyn Notes>,
    clock: Box<Clock>,
    all: Mutex<Arc<[Scheduled]>>,
    /// Ring when they have been replaced: for those of this server alone, and for those that are shared.
    replaced: Notify,
    replaced_shared: Notify,
    /// Held while the notes of a schedule of this server alone change.
    stepping: tokio::sync::Mutex<()>,
    seen: shared::Seen,
    /// Notes that were not written.
    unwritten: Mutex<HashMap<Arc<str>, Unwritten>>,
}

/// A note that was not written, and the one that was there instead.
struct Unwritten {
    note: Note,
    written: Option<Note>,
}

impl fmt::Debug for Schedules {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Schedules").field("all", &self.all()).finish_non_exhaustive()
    }
}

impl Schedules {
    /// Returns no schedules. Their jobs go to `jobs`, and `clock` says when they are due.
    pub fn new(
        jobs: Arc<dyn Jobs>,
        notes: Arc<dyn Notes>,
        clock: impl Fn() -> Wall + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(Inner {
            jobs,
            notes,
            clock: Box::new(clock),
            all: Mutex::new(Arc::new([])),
            replaced: Notify::new(),
            replaced_shared: Notify::new(),
            stepping: tokio::sync::Mutex::default(),
            seen: shared::Seen::default(),
            unwritten: Mutex::default(),
        }))
    }

    /// Replaces the schedules. One that keeps its name goes on from where it is, also with other times. The jobs that
    /// were submitted are not affected.
    pub async fn replace(&self, new: impl Into<Arc<[Scheduled]>>) {
        let new = new.into();
        let names: HashSet<_> = new.iter().map(|it| it.name.clone()).collect();
        let _stepping = self.0.stepping.lock().await;
        let old = std::mem::replace(&mut *self.0.all.lock().unwrap_or_else(PoisonError::into_inner), new);
        for gone in old.iter().filter(|it| !names.contains(&it.name)) {
            self.0.notes.forget(&gone.name).await;
            self.0.seen.forget(&gone.name);
            self.unwritten().remove(&gone.name);
        }
        self.0.replaced.notify_one();
        self.0.replaced_shared.notify_one();
    }

    /// Submits what is due, for ever. A run begins within about a second of its time, or within 30 seconds if the clock
    /// was set. Dropping the future stops it. One may run at a time.
    pub async fn run(&self, told: impl Fn(&str, Report)) {
        // A store that does not answer holds up its own schedules only.
        tokio::join!(self.run_alone(&told), self.run_shared(&told));
    }

    async fn run_alone(&self, told: &impl Fn(&str, Report)) {
        loop {
            let mut wait = LOOK;
            for scheduled in self.all().iter().filter(|it| self.ledger_of(it).is_none()) {
                wait = wait.min(self.step(scheduled, told).await);
            }
            let _ = tokio::time::timeout(wait, self.0.replaced.notified()).await;
        }
    }

    /// Submits the job of a schedule now, beside its times. Returns `None` if there is no such schedule.
    ///
    /// # Errors
    /// The refusal of the job.
    pub async fn run_now(&self, name: &str) -> Option<Result<JobId, JobError>> {
        let all = self.all();
        let scheduled = all.iter().find(|it| &*it.name == name)?;
        if let Some(ledger) = self.ledger_of(scheduled) {
            return Some(self.run_shared_now(&*ledger, scheduled).await);
        }
        let _stepping = self.0.stepping.lock().await;
        let now = (self.0.clock)();
        let note = self.note(scheduled, now).await;
        Some(self.submit(scheduled, now, note).await)
    }

    /// Returns the schedules, in the order in which they were given.
    pub async fn list(&self) -> Vec<Status> {
        let all = self.all();
        let now = (self.0.clock)();
        let (mut list, mut away) = (Vec::with_capacity(all.len()), false);
        for scheduled in &*all {
            if let Some(ledger) = self.ledger_of(scheduled) {
                list.push(self.shared_status(&*ledger, scheduled, &mut away).await);
                continue;
            }
            let note = self.note(scheduled, now).await;
            let record = self.last_job(&note).await;
            list.push(scheduled.status(note, now, record));
        }
        list
    }

    /// Returns the pool of a schedule.
    #[must_use]
    pub fn pool_of(&self, name: &str) -> Option<String> {
        self.all().iter().find(|it| &*it.name == name).map(|it| it.job.pool.clone())
    }

    fn all(&self) -> Arc<[Scheduled]> {
        self.0.all.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn has(&self, name: &str) -> bool {
        self.all().iter().any(|it| &*it.name == name)
    }

    fn unwritten(&self) -> MutexGuard<'_, HashMap<Arc<str>, Unwritten>> {
        self.0.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what was noted of a schedule last, also if it was not written: its run would be submitted again.
    async fn noted(&self, name: &str) -> Option<Note> {
        let written = self.0.notes.get(name).await;
        let mut unwritten = self.unwritten();
        match unwritten.get(name) {
            Some(other) if other.written == written => return Some(other.note.clone()),
            // It has been written since, beside a job.
            Some(_) => drop(unwritten.remove(name)),
            None => {}
        }
        written
    }

    async fn put(&self, name: &Arc<str>, note: Note) {
        if self.0.notes.put(name, note.clone()).await {
            self.unwritten().remove(name);
        } else {
            let written = self.0.notes.get(name).await;
            self.unwritten().insert(name.clone(), Unwritten { note, written });
        }
    }

    /// Returns what was noted of a schedule. A new one begins now.
    async fn note(&self, scheduled: &Scheduled, now: Wall) -> Note {
        let noted = self.noted(&scheduled.name).await;
        noted.unwrap_or(Note { done: now, last: None, left_out: 0 })
    }

    async fn last_job(&self, note: &Note) -> Option<Arc<Record>> {
        let job = note.last.as_ref()?.job.as_ref().ok()?;
        self.0.jobs.job(*job).await
    }

    /// Submits the job of a run, and notes that it is the last one, in one step where that is possible.
    async fn submit(&self, scheduled: &Scheduled, at: Wall, note: Note) -> Result<JobId, JobError> {
        let Inner { jobs, notes, .. } = &*self.0;
        let with = move |job| Note { last: Some(Run { at, job: Ok(job) }), ..note.clone() };
        let mut order = Order::new(scheduled.job.clone());
        order.principal = Some(scheduled.principal());
        // A reload may make the pool durable at this moment, or no longer. Only the store that takes the job knows.
        order.note = notes.beside(&scheduled.name, Box::new(with.clone()));
        let enqueued = jobs.enqueue(order).await?;
        let job = enqueued.decision.record().id;
        if !enqueued.is_noted {
            self.put(&scheduled.name, with(job)).await;
        }
        Ok(job)
    }

    /// Submits the runs of one schedule that are due. Returns when to look again.
    async fn step(&self, scheduled: &Scheduled, told: &impl Fn(&str, Report)) -> Duration {
        let name = &scheduled.name;
        let _stepping = self.0.stepping.lock().await;
        if !self.has(name) {
            return LOOK;
        }
        let now = (self.0.clock)();
        let noted = self.noted(name).await;
        let is_new = noted.is_none();
        let mut note = noted.unwrap_or(Note { done: now, last: None, left_out: 0 });
        let is_running = self.last_job(&note).await.is_some_and(|record| !record.state.is_finished());
        let step = scheduled.schedule.step(Some(note.done), now, is_running);
        // A note costs a write. Without a run since, the old one says the same, unless the clock was wrong.
        let is_news = is_new || step.left_out > 0 || step.done < note.done;
        note.left_out += step.left_out as u64;
        for (index, &at) in step.due.iter().enumerate() {
            // The last run takes along whatever there is to note.
            note.done = if index + 1 == step.due.len() { step.done } else { at };
            match self.submit(scheduled, at, note.clone()).await {
                Ok(job) => {
                    told(name, Report::Submitted(at, job));
                    note.last = Some(Run { at, job: Ok(job) });
                }
                Err(error) if is_for_the_moment(&error) => {
                    told(name, Report::Postponed(at, error));
                    return RETRY;
                }
                Err(error) => {
                    note.last = Some(Run { at, job: Err(error.to_string()) });
                    told(name, Report::Refused(at, error));
                    self.put(name, note.clone()).await;
                }
            }
        }
        if step.left_out > 0 {
            told(name, Report::LeftOut(step.left_out));
        }
        if is_news && step.due.is_empty() {
            note.done = step.done;
            self.put(name, note).await;
        }
        step.next.map_or(LOOK, |next| next.since(now).clamp(Duration::from_secs(1), LOOK))
    }
}

/// Returns whether the same run may be accepted later. A configuration has no schedule without its pool: one that is unknown
/// is removed by a reload that has not replaced the schedules yet.
fn is_for_the_moment(error: &JobError) -> bool {
    let is_unknown =
        matches!(error, JobError::Refused(refused) if matches!(refused.reason, Refusal::UnknownPool { .. }));
    is_unknown || error.is_retryable()
}
