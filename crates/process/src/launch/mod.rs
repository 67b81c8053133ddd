//! From a recipe to a worker that takes jobs: spawned → introduced → ready.
//!
//! Each step is a type, so that no step can be omitted or repeated. Each step has the same timeout. If one
//! fails, the process is dead and reaped when the error is returned.

mod error;
mod hint;
mod opened;
mod recipe;

pub use error::StartError;
pub use opened::opened;
pub use recipe::{Origin, Recipe};

use crate::attach::{Arrival, AttachPoint};
use crate::clock;
use crate::death::{self, Body};
use crate::environment;
use crate::executable::Pinned;
use crate::kill_switch::KillSwitch;
use crate::log::log_record;
use crate::opening::{First, Line};
use crate::os::alive::Alive;
use crate::os::page::Page;
use crate::os::socket::Socket;
use crate::os::spawn::{SpawnRequest, Spawned, TakenUp, spawn};
use crate::os::worker_process::WorkerProcess;
use crate::output::Output;
use bytes::Bytes;
use procpool_memory::arena::BornArenas;
use procpool_protocol::attachments::Attachments;
use procpool_protocol::batch;
use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::Kind;
use procpool_protocol::handshake::{Hello, Mode};
use procpool_protocol::limits::MAX_CONTROL_PAYLOAD;
use procpool_protocol::message::failure_of;
use procpool_protocol::{Encoding, Failure, Payload};
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// An `exec` that takes longer is logged.
const SLOW_EXEC: Duration = Duration::from_secs(1);

/// A worker that takes jobs or messages.
#[derive(Debug)]
pub struct ReadyWorker {
    pub(crate) body: Body,
    /// Its hello.
    pub hello: Hello,
    pub(crate) jobs: Arc<Socket>,
    pub(crate) control: Arc<Socket>,
    /// Holds the bytes that the worker sent after it was ready, if any.
    pub(crate) jobs_in: Decoder,
    pub(crate) control_in: Decoder,
    /// The page in which the worker records which job it has begun, if it does.
    pub(crate) page: Option<Page>,
    /// The arenas that the worker inherited, if any.
    pub arenas: Option<BornArenas>,
}

impl ReadyWorker {
    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.body.process.pid()
    }

    /// Returns whether the worker may receive jobs ahead of their turn, because it records which job it has
    /// begun.
    pub fn takes_ahead(&self) -> bool {
        self.page.is_some()
    }
}

/// Launches one worker called `name`; `kill_switch` can kill it at any time.
///
/// # Errors
/// Returns [`StartError`] when the worker does not become ready. Its process is then dead and reaped.
pub async fn launch(
    recipe: &Recipe,
    name: String,
    kill_switch: &KillSwitch,
) -> Result<ReadyWorker, StartError> {
    let data = recipe.next_data();
    let given = data.encoding;
    let worker = match introduced(recipe, name.clone(), kill_switch, data).await {
        // This worker was the first to name its encodings, and the worker data exists in one of them.
        Err(StartError::Encoding { .. }) if recipe.next_data().encoding != given => {
            tracing::debug!(
                pool = recipe.name,
                worker = name,
                "starting again, with worker data that it reads"
            );
            introduced(recipe, name, kill_switch, recipe.next_data()).await
        }
        worker => worker,
    };
    worker?.ready().await
}

/// Starts a worker, sends it this data, and reads its hello.
async fn introduced<'a>(
    recipe: &'a Recipe,
    name: String,
    kill_switch: &KillSwitch,
    data: Payload,
) -> Result<Introduced<'a>, StartError> {
    let begun = match &recipe.origin {
        Origin::Spawned(pinned) => Begun::spawn(recipe, pinned, name, kill_switch, data).await?,
        Origin::Attached(point) => Begun::attach(recipe, point, name, kill_switch, data).await?,
    };
    begun.introduced().await
}

/// The process runs, and has received its `Welcome`.
struct Begun<'a> {
    recipe: &'a Recipe,
    body: Body,
    jobs: Line,
    control: Line,
    page: Option<Page>,
    arenas: Option<BornArenas>,
    /// The encoding of the worker data that was sent.
    given: Encoding,
    /// The part of the first frame that the jobs connection has not accepted: a part of large worker data.
    rest: Bytes,
    /// The descriptors to send with the first byte of `rest`.
    attachments: Attachments,
}

