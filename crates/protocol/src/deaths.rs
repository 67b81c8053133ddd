//! Deaths of workers, as a server keeps them: one by one, and in groups of one cause. Does not: keep them.

use crate::crash::ExitReport;
use crate::job_id::JobId;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// The death of a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Death {
    /// Its number in this server, counted from 1. A later death has a greater one.
    pub id: u64,
    /// When the pool heard of it.
    pub time: SystemTime,
    /// The pool.
    pub pool: String,
    /// Why the worker is gone, a key of
    /// [`PoolStatus::deaths_by_cause`](crate::status::PoolStatus::deaths_by_cause).
    pub cause: &'static str,
    /// Why the worker did not get ready, in a sentence, if that is not how it ended: it was too slow, broke the protocol,
    /// was of no use to the pool, or its executable does not run. The [`report`](Self::report) of a worker that was no
    /// process has the number 0.
    pub error: Option<String>,
    /// The job that it was running, or whose end it did not survive.
    pub job: Option<JobId>,
    /// The input of that job.
    pub payload: Option<DeadPayload>,
    /// The file in which that job was saved, for `procpool replay FILE`.
    pub replay: Option<PathBuf>,
    /// The group of deaths to which it belongs: 16 hexadecimal digits.
    pub group: String,
    /// How the worker ended: `SIGSEGV`, `exit code 101`, `memory limit`, `timed out`.
    pub end: String,
    /// How the worker ended, and in which function or with which words. All deaths of a group have the same.
    pub signature: String,
    /// How the worker ended, with its last lines and its stack. It may be shorter than the one that the caller
    /// received: a server keeps at most 64 KiB of it.
    pub report: Arc<ExitReport>,
}

impl Death {
    /// Returns a death with a cause and a report alone.
    pub fn new(
        id: u64,
        time: SystemTime,
        pool: impl Into<String>,
        cause: &'static str,
        report: ExitReport,
    ) -> Self {
        Self {
            id,
            time,
            pool: pool.into(),
            cause,
            error: None,
            job: None,
            payload: None,
            replay: None,
            group: String::new(),
            end: String::new(),
            signature: String::new(),
            report: Arc::new(report),
        }
    }
}

/// The input with which a worker died.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeadPayload {
    /// Its size, in bytes.
    pub bytes: u64,
    /// Its [fingerprint](crate::status::SuspectPayload::fingerprint). `None` if the pool tells no payloads apart, if
    /// somebody else killed the worker, or if it is a payload of more than 64 KiB that reached its deadline.
    pub fingerprint: Option<String>,
    /// Number of workers that it has killed lately, this one included.
    pub deaths: u32,
    /// Whether jobs with it are no longer run.
    pub quarantined: bool,
}

/// Deaths of one pool that ended in the same way, at the same place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeathGroup {
    /// Its name: 16 hexadecimal digits.
    pub id: String,
    /// The pool.
    pub pool: String,
    /// The cause, as in [`Death::cause`].
    pub cause: &'static str,
    /// How its workers ended, as in [`Death::end`].
    pub end: String,
    /// How its workers ended, and in which function or with which words.
    pub signature: String,
    /// Number of deaths, those included that are no longer kept.
    pub count: u64,
    /// The first death.
    pub first: SystemTime,
    /// The last death.
    pub last: SystemTime,
    /// Number of different payloads with which they died, as far as they are known. At most 64 are counted.
    pub payloads: usize,
    /// The number of the last death.
    pub newest: u64,
}

impl DeathGroup {
    /// Returns the group of this one death.
    pub fn new(death: &Death) -> Self {
        Self {
            id: death.group.clone(),
            pool: death.pool.clone(),
            cause: death.cause,
            end: death.end.clone(),
            signature: death.signature.clone(),
            count: 1,
            first: death.time,
            last: death.time,
            payloads: 0,
            newest: death.id,
        }
    }
}

/// Which deaths are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeathQuery {
    /// Of these pools alone.
    pub pools: Option<Vec<String>>,
    /// Of this group alone.
    pub group: Option<String>,
    /// Of the worker of this name alone.
    pub worker: Option<String>,
    /// Older than the death of this number.
    pub before: Option<u64>,
    /// Newer than the death of this number.
    pub after: Option<u64>,
    /// Maximum number of deaths. `None`: all.
    pub limit: Option<usize>,
}

impl DeathQuery {
    /// Asks for all deaths.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Returns whether this death is one of those.
    pub fn matches(&self, death: &Death) -> bool {
        self.before.is_none_or(|before| death.id < before)
            && self.after.is_none_or(|after| death.id > after)
            && self.pools.as_ref().is_none_or(|pools| pools.contains(&death.pool))
            && self.group.as_ref().is_none_or(|group| *group == death.group)
            && self.worker.as_ref().is_none_or(|worker| *worker == death.report.worker)
    }
}

/// Deaths, the newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeathPage {
    /// The deaths.
    pub deaths: Vec<Arc<Death>>,
    /// The [`DeathQuery::before`] of the next page. `None` if there is none.
    pub next: Option<u64>,
}

impl DeathPage {
    /// Returns the page of these deaths.
    pub fn new(deaths: Vec<Arc<Death>>, next: Option<u64>) -> Self {
        Self { deaths, next }
    }
}
