//! Reports of a worker's death: the error value of the job that it ran.

use crate::host_lost;
use crate::job_id::JobId;
use crate::last_words;
use crate::limit_hit::LimitHit;
use crate::outcome_stack::was_in;
use crate::stack::Stack;
use crate::stage::Stage;
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Exit {
    /// The process returned this code.
    Code(i32),
    /// This signal killed the process.
    #[non_exhaustive]
    Signal {
        /// The signal's number.
        number: i32,
        /// Whether a core was dumped.
        core_dumped: bool,
    },
    /// The coordinator does not know: another process reaped the worker.
    Unknown,
}

impl Exit {
    /// Returns whether the process exited with code 0.
    pub fn is_success(self) -> bool {
        self == Self::Code(0)
    }

    /// Returns the exit code, if no signal killed the process.
    pub fn code(self) -> Option<i32> {
        match self {
            Self::Code(code) => Some(code),
            _ => None,
        }
    }

    /// Returns the number of the signal that killed the process.
    pub fn signal(self) -> Option<i32> {
        match self {
            Self::Signal { number, .. } => Some(number),
            _ => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(out, "exit code {code}"),
            Self::Signal { number, .. } => match signal_name(*number) {
                Some(name) => write!(out, "signal {number} ({name})"),
                None => write!(out, "signal {number}"),
            },
            Self::Unknown => out.write_str("an end that this process was not told of"),
        }
    }
}

/// Returns the name of a signal, by Linux's numbers on its common architectures.
pub fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        18 => "SIGCONT",
        19 => "SIGSTOP",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    })
}

/// A worker's exit status with the kernel's figures.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExitReport {
    /// The worker's name: `fib-3`.
    pub worker: String,
    /// Its process id, which may have been reused.
    pub pid: u32,
    /// How it ended.
    pub exit: Exit,
    /// The address of the access to memory by which it ended: `Some(0)` for a null pointer. `None` if it ended
    /// otherwise, or its worker records no crashes.
    pub fault: Option<u64>,
    /// The limit that caused its death. `None` if there is no evidence for one.
    pub limit: Option<LimitHit>,
    /// Whether the kernel killed it because memory had run out, in its control group or in the machine. The
    /// kernel reports this only with a memory control group. The kill may be that of another process of the
    /// same group.
    pub oom_killed: bool,
    /// Whether an operator ordered its kill.
    pub ordered: bool,
    /// Whether it had closed its connection and lived on, so that it was killed: at once, after a second, or
    /// at its job's deadline if that came before.
    pub hung_up: bool,
    /// Lines that its job wrote to standard error, oldest first: the first five and the last ones, at most
    /// twenty. Lines between them are omitted. They include the cause of its death, even before a long
    /// backtrace.
    pub stderr: Vec<String>,
    /// Whether some of these lines may come from an earlier job, because the worker's jobs ended in quick
    /// succession. Otherwise earlier jobs' lines are omitted.
    pub stderr_may_be_older: bool,
    /// Maximum resident memory of the worker, or of a child that it waited for, in bytes. `None` if the
    /// system cannot separate it from the coordinator's own maximum, which it did not exceed.
    pub peak_memory: Option<u64>,
    /// Time on a processor, user and system.
    pub cpu_time: Duration,
    /// Time from spawn to death.
    pub uptime: Duration,
    /// Number of jobs that it had finished.
    pub jobs_done: u64,
    /// The stacks of its threads at the end, where they are known.
    pub stack: Option<Arc<Stack>>,
}

impl ExitReport {
    /// Returns a report with only the worker and its exit status.
    pub fn new(worker: impl Into<String>, pid: u32, exit: Exit) -> Self {
        Self {
            worker: worker.into(),
            pid,
            exit,
            fault: None,
            limit: None,
            oom_killed: false,
            ordered: false,
            hung_up: false,
            stderr: Vec::new(),
            stderr_may_be_older: false,
            peak_memory: None,
            cpu_time: Duration::ZERO,
            uptime: Duration::ZERO,
            jobs_done: 0,
            stack: None,
        }
    }

    /// Returns the line of [`stderr`](Self::stderr) that best explains the death. It is the last one that is
    /// neither a frame of a backtrace nor a note about one.
    pub fn last_words(&self) -> Option<&str> {
        last_words::of(&self.stderr)
    }
}

impl fmt::Display for ExitReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "worker {} (pid {}) ended ", self.worker, self.pid)?;
        match self.exit {
            Exit::Unknown => out.write_str("in a way that this process was not told of")?,
            exit => write!(out, "with {exit}")?,
        }
        if let Some(address) = self.fault {
            let null = if address < NULL_PAGE { " (null)" } else { "" };
            write!(out, " at address {address:#x}{null}")?;
        }
        write!(out, " after {:.1?} and {} jobs", self.uptime, self.jobs_done)?;
        if self.exit == Exit::Unknown {
            out.write_str(
                "; the system tells that to its parent only, and only if that alone waits for it: this process is not its parent, \
                 ignores SIGCHLD, or waits for every child somewhere else",
            )?;
        }
        if let Some(limit) = self.limit {
            write!(out, "; it hit its {limit}")?;
        }
        if self.oom_killed {
            out.write_str("; the kernel's OOM killer took it: memory had run out")?;
        }
        if self.ordered {
            out.write_str("; it was killed by an operator's order")?;
        }
        if self.hung_up {
            out.write_str("; it had closed its connection and lived on, so it was killed")?;
        }
        if let Some(line) = self.last_words() {
            let whose = if self.stderr_may_be_older { ", or an earlier job's" } else { "" };
            write!(out, "; its last words{whose}: {line}")?;
        }
        out.write_str(&was_in(self.stack.as_deref()))
    }
}

