//! What one worker does at this moment, in more detail than a list of workers has, in the form that HTTP clients
//! rely on.

use crate::message::Progress;
use crate::status::WorkerStatus;
use serde::Serialize;

/// A worker at one moment, with what its process does and how far its job is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct WorkerDetail {
    /// Its pool.
    pub pool: String,
    /// Its state, with its memory and its processor time.
    #[serde(flatten)]
    pub status: WorkerStatus,
    /// What its first thread does, which runs the jobs. `None` if it is not spawned yet, or has just died.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<Activity>,
    /// The progress that its job has reported last. `None` without a job, if that has reported none, or if nobody follows
    /// the job: then its worker is not asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<JobProgress>,
    /// The time limit of its job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<JobLimit>,
}

impl WorkerDetail {
    /// Returns a worker of which only this is known.
    pub fn new(pool: impl Into<String>, status: WorkerStatus) -> Self {
        Self { pool: pool.into(), status, activity: None, progress: None, limit: None }
    }
}

/// What a thread does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Activity {
    /// It is on a processor, or would be if one were free.
    Running,
    /// It waits.
    Blocked {
        /// The system call in which it waits: `futex`. `None` if it waits for something else, such as a page of a file.
        #[serde(skip_serializing_if = "Option::is_none")]
        syscall: Option<String>,
        /// The function of the kernel in which it waits, if the kernel tells.
        #[serde(skip_serializing_if = "Option::is_none")]
        wchan: Option<String>,
    },
    /// It cannot be seen.
    Unknown {
        /// Why, and the way out.
        note: String,
    },
}

/// Progress of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JobProgress {
    /// Number of completed units.
    pub done: u64,
    /// Total number of units, if known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

impl From<Progress> for JobProgress {
    fn from(Progress { done, total }: Progress) -> Self {
        Self { done, total }
    }
}

/// The time limit of a job that runs: the one that ends first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct JobLimit {
    /// The whole time, in milliseconds.
    pub limit_ms: u64,
    /// The time that is left of it, in milliseconds. Afterwards the job is asked to end, and then killed.
    pub remaining_ms: u64,
}

impl JobLimit {
    /// Returns a limit of which this is left.
    pub const fn new(limit_ms: u64, remaining_ms: u64) -> Self {
        Self { limit_ms, remaining_ms }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::WorkerState;
    use serde_json::json;

    #[test]
    fn what_is_not_known_is_left_out() {
        let mut detail = WorkerDetail::new("fib", WorkerStatus::new("fib-1", WorkerState::Busy));
        let written = serde_json::to_value(&detail).unwrap();
        assert_eq!((&written["pool"], &written["id"]), (&json!("fib"), &json!("fib-1")));
        assert!(["activity", "progress", "limit"].iter().all(|name| written.get(name).is_none()));
        detail.activity = Some(Activity::Blocked { syscall: Some("futex".into()), wchan: None });
        detail.progress = Some(Progress { done: 3, total: Some(4) }.into());
        detail.limit = Some(JobLimit::new(1000, 250));
        let written = serde_json::to_value(&detail).unwrap();
        assert_eq!(written["activity"], json!({"state": "blocked", "syscall": "futex"}));
        assert_eq!(written["progress"], json!({"done": 3, "total": 4}));
        assert_eq!(written["limit"], json!({"limit_ms": 1000, "remaining_ms": 250}));
    }
}
