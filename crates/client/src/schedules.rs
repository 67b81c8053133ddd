//! The requests about schedules, and their answers.

use crate::request::Request;
use crate::target::Target;
use serde::Deserialize;

const SCHEDULES: &str = "/v1/schedules";

/// Returns the request for all schedules.
#[must_use]
pub fn list() -> Request {
    Request::get(Target::new(SCHEDULES))
}

/// Returns the request to submit the job of a schedule now.
#[must_use]
pub fn run(name: &str) -> Request {
    Request::post(Target::new(SCHEDULES).segment(name).segment("run"))
}

/// The answer of `GET /v1/schedules`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Schedules {
    /// The schedules, by name.
    pub schedules: Vec<Schedule>,
}

/// A schedule.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// The pool of its jobs.
    pub pool: String,
    /// Its cron line.
    pub cron: String,
    /// The time zone of the line.
    pub timezone: String,
    /// When its next run is due (RFC 3339).
    pub next_at: Option<String>,
    /// Its last run.
    pub last: Option<Run>,
    /// Number of runs that were left out.
    pub left_out: u64,
}

/// A run of a schedule.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Run {
    /// When it was due (RFC 3339).
    pub at: String,
    /// Its job.
    pub job: Option<String>,
    /// How far the job has progressed, as long as the server remembers it.
    pub state: Option<String>,
    /// How the job ended.
    pub outcome: Option<String>,
    /// Why there is no job.
    pub refused: Option<String>,
}

/// The answer to [`run`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Submitted {
    /// The id of the job.
    pub job: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_run_by_its_name() {
        assert_eq!(list().line(), "GET /v1/schedules");
        assert_eq!(run("a b").line(), "POST /v1/schedules/a%20b/run");
    }
}
