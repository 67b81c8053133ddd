//! The jobs and their outcomes: one each, and each one plausible. Does not: know workers.

use std::collections::BTreeMap;
use std::time::Duration;

use procpool_scheduler::{Client, Config, Death, JobId, Limit, Refusal, Stage, Terms, Time, Verdict};

/// Maximum number of times that a job returns to the queue from workers that had not received all
/// of it.
const MAX_RETURNS: u32 = 8;

/// One job that was submitted.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) deadline: Option<Time>,
    pub(crate) run_timeout: Option<Duration>,
    pub(crate) bytes: usize,
    pub(crate) client: Option<Client>,
    pub(crate) is_refused: bool,
    pub(crate) verdict: Option<Verdict>,
    /// Whether a worker holds it, possibly ahead of its turn.
    pub(crate) is_out: bool,
    /// Maximum number of attempts.
    pub(crate) attempts: u32,
    /// Number of workers that died after they had received all of it.
    pub(crate) spent: u32,
    /// Number of workers that died before they had received all of it.
    pub(crate) returns: u32,
    /// Whether its last worker reached the memory limit, which may rule out a retry.
    pub(crate) is_hopeless: bool,
}

/// How a worker can lose a job without an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    /// The worker died after it had begun the job. As far as the job can tell, the worker died of
    /// it.
    Run(Death),
    /// The worker died before it had begun this job, which was the next to run.
    OnTheWay,
    /// The worker never reached the job, because other jobs came first.
    Ahead,
}

/// All submitted jobs, by their ids, which count from 0 here.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    retries_out_of_memory: bool,
    entries: BTreeMap<JobId, Entry>,
}

impl Ledger {
    pub(crate) fn new(config: &Config) -> Self {
        Self { retries_out_of_memory: config.retry_out_of_memory, ..Self::default() }
    }

    pub(crate) fn submit(&mut self, terms: Terms, now: Time) -> JobId {
        let id = JobId(self.entries.len() as u64);
        let entry = Entry {
            deadline: terms.timeout.map(|timeout| now + timeout),
            run_timeout: terms.run_timeout,
            bytes: terms.bytes,
            client: terms.client,
            is_refused: false,
            verdict: None,
            is_out: false,
            attempts: terms.attempts.max(1),
            spent: 0,
            returns: 0,
            is_hopeless: false,
        };
        self.entries.insert(id, entry);
        id
    }

    pub(crate) fn pick(&self, pick: usize) -> Option<JobId> {
        Some(JobId(pick.checked_rem(self.entries.len())? as u64))
    }

    pub(crate) fn open(&self) -> impl Iterator<Item = (JobId, &Entry)> {
        self.entries.iter().filter(|(_, entry)| entry.is_open()).map(|(&id, entry)| (id, entry))
    }

    pub(crate) fn is_open(&self, id: JobId) -> bool {
        self.entries.get(&id).is_some_and(Entry::is_open)
    }

    pub(crate) fn entry(&mut self, id: JobId) -> &mut Entry {
        self.entries.get_mut(&id).unwrap_or_else(|| panic!("job {id} was never submitted"))
    }

    /// Returns the number of jobs that workers hold.
    pub(crate) fn out(&self) -> usize {
        self.open().filter(|(_, entry)| entry.is_out).count()
    }

    pub(crate) fn run_timeout(&self, id: JobId) -> Option<Duration> {
        self.entries.get(&id)?.run_timeout
    }

    pub(crate) fn bytes(&self, id: JobId) -> usize {
        self.entries.get(&id).map_or(0, |entry| entry.bytes)
    }

    pub(crate) fn refuse(&mut self, id: JobId, reason: Refusal) {
        let entry = self.entry(id);
        if reason == Refusal::DuplicateId {
            return assert!(!entry.is_refused && entry.verdict.is_none(), "job {id} is no duplicate");
        }
        assert!(entry.verdict.is_none() && !entry.is_out, "job {id} is refused after it was accepted");
        assert!(!std::mem::replace(&mut entry.is_refused, true), "job {id} is refused twice");
    }