impl<'a> Begun<'a> {
    async fn spawn(
        recipe: &'a Recipe,
        pinned: &Pinned,
        name: String,
        kill_switch: &KillSwitch,
        data: Payload,
    ) -> Result<Self, StartError> {
        let path = pinned.executable().as_path();
        let failed = |reason| StartError::Spawn { path: path.to_owned(), reason };
        let (page, given) = (recipe.page_for(&name), data.encoding);
        let arenas = recipe.arenas_for(&name);
        let descriptors = descriptors(page.as_ref(), arenas.as_ref()).map_err(failed)?;
        let welcome = recipe.first_frame(&name, page.as_ref(), arenas.is_some(), data);
        let welcome = welcome.map_err(io::Error::other).map_err(failed)?;
        let attachments = welcome.payload.attachments.clone();
        let welcome = welcome.to_bytes();
        // A frame with attachments is sent whole, and not by the spawner.
        let early = if attachments.as_slice().is_empty() { welcome.clone() } else { Bytes::new() };
        let request = SpawnRequest {
            pinned: pinned.clone(),
            env: environment::of_worker(&recipe.inherit_env, &recipe.env),
            current_dir: recipe.current_dir.clone(),
            limits: recipe.limits,
            descriptors,
            welcome: early,
        };
        // A child that is spawned too late is killed by its own destructor.
        let timeout = recipe.step_timeout;
        let taken_up = TakenUp::default();
        let spawned = tokio::select! {
            spawned = noticed_if_slow(path, spawn(request, taken_up.clone()), &taken_up) => spawned,
            () = clock::sleep(timeout) => {
                return Err(StartError::Hangs { path: path.to_owned(), timeout });
            }
            () = kill_switch.used() => return Err(StartError::Withdrawn { pool: recipe.name.clone() }),
        };
        let Spawned { process, stdout, stderr, jobs, control, welcomed } = spawned.map_err(failed)?;
        let process = Arc::new(WorkerProcess::Child(process));
        let output = Output::drain(&name, stdout, stderr).map_err(failed)?;
        let alive = Alive::watch(process.clone()).map_err(failed)?;
        let (jobs, control) = (Line::new(jobs).map_err(failed)?, Line::new(control).map_err(failed)?);
        // Attached last: after an earlier failure, only the process's owner holds it, and dropping it kills
        // it.
        kill_switch.attach(process.clone());
        let body = Body { name, limits: recipe.limits, process, alive, output: Some(output) };
        let rest = welcome.slice(welcomed..);
        Ok(Self { recipe, body, jobs, control, page, arenas, given, rest, attachments })
    }

    /// Waits without a limit for a process that attaches.
    async fn attach(
        recipe: &'a Recipe,
        point: &AttachPoint,
        name: String,
        kill_switch: &KillSwitch,
        data: Payload,
    ) -> Result<Self, StartError> {
        let withdrawn = || StartError::Withdrawn { pool: recipe.name.clone() };
        let arrival = tokio::select! {
            arrival = point.next() => arrival.ok_or_else(withdrawn)?,
            () = kill_switch.used() => return Err(withdrawn()),
        };
        let failed = |reason| StartError::Prepare { pool: recipe.name.clone(), reason };
        let given = data.encoding;
        let welcome =
            recipe.first_frame(&name, None, false, data).map_err(io::Error::other).map_err(failed)?;
        let (rest, attachments) = (welcome.to_bytes(), welcome.payload.attachments);
        let Arrival { process, jobs, control } = arrival;
        let process = Arc::new(WorkerProcess::Attached(process));
        let alive = Alive::watch(process.clone()).map_err(failed)?;
        kill_switch.attach(process.clone());
        let body = Body { name, limits: recipe.limits, process, alive, output: None };
        Ok(Self { recipe, body, jobs, control, page: None, arenas: None, given, rest, attachments })
    }

    async fn introduced(mut self) -> Result<Introduced<'a>, StartError> {
        let has_preamble = self.body.process.attached().is_some();
        let welcome = self.jobs.open(&self.rest, &self.attachments, has_preamble);
        let first = heard(welcome, self.control.breach());
        let first = match step(&self.body.alive, self.recipe.step_timeout, first).await {
            Step::Done(Ok(first)) => first,
            // A broken connection is usually the first sign of a death, which explains more.
            Step::Done(Err(violation)) => return Err(self.recipe.broke_off(self.body, violation).await),
            Step::Died => return Err(self.recipe.died(self.body).await),
            Step::TimedOut => return Err(self.recipe.timed_out(self.body, "introduced").await),
        };
        let Self { recipe, body, mut jobs, mut control, page, arenas, given, .. } = self;
        let hello = match first {
            First::Hello(hello) => hello,
            First::Declined(failure) => return Err(recipe.failed(body, failure).await),
        };
        if let Err(refusal) = recipe.judge(&hello, given) {
            jobs.refuse(refusal.reason, &refusal.error.to_string());
            if recipe.origin.pinned().is_none() {
                // It is another process's child: give it time to read the reason and exit.
                let _ = clock::timeout(death::AFTER_EOF, async { while jobs.frame().await.is_ok() {} }).await;
            }
            // A well-behaved worker would exit by itself, but not all workers do.
            body.bury(death::LAST_WORDS, None).await;
            return Err(refusal.error);
        }
        jobs.decoder.set_max_payload(match (recipe.mode, hello.batches) {
            (Mode::Jobs, true) => batch::max_answers(recipe.max_payload),
            _ => recipe.max_payload,
        });
        control.decoder.set_max_payload(MAX_CONTROL_PAYLOAD);
        recipe.takes_arenas.get_or_init(|| hello.arenas);
        Ok(Introduced { recipe, body, page: page.filter(|_| hello.page), arenas, hello, jobs, control })
    }
}