/// Addresses below are those of a null pointer, and of a member behind one.
const NULL_PAGE: u64 = 4096;

/// The exit code of a worker that has lost its coordinator. It then writes nothing, because its output has no
/// reader.
const CUT_OFF: i32 = 3;

/// A worker died while it held a job.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrashReport {
    /// The job.
    pub job: JobId,
    /// [`Stage::Running`] if the worker had received the whole job.
    pub stage: Stage,
    /// How the worker died.
    pub death: ExitReport,
    /// Whether the worker had run no job before this one. Otherwise an earlier job may have caused its death.
    pub first_job: bool,
    /// Number of workers that this payload has killed lately, including this one. 0 if this death had another
    /// cause and there was none before.
    pub payload_deaths: u32,
    /// Remaining time of the payload's quarantine, if it has killed enough workers. Until then, jobs with it
    /// end as `Poisoned`.
    pub quarantined: Option<Duration>,
    /// The file in which the job was saved, for `procpool replay FILE` or `WORKER --replay FILE`. `None` if
    /// it was not saved.
    pub replay: Option<PathBuf>,
}

impl CrashReport {
    /// Returns the report of `death` for one job.
    pub fn new(job: JobId, stage: Stage, death: ExitReport) -> Self {
        let first_job = death.jobs_done == 0;
        Self { job, stage, death, first_job, payload_deaths: 0, quarantined: None, replay: None }
    }
}

impl fmt::Display for CrashReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_host_lost() {
            return out.write_str(&host_lost::sentence());
        }
        write!(out, "the worker crashed: {}", self.death)?;
        if self.death.exit == Exit::Code(CUT_OFF) && self.death.stderr.is_empty() {
            out.write_str(
                "; with this code and no word a worker ends that finds its connections closed: does the job close descriptors \
                 that it did not open?",
            )?;
        }
        if let Some(remaining) = self.quarantined {
            write!(out, "; {}", quarantined(self.payload_deaths, remaining))?;
        }
        out.write_str(&again(self.replay.as_deref()))
    }
}

/// Returns the sentence about the quarantine and its remaining time.
pub(crate) fn quarantined(deaths: u32, remaining: Duration) -> String {
    let remaining = Duration::from_secs(remaining.as_secs().max(1));
    format!("the payload has killed {deaths} workers and is not run again for {remaining:?}")
}

/// Returns how to run a saved job again: with the command, or with the worker for users of the library alone.
pub(crate) fn again(saved: Option<&Path>) -> String {
    let file = saved.map(Path::display);
    file.map_or_else(String::new, |file| {
        format!("; `procpool replay {file}`, or `WORKER --replay {file}`, runs the job again")
    })
}

impl Serialize for CrashReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        CrashJson {
            worker: &self.death.worker,
            pid: self.death.pid,
            signal: self.death.exit.signal(),
            signal_name: self.death.exit.signal().and_then(signal_name),
            fault_address: self.death.fault.map(|address| format!("{address:#x}")),
            exit_code: self.death.exit.code(),
            limit_hit: self.death.limit,
            oom_killed: self.death.oom_killed,
            ordered: self.death.ordered,
            hung_up: self.death.hung_up,
            stage: self.stage,
            job: self.job,
            stderr: &self.death.stderr,
            peak_memory_bytes: self.death.peak_memory,
            cpu_ms: millis(self.death.cpu_time),
            uptime_ms: millis(self.death.uptime),
            jobs_done: self.death.jobs_done,
            first_job: self.first_job,
            payload_deaths: self.payload_deaths,
            quarantined: self.quarantined.is_some(),
            quarantined_ms: self.quarantined.map(millis),
            replay: self.replay.as_deref().map(Path::to_string_lossy),
            stack: self.death.stack.as_deref(),
        }
        .serialize(serializer)
    }
}

/// The shape that HTTP clients rely on.
#[derive(Serialize)]
struct CrashJson<'a> {
    worker: &'a str,
    pid: u32,
    signal: Option<i32>,
    signal_name: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault_address: Option<String>,
    exit_code: Option<i32>,
    limit_hit: Option<LimitHit>,
    oom_killed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ordered: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    hung_up: bool,
    stage: Stage,
    job: JobId,
    stderr: &'a [String],
    peak_memory_bytes: Option<u64>,
    cpu_ms: u64,
    uptime_ms: u64,
    jobs_done: u64,
    first_job: bool,
    payload_deaths: u32,
    quarantined: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantined_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    replay: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<&'a Stack>,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
