//! Errors of jobs as JSON. The types here are the format: every field that they gain later has a default.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use procpool_protocol::outcome::{Refusal, Refused};
use procpool_protocol::stack::{Stack, StackFrame, ThreadStack};
use procpool_protocol::{
    CrashReport, Encoding, Exit, ExitReport, Failure, JobError, JobId, LimitHit, MemoryCount, PayloadError,
    Stage,
};
use serde::{Deserialize, Serialize};

use super::Unreadable;

#[derive(Serialize, Deserialize)]
enum Error {
    BadInput(String),
    Failed(Failure),
    Broke(Failure),
    Panicked {
        message: String,
        location: Option<String>,
        replay: Option<PathBuf>,
    },
    Crashed(Box<Crash>),
    TimedOut {
        ran: bool,
        limit: Duration,
        replay: Option<PathBuf>,
        stack: Option<Threads>,
    },
    Cancelled {
        ran: bool,
    },
    Protocol {
        violation: String,
        replay: Option<PathBuf>,
    },
    OutputTooLarge {
        size: u64,
        limit: u64,
    },
    Poisoned {
        ran: bool,
        deaths: u32,
        remaining: Duration,
    },
    ShutDown {
        ran: bool,
    },
    /// An output that its caller cannot read: only its sentence stays.
    Output(String),
    /// Accepted jobs are not refused later. Should one be, its sentence stays.
    Refused {
        pool: String,
        reason: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Crash {
    job: JobId,
    ran: bool,
    first_job: bool,
    payload_deaths: u32,
    quarantined: Option<Duration>,
    replay: Option<PathBuf>,
    worker: String,
    pid: u32,
    exit: Ended,
    fault: Option<u64>,
    limit: Option<Limit>,
    oom_killed: bool,
    ordered: bool,
    stderr: Vec<String>,
    stderr_may_be_older: bool,
    peak_memory: Option<u64>,
    cpu_time: Duration,
    uptime: Duration,
    jobs_done: u64,
    stack: Option<Threads>,
}

#[derive(Serialize, Deserialize)]
enum Ended {
    Code(i32),
    Signal(i32, bool),
    Unknown,
    /// A signal after it had closed its connection.
    AfterHangUp(i32, bool),
}

#[derive(Serialize, Deserialize)]
enum Limit {
    MemoryOfCgroup(u64),
    ResidentMemory(u64),
    AddressSpace(u64),
    Cpu(Duration),
    FileSize(u64),
}

#[derive(Serialize, Deserialize)]
struct Threads {
    threads: Vec<Thread>,
    note: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Thread {
    id: u32,
    name: String,
    frames: Vec<Frame>,
    truncated: bool,
}

/// Function, file, line, module, offset, and whether it is inlined.
type Frame = (Option<String>, Option<String>, Option<u32>, Option<String>, u64, bool);

/// Returns an error as JSON.
pub(super) fn encode(error: &JobError) -> Vec<u8> {
    serde_json::to_vec(&written(error)).unwrap_or_default()
}

/// Reads an error.
pub(super) fn decode(bytes: &[u8]) -> Result<JobError, Unreadable> {
    let error = serde_json::from_slice(bytes);
    error.map(read).map_err(|_| Unreadable("its error is not one that this version knows"))
}

fn written(error: &JobError) -> Error {
    let replay = error.replay().map(Into::into);
    let threads = || error.stack().map(threads);
    match error {
        JobError::BadInput { message, .. } => Error::BadInput(message.clone()),
        JobError::Failed(failure) => Error::Failed(failure.clone()),
        JobError::Broke(failure) => Error::Broke(failure.clone()),
        JobError::Panicked { message, location, .. } => {
            Error::Panicked { message: message.clone(), location: location.clone(), replay }
        }
        JobError::Crashed(report) => Error::Crashed(Box::new(crash(report))),
        JobError::TimedOut { stage, limit, .. } => {
            Error::TimedOut { ran: ran(*stage), limit: *limit, replay, stack: threads() }
        }
        JobError::Cancelled { stage, .. } => Error::Cancelled { ran: ran(*stage) },
        JobError::Protocol { violation, .. } => Error::Protocol { violation: violation.clone(), replay },
        JobError::OutputTooLarge { size, limit, .. } => Error::OutputTooLarge { size: *size, limit: *limit },
        JobError::Poisoned { stage, payload_deaths, remaining, .. } => {
            Error::Poisoned { ran: ran(*stage), deaths: *payload_deaths, remaining: *remaining }
        }
        JobError::ShutDown { stage, .. } => Error::ShutDown { ran: ran(*stage) },
        JobError::Refused(refused) => {
            Error::Refused { pool: refused.pool.clone(), reason: refused.reason.to_string() }
        }
        other => Error::Output(other.to_string()),
    }
}

fn read(error: Error) -> JobError {
    let saved = |mut error: JobError, replay: Option<PathBuf>| {
        replay.into_iter().for_each(|file| error.saved_as(file));
        error
    };
    match error {
        Error::BadInput(message) => JobError::bad_input(message),
        Error::Failed(failure) => JobError::Failed(failure),
        // The mark is not part of a failure as JSON.
        Error::Broke(failure) => JobError::Broke(failure.as_broken()),
        Error::Panicked { message, location, replay } => saved(JobError::panicked(message, location), replay),
        Error::Crashed(crash) => JobError::Crashed(Box::new(report(*crash))),
        Error::TimedOut { ran, limit, replay, stack } => {
            let mut error = saved(JobError::timed_out(stage(ran), limit), replay);
            stack.into_iter().for_each(|threads| error.seen_with(Arc::new(self::stack(threads))));
            error
        }
        Error::Cancelled { ran } => JobError::cancelled(stage(ran)),
        Error::Protocol { violation, replay } => saved(JobError::protocol(violation), replay),
        Error::OutputTooLarge { size, limit } => JobError::output_too_large(size, limit),
        Error::Poisoned { ran, deaths, remaining } => JobError::poisoned(stage(ran), deaths, remaining),
        Error::ShutDown { ran } => JobError::shut_down(stage(ran)),
        Error::Output(text) => JobError::Output(PayloadError::decode(Encoding::None, 0, text)),
        Error::Refused { pool, reason } => Refused::new(pool, Refusal::InputEncoding(reason)).into(),
    }
}

fn ran(stage: Stage) -> bool {
    stage == Stage::Running
}

fn stage(ran: bool) -> Stage {
    if ran { Stage::Running } else { Stage::Queued }
}

fn crash(report: &CrashReport) -> Crash {
    let death = &report.death;
    Crash {
        job: report.job,
        ran: ran(report.stage),
        first_job: report.first_job,
        payload_deaths: report.payload_deaths,
        quarantined: report.quarantined,
        replay: report.replay.clone(),
        worker: death.worker.clone(),
        pid: death.pid,
        exit: match death.exit {
            Exit::Code(code) => Ended::Code(code),
            Exit::Signal { number, core_dumped, .. } if death.hung_up => {
                Ended::AfterHangUp(number, core_dumped)
            }
            Exit::Signal { number, core_dumped, .. } => Ended::Signal(number, core_dumped),
            _ => Ended::Unknown,
        },
        fault: death.fault,
        limit: death.limit.and_then(limit),
        oom_killed: death.oom_killed,
        ordered: death.ordered,
        stderr: death.stderr.clone(),
        stderr_may_be_older: death.stderr_may_be_older,
        peak_memory: death.peak_memory,
        cpu_time: death.cpu_time,
        uptime: death.uptime,
        jobs_done: death.jobs_done,
        stack: death.stack.as_deref().map(threads),
    }
}

fn report(crash: Crash) -> CrashReport {
    let hung_up = matches!(crash.exit, Ended::AfterHangUp(..));
    let exit = match crash.exit {
        Ended::Code(code) => Exit::Code(code),
        Ended::Signal(number, core_dumped) | Ended::AfterHangUp(number, core_dumped) => {
            Exit::by_signal(number, core_dumped)
        }
        Ended::Unknown => Exit::Unknown,
    };
    let mut death = ExitReport::new(crash.worker, crash.pid, exit);
    death.fault = crash.fault;
    death.limit = crash.limit.as_ref().map(limit_hit);
    death.oom_killed = crash.oom_killed;
    death.ordered = crash.ordered;
    death.hung_up = hung_up;
    death.stderr = crash.stderr;
    death.stderr_may_be_older = crash.stderr_may_be_older;
    death.peak_memory = crash.peak_memory;
    death.cpu_time = crash.cpu_time;
    death.uptime = crash.uptime;
    death.jobs_done = crash.jobs_done;
    death.stack = crash.stack.map(|threads| Arc::new(stack(threads)));
    let mut report = CrashReport::new(crash.job, stage(crash.ran), death);
    report.first_job = crash.first_job;
    report.payload_deaths = crash.payload_deaths;
    report.quarantined = crash.quarantined;
    report.replay = crash.replay;
    report
}

fn limit(limit: LimitHit) -> Option<Limit> {
    Some(match limit {
        LimitHit::Memory { limit, count: MemoryCount::Resident, .. } => Limit::ResidentMemory(limit),
        LimitHit::Memory { limit, .. } => Limit::MemoryOfCgroup(limit),
        LimitHit::AddressSpace { limit, .. } => Limit::AddressSpace(limit),
        LimitHit::Cpu { limit, .. } => Limit::Cpu(limit),
        LimitHit::FileSize { limit, .. } => Limit::FileSize(limit),
        _ => return None,
    })
}

fn limit_hit(limit: &Limit) -> LimitHit {
    match *limit {
        Limit::MemoryOfCgroup(limit) => LimitHit::memory(limit, MemoryCount::Cgroup),
        Limit::ResidentMemory(limit) => LimitHit::memory(limit, MemoryCount::Resident),
        Limit::AddressSpace(limit) => LimitHit::address_space(limit),
        Limit::Cpu(limit) => LimitHit::cpu(limit),
        Limit::FileSize(limit) => LimitHit::file_size(limit),
    }
}

fn threads(stack: &Stack) -> Threads {
    let frame = |it: &StackFrame| {
        (it.function.clone(), it.file.clone(), it.line, it.module.clone(), it.offset, it.inlined)
    };
    let thread = |it: &ThreadStack| Thread {
        id: it.id,
        name: it.name.clone(),
        frames: it.frames.iter().map(frame).collect(),
        truncated: it.truncated,
    };
    Threads { threads: stack.threads.iter().map(thread).collect(), note: stack.note.clone() }
}

fn stack(threads: Threads) -> Stack {
    let frame = |(function, file, line, module, offset, inlined): Frame| {
        let mut frame = StackFrame::new(module, offset);
        (frame.function, frame.file, frame.line, frame.inlined) = (function, file, line, inlined);
        frame
    };
    let thread = |it: Thread| {
        let mut thread = ThreadStack::new(it.id, it.name, it.frames.into_iter().map(frame).collect());
        thread.truncated = it.truncated;
        thread
    };
    let mut stack = Stack::new(threads.threads.into_iter().map(thread).collect());
    stack.note = threads.note;
    stack
}