/// The worker has sent its hello, and it fits the pool.
struct Introduced<'a> {
    recipe: &'a Recipe,
    body: Body,
    hello: Hello,
    jobs: Line,
    control: Line,
    page: Option<Page>,
    arenas: Option<BornArenas>,
}

impl Introduced<'_> {
    async fn ready(self) -> Result<ReadyWorker, StartError> {
        let Self { recipe, body, hello, mut jobs, mut control, page, arenas } = self;
        let said = async {
            loop {
                let frame = jobs.frame().await?;
                if frame.kind != Kind::Log {
                    return Ok(frame);
                }
                log_record(&frame, &recipe.name, &body.name, None)?;
            }
        };
        let frame = heard(said, control.breach());
        let frame = match step(&body.alive, recipe.step_timeout, frame).await {
            Step::Done(Ok(frame)) => frame,
            Step::Done(Err(violation)) => return Err(recipe.broke_off(body, violation).await),
            Step::Died => return Err(recipe.died(body).await),
            Step::TimedOut => return Err(recipe.timed_out(body, "ready").await),
        };
        match frame.kind {
            Kind::Ready => Ok(ReadyWorker {
                body,
                hello,
                jobs: Arc::new(jobs.socket),
                control: Arc::new(control.socket),
                jobs_in: jobs.decoder,
                control_in: control.decoder,
                page: page.filter(Page::is_kept),
                arenas,
            }),
            Kind::StartFailed => {
                let failure = failure_of(&frame).unwrap_or_else(|error| Failure::new(error.to_string()));
                Err(recipe.failed(body, failure).await)
            }
            other => Err(recipe.violated(body, format!("it said {other:?} instead of Ready")).await),
        }
    }
}

/// The descriptors that a worker inherits beside its connections, from number 5 on.
fn descriptors(page: Option<&Page>, arenas: Option<&BornArenas>) -> io::Result<Vec<OwnedFd>> {
    let page = page.map(|page| page.as_fd().try_clone_to_owned()).transpose()?;
    let Some(BornArenas { input, output }) = arenas else { return Ok(Vec::from_iter(page)) };
    let [input, output] = [input.as_fd().try_clone_to_owned()?, output.as_fd().try_clone_to_owned()?];
    // The protocol fixes the numbers of the arenas, with or without a page.
    let page = page.map_or_else(|| input.try_clone(), Ok)?;
    Ok(vec![page, input, output])
}

/// Returns the first frame of the jobs connection, unless the worker sends something on the other one or
/// closes it.
async fn heard<T>(
    jobs: impl Future<Output = Result<T, String>>,
    breach: impl Future<Output = String>,
) -> Result<T, String> {
    tokio::select! {
        biased;
        heard = jobs => heard,
        breach = breach => Err(breach),
    }
}

/// Logs the name of an executable whose `exec` hangs. Waiting for a turn does not count.
async fn noticed_if_slow<T>(path: &Path, spawning: impl Future<Output = T>, taken_up: &TakenUp) -> T {
    let hangs = async {
        let mut left = SLOW_EXEC;
        while !left.is_zero() {
            clock::sleep(left).await;
            left = taken_up.get().map_or(SLOW_EXEC, |at| SLOW_EXEC.saturating_sub(at.elapsed()));
        }
        tracing::warn!(
            executable = %path.display(),
            "the system has been starting this executable for {SLOW_EXEC:?}, and is not done: a network file \
             system or a scanner may hold it up; its pool waits, others do not"
        );
        std::future::pending::<std::convert::Infallible>().await
    };
    tokio::select! {
        biased;
        spawned = spawning => spawned,
        never = hangs => match never {},
    }
}

enum Step<T> {
    Done(T),
    Died,
    TimedOut,
}

/// Runs one step of a launch, unless the worker dies or the timeout is reached first.
async fn step<T>(alive: &Alive, timeout: Duration, work: impl Future<Output = T>) -> Step<T> {
    tokio::select! {
        biased;
        done = work => Step::Done(done),
        () = alive.died() => Step::Died,
        () = clock::sleep(timeout) => Step::TimedOut,
    }
}
