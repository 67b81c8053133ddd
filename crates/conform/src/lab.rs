//! [`Lab`]: starts workers of the command under test, and knows what their `Hello` says.

use crate::check::{Checked, Needs, Stop, ensure, skip, wrong};
use crate::frame::Out;
use crate::os::process::{End, Process};
use crate::output::Output;
use crate::subject::Subject;
use crate::worker::{Inheritance, Terms, Worker};
use crate::{FIXTURE, KEEPER, PARTS, PATIENCE};
use procpool_protocol::message::Status;
use procpool_protocol::preamble::Preamble;
use serde_json::Value;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};

/// A program that has ended.
#[derive(Debug)]
pub(crate) struct ByHand {
    pub(crate) end: End,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The laboratory of a run.
#[derive(Debug)]
pub(crate) struct Lab<'a> {
    subject: &'a Subject,
    /// The `Hello` of a first worker, or why there is none.
    hello: Result<Value, String>,
}

impl<'a> Lab<'a> {
    /// Starts a first worker, to know what the others can do.
    pub(crate) fn open(subject: &'a Subject) -> Self {
        let mut lab = Self { subject, hello: Ok(Value::Null) };
        let hello = |mode| lab.spawn(&Terms { mode: Some(mode), ..Terms::default() })?.hello();
        // A worker of free messages alone may say at once that it has no jobs.
        let hello = hello("jobs").or_else(|stop| hello("messages").map_err(|_| stop));
        lab.hello = hello.map_err(|stop| match stop {
            Stop::Wrong(text) | Stop::Skip(text) => text,
        });
        lab
    }

    /// Returns the `Hello` of the command's workers.
    pub(crate) fn hello(&self) -> Checked<&Value> {
        match &self.hello {
            Ok(hello) => Ok(hello),
            Err(why) => wrong(format!("no Hello came: {why}")),
        }
    }

    /// Returns a field of `Hello`, or null.
    pub(crate) fn says(&self, field: &str) -> &Value {
        self.hello.as_ref().map_or(&Value::Null, |hello| &hello[field])
    }

    /// Skips a check of an ability that `Hello` does not announce.
    pub(crate) fn announces(&self, field: &str) -> Checked {
        match self.says(field) {
            Value::Null | Value::Bool(false) => skip(format!("its Hello does not announce `{field}`")),
            _ => Ok(()),
        }
    }

    /// Returns whether the worker reads this encoding.
    pub(crate) fn reads(&self, encoding: &str) -> bool {
        self.says("encodings").as_array().is_none_or(|words| words.iter().any(|word| word == encoding))
    }

    /// Skips a check whose job the worker does not have.
    pub(crate) fn provide(&self, needs: Needs) -> Checked {
        let is_job = |name: &str| {
            if self.says("job") == name { Ok(()) } else { skip(format!("needs the job `{name}`")) }
        };
        match needs {
            Needs::Nothing => Ok(()),
            Needs::Fixture => self.provide_jobs("json").and_then(|()| is_job(FIXTURE)),
            Needs::Input => self.any_job().map(drop),
            Needs::Keeper => self.provide_jobs("raw").and_then(|()| is_job(KEEPER)),
            Needs::Parts => self.provide_jobs("bincode").and_then(|()| is_job(PARTS)),
            Needs::Message => self.provide_messages().and_then(|()| self.any().map(drop)),
            Needs::Messages if self.is_fixture() => self.provide_messages(),
            Needs::Messages => skip(format!("needs a worker of free messages called `{FIXTURE}`")),
        }
    }

    /// Skips a check of free messages, which the worker does not take.
    pub(crate) fn provide_messages(&self) -> Checked {
        self.hello()?;
        if !self.has_mode("messages") {
            return skip("its Hello does not have the mode `messages`");
        }
        if self.reads("json") { Ok(()) } else { skip("it does not read json") }
    }

    /// Returns whether `Hello` has this mode.
    fn has_mode(&self, mode: &str) -> bool {
        self.says("modes").as_array().is_some_and(|modes| modes.iter().any(|it| it == mode))
    }

