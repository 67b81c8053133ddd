//! A worker process that the kit has spawned as a pool does, with both its connections.

use crate::check::{Checked, Stop, ensure, wrong};
use crate::frame::{In, JSON, Out, job, job_frame};
use crate::line::Line;
use crate::os::memory::Memory;
use crate::os::process::{End, Process, eventually};
use crate::output::Output;
use crate::strict;
use crate::{PATIENCE, START};
use procpool_protocol::frame::{Kind, flags};
use procpool_protocol::limits::DEFAULT_MAX_PAYLOAD;
use procpool_protocol::message::{Done, Job, Status};
use rustix::process::Pid;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Memory that a worker is born with.
#[derive(Debug, Default)]
pub(crate) struct Inheritance {
    /// Descriptor 5.
    pub(crate) page: Option<Memory>,
    /// Descriptors 6 and 7.
    pub(crate) arenas: Option<[Memory; 2]>,
}

/// The contents of a `Welcome`.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// The worker's own if it is `None`.
    pub(crate) mode: Option<&'static str>,
    pub(crate) owned: bool,
    pub(crate) max_payload: u32,
    pub(crate) page: bool,
    pub(crate) arenas: bool,
    /// Further fields.
    pub(crate) more: Value,
    /// Encoding and bytes of the worker data.
    pub(crate) data: (u8, Vec<u8>),
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            mode: None,
            owned: true,
            max_payload: DEFAULT_MAX_PAYLOAD,
            page: false,
            arenas: false,
            more: json!({}),
            data: (0, Vec::new()),
        }
    }
}

impl Terms {
    /// Returns the frame, for a worker of this mode that should serve `job`.
    pub(crate) fn frame(&self, mode: &str, job: Option<&str>) -> Out {
        let mut welcome = json!({
            "mode": self.mode.unwrap_or(mode),
            "owned": self.owned,
            "worker": "conform-1",
            "pool": "conform",
            "max_payload": self.max_payload,
        });
        for (key, value) in [("page", self.page), ("arenas", self.arenas)] {
            if value {
                welcome[key] = value.into();
            }
        }
        if let Some(job) = job {
            welcome["job"] = job.into();
        }
        for (key, value) in self.more.as_object().into_iter().flatten() {
            welcome[key] = value.clone();
        }
        Out::of(Kind::Welcome, 0).message(welcome.to_string()).payload(self.data.0, self.data.1.clone())
    }
}

/// The worker. Killed with its process group when dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) process: Process,
    pub(crate) jobs: Line,
    pub(crate) control: Line,
    pub(crate) stdout: Output,
    pub(crate) stderr: Output,
    pub(crate) inheritance: Inheritance,
    /// Inode numbers of the worker's ends of both connections.
    pub(crate) sockets: [u64; 2],
    /// Number of the last job.
    pub(crate) sequence: u64,
}

impl Worker {
    /// Spawns a worker that finds `first` on its jobs connection.
    pub(crate) fn spawn(command: &[OsString], first: &[u8], inheritance: Inheritance) -> Checked<Self> {
        let (mut jobs, its_jobs) = Line::pair("jobs")?;
        let (control, its_control) = Line::pair("control")?;
        let sockets = [inode(&its_jobs)?, inode(&its_control)?];
        jobs.send(first)?;
        let null = File::open("/dev/null")?;
        let ((out, its_out), (err, its_err)) = (std::io::pipe()?, std::io::pipe()?);
        let mut descriptors: Vec<BorrowedFd<'_>> =
            vec![null.as_fd(), its_out.as_fd(), its_err.as_fd(), its_jobs.as_fd(), its_control.as_fd()];
        descriptors.extend(inheritance.page.as_ref().map(AsFd::as_fd));
        if let Some([input, output]) = &inheritance.arenas {
            // Number 5 is open in any case.
            descriptors.extend(inheritance.page.is_none().then(|| null.as_fd()));
            descriptors.extend([input.as_fd(), output.as_fd()]);
        }
        let process = match Process::start(command, &descriptors) {
            Ok(process) => process,
            Err(error) => return wrong(format!("failed to start {}: {error}", command[0].display())),
        };
        drop((its_jobs, its_control, its_out, its_err));
        let (stdout, stderr) = (Output::drain(out)?, Output::drain(err)?);
        Ok(Self { process, jobs, control, stdout, stderr, inheritance, sockets, sequence: 0 })
    }

