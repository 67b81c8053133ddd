//! [`Registry`]: takes offers and events, and returns decisions and effects. Its rules are in the
//! other files of this folder, one subject each.

mod bodies;
mod cancelling;
mod doubt;
mod durable;
mod keys;
mod listing;
mod retention;
mod watching;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;

use procpool_protocol::JobId;

pub use self::bodies::ResultState;
pub use self::cancelling::{Cancelled, Selection, Trial};
use self::doubt::Doubt;
pub use self::durable::Attempts;
pub use self::listing::{MAX_PAGE, Page};
pub use self::watching::Resumed;
use crate::effect::{Dropped, Effect, Gone};
use crate::event::Event;
use crate::history::Histories;
use crate::memory::Memory;
use crate::offer::{Decision, Offer, Refused};
use crate::record::{Body, Claim, Record, State};
use crate::settings::{Settings, SettingsError};
use crate::size;
use crate::storage::{Storage, Usage};
use crate::time::Time;
use crate::transition::{Decided, decide};

/// The jobs whose requests may end before they do.
///
/// It promises:
///
/// - Every accepted job has one record, and at most one outcome.
/// - A key runs no second time while it lives: from the acceptance of its job until
///   [`Retention::keys`](crate::Retention::keys) after the end of its job. It is free earlier only
///   if its job certainly did not run.
/// - Records, keys, inputs, results and events stay within their [`Settings`]. No record of an
///   unfinished job makes room for another, and none that a key protects. Jobs are refused
///   instead.
/// - Every change of a record has a new version, and an [`Effect::Changed`].
/// - A watcher receives every event of a job in order, or a reset with the whole state.
/// - A list has every job that matches it all the time, once. Its cost does not depend on the
///   number of other jobs.
///
/// After each call, drain [`poll_effect`](Self::poll_effect). Call [`tick`](Self::tick) at
/// [`poll_timeout`](Self::poll_timeout). `now` never runs backwards: an earlier time counts as the
/// latest one.
#[derive(Debug)]
pub struct Registry<S = Memory> {
    storage: S,
    settings: Settings,
    histories: Histories,
    effects: VecDeque<Effect>,
    /// The registry itself holds the queue: its jobs wait in the storage, and it ends those that wait too long.
    holds_queue: bool,
    doubt: Doubt,
    /// Distinguishes the cursors of this registry from those of others.
    number: u64,
    now: Time,
}

/// Whether an event has changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handled {
    /// It has.
    Done,
    /// It does not fit the state of the job.
    Stale,
    /// There is no such job.
    Unknown,
}

impl Registry {
    /// Returns an empty registry in memory. `number` is random: it distinguishes the registry's
    /// cursors from those of others.
    ///
    /// # Errors
    /// When the settings do not fit together.
    pub fn new(settings: Settings, number: u64) -> Result<Self, SettingsError> {
        Self::with_storage(Memory::default(), settings, number)
    }
}

impl<S: Storage> Registry<S> {
    /// Returns a registry over this storage.
    ///
    /// # Errors
    /// When the settings do not fit together.
    pub fn with_storage(storage: S, settings: Settings, number: u64) -> Result<Self, SettingsError> {
        settings.check()?;
        let (histories, effects) = (Histories::default(), VecDeque::new());
        let (holds_queue, doubt, now) = (false, Doubt::default(), Time::ZERO);
        Ok(Self { storage, settings, histories, effects, holds_queue, doubt, number, now })
    }

    /// Decides about a job that a client submits. A job that runs as new is
    /// [`State::Accepted`](crate::State::Accepted) until its pool has answered.
    ///
    /// # Errors
    /// When there is no room, or the id is taken. Finished jobs without a key may be gone even so.
    pub fn offer(&mut self, now: Time, mut offer: Offer) -> Result<Decision, Refused> {
        self.advance(now);
        let input = offer.input.take();
        let bytes = input.as_deref().map_or(0, size::of_input);
        let admitted = self.admit(&offer);
        if !matches!(admitted, Ok(ControlFlow::Continue(_))) {
            // The caller may hold a lock, under which nothing large is dropped.
            self.effects.extend(input.clone().map(Dropped::Input).map(Effect::Drop));
        }
        let mut record = match admitted? {
            ControlFlow::Continue(record) => record,
            ControlFlow::Break(decision) => return Ok(decision),
        };
        record.input = self.hold_input(offer.id, input);
        if self.holds_queue && record.input == Body::Gone {
            return Err(Refused::NoRoomForInput { bytes });
        }
        let record = Arc::new(record);
        self.storage.put(record.clone());
        if self.holds_queue {
            // A log for each of a million waiting jobs would take more memory than the queue may.
            self.effects.push_back(Effect::Changed(record.id));
        } else {
            self.note(None, &record);
        }
        Ok(Decision::Run(record))
    }

