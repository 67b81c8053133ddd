//! The contract of the misbehaving worker that speaks the protocol: each job is something to do.

use procpool::{Job, Streaming};
use procpool_protocol::log::LogLevel;
use serde::{Deserialize, Serialize};

/// The worker's job.
#[derive(Debug)]
pub struct Verbs;

/// The action.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Answer this.
    Echo(String),
    /// Answer the process id.
    Pid,
    /// Report progress, then never answer and never look at the cancel flag.
    Spin,
    /// Report the address of the function `spin_forever` as progress, and call it.
    SpinForever,
    /// Use this number of milliseconds of processor time, then answer.
    Burn(u64),
    /// Have a shell run this line, and wait for it.
    Shell(String),
    /// Make the file, then never answer and never look at the cancel flag.
    SpinOnceBegun(String),
    /// Become this program, with these arguments.
    Exec(String, Vec<String>),
    /// Write the process id to the file, stop this process, and answer when it goes on.
    StopItself(String),
    /// Report progress until cancelled, looking at the flag.
    Obey,
    /// Append a line to the file, then answer.
    Log(String, String),
    /// The same, and answer after this number of microseconds.
    LogThenNap(String, String, u64),
    /// The same, and call `abort` instead of an answer.
    LogThenAbort(String, String),
    /// Call `abort`.
    Abort,
    /// Call `abort`, unless the file exists; make it first. Else answer the attempt.
    AbortOnce(String),
    /// Emit the numbers below this as chunks, then answer it.
    Count(u32),
    /// Emit the numbers below this as chunks, then call `abort`.
    AbortAfter(u32),
    /// Exit with this code.
    Exit(i32),
    /// Panic with this message.
    Panic(String),
    /// Write this line of log, then answer it.
    Say(LogLevel, String),
    /// Write this line of log, then call `abort`.
    SayThenAbort(LogLevel, String),
    /// Fail with this message, and say that the job broke.
    Break(String),
    /// Report progress, then die by the signal of this number.
    Die(i32),
    /// Recurse until the stack is full.
    Overflow,
    /// Write this many bytes to standard output, without a newline.
    Flood(usize),
    /// Write this many bytes to standard error, without a newline.
    FloodStderr(usize),
    /// Write lines to standard error, then abort.
    LastWords(Vec<String>),
    /// Leave behind what the next job in this process dies of, as a damaged heap would be, then answer.
    Damage,
    /// Start a process that sleeps for long and inherits everything, answer its id.
    Grandchild,
    /// Answer this many bytes.
    Large(usize),
    /// Answer after this number of microseconds, without a look at the cancel flag.
    Nap(u64),
    /// The same, looking at the flag all the time.
    Attend(u64),
    /// Answer the path of the own executable, as the system tells it.
    CurrentExe,
    /// Panic with this message, catch that, then call `abort`.
    PanicThenAbort(String),
    /// Answer the own open descriptors.
    Descriptors,
    /// Answer the own environment's keys.
    Environment,
    /// Keep this many bytes for good, each page touched, then answer the number.
    Hoard(usize),
    /// Answer once the file exists.
    WaitFor(String),
    /// Make shared memory of this many bytes, and answer that, or why there is none.
    Share(usize),
    /// Answer `traceparent` and `tracestate` of the own job, or `none`.
    Trace,

    // Verbs that want too much; see `greedy`.
    /// Allocate and touch memory without end.
    Allocate,
    /// Make the file larger without end.
    Fill(String),
    /// Open files until the system refuses, answer how many.
    OpenFiles,
    /// Fork without end; write into the file how many processes there are once the system refuses.
    ForkBomb(String),
    /// Start a process that leaves the process group and the session, answer its id.
    Escape,
    /// Answer the own limits, as `/proc/self/limits` has them.
    Limits,
    /// Answer the own nice level.
    NiceLevel,
}

impl Job for Verbs {
    const NAME: &'static str = "verbs";
    type Input = Verb;
    type Output = String;
}

impl Streaming for Verbs {
    type Chunk = String;
}
