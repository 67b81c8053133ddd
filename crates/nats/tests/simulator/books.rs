//! The promises, checked at every step, and the cases that were met.

use crate::node::WALL;
use crate::plan::Plan;
use crate::server::{Job, Outcome, Value};
use procpool_nats::order::Terms;
use procpool_registry::Time;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// A promise that was not kept.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) promise: &'static str,
    pub(crate) what: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.promise, self.what)
    }
}

/// One run of a job on a node.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) number: u64,
    pub(crate) node: usize,
    pub(crate) life: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) terms: Terms,
    /// Whether its output is too large for its record.
    pub(crate) is_large: bool,
    pub(crate) is_accepted: bool,
    /// When it may start first, as its message says.
    pub(crate) first: Time,
    /// When its next attempt may start.
    pub(crate) due: Time,
    pub(crate) is_cancelled: bool,
    /// Runs that live.
    pub(crate) runs: Vec<Run>,
    starts: u32,
    claims: u32,
    /// Number of attempts after failures.
    again: u32,
    outcome: Option<Outcome>,
}

/// How often each case was met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    pub(crate) fn met(&mut self, case: &'static str) {
        *self.0.entry(case).or_default() += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (case, count) in &other.0 {
            *self.0.entry(case).or_default() += count;
        }
    }

    /// Returns the cases that a run of the tests hardly meets.
    pub(crate) fn rare(&self) -> Vec<(&'static str, u64)> {
        const CASES: [&str; 22] = [
            "Told",
            "Late",
            "Decided",
            "Known",
            "Left",
            "Fenced",
            "GaveUp",
            "AtIt",
            "NotAtIt",
            "Silent",
            "Unsure",
            "Result",
            "HostLost",
            "Expired",
            "Cancelled",
            "Released",
            "unknown write",
            "conflict",
            "second attempt",
            "stored output",
            "not yet",
            "Again",
        ];
        let count = |case| (case, self.0.get(case).copied().unwrap_or(0));
        CASES.map(count).into_iter().filter(|&(_, count)| count < 5).collect()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) jobs: BTreeMap<Job, Entry>,
    pub(crate) coverage: Coverage,
}

impl Books {
    pub(crate) fn open(&mut self, job: Job, terms: Terms, due: Time, is_large: bool) {
        let entry = Entry {
            terms,
            is_large,
            is_accepted: false,
            first: due,
            due,
            is_cancelled: false,
            runs: Vec::new(),
            starts: 0,
            claims: 0,
            again: 0,
            outcome: None,
        };
        self.jobs.insert(job, entry);
    }

    pub(crate) fn entry(&mut self, job: Job) -> &mut Entry {
        self.jobs.get_mut(&job).expect("a job of the plan")
    }

    /// Checks what the server has just stored. `claimant_is_at_it` says that the node of the replaced claim runs
    /// the job, and would have said so.
    pub(crate) fn stored(
        &mut self,
        job: Job,
        over: &Option<Value>,
        value: &Value,
        claimant_is_at_it: bool,
    ) -> Result<(), Broken> {
        let entry = self.jobs.get_mut(&job).expect("a job of the plan");
        let broken = |promise, what: String| Err(Broken { promise, what: format!("job {job}: {what}") });
        if let Some(before) = entry.outcome {
            return broken("one_outcome", format!("{value:?} over {before:?}"));
        }
        if claimant_is_at_it {
            return broken("asked_first", format!("{value:?} over {over:?}, whose node runs it"));
        }
        match value {
            Value::Claim(claim) => {
                entry.claims += u32::from(!matches!(over, Some(Value::Release { .. })));
                if claim.attempt > entry.claims {
                    return broken("attempts_are_claims", format!("{claim:?} is claim {}", entry.claims));
                }
                if claim.attempt > 1 {
                    self.coverage.met("second attempt");
                }
            }
            Value::Release { .. } => self.coverage.met("Released"),
            Value::Again { due, .. } => {
                (entry.again, entry.due) = (entry.again + 1, WALL.time(*due));
                let most = entry.terms.retry.map_or(1, |retry| retry.attempts);
                if entry.again >= most {
                    return broken("attempts_are_bounded", format!("{} of {most}", entry.again + 1));
                }
                self.coverage.met("Again");
            }
            Value::Outcome { what, .. } => {
                entry.outcome = Some(*what);
                self.coverage.met(match what {
                    Outcome::Result { .. } => "Result",
                    Outcome::HostLost => "HostLost",
                    Outcome::Expired => "Expired",
                    Outcome::Cancelled => "Cancelled",
                });
            }
        }
        Ok(())
    }

    /// Checks that the server has all chunks of the output to which a stored outcome refers.
    pub(crate) fn refers_to(job: Job, run: u64, is_whole: bool) -> Result<(), Broken> {
        match is_whole {
            true => Ok(()),
            false => {
                let what = format!("job {job} ended well, and the output of run {run} is not there");
                Err(Broken { promise: "outputs_are_whole", what })
            }
        }
    }

    /// Checks a start. `is_excused` says that the node of a run that still lives could not fence it in time.
    pub(crate) fn started(
        &mut self,
        job: Job,
        run: Run,
        now: Time,
        plan: &Plan,
        is_excused: impl Fn(&Run) -> bool,
    ) -> Result<(), Broken> {
        let entry = self.entry(job);
        entry.starts += 1;
        if now < entry.due {
            let what = format!("job {job} starts at {now:?}, and may start at {:?}: {run:?}", entry.due);
            return Err(Broken { promise: "not_before_its_time", what });
        }
        if !entry.terms.idempotent && entry.starts > 1 + entry.again {
            let what = format!("job {job} is not idempotent and starts again: {run:?}");
            return Err(Broken { promise: "at_most_once", what });
        }
        let other = entry.runs.iter().find(|other| !plan.has_early && !is_excused(other));
        if let Some(other) = other {
            let what = format!("job {job} starts as {run:?} while it runs as {other:?}");
            return Err(Broken { promise: "fenced_first", what });
        }
        entry.runs.push(run);
        Ok(())
    }

    pub(crate) fn ended(&mut self, job: Job, number: u64) {
        self.entry(job).runs.retain(|run| run.number != number);
    }

    /// Checks the end of the play.
    pub(crate) fn close(&self, waiting: usize, after: Duration) -> Result<(), Broken> {
        for (job, entry) in &self.jobs {
            if entry.is_accepted && entry.outcome.is_none() {
                let what = format!("job {job} has no outcome after {after:?}: {entry:?}");
                return Err(Broken { promise: "nothing_lost", what });
            }
            if !entry.runs.is_empty() {
                return Err(Broken { promise: "nothing_runs_on", what: format!("job {job}: {entry:?}") });
            }
        }
        match waiting {
            0 => Ok(()),
            _ => Err(Broken {
                promise: "queue_is_tidied",
                what: format!("{waiting} jobs wait after {after:?}"),
            }),
        }
    }
}
