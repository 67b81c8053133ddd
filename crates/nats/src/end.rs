//! [`End`]: how a job ended, as its record holds it. Converts from and to the outcome of an engine.
//!
//! Stacks and the files of saved jobs stay on the node: a stack can be larger than a record may be, and a path
//! means nothing on another host.

use crate::large::Reference;
use crate::node_id::NodeId;
use crate::record::millis;
use bytes::Bytes;
use procpool_protocol::crash::ExitReport;
use procpool_protocol::outcome::Outcome;
use procpool_protocol::{CrashReport, Encoding, Exit, Failure, JobError, JobId, Payload, Stage};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Maximum length of a text in a record, in bytes. A longer one is cut.
const TEXT: usize = 16 << 10;

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum End {
    /// With an output in this encoding.
    Ok {
        /// The encoding's number on procpool's wire.
        encoding: u8,
        /// Where the output is, if it is too large for the record.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        large: Option<Reference>,
    },
    /// The host of its node was lost, or the node does not know the job. It may have run.
    HostLost {
        /// The lost node.
        node: NodeId,
    },
    /// It was cancelled.
    Cancelled {
        /// Whether a worker had it.
        ran: bool,
    },
    /// Its time was up.
    TimedOut {
        /// Whether a worker had it.
        ran: bool,
        /// The limit.
        #[serde(with = "millis")]
        limit: Duration,
    },
    /// The input does not decode.
    BadInput {
        /// The error.
        message: String,
    },
    /// The function returned an error.
    Failed {
        /// The error.
        failure: Failure,
        /// Whether its input is not the cause.
        broken: bool,
    },
    /// The function panicked.
    Panicked {
        /// The message.
        message: String,
        /// Its place in the source.
        location: Option<String>,
    },
    /// The worker died.
    Crashed(Box<Crash>),
    /// The worker broke the protocol.
    Protocol {
        /// The violation.
        violation: String,
    },
    /// The output is too large, for the pool or for a record.
    OutputTooLarge {
        /// Its size, in bytes.
        size: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// Its payload is in quarantine on its node.
    Poisoned {
        /// Whether a worker had it.
        ran: bool,
        /// Number of dead workers.
        deaths: u32,
        /// The rest of the quarantine.
        #[serde(with = "millis")]
        remaining: Duration,
    },
    /// Something for which this version has no form.
    Other {
        /// The sentence about it.
        message: String,
    },
}

/// The death of a worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Crash {
    /// Its name.
    pub worker: String,
    /// Its process id on its host.
    pub pid: u32,
    /// Its exit code.
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// Whether a core was dumped.
    pub core_dumped: bool,
    /// Whether a worker had the whole job.
    pub ran: bool,
    /// The address of the access by which it ended.
    pub fault: Option<u64>,
    /// Whether memory had run out.
    pub oom_killed: bool,
    /// Whether an operator ordered its kill.
    pub ordered: bool,
    /// Whether it had closed its connection and lived on, so that it was killed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hung_up: bool,
    /// The last lines of its standard error.
    pub stderr: Vec<String>,
    /// Its largest resident memory, in bytes.
    pub peak_memory: Option<u64>,
    /// Its processor time.
    #[serde(rename = "cpu_ms", with = "millis")]
    pub cpu_time: Duration,
    /// Its age.
    #[serde(rename = "uptime_ms", with = "millis")]
    pub uptime: Duration,
    /// Number of jobs that it had finished.
    pub jobs_done: u64,
    /// Number of workers that this payload has killed on the node.
    pub payload_deaths: u32,
}

impl End {
    /// Returns the end and the output of a result. Returns `None` for a result that is no outcome of the job
    /// in the cluster: the node's own pool has refused it, or shut down before it ran.
    #[must_use]
    pub fn of(result: Outcome) -> Option<(Self, Bytes)> {
        let error = match result {
            Ok(output) => {
                let output = output.joined();
                return Some((Self::Ok { encoding: output.encoding as u8, large: None }, output.bytes));
            }
            Err(error) => *error,
        };
        let ran = error.may_have_run();
        let end = match error {
            JobError::Refused(_) | JobError::ShutDown { stage: Stage::Queued, .. } => return None,
            JobError::Cancelled { .. } => Self::Cancelled { ran },
            JobError::TimedOut { limit, .. } => Self::TimedOut { ran, limit },
            JobError::BadInput { message, .. } => Self::BadInput { message: cut(message) },
            JobError::Failed(failure) => Self::failed(failure, false),
            JobError::Broke(failure) => Self::failed(failure, true),
            JobError::Panicked { message, location, .. } => {
                Self::Panicked { message: cut(message), location: location.map(cut) }
            }
            JobError::Crashed(report) => Self::Crashed(Box::new(Crash::of(&report))),
            JobError::Protocol { violation, .. } => Self::Protocol { violation: cut(violation) },
            JobError::OutputTooLarge { size, limit, .. } => Self::OutputTooLarge { size, limit },
            JobError::Poisoned { payload_deaths, remaining, .. } => {
                Self::Poisoned { ran, deaths: payload_deaths, remaining }
            }
            other => Self::Other { message: cut(other.to_string()) },
        };
        Some((end, Bytes::new()))
    }