    /// Reads preamble and `Hello`, and checks their frames.
    pub(crate) fn hello(&mut self) -> Checked<Value> {
        self.wait_for_jobs()?;
        if !self.jobs.preamble()? {
            return wrong(format!("no preamble came, and jobs ended: {}", self.last_words()));
        }
        self.hello_frame()
    }

    /// Reads `Hello`, and checks its frame.
    pub(crate) fn hello_frame(&mut self) -> Checked<Value> {
        let hello = self.hear("Hello", START)?;
        if hello.kind == Kind::StartFailed {
            let failure: procpool_protocol::Failure = strict::message(&hello.message, "StartFailed")?;
            return wrong(format!("StartFailed instead of Hello: {}", failure.message()));
        }
        ensure(hello.kind == Kind::Hello, || format!("the first frame is {hello}, not Hello"))?;
        ensure(hello.head.flags == 0 && hello.sequence() == 0 && hello.payload.is_empty(), || {
            format!("Hello has flags, a sequence number or a payload: {hello}")
        })?;
        strict::json(&hello)
    }

    /// Waits until something comes on jobs, and nothing on control.
    fn wait_for_jobs(&mut self) -> Checked {
        let until = Instant::now() + START;
        while self.jobs.is_quiet(Duration::from_millis(20))? && Instant::now() < until {
            if !self.control.is_silent(Duration::ZERO)? {
                return wrong("something came on control before Ready");
            }
        }
        Ok(())
    }

    /// Waits for `Ready`. Logs may come before.
    pub(crate) fn ready(&mut self) -> Checked {
        loop {
            let frame = self.hear("Ready", START)?;
            match frame.kind {
                Kind::Log => {}
                Kind::Ready if frame.is_bare() => break,
                Kind::Ready => return wrong(format!("Ready has more than a header: {frame}")),
                Kind::StartFailed => {
                    let failure: procpool_protocol::Failure = strict::message(&frame.message, "StartFailed")?;
                    return wrong(format!("StartFailed instead of Ready: {}", failure.message()));
                }
                _ => return wrong(format!("expected Ready, got {frame}")),
            }
        }
        self.jobs.heard = 0;
        Ok(())
    }

    /// Returns the next frame on jobs.
    pub(crate) fn hear(&mut self, expected: &str, patience: Duration) -> Checked<In> {
        match self.jobs.frame(patience) {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => wrong(format!("expected {expected}, and jobs ended: {}", self.last_words())),
            Err(Stop::Wrong(text)) => wrong(format!("expected {expected}: {text}")),
            Err(other) => Err(other),
        }
    }

    /// Returns the next frame on control.
    pub(crate) fn hear_control(&mut self, expected: &str) -> Checked<In> {
        match self.control.frame(PATIENCE) {
            Ok(Some(frame)) => Ok(frame),
            Ok(None) => wrong(format!("expected {expected}, and control ended: {}", self.last_words())),
            Err(Stop::Wrong(text)) => wrong(format!("expected {expected}: {text}")),
            Err(other) => Err(other),
        }
    }

    /// Sends a job whose input is JSON, and returns its number.
    pub(crate) fn give(&mut self, input: &[u8]) -> Checked<u64> {
        self.give_as(&job(), JSON, input)
    }