    /// Takes an event of a job.
    pub fn handle(&mut self, now: Time, job: JobId, event: Event) -> Handled {
        self.advance(now);
        let Some(record) = self.storage.get(job) else {
            self.drop_event(event);
            return Handled::Unknown;
        };
        if let Event::Chunk(chunk) = event {
            return self.take_chunk(&record, chunk);
        }
        match decide(&record, &self.settings.retention, self.now, &event) {
            Decided::Stale => {
                self.drop_event(event);
                return Handled::Stale;
            }
            Decided::Forget => self.forget(&record, Gone::Refused),
            Decided::Next(next) => self.apply(&record, *next, event),
        }
        Handled::Done
    }

    /// Lets expire what has reached its age, a bounded number of jobs at once. If more is overdue,
    /// [`poll_timeout`](Self::poll_timeout) has passed already.
    pub fn tick(&mut self, now: Time) {
        self.advance(now);
        self.expire(retention::PER_TICK);
        self.bound_dead();
    }

    /// Returns when [`tick`](Self::tick) has something to do, if ever.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Time> {
        self.storage.next_expiry()
    }

    /// Returns the next effect, if any.
    #[must_use]
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Returns the record of a job.
    #[must_use]
    pub fn job(&self, job: JobId) -> Option<Arc<Record>> {
        self.storage.get(job)
    }

    /// Returns the record of the job with this id as text. A text that is no id names no job.
    ///
    /// ```
    /// # use procpool_registry::{Registry, Settings};
    /// let registry = Registry::new(Settings::default(), 7)?;
    /// assert!(registry.job_named("no-id").is_none());
    /// # Ok::<(), procpool_registry::SettingsError>(())
    /// ```
    #[must_use]
    pub fn job_named(&self, id: &str) -> Option<Arc<Record>> {
        self.job(id.parse().ok()?)
    }

    /// Returns what the registry holds, without events.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.storage.usage()
    }

    /// Returns the number of bytes of all events.
    #[must_use]
    pub fn event_bytes(&self) -> u64 {
        self.histories.bytes()
    }

    /// Returns the settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Ends the registry, and returns the storage. A registry over it continues.
    #[must_use]
    pub fn into_storage(self) -> S {
        self.storage
    }

    /// Returns the storage.
    #[must_use]
    pub fn storage(&self) -> &S {
        &self.storage
    }

    fn advance(&mut self, now: Time) {
        self.now = self.now.max(now);
    }

    /// Returns the record of a job that runs as new, for which there is room, or what else is
    /// decided.
    fn admit(&mut self, offer: &Offer) -> Result<ControlFlow<Decision, Record>, Refused> {
        if let Some(decision) = self.by_key(offer) {
            return Ok(ControlFlow::Break(decision));
        }
        if self.storage.get(offer.id).is_some() {
            return Err(Refused::IdTaken(offer.id));
        }
        let record = self.record_of(offer);
        self.make_room(&record)?;
        Ok(ControlFlow::Continue(record))
    }

    /// Returns the first version of an offered job, without its input.
    fn record_of(&self, offer: &Offer) -> Record {
        let claim = offer.key.as_ref().map(|(text, fingerprint)| Claim {
            key: Arc::new(keys::scoped(offer, text)),
            fingerprint: *fingerprint,
        });
        Record {
            seq: self.storage.newest() + 1,
            id: offer.id,
            pool: offer.pool.clone(),
            principal: offer.principal.clone(),
            claim,
            priority: offer.priority,
            state: if self.holds_queue { State::Queued } else { State::Accepted },
            version: 1,
            attempt: 0,
            accepted: self.now,
            started: None,
            finished: None,
            deadline: offer.deadline,
            due: offer.not_before.filter(|&due| self.holds_queue && due > self.now),
            progress: None,
            worker: None,
            may_have_run: false,
            is_cancelled: false,
            rerun_of: offer.rerun_of,
            result: Body::None,
            input: Body::None,
            bodies_expire: None,
            key_expires: None,
            expires: offer.deadline.filter(|_| self.holds_queue),
        }
    }

    /// Puts a record's next version, with everything that follows from it.
    fn apply(&mut self, record: &Record, mut next: Record, event: Event) {
        let reaches_pool =
            matches!(event, Event::Cancel | Event::Queued | Event::Returned | Event::Started { .. });
        if let Event::Finished(finished) = event {
            next.result = self.hold_result(next.id, next.result, finished);
        }
        let next = Arc::new(next);
        self.storage.put(next.clone());
        self.note(Some(record), &next);
        if next.is_spare_dead() {
            self.bound_dead();
        }
        // The pool has the job once it has accepted it. It receives a cancel with each attempt.
        if reaches_pool && next.is_cancelled && next.state != State::Accepted {
            self.effects.push_back(Effect::Cancel(next.id));
        }
    }

    /// Passes on what an event without effect holds.
    fn drop_event(&mut self, event: Event) {
        let dropped = match event {
            Event::Chunk(chunk) => Dropped::Chunk(chunk),
            Event::Finished(finished) => Dropped::Result(finished),
            _ => return,
        };
        self.effects.push_back(Effect::Drop(dropped));
    }
}