    /// A failure with large texts becomes one without: its details cannot be cut.
    fn failed(failure: Failure, broken: bool) -> Self {
        let length = serde_json::to_string(&failure).map_or(usize::MAX, |text| text.len());
        let failure = match length <= 2 * TEXT {
            true => failure,
            false => {
                let small =
                    Failure::new(cut(failure.message().to_owned())).with_code(cut(failure.code().to_owned()));
                if failure.is_retryable() { small.retryable() } else { small }
            }
        };
        Self::Failed { failure, broken }
    }

    /// Returns the end of this attempt. Where earlier ones were claimed, nobody can say that the job never ran.
    #[must_use]
    pub(crate) fn after(mut self, attempt: u32) -> Self {
        if let Self::Cancelled { ran } | Self::TimedOut { ran, .. } | Self::Poisoned { ran, .. } = &mut self {
            *ran |= attempt > 1;
        }
        self
    }

    /// Returns where the output is, if it is too large for the record.
    #[must_use]
    pub fn large(&self) -> Option<&Reference> {
        match self {
            Self::Ok { large, .. } => large.as_ref(),
            _ => None,
        }
    }

    /// Returns the end of a job whose input or output the cluster does not have as it was. The code is for programs.
    pub(crate) fn lost(code: &str, sentence: String) -> Self {
        Self::Failed { failure: Failure::new(cut(sentence)).with_code(code), broken: true }
    }

    /// Returns the result of a job as an engine reports it. The output is the whole one, wherever it was.
    pub fn into_outcome(self, id: JobId, output: Bytes) -> Outcome {
        let error = match self {
            Self::Ok { encoding, .. } => {
                let encoding = Encoding::from_wire(encoding).unwrap_or(Encoding::Bytes);
                return Ok(Payload::new(encoding, output));
            }
            Self::HostLost { node } => JobError::Crashed(Box::new(host_lost(id, &node))),
            Self::Cancelled { ran } => JobError::cancelled(stage(ran)),
            Self::TimedOut { ran, limit } => JobError::timed_out(stage(ran), limit),
            Self::BadInput { message } => JobError::bad_input(message),
            Self::Failed { failure, broken: false } => JobError::Failed(failure),
            Self::Failed { failure, broken: true } => JobError::Broke(failure.as_broken()),
            Self::Panicked { message, location } => JobError::panicked(message, location),
            Self::Crashed(crash) => JobError::Crashed(Box::new(crash.report(id))),
            Self::Protocol { violation } => JobError::protocol(violation),
            Self::OutputTooLarge { size, limit } => JobError::output_too_large(size, limit),
            Self::Poisoned { ran, deaths, remaining } => JobError::poisoned(stage(ran), deaths, remaining),
            Self::Other { message } => JobError::protocol(message),
        };
        Err(Box::new(error))
    }

    #[cfg(test)]
    pub(crate) fn ok_raw() -> Self {
        Self::Ok { encoding: Encoding::Bytes as u8, large: None }
    }
}

impl Crash {
    fn of(report: &CrashReport) -> Self {
        let death = &report.death;
        let core_dumped = matches!(death.exit, Exit::Signal { core_dumped: true, .. });
        Self {
            worker: cut(death.worker.clone()),
            pid: death.pid,
            code: death.exit.code(),
            signal: death.exit.signal(),
            core_dumped,
            ran: report.stage == Stage::Running,
            fault: death.fault,
            oom_killed: death.oom_killed,
            ordered: death.ordered,
            hung_up: death.hung_up,
            stderr: death.stderr.iter().take(20).map(|line| cut_to(line.clone(), TEXT / 16)).collect(),
            peak_memory: death.peak_memory,
            cpu_time: death.cpu_time,
            uptime: death.uptime,
            jobs_done: death.jobs_done,
            payload_deaths: report.payload_deaths,
        }
    }

