//! Who submitted what, and what became of it: one outcome each, and each one plausible. Refuses to know workers.

use std::collections::BTreeMap;

use procpool_scheduler::{JobId, Limit, Refusal, Stage, Time, Verdict};

/// As often a job goes back to the queue from workers that had not got all of it.
const MAX_RETURNS: u32 = 8;

/// What is known about one job that was submitted.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) deadline: Option<Time>,
    pub(crate) has_run_timeout: bool,
    pub(crate) bytes: usize,
    pub(crate) is_refused: bool,
    pub(crate) verdict: Option<Verdict>,
    /// Whether a worker has it.
    pub(crate) is_out: bool,
    /// How often it may be handed over.
    pub(crate) attempts: u32,
    /// How many workers that had got all of it have died.
    pub(crate) spent: u32,
    /// How many that had not.
    pub(crate) returns: u32,
    /// Whether the last one had run out of memory, which may be reason enough not to try again.
    pub(crate) is_hopeless: bool,
}

/// All jobs that were ever submitted, by their dense ids.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: BTreeMap<JobId, Entry>,
}

impl Ledger {
    pub(crate) fn submit(
        &mut self,
        deadline: Option<Time>,
        has_run_timeout: bool,
        attempts: u32,
        bytes: usize,
    ) -> JobId {
        let id = JobId(self.entries.len() as u64);
        let entry = Entry {
            deadline,
            has_run_timeout,
            bytes,
            is_refused: false,
            verdict: None,
            is_out: false,
            attempts,
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
        let is_open = |entry: &Entry| !entry.is_refused && entry.verdict.is_none();
        self.entries.iter().filter(move |(_, entry)| is_open(entry)).map(|(&id, entry)| (id, entry))
    }

    pub(crate) fn is_open(&self, id: JobId) -> bool {
        self.open().any(|(open, _)| open == id)
    }

    pub(crate) fn entry(&mut self, id: JobId) -> &mut Entry {
        self.entries.get_mut(&id).unwrap_or_else(|| panic!("job {id} was never submitted"))
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

    pub(crate) fn resolve(&mut self, id: JobId, verdict: Verdict, now: Time) {
        let entry = self.entry(id);
        assert!(!entry.is_refused, "job {id} was refused and ends as {verdict:?}");
        assert_eq!(entry.verdict.replace(verdict), None, "job {id} ends again as {verdict:?}");
        match verdict {
            Verdict::Finished | Verdict::Protocol => assert!(entry.is_out, "job {id} never ran: {verdict:?}"),
            Verdict::Crashed { handed_over, .. } => {
                let is_spent = entry.spent == entry.attempts || entry.is_hopeless;
                assert_eq!(entry.spent > 0, handed_over, "job {id}");
                assert!(is_spent || entry.returns > MAX_RETURNS, "job {id}");
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
                    Limit::Run => assert!(entry.has_run_timeout && stage == Stage::Running, "job {id}"),
                }
            }
            Verdict::Cancelled { stage } | Verdict::ShutDown { stage } => entry.check_stage(id, stage),
        }
    }
}

impl Entry {
    fn check_stage(&self, id: JobId, stage: Stage) {
        assert_eq!(stage == Stage::Running, self.is_out || self.spent > 0, "job {id} was not {stage:?}");
    }
}
