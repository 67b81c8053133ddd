//! The jobs, and the promises about each: one outcome, in time, within its number of attempts.
//! Knows workers only by their numbers.

use std::collections::BTreeMap;
use std::time::Duration;

use procpool_scheduler::{JobId, Limit, Priority, Stage, Tenant, Terms, Time, Verdict};

use crate::broken::{Broken, broken};
use crate::plan::Shares;
use crate::turns::{Share, Turns, Waiting};

/// One job that was submitted.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) terms: Terms,
    pub(crate) payload: u64,
    pub(crate) deadline: Option<Time>,
    /// Whether the scheduler can know its payload.
    pub(crate) is_known: bool,
    pub(crate) is_running: bool,
    /// Its payload has killed a worker, so other jobs may pass it.
    pub(crate) is_suspect: bool,
    /// A worker holds it, and its turn has not come.
    pub(crate) is_ahead: bool,
    was_assigned: bool,
    pub(crate) assigned_at: Time,
    /// Number of workers that had received all of it.
    pub(crate) runs: u32,
    /// Number of workers to which it may be handed over.
    pub(crate) allowed: u32,
    /// Number of workers that died before they had received all of it.
    pub(crate) returns: u32,
    /// It reached the memory limit, so the pool does not retry it.
    pub(crate) is_hopeless: bool,
    refused: bool,
    verdict: Option<Verdict>,
}

impl Entry {
    pub(crate) fn is_accepted(&self) -> bool {
        !self.refused
    }

    fn share(&self) -> Share {
        (self.terms.priority, self.terms.tenant)
    }

    /// Returns the latest time at which it ends, in its current state.
    pub(crate) fn end(&self) -> Option<Time> {
        let run = self
            .terms
            .run_timeout
            .filter(|_| self.is_running && !self.is_ahead)
            .map(|run| self.assigned_at + run);
        [self.deadline, run].into_iter().flatten().min()
    }
}