    /// Sends a job with this header message and payload, and returns its number.
    pub(crate) fn give_as(&mut self, job: &Job, encoding: u8, input: &[u8]) -> Checked<u64> {
        self.sequence += 1;
        let mut frame = job_frame(self.sequence, job, input);
        frame.head.encoding = encoding;
        self.jobs.say(&frame)?;
        Ok(self.sequence)
    }

    /// Returns the end of job `sequence`. `Log` frames are passed over.
    pub(crate) fn done(&mut self, sequence: u64) -> Checked<(Done, In)> {
        let mut frame = self.hear("Done", PATIENCE)?;
        while frame.kind == Kind::Log {
            frame = self.hear("Done", PATIENCE)?;
        }
        let done = strict::done(&frame)?;
        ensure(frame.sequence() == sequence, || {
            format!("expected Done of job {sequence}, got that of job {}", frame.sequence())
        })?;
        ensure(frame.has(flags::END), || "Done without END".into())?;
        Ok((done, frame))
    }

    /// Runs a job whose input is JSON.
    pub(crate) fn ask(&mut self, input: &[u8]) -> Checked<(Done, In)> {
        let sequence = self.give(input)?;
        self.done(sequence)
    }

    /// Runs a job that should end with `Ok`.
    pub(crate) fn ask_ok(&mut self, input: &[u8]) -> Checked<In> {
        let (done, frame) = self.ask(input)?;
        expect(&done, "Ok", |status| *status == Status::Ok)?;
        Ok(frame)
    }

    /// Runs a command of the fixture that should end with `Ok`, and returns its output.
    pub(crate) fn command(&mut self, command: &Value) -> Checked<Value> {
        let frame = self.ask_ok(command.to_string().as_bytes())?;
        value(&frame)
    }

    /// Waits until the function uses the processor, if that can be seen.
    pub(crate) fn wait_until_busy(&self) {
        let before = self.process.ticks();
        eventually(Duration::from_millis(300), || match (before, self.process.ticks()) {
            (Some(before), Some(now)) => now > before + 2,
            _ => false,
        });
    }

    /// Waits for its end.
    pub(crate) fn end(&mut self, after: &str) -> Checked<End> {
        match self.process.end_within(PATIENCE)? {
            Some(end) => Ok(end),
            None => wrong(format!("the worker goes on for {PATIENCE:?} after {after}")),
        }
    }

    /// Waits for its end, which should be exit code 0.
    pub(crate) fn end_well(&mut self, after: &str) -> Checked {
        let end = self.end(after)?;
        ensure(end == End::Code(0), || {
            format!("expected exit code 0 after {after}, got {end}: {}", self.last_words())
        })
    }

    /// Returns how it ended and what it said on standard error, for a message.
    pub(crate) fn last_words(&mut self) -> String {
        let end = self.process.end_within(Duration::from_secs(1));
        let end = match end {
            Ok(Some(end)) => format!("the worker ended with {end}"),
            _ => "the worker is there".into(),
        };
        let stderr = self.stderr.whole(Duration::from_millis(200));
        match stderr.trim().lines().last() {
            Some(line) => format!("{end}; its last line of standard error: {line}"),
            None => format!("{end}, with nothing on standard error"),
        }
    }

    pub(crate) fn pid(&self) -> Pid {
        self.process.pid()
    }
}

/// Checks a status.
pub(crate) fn expect(done: &Done, name: &str, is_right: impl FnOnce(&Status) -> bool) -> Checked {
    ensure(is_right(&done.status), || format!("expected {name}, got {:?}", done.status))
}

/// Returns an output that is JSON.
pub(crate) fn value(frame: &In) -> Checked<Value> {
    ensure(frame.head.encoding == JSON, || format!("expected an output in JSON, got {frame}"))?;
    match serde_json::from_slice(&frame.payload) {
        Ok(value) => Ok(value),
        Err(error) => wrong(format!("the output is not JSON: {error}")),
    }
}

fn inode(descriptor: &OwnedFd) -> Checked<u64> {
    Ok(rustix::fs::fstat(descriptor)?.st_ino)
}
