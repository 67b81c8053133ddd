//! [`Begun`]: a process with its `Welcome`: spawned, forked from a template, or attached.

use super::gifts::Gifts;
use super::{Recipe, StartError};
use crate::attach::{Arrival, AttachPoint};
use crate::clock;
use crate::death::Body;
use crate::environment;
use crate::executable::Pinned;
use crate::kill_switch::KillSwitch;
use crate::opening::Line;
use crate::os::alive::Alive;
use crate::os::memory_watch;
use crate::os::page::Page;
use crate::os::process::Process;
use crate::os::spawn::{Ends, SpawnRequest, Spawned, TakenUp, spawn};
use crate::os::worker_process::WorkerProcess;
use crate::output::Output;
use crate::template::{Forked, Order, Templates};
use bytes::Bytes;
use procpool_memory::arena::BornArenas;
use procpool_protocol::attachments::Attachments;
use procpool_protocol::frame::Kind;
use procpool_protocol::handshake::Welcome;
use procpool_protocol::message::json_frame;
use procpool_protocol::{Encoding, Payload};
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// An `exec` that takes longer is logged.
const SLOW_EXEC: Duration = Duration::from_secs(1);

/// The purpose of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Worker,
    Template,
}

/// The process runs, and has received its `Welcome`.
pub(super) struct Begun<'a> {
    pub(super) recipe: &'a Recipe,
    pub(super) body: Body,
    pub(super) jobs: Line,
    pub(super) control: Line,
    pub(super) page: Option<Page>,
    pub(super) arenas: Option<BornArenas>,
    /// The encoding of the worker data that was sent.
    pub(super) given: Encoding,
    /// The part of the first frame that the jobs connection has not accepted: a part of large worker data.
    pub(super) rest: Bytes,
    /// The descriptors to send with the first byte of `rest`.
    pub(super) attachments: Attachments,
}

impl<'a> Begun<'a> {
    pub(super) async fn spawn(
        recipe: &'a Recipe,
        pinned: &Pinned,
        role: Role,
        name: String,
        kill_switch: &KillSwitch,
        data: Payload,
    ) -> Result<Self, StartError> {
        let path = pinned.executable().as_path();
        let failed = |reason| StartError::Spawn { path: path.to_owned(), reason };
        let gifts = match role {
            Role::Worker => Gifts::of(recipe, &name),
            Role::Template => Gifts::default(),
        };
        let descriptors = gifts.descriptors().map_err(failed)?;
        let welcome = Welcome { template: role == Role::Template, ..gifts.welcome(recipe, &name) };
        let (welcome, attachments, given) = first_frame(&welcome, data).map_err(failed)?;
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
        let Spawned { process, ends: Ends { stdout, stderr, jobs, control }, welcomed } =
            spawned.map_err(failed)?;
        let (jobs, control) = (Line::new(jobs).map_err(failed)?, Line::new(control).map_err(failed)?);
        let (output, rest) = ([stdout, stderr], welcome.slice(welcomed..));
        let parts = Parts { process, output, jobs, control, gifts, given, rest, attachments };
        Self::of_child(recipe, name, kill_switch, parts).map_err(failed)
    }

    pub(super) async fn fork(
        recipe: &'a Recipe,
        templates: &Arc<Templates>,
        name: String,
        kill_switch: &KillSwitch,
        data: Payload,
    ) -> Result<Self, StartError> {
        let failed = |reason| StartError::Prepare { pool: recipe.name.clone(), reason };
        let gifts = Gifts::of(recipe, &name);
        let descriptors = gifts.descriptors().map_err(failed)?;
        let (welcome, attachments, given) =
            first_frame(&gifts.welcome(recipe, &name), data).map_err(failed)?;
        let order = Order { descriptors, welcome, attachments };
        let (templates, theirs) = (templates.clone(), recipe.clone());
        // On a task of its own, which nobody drops between the fork and the moment at which its child is known.
        let mut forking = tokio::spawn(async move { templates.fork(&theirs, &order).await });
        let forked = tokio::select! {
            forked = &mut forking => forked,
            () = kill_switch.used() => return Err(StartError::Withdrawn { pool: recipe.name.clone() }),
        };
        let Forked { process, stdout, stderr, jobs, control } =
            forked.map_err(io::Error::other).map_err(failed)??;
        let (rest, attachments) = (Bytes::new(), Attachments::NONE);
        let output = [stdout, stderr];
        let parts = Parts { process, output, jobs, control, gifts, given, rest, attachments };
        Self::of_child(recipe, name, kill_switch, parts).map_err(failed)
    }

    fn of_child(
        recipe: &'a Recipe,
        name: String,
        kill_switch: &KillSwitch,
        parts: Parts,
    ) -> io::Result<Self> {
        let Parts { process, output: [stdout, stderr], jobs, control, gifts, given, rest, attachments } =
            parts;
        let process = Arc::new(WorkerProcess::Child(process));
        let output = Output::drain(&name, stdout, stderr, kill_switch.lines())?;
        let alive = Alive::watch(process.clone())?;
        // Attached last: after an earlier failure, only the process's owner holds it, and dropping it kills
        // it.
        kill_switch.attach(&process);
        memory_watch::begin(&process);
        let body = Body { name, limits: recipe.limits, process, alive, output: Some(output) };
        let Gifts { page, arenas } = gifts;
        Ok(Self { recipe, body, jobs, control, page, arenas, given, rest, attachments })
    }

    /// Waits without a limit for a process that attaches.
    pub(super) async fn attach(
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
        let (rest, attachments, given) = first_frame(&recipe.welcome_of(&name), data).map_err(failed)?;
        let Arrival { process, jobs, control } = arrival;
        let process = Arc::new(WorkerProcess::Attached(process));
        let alive = Alive::watch(process.clone()).map_err(failed)?;
        kill_switch.attach(&process);
        let body = Body { name, limits: recipe.limits, process, alive, output: None };
        Ok(Self { recipe, body, jobs, control, page: None, arenas: None, given, rest, attachments })
    }
}

/// A child with its connections, and the part of its first frame that was not sent yet.
struct Parts {
    process: Process,
    /// Its standard output and standard error.
    output: [OwnedFd; 2],
    jobs: Line,
    control: Line,
    gifts: Gifts,
    given: Encoding,
    rest: Bytes,
    attachments: Attachments,
}

/// Returns the first frame of the jobs connection with its descriptors, and the encoding of the worker data.
fn first_frame(welcome: &Welcome, data: Payload) -> io::Result<(Bytes, Attachments, Encoding)> {
    let given = data.encoding;
    let frame = json_frame(Kind::Welcome, welcome).map_err(io::Error::other)?.with_payload(data);
    Ok((frame.to_bytes(), frame.payload.attachments, given))
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