    fn report(self, id: JobId) -> CrashReport {
        let exit = match (self.code, self.signal) {
            (Some(code), _) => Exit::Code(code),
            (_, Some(number)) => Exit::by_signal(number, self.core_dumped),
            _ => Exit::Unknown,
        };
        let mut death = ExitReport::new(self.worker, self.pid, exit);
        death.fault = self.fault;
        death.oom_killed = self.oom_killed;
        death.ordered = self.ordered;
        death.hung_up = self.hung_up;
        death.stderr = self.stderr;
        death.peak_memory = self.peak_memory;
        death.cpu_time = self.cpu_time;
        death.uptime = self.uptime;
        death.jobs_done = self.jobs_done;
        let mut report = CrashReport::new(id, stage(self.ran), death);
        report.payload_deaths = self.payload_deaths;
        report
    }
}

/// Returns the report of a job whose host was lost. Nobody knows how its worker ended.
fn host_lost(id: JobId, node: &NodeId) -> CrashReport {
    let mut death = ExitReport::new(node.as_str(), 0, Exit::Unknown);
    death.stderr = vec![format!("the host of node {node} was lost while it had the job, which may have run")];
    CrashReport::new(id, Stage::Running, death)
}

fn stage(ran: bool) -> Stage {
    if ran { Stage::Running } else { Stage::Queued }
}

fn cut(text: String) -> String {
    cut_to(text, TEXT)
}

fn cut_to(mut text: String, limit: usize) -> String {
    if text.len() > limit {
        let end = (0..=limit).rev().find(|&end| text.is_char_boundary(end));
        text.truncate(end.unwrap_or(0));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use procpool_protocol::outcome::{Refusal, Refused};

    fn through(error: JobError) -> JobError {
        let (end, output) = End::of(Err(Box::new(error))).unwrap();
        let json = serde_json::to_vec(&end).unwrap();
        let end: End = serde_json::from_slice(&json).unwrap();
        *end.into_outcome(JobId::from_bits(1), output).unwrap_err()
    }

    #[test]
    fn every_outcome_comes_back_as_the_same_sentence() {
        let mut death = ExitReport::new("fib-3", 7, Exit::by_signal(11, true));
        death.fault = Some(8);
        death.stderr = vec!["boom".into()];
        death.jobs_done = 4;
        let failure = Failure::new("94 is above 93").with_code("too_large").retryable();
        let errors = [
            JobError::bad_input("no number"),
            JobError::Failed(failure.clone()),
            JobError::Broke(failure.as_broken()),
            JobError::panicked("oops", Some("a.rs:1:2".into())),
            JobError::Crashed(Box::new(CrashReport::new(JobId::from_bits(1), Stage::Running, death))),
            JobError::timed_out(Stage::Queued, Duration::from_millis(1500)),
            JobError::timed_out(Stage::Running, Duration::from_secs(2)),
            JobError::cancelled(Stage::Running),
            JobError::protocol("a frame of 3 bytes"),
            JobError::output_too_large(5, 4),
            JobError::poisoned(Stage::Queued, 3, Duration::from_secs(60)),
        ];
        for error in errors {
            let back = through(error.clone());
            assert_eq!((back.to_string(), back.kind()), (error.to_string(), error.kind()));
            assert_eq!(
                (back.may_have_run(), back.is_retryable()),
                (error.may_have_run(), error.is_retryable())
            );
        }
    }

    #[test]
    fn a_second_attempt_cannot_say_that_the_job_never_ran() {
        let end = End::TimedOut { ran: false, limit: Duration::ZERO };
        assert_eq!(end.clone().after(1), end);
        assert_eq!(end.after(2), End::TimedOut { ran: true, limit: Duration::ZERO });
        assert_eq!(End::Cancelled { ran: false }.after(2), End::Cancelled { ran: true });
    }

    #[test]
    fn a_job_that_its_node_did_not_take_has_no_end() {
        let refused = JobError::from(Refused::new("fib", Refusal::queue_full(1)));
        assert_eq!(End::of(Err(Box::new(refused))), None);
        assert_eq!(End::of(Err(Box::new(JobError::shut_down(Stage::Queued)))), None);
        assert!(End::of(Err(Box::new(JobError::shut_down(Stage::Running)))).is_some());
    }

    #[test]
    fn a_large_text_is_cut_so_that_the_record_has_room() {
        let details = vec!["é".repeat(1000); 100];
        let failure = Failure::new("é".repeat(1 << 20)).with_code("large").with_details(&details);
        let JobError::Failed(back) = through(JobError::Failed(failure)) else { panic!() };
        assert_eq!((back.code(), back.details::<Vec<String>>()), ("large", None));
        assert!(back.message().len() <= TEXT && back.message().len() > TEXT - 4);
    }

    #[test]
    fn a_lost_host_is_a_crash_that_names_the_node() {
        let end = End::HostLost { node: NodeId::new("a", 1) };
        let error = end.into_outcome(JobId::from_bits(1), Bytes::new()).unwrap_err();
        assert!(error.may_have_run() && error.to_string().contains("node a-0000000000000001"), "{error}");
    }
}