    /// Returns the mode in which the worker is checked, where a check is about neither.
    fn mode(&self) -> &'static str {
        if self.has_mode("messages") && !self.has_mode("jobs") { "messages" } else { "jobs" }
    }

    /// Skips a check of jobs whose inputs have this encoding, which the worker does not take.
    pub(crate) fn provide_jobs(&self, encoding: &str) -> Checked {
        self.hello()?;
        let modes = self.says("modes");
        if modes.as_array().is_some_and(|modes| modes.iter().all(|mode| mode != "jobs")) {
            return skip("its Hello does not have the mode `jobs`");
        }
        if self.reads(encoding) { Ok(()) } else { skip(format!("it does not read {encoding}")) }
    }

    /// A worker of free messages has the name of its file, which may end in that of its language.
    fn is_fixture(&self) -> bool {
        let name = self.says("job").as_str().unwrap_or_default();
        name == FIXTURE || name.split_once('.').is_some_and(|(name, _)| name == FIXTURE)
    }

    fn input(&self) -> Option<Vec<u8>> {
        let own = self.is_fixture().then(|| br#"{"op":"echo","value":[1,"two"]}"#.to_vec());
        self.subject.input.clone().map(String::into_bytes).or(own)
    }

    /// Returns an input that the worker answers with `Ok`.
    pub(crate) fn any(&self) -> Checked<Vec<u8>> {
        self.input().map_or_else(|| skip("needs `--any INPUT`"), Ok)
    }

    /// Returns the same, if the worker takes it as a job.
    pub(crate) fn any_job(&self) -> Checked<Vec<u8>> {
        self.provide_jobs("json")?;
        self.any()
    }

    /// Returns the status with which a worker answers the known input, if that is another one than `Ok`.
    pub(crate) fn refusal(&self) -> Option<Status> {
        let input = self.subject.input.as_ref()?;
        self.provide_jobs("json").ok()?;
        // A worker that breaks the wire here is what the checks are about.
        let (done, _) = self.ready().and_then(|mut worker| worker.ask(input.as_bytes())).ok()?;
        (done.status != Status::Ok).then_some(done.status)
    }

    /// Returns the command.
    pub(crate) fn command(&self) -> &[std::ffi::OsString] {
        &self.subject.command
    }

    /// Returns the job that a `Welcome` names.
    fn job(&self) -> Option<&str> {
        self.subject.job.as_deref()
    }

    /// Spawns a worker that finds these bytes on its jobs connection.
    pub(crate) fn spawn_with(&self, first: &[u8], inheritance: Inheritance) -> Checked<Worker> {
        Worker::spawn(&self.subject.command, first, inheritance)
    }

    /// Spawns a worker that finds preamble and `Welcome`.
    pub(crate) fn spawn(&self, terms: &Terms) -> Checked<Worker> {
        self.spawn_born(terms, Inheritance::default())
    }

    /// Spawns a worker that finds preamble, `Welcome` and memory.
    pub(crate) fn spawn_born(&self, terms: &Terms, inheritance: Inheritance) -> Checked<Worker> {
        self.spawn_with(&self.opening(terms), inheritance)
    }

    /// Returns preamble and `Welcome`.
    pub(crate) fn opening(&self, terms: &Terms) -> Vec<u8> {
        [&Preamble::ours().to_bytes()[..], &self.welcome(terms).bytes()].concat()
    }

    /// Returns a `Welcome`.
    pub(crate) fn welcome(&self, terms: &Terms) -> Out {
        terms.frame(self.mode(), self.job())
    }

    /// Returns a worker that is ready.
    pub(crate) fn ready(&self) -> Checked<Worker> {
        self.ready_on(&Terms::default())
    }

    /// Returns a worker that is ready, with this `Welcome`.
    pub(crate) fn ready_on(&self, terms: &Terms) -> Checked<Worker> {
        let mut worker = self.spawn(terms)?;
        worker.hello()?;
        worker.ready()?;
        Ok(worker)
    }

    /// Runs the command with further arguments to its end, as a person would.
    pub(crate) fn by_hand(&self, args: &[&str], third: Option<BorrowedFd<'_>>) -> Checked<ByHand> {
        let null = File::open("/dev/null")?;
        let ((out, its_out), (err, its_err)) = (std::io::pipe()?, std::io::pipe()?);
        let mut descriptors = vec![null.as_fd(), its_out.as_fd(), its_err.as_fd()];
        descriptors.extend(third);
        let args = args.iter().map(std::ffi::OsString::from);
        let command: Vec<_> = self.subject.command.iter().cloned().chain(args).collect();
        let mut process = match Process::start(&command, &descriptors) {
            Ok(process) => process,
            Err(error) => return wrong(format!("failed to start {}: {error}", command[0].display())),
        };
        drop((its_out, its_err));
        let (stdout, stderr) = (Output::drain(out)?, Output::drain(err)?);
        let Some(end) = process.end_within(crate::START)? else {
            return wrong(format!("started by hand, it does not end within {:?}", crate::START));
        };
        Ok(ByHand { end, stdout: stdout.whole(PATIENCE), stderr: stderr.whole(PATIENCE) })
    }

    /// Returns what `--describe` prints.
    pub(crate) fn description(&self) -> Checked<Value> {
        let described = self.by_hand(&["--describe"], None)?;
        ensure(described.end == End::Code(0), || {
            format!("expected exit code 0 of --describe, got {}: {}", described.end, described.stderr.trim())
        })?;
        match serde_json::from_str(&described.stdout) {
            Ok(value @ Value::Object(_)) => Ok(value),
            Ok(other) => wrong(format!("--describe prints {other}, not a JSON object")),
            Err(error) => wrong(format!("--describe does not print one JSON object: {error}")),
        }
    }
}