/// All jobs, numbered in the order of their submission.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<JobId, Entry>,
    open: BTreeMap<JobId, ()>,
    turns: Turns,
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
            is_suspect: false,
            is_ahead: false,
            was_assigned: false,
            assigned_at: now,
            runs: 0,
            allowed: terms.attempts.max(1),
            returns: 0,
            is_hopeless: false,
            refused: false,
            verdict: None,
        };
        if !self.waiting().any(|it| it.share == entry.share() && !it.is_suspect) {
            self.turns.joins(entry.share());
        }
        self.entries.insert(id, entry);
        self.open.insert(id, ());
        id
    }

    /// Returns the share of the next job. Not drawn, so that each seed keeps its meaning.
    pub(crate) fn share_of_next(&self, shares: Shares) -> Share {
        let number = self.entries.len() as u64;
        let priority = match number % 7 {
            0 | 4 if shares.priorities => Priority::High,
            1 if shares.priorities => Priority::Low,
            _ => Priority::Normal,
        };
        // Three jobs of four are the first tenant's.
        let tenant = if number % 4 < 3 { 0 } else { number / 4 % 3 };
        // Those without a tenant take turns, too.
        (priority, (shares.tenants && tenant < 2).then_some(Tenant(tenant)))
    }

    /// Returns the jobs that wait, in the order of their arrival.
    fn waiting(&self) -> impl Iterator<Item = Waiting> {
        let entries = self.open.keys().filter_map(|&job| Some((job, self.entries.get(&job)?)));
        entries.filter(|(_, entry)| !entry.is_running).map(|(job, entry)| Waiting {
            job,
            share: entry.share(),
            is_back: entry.was_assigned,
            is_suspect: entry.is_suspect,
        })
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

    pub(crate) fn any_open(&self, pick: u64) -> Option<JobId> {
        let nth = pick.checked_rem(self.open.len() as u64)?;
        self.open.keys().nth(usize::try_from(nth).ok()?).copied()
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

    /// Records that a job is assigned to a worker.
    pub(crate) fn assign(
        &mut self,
        id: JobId,
        attempt: u32,
        remaining: Option<Duration>,
        now: Time,
    ) -> Result<(), Broken> {
        let waiting: Vec<_> = self.waiting().collect();
        self.turns.take(id, &waiting)?;
        let share = self.get(id)?.share();
        let of_share = |it: &&Waiting| it.share == share && !it.is_suspect && it.job != id;
        let back = waiting.iter().filter(of_share).find(|it| it.is_back).map(|it| it.job);
        let passed_over =
            waiting.iter().filter(of_share).find(|it| !it.is_back && it.job < id).map(|it| it.job);
        let entry = self.get(id)?;
        let is_waiting = !entry.refused && entry.verdict.is_none() && !entry.is_running;
        holds(is_waiting, "one_outcome", || format!("job {id} is given out and does not wait"))?;
        let may_run = entry.runs < entry.allowed && !entry.is_hopeless;
        holds(may_run, "no_attempt_too_many", || format!("job {id} was with {} workers", entry.runs))?;
        let is_true = attempt == entry.runs + 1;
        holds(is_true, "no_attempt_too_many", || format!("job {id} is said to be at attempt {attempt}"))?;
        let left = entry.deadline.map(|deadline| deadline.since(now));
        let in_time = left.is_none_or(|left| !left.is_zero() && remaining.is_some_and(|told| told <= left));
        holds(in_time, "retries_keep_the_deadline", || format!("job {id} gets {remaining:?} of {left:?}"))?;
        let whole = [left, entry.terms.run_timeout].into_iter().flatten().min();
        holds(remaining == whole, "limits_are_told", || format!("job {id} gets {remaining:?} of {whole:?}"))?;
        let was_assigned = std::mem::replace(&mut entry.was_assigned, true);
        entry.is_running = true;
        entry.assigned_at = now;
        let in_turn = was_assigned || entry.is_suspect || (passed_over.is_none() && back.is_none());
        holds(in_turn, "first_come_first_served", || {
            format!("job {id} goes before {:?}", back.or(passed_over))
        })
    }

    /// Records that a payload has killed a worker.
    pub(crate) fn suspect(&mut self, payload: u64) {
        for id in self.open.keys() {
            if let Some(entry) = self.entries.get_mut(id).filter(|entry| entry.payload == payload) {
                entry.is_suspect = true;
            }
        }
    }

    /// Records that the job's worker has died, after it had received all of the job or before.
    pub(crate) fn lost(&mut self, id: JobId, handed_over: bool, is_hopeless: bool) -> Result<(), Broken> {
        let entry = self.get(id)?;
        let share = entry.share();
        entry.is_running = false;
        entry.runs += u32::from(handed_over);
        entry.returns += u32::from(!handed_over);
        entry.is_known |= handed_over;
        entry.is_hopeless |= handed_over && is_hopeless;
        self.turns.comes_back(share);
        Ok(())
    }

    /// Records that a worker that held the job has not begun it.
    pub(crate) fn taken_back(&mut self, id: JobId) -> Result<(), Broken> {
        let entry = self.get(id)?;
        (entry.is_running, entry.is_ahead) = (false, false);
        let share = entry.share();
        self.turns.comes_back(share);
        Ok(())
    }

    /// Records that the job's worker begins it.
    pub(crate) fn begin(&mut self, id: JobId, now: Time) -> Result<(), Broken> {
        let entry = self.get(id)?;
        entry.is_ahead = false;
        entry.assigned_at = now;
        Ok(())
    }

    /// Records that the submitter has seen output of the job, which cannot be taken back.
    pub(crate) fn commit(&mut self, id: JobId) -> Result<(), Broken> {
        let entry = self.get(id)?;
        entry.allowed = entry.runs + 1;
        Ok(())
    }

    /// Checks that no job waits beyond its deadline, except for a late tick.
    pub(crate) fn check_deadlines(&self, now: Time, lateness: Duration) -> Result<(), Broken> {
        let is_late = |id: &JobId| {
            let end = self.entries.get(id).and_then(Entry::end);
            end.is_some_and(|end| end + lateness < now)
        };
        match self.open.keys().find(|&id| is_late(id)) {
            Some(late) => Err(broken("deadlines_are_kept", format!("job {late} outlives its deadline"))),
            None => Ok(()),
        }
    }
}

/// Returns an error unless the promise holds.
pub(crate) fn holds(
    condition: bool,
    promise: &'static str,
    detail: impl FnOnce() -> String,
) -> Result<(), Broken> {
    if condition { Ok(()) } else { Err(broken(promise, detail())) }
}
