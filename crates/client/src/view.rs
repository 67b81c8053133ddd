//! Answers of the server, as far as a table shows them. Members that a server adds are ignored, and those that it leaves out
//! are empty: a program gets the answer to the letter.

use crate::ending::Ending;
use crate::problem::Problem;
use serde::Deserialize;
use serde_json::Value;

/// The answer of `GET /v1/pools`.
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct Pools {
    /// The pools, by name.
    pub pools: Vec<Pool>,
}

/// A pool.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Pool {
    /// Its name.
    pub name: String,
    /// Number of jobs that wait.
    pub queued: u64,
    /// Maximum number of jobs that may wait.
    pub queue_limit: u64,
    /// Number of jobs that run.
    pub running: u64,
    /// Maximum number of workers.
    pub max_workers: u64,
    /// Number of workers by state.
    pub workers: Workers,
    /// Whether it shuts down or was drained.
    pub draining: bool,
    /// Whether it begins no jobs.
    pub paused: bool,
    /// Whether a reload is under way.
    pub reloading: bool,
    /// Whether its workers keep dying at their start.
    pub breaker_open: bool,
    /// Number of reloads.
    pub generation: u64,
    /// Number of deaths that the pool did not ask for.
    pub deaths: u64,
    /// Number of jobs by outcome.
    pub jobs: std::collections::BTreeMap<String, u64>,
    /// Times of runs.
    pub run: Times,
}

/// Number of workers by state.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Workers {
    /// Those that get ready.
    pub starting: u64,
    /// Those that wait for a job.
    pub idle: u64,
    /// Those that run one.
    pub busy: u64,
}

/// Times of jobs since the start.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Times {
    /// Number of jobs.
    pub count: u64,
    /// The median, in microseconds.
    pub p50_us: Option<u64>,
    /// The 99th percentile, in microseconds.
    pub p99_us: Option<u64>,
}

impl Pool {
    /// Returns its condition in one word, the worst first.
    #[must_use]
    pub fn condition(&self) -> &'static str {
        match self {
            Self { breaker_open: true, .. } => "broken",
            Self { draining: true, .. } => "draining",
            Self { paused: true, .. } => "paused",
            Self { reloading: true, .. } => "reloading",
            Self { workers: Workers { idle: 0, busy: 0, .. }, .. } => "starting",
            _ => "ready",
        }
    }
}

/// The answer of `GET /v1/pools/{pool}/workers`.
#[derive(Clone, Debug, Default, Deserialize)]
#[non_exhaustive]
pub struct WorkerList {
    /// The workers.
    pub workers: Vec<Worker>,
}

/// A worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Worker {
    /// Its name.
    pub id: String,
    /// Its process id.
    pub pid: Option<u32>,
    /// Its state.
    pub state: String,
    /// Its job.
    pub job: Option<String>,
    /// Number of jobs that it has done.
    pub jobs_done: u64,
    /// Its age, in milliseconds.
    pub uptime_ms: u64,
    /// Number of reloads before it.
    pub generation: u64,
    /// Its build.
    pub build: Option<String>,
    /// Its resident memory, in bytes, if that was asked for.
    pub resident_bytes: Option<u64>,
    /// Its processor time, in milliseconds, if that was asked for.
    pub cpu_ms: Option<u64>,
}

/// The answer of `GET /v1/workers/{worker}/logs`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Logs {
    /// The last lines, oldest first.
    pub lines: Vec<LogLine>,
    /// Number of lines before them.
    pub missed: u64,
}

/// A line that a worker wrote.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct LogLine {
    /// When it was read (RFC 3339).
    pub time: String,
    /// `stdout` or `stderr`.
    pub stream: String,
    /// The job that ran.
    pub job: Option<String>,
    /// The line.
    pub text: String,
}

/// A page of `GET /v1/jobs`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Jobs {
    /// The jobs, the latest first or as the server has it.
    pub jobs: Vec<Job>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// A job.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Its pool.
    pub pool: String,
    /// `queued`, `running` or `finished`.
    pub state: String,
    /// Its outcome, once it is finished.
    pub outcome: Option<String>,
    /// Whether it may have had side effects.
    pub may_have_run: bool,
    /// Its priority.
    pub priority: String,
    /// Number of the attempt.
    pub attempt: u64,
    /// When it was accepted (RFC 3339).
    pub accepted_at: Option<String>,
    /// When it was begun.
    pub started_at: Option<String>,
    /// When it ended.
    pub finished_at: Option<String>,
    /// How far it is.
    pub progress: Option<Progress>,
    /// The worker that has it.
    pub worker: Option<String>,
    /// Why it has no output.
    pub problem: Option<Value>,
}

/// How far a job is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Progress {
    /// The part that is done.
    pub done: u64,
    /// The whole, if the job knows it.
    pub total: Option<u64>,
}

