//! The jobs, and what is promised to each: one outcome, in time, after no more attempts than it has. Refuses to know
//! workers beyond their numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use procpool_scheduler::{JobId, Limit, Stage, Terms, Time, Verdict};

use crate::broken::{Broken, broken};

/// One job that was submitted.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) terms: Terms,
    pub(crate) payload: u64,
    pub(crate) deadline: Option<Time>,
    /// Whether the scheduler can know its payload.
    pub(crate) is_known: bool,
    pub(crate) is_running: bool,
    was_assigned: bool,
    /// Workers that had got all of it.
    runs: u32,
    refused: bool,
    verdict: Option<Verdict>,
}

impl Entry {
    pub(crate) fn is_accepted(&self) -> bool {
        !self.refused
    }
}

/// All jobs, numbered in the order of their submission.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<JobId, Entry>,
    open: BTreeMap<JobId, ()>,
}

impl Ledger {
    pub(crate) fn submit(&mut self, terms: Terms, payload: u64, now: Time) -> JobId {
        let id = JobId(self.entries.len() as u64);
        let entry = Entry {
            terms,
            payload,
            deadline: terms.timeout.map(|timeout| now + timeout),
            is_known: terms.fingerprint.is_some(),
            is_running: false,
            was_assigned: false,
            runs: 0,
            refused: false,
            verdict: None,
        };
        self.entries.insert(id, entry);
        self.open.insert(id, ());
        id
    }

    pub(crate) fn get(&mut self, id: JobId) -> Result<&mut Entry, Broken> {
        self.entries
            .get_mut(&id)
            .ok_or_else(|| broken("one_outcome", format!("job {id} was never submitted")))
    }

    pub(crate) fn is_open(&self, id: JobId) -> bool {
        self.open.contains_key(&id)
    }

    pub(crate) fn open(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn refuse(&mut self, id: JobId) -> Result<(), Broken> {
        let entry = self.get(id)?;
        let was_open = !entry.refused && entry.verdict.is_none() && !entry.was_assigned;
        entry.refused = true;
        self.open.remove(&id);
        holds(was_open, "one_outcome", || format!("job {id} is refused after it was accepted or refused"))
    }

    pub(crate) fn resolve(&mut self, id: JobId, verdict: Verdict, now: Time) -> Result<(), Broken> {
        let entry = self.get(id)?;
        let is_first = !entry.refused && entry.verdict.is_none();
        holds(is_first, "one_outcome", || format!("job {id} ends again, as {verdict:?}"))?;
        entry.verdict = Some(verdict);
        if let Verdict::TimedOut { limit: Limit::Total, .. } = verdict {
            let is_over = entry.deadline.is_some_and(|deadline| deadline <= now);
            holds(is_over, "deadlines_are_kept", || format!("job {id} had time left"))?;
        }
        if let Verdict::TimedOut { stage, .. } | Verdict::Cancelled { stage } | Verdict::ShutDown { stage } =
            verdict
        {
            let may_have_run = entry.is_running || entry.runs > 0;
            let fits = (stage == Stage::Running) == may_have_run;
            holds(fits, "stages_tell_the_truth", || format!("job {id} was not {stage:?}"))?;
        }
        self.open.remove(&id);
        Ok(())
    }

    /// A job is given to a worker.
    pub(crate) fn assign(&mut self, id: JobId, remaining: Option<Duration>, now: Time) -> Result<(), Broken> {
        let earlier = self.open.keys().take_while(|&&earlier| earlier < id);
        let passed_over = earlier.copied().find(|earlier| {
            self.entries.get(earlier).is_some_and(|entry| !entry.was_assigned && !entry.is_running)
        });
        let entry = self.get(id)?;
        let is_waiting = !entry.refused && entry.verdict.is_none() && !entry.is_running;
        holds(is_waiting, "one_outcome", || format!("job {id} is given out and does not wait"))?;
        let may_run = entry.runs < entry.terms.attempts.max(1);
        holds(may_run, "no_attempt_too_many", || format!("job {id} was with {} workers", entry.runs))?;
        let left = entry.deadline.map(|deadline| deadline.since(now));
        let in_time = left.is_none_or(|left| !left.is_zero() && remaining.is_some_and(|told| told <= left));
        holds(in_time, "retries_keep_the_deadline", || format!("job {id} gets {remaining:?} of {left:?}"))?;
        let was_assigned = std::mem::replace(&mut entry.was_assigned, true);
        entry.is_running = true;
        let in_turn = was_assigned || passed_over.is_none();
        holds(in_turn, "first_come_first_served", || format!("job {id} goes before {passed_over:?}"))
    }

    /// Its worker has died, with all of it or not.
    pub(crate) fn lost(&mut self, id: JobId, handed_over: bool) -> Result<(), Broken> {
        let entry = self.get(id)?;
        entry.is_running = false;
        entry.runs += u32::from(handed_over);
        entry.is_known |= handed_over;
        Ok(())
    }

    /// Nobody waits beyond a deadline, give or take a late tick.
    pub(crate) fn check_deadlines(&self, now: Time, lateness: Duration) -> Result<(), Broken> {
        let is_late = |id: &JobId| {
            let deadline = self.entries.get(id).and_then(|entry| entry.deadline);
            deadline.is_some_and(|deadline| deadline + lateness < now)
        };
        match self.open.keys().find(|&id| is_late(id)) {
            Some(late) => Err(broken("deadlines_are_kept", format!("job {late} outlives its deadline"))),
            None => Ok(()),
        }
    }
}

/// A promise holds, or is broken.
pub(crate) fn holds(
    condition: bool,
    promise: &'static str,
    detail: impl FnOnce() -> String,
) -> Result<(), Broken> {
    if condition { Ok(()) } else { Err(broken(promise, detail())) }
}