    pub(crate) fn assign(&mut self, id: JobId, attempt: u32, now: Time) {
        let entry = self.entry(id);
        assert!(!entry.is_refused && entry.verdict.is_none(), "job {id} is assigned after its end");
        assert!(entry.spent < entry.attempts, "job {id} is handed over once too often");
        assert_eq!(attempt, entry.spent + 1, "job {id} is told a wrong attempt");
        assert!(entry.deadline.is_none_or(|deadline| deadline > now), "job {id} is assigned too late");
        assert!(!std::mem::replace(&mut entry.is_out, true), "job {id} is with two workers");
    }

    /// Records that the submitter has seen output of the job, which cannot be taken back.
    pub(crate) fn commit(&mut self, id: JobId) {
        let entry = self.entry(id);
        entry.attempts = entry.attempts.min(entry.spent + 1);
    }

    /// Records that no worker holds the job.
    pub(crate) fn lose(&mut self, id: JobId, loss: Loss) {
        if !self.is_open(id) {
            return;
        }
        let retries = self.retries_out_of_memory;
        let entry = self.entry(id);
        entry.is_out = false;
        match loss {
            Loss::Run(death) => {
                entry.spent += 1;
                entry.is_hopeless = death == Death::OutOfMemory && !retries;
            }
            Loss::OnTheWay => entry.returns += 1,
            Loss::Ahead => {}
        }
    }

    /// Records a verdict and checks that it is plausible. `turn` is the time since which the job's
    /// worker has had no other job to run first. `is_shunned` says that its client is refused.
    pub(crate) fn resolve(
        &mut self,
        id: JobId,
        verdict: Verdict,
        now: Time,
        turn: Option<Time>,
        is_shunned: bool,
    ) {
        let entry = self.entry(id);
        assert!(!entry.is_refused, "job {id} was refused and ends as {verdict:?}");
        assert_eq!(entry.verdict.replace(verdict), None, "job {id} ends again as {verdict:?}");
        match verdict {
            Verdict::Finished | Verdict::Protocol => assert!(entry.is_out, "job {id} never ran: {verdict:?}"),
            Verdict::Crashed { handed_over, quarantined, .. } => {
                let is_condemned = quarantined.is_some();
                let is_spent = entry.spent == entry.attempts || entry.is_hopeless || is_shunned;
                assert_eq!(entry.spent > 0, handed_over, "job {id}");
                assert!(is_spent || is_condemned || entry.returns > MAX_RETURNS, "job {id}");
            }
            Verdict::GivenBack { .. } => {
                assert!(is_shunned && entry.spent == 0 && !entry.is_out, "job {id} is given back");
            }
            Verdict::Unreachable { predicted, .. } => {
                let is_new = entry.spent == 0 && !entry.is_out;
                let is_late = entry.deadline.is_some_and(|end| now < end && end < now + predicted);
                assert!(is_new && is_late, "job {id} has time");
            }
            Verdict::Poisoned { stage, .. } => {
                assert_eq!(stage == Stage::Running, entry.spent > 0, "job {id}");
            }
            Verdict::TimedOut { stage, limit } => {
                entry.check_stage(id, stage);
                match limit {
                    Limit::Total => {
                        assert!(entry.deadline.is_some_and(|end| end <= now), "job {id} has time");
                    }
                    Limit::Run => {
                        let end = turn.zip(entry.run_timeout).map(|(turn, run_timeout)| turn + run_timeout);
                        assert!(end.is_some_and(|end| end <= now), "job {id} has run for less");
                    }
                }
            }
            Verdict::Cancelled { stage } | Verdict::ShutDown { stage } => entry.check_stage(id, stage),
        }
    }
}

impl Entry {
    const fn is_open(&self) -> bool {
        !self.is_refused && self.verdict.is_none()
    }

    fn check_stage(&self, id: JobId, stage: Stage) {
        assert_eq!(stage == Stage::Running, self.is_out || self.spent > 0, "job {id} was not {stage:?}");
    }
}
