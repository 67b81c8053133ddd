//! [`Turn`]: what one server does about one schedule that several servers share, as a state machine without I/O and clock.
//!
//! A run is noted under the id of its job before the job is submitted, and marked as sent afterwards. A server that finds a
//! run without the mark submits its job under the same id, unless the store has the job already. So a server may end
//! at any step.

use super::ledger::{Entry, Kept};
use crate::scheduled::{LOOK, Note, RETRY, Report, Run, is_for_the_moment};
use procpool_protocol::outcome::Refusal;
use procpool_protocol::{JobError, JobId};
use procpool_schedules::{Schedule, Wall};
use std::time::Duration;

/// Time for which a run is left to the server that has noted it.
pub(super) const GRACE: Duration = Duration::from_secs(5);

/// The clocks of two servers of the store may differ by this.
const MARGIN: Duration = Duration::from_secs(10);

/// Maximum number of lost races in a turn.
const RACES: u32 = 20;

const TOO_LATE: &str =
    "no server submitted its job for as long as outcomes are kept, so that it may have run";
const OTHER_POOL: &str =
    "the schedule got another pool before its job was certainly submitted; it may have run";

/// A question to the store. Each has one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// Read the entry.
    Read,
    /// Does the store have this job of this pool, and has it ended?
    Look(String, JobId),
    /// Replace the entry of this version.
    Write(u64, Entry),
    /// Submit the job under this id.
    Submit(JobId),
    /// Nothing further. The next turn is after this time.
    Rest(Duration),
}

/// The answer to the question before.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// There was none: the turn begins.
    Begin,
    Read(Option<Kept>),
    Looked(Option<bool>),
    /// The entry has this version now.
    Written(u64),
    /// The entry has another version than expected.
    Conflict,
    Submitted,
    Refused(JobError),
}

/// The step after a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Plan,
    Submit,
    Rest,
}

#[derive(Debug)]
enum State {
    Reading,
    LookingForUnsent,
    LookingForLast,
    Writing(Entry, Then, usize),
    Submitting,
}

/// A schedule, as a turn needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of<'a> {
    pub(super) schedule: &'a Schedule,
    pub(super) pool: &'a str,
    /// Time for which the store remembers that a job has run.
    pub(super) retain: Duration,
}

/// A turn of one server about one schedule.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    of: Of<'a>,
    now: Wall,
    /// A run that was submitted by hand, to note it.
    by_hand: Option<Run>,
    /// The job that this server has noted last.
    mine: Option<JobId>,
    version: u64,
    age: Duration,
    entry: Entry,
    state: State,
    races: u32,
    told: Vec<Report>,
}

impl<'a> Turn<'a> {
    /// Returns a turn at this time of the store. `mine` is the job that this server has noted last. A run by hand is noted;
    /// without one, runs that are due are submitted.
    pub(super) fn new(of: Of<'a>, now: Wall, mine: Option<JobId>, by_hand: Option<Run>) -> Self {
        let entry = new(of.pool, now);
        let (version, age, races) = (0, Duration::ZERO, 0);
        Self { of, now, by_hand, mine, version, age, entry, state: State::Reading, races, told: Vec::new() }
    }

    /// Returns the job that this server has noted last. To be kept for the next turn, however this one ends.
    pub(super) const fn mine(&self) -> Option<JobId> {
        self.mine
    }