impl Progress {
    /// Returns it as a table shows it.
    #[must_use]
    pub fn shown(&self) -> String {
        match self.total {
            Some(total) => format!("{}/{total}", self.done),
            None => self.done.to_string(),
        }
    }
}

impl Job {
    /// Returns whether it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.state == "finished"
    }

    /// Returns how the command ends that waited for this job, which has ended.
    #[must_use]
    pub fn ending(&self) -> Ending {
        Ending::of_outcome(self.outcome.as_deref().unwrap_or_default(), self.may_have_run)
    }

    /// Returns the problem of a job that ended badly.
    #[must_use]
    pub fn problem(&self) -> Option<Problem> {
        let document = self.problem.as_ref().filter(|problem| !problem.is_null())?;
        Problem::read(&document.to_string().into())
    }
}

/// The answer to orders over a filter.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Cancelled {
    /// Number of jobs that were cancelled, or that would be.
    pub cancelled: u64,
    /// Number of jobs that match.
    pub matched: Option<u64>,
}

/// The jobs of one call that were to run again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Reruns {
    /// Number of jobs that match.
    pub matched: u64,
    /// Each job with its new job, or why there is none.
    pub jobs: Vec<Rerun>,
    /// Where the next call goes on.
    pub next: Option<String>,
}

/// A job that was to run again.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Rerun {
    /// The id of the job.
    pub job: String,
    /// The id of its new job.
    pub rerun: Option<String>,
    /// Why there is none.
    pub problem: Option<Problem>,
}

/// The answer of `GET /v1/pools/{pool}/quarantine`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Quarantine {
    /// Payloads.
    pub payloads: Vec<Suspect>,
    /// Clients.
    pub clients: Vec<Suspect>,
}

/// A payload or a client that has killed workers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Suspect {
    /// Its fingerprint, which clears it.
    pub fingerprint: String,
    /// The client, of a client.
    pub client: Option<String>,
    /// Number of workers that it has killed lately.
    pub deaths: u64,
    /// Whether its jobs are refused.
    pub quarantined: bool,
    /// Time until they run again, in milliseconds.
    pub remaining_ms: u64,
    /// Its last job, of a payload.
    pub last_job: Option<String>,
}

/// A page of `GET /v1/deaths`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Deaths {
    /// The deaths, the newest first.
    pub deaths: Vec<Death>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// The death of a worker.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Death {
    /// Its number.
    pub id: u64,
    /// When it was noticed (RFC 3339).
    pub time: String,
    /// The pool.
    pub pool: String,
    /// The worker.
    pub worker: String,
    /// The job with which it died.
    pub job: Option<String>,
    /// How it ended, and where.
    pub signature: String,
    /// The file of the saved job.
    pub replay: Option<String>,
}

/// The answer of `GET /v1/deaths?by=group`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DeathGroups {
    /// The groups, the one with the newest death first.
    pub groups: Vec<DeathGroup>,
}

/// Deaths of one cause and place.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct DeathGroup {
    /// Its name.
    pub group: String,
    /// The pool.
    pub pool: String,
    /// Number of deaths.
    pub count: u64,
    /// Number of different payloads.
    pub payloads: u64,
    /// The first death (RFC 3339).
    pub first: String,
    /// The last death.
    pub last: String,
    /// How they ended, and where.
    pub signature: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_another_version_is_read_as_far_as_it_goes() {
        let pools: Pools =
            serde_json::from_str(r#"{"pools":[{"name":"fib","new":{"a":1},"paused":true}]}"#).unwrap();
        assert_eq!((pools.pools[0].name.as_str(), pools.pools[0].condition()), ("fib", "paused"));
        let job: Job = serde_json::from_str(
            r#"{"id":"8f3a","state":"finished","outcome":"crashed","may_have_run":true,
                "progress":{"done":37,"total":100},"problem":{"type":"/problems/crashed","detail":"it died"}}"#,
        )
        .unwrap();
        assert_eq!((job.is_finished(), job.ending()), (true, Ending::Crashed));
        assert_eq!(job.progress.as_ref().map(Progress::shown).as_deref(), Some("37/100"));
        assert_eq!(job.problem().unwrap().detail, "it died");
    }

    #[test]
    fn the_worst_condition_of_a_pool_is_told() {
        let ready = Pool { workers: Workers { idle: 1, ..Workers::default() }, ..Pool::default() };
        assert_eq!(ready.condition(), "ready");
        assert_eq!(Pool { breaker_open: true, paused: true, ..ready.clone() }.condition(), "broken");
        assert_eq!(Pool { reloading: true, ..ready }.condition(), "reloading");
        assert_eq!(Pool::default().condition(), "starting");
    }
}