    /// Returns the events since the last call.
    pub(super) fn told(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.told)
    }

    /// Takes an answer, and returns the next question. `spare` is the id for a job that is noted now.
    pub(super) fn next(&mut self, answer: Answer, spare: JobId) -> Ask {
        let state = std::mem::replace(&mut self.state, State::Reading);
        match (state, answer) {
            (State::Reading, Answer::Read(kept)) => self.found(kept, spare),
            (State::LookingForUnsent, Answer::Looked(Some(_))) => self.mark(),
            (State::LookingForUnsent, Answer::Looked(None)) => self.repair(),
            (State::LookingForLast, Answer::Looked(ended)) => self.plan(Some(ended == Some(false)), spare),
            (State::Writing(entry, then, left_out), Answer::Written(version)) => {
                self.written(version, entry, left_out);
                match then {
                    Then::Plan => self.plan(None, spare),
                    Then::Submit => self.submit(),
                    Then::Rest => Ask::Rest(LOOK),
                }
            }
            (State::Submitting, Answer::Submitted) => self.submitted(),
            (State::Submitting, Answer::Refused(error)) => self.refused(error),
            (_, Answer::Begin) => Ask::Read,
            // Another server was faster.
            _ => {
                self.races += 1;
                if self.races > RACES { Ask::Rest(RETRY) } else { Ask::Read }
            }
        }
    }

    fn found(&mut self, kept: Option<Kept>, spare: JobId) -> Ask {
        let Some(Kept { version, entry, age }) = kept else {
            self.version = 0;
            return self.write(new(self.of.pool, self.now), Then::Plan, 0);
        };
        (self.version, self.entry, self.age) = (version, entry, age);
        match self.job() {
            Some(job) if !self.entry.is_sent => {
                let is_left = self.mine != Some(job) && self.by_hand.is_none() && self.age < GRACE;
                if is_left {
                    return Ask::Rest(GRACE);
                }
                self.state = State::LookingForUnsent;
                Ask::Look(self.entry.pool.clone(), job)
            }
            _ => self.plan(None, spare),
        }
    }

    /// Returns the job of the last run.
    fn job(&self) -> Option<JobId> {
        self.entry.note.last.as_ref()?.job.as_ref().ok().copied()
    }

    /// Submits a job of which the store knows nothing, if it cannot have run.
    fn repair(&mut self) -> Ask {
        let margin = MARGIN.min(self.of.retain / 4);
        if self.entry.pool != self.of.pool {
            self.give_up(OTHER_POOL.into())
        } else if self.age + margin >= self.of.retain {
            // If it had run, the store would not remember.
            self.give_up(TOO_LATE.into())
        } else if self.age > self.of.retain / 2 {
            // It has not run so far. The time begins anew from here.
            self.write(self.entry.clone(), Then::Submit, 0)
        } else {
            self.submit()
        }
    }

    fn submit(&mut self) -> Ask {
        let Some(job) = self.job() else { return Ask::Rest(RETRY) };
        self.state = State::Submitting;
        Ask::Submit(job)
    }

    fn submitted(&mut self) -> Ask {
        if let Some(Run { at, job: Ok(job) }) = &self.entry.note.last {
            self.told.push(Report::Submitted(*at, *job));
        }
        self.mark()
    }

    fn mark(&mut self) -> Ask {
        let entry = Entry { is_sent: true, ..self.entry.clone() };
        self.write(entry, Then::Plan, 0)
    }

    fn refused(&mut self, error: JobError) -> Ask {
        let Some(at) = self.entry.note.last.as_ref().map(|run| run.at) else { return Ask::Rest(RETRY) };
        if is_for_the_moment(&error) || is_away(&error) {
            self.told.push(Report::Postponed(at, error));
            return Ask::Rest(RETRY);
        }
        let ask = self.give_up(error.to_string());
        self.told.push(Report::Refused(at, error));
        ask
    }

    fn give_up(&mut self, reason: String) -> Ask {
        let mut entry = Entry { is_sent: true, ..self.entry.clone() };
        if let Some(last) = &mut entry.note.last {
            last.job = Err(reason);
        }
        self.write(entry, Then::Plan, 0)
    }

    /// Notes what is due. `is_running` says whether the last run is unfinished; `None` if the store was not asked.
    fn plan(&mut self, is_running: Option<bool>, spare: JobId) -> Ask {
        let mut entry = Entry { pool: self.of.pool.into(), is_sent: true, ..self.entry.clone() };
        if let Some(run) = self.by_hand.clone() {
            entry.note.last = Some(run);
            return self.write(entry, Then::Rest, 0);
        }
        let note = &mut entry.note;
        let step = self.of.schedule.step(Some(note.done), self.now, is_running == Some(true));
        let passes = !step.due.is_empty() || step.left_out > 0;
        // Without a run since, the old note says the same, unless the clock was wrong.
        if !passes && step.done >= note.done {
            let wait = step.next.map_or(LOOK, |next| next.since(self.now));
            return Ask::Rest(wait.clamp(Duration::from_secs(1), LOOK));
        }
        if let Some(job) = self.job().filter(|_| passes && is_running.is_none()) {
            self.state = State::LookingForLast;
            return Ask::Look(self.entry.pool.clone(), job);
        }
        note.left_out += step.left_out as u64;
        let Some(&at) = step.due.first() else {
            note.done = step.done;
            return self.write(entry, Then::Plan, step.left_out);
        };
        // Further ones follow from the same step, each noted by itself.
        note.done = if step.due.len() == 1 { step.done } else { at };
        note.last = Some(Run { at, job: Ok(spare) });
        entry.is_sent = false;
        self.mine = Some(spare);
        self.write(entry, Then::Submit, step.left_out)
    }

    fn write(&mut self, entry: Entry, then: Then, left_out: usize) -> Ask {
        self.state = State::Writing(entry.clone(), then, left_out);
        Ask::Write(self.version, entry)
    }

    fn written(&mut self, version: u64, entry: Entry, left_out: usize) {
        (self.version, self.entry, self.age) = (version, entry, Duration::ZERO);
        if left_out > 0 {
            self.told.push(Report::LeftOut(left_out));
        }
    }
}

/// Returns the entry of a schedule that begins now.
fn new(pool: &str, now: Wall) -> Entry {
    Entry { note: Note { done: now, last: None, left_out: 0 }, pool: pool.into(), is_sent: true }
}

/// Returns whether the job may be there all the same: the store did not answer.
fn is_away(error: &JobError) -> bool {
    matches!(error, JobError::Refused(refused) if matches!(refused.reason, Refusal::EngineUnreachable { .. }))
}
