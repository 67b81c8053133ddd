//! From a recipe to a worker that takes jobs: bound → spawned → connected → ready.
//!
//! Each step is a type, so none can be left out or done twice, and each has the same bound on its
//! time. Whatever fails, the process is dead and reaped when the error is returned.

mod error;
mod recipe;

pub use error::StartError;
pub use recipe::Recipe;

use crate::death::{self, Body};
use crate::environment;
use crate::hub::{self, Arrival, Hub, Ticket};
use crate::kill_switch::KillSwitch;
use crate::os::alive::Alive;
use crate::os::page::Page;
use crate::os::process::{self, SpawnRequest};
use crate::os::socket::Socket;
use crate::output::Output;
use procpool_protocol::Failure;
use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::Kind;
use procpool_protocol::handshake::{Connection, ENV_COORDINATOR, ENV_JOB, ENV_SOCKET, Hello};
use procpool_protocol::message::failure_of;
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A worker that takes jobs or messages.
#[derive(Debug)]
pub struct ReadyWorker {
    pub(crate) body: Body,
    /// What it said of itself.
    pub hello: Hello,
    pub(crate) jobs: Arc<Socket>,
    pub(crate) control: Arc<Socket>,
    /// Holds what the worker sent after it was ready, if anything.
    pub(crate) jobs_in: Decoder,
    pub(crate) control_in: Decoder,
    /// Where the worker writes down which job it has begun, if it does.
    pub(crate) page: Option<Page>,
}

impl ReadyWorker {
    /// Returns its process id.
    pub fn pid(&self) -> u32 {
        self.body.process.pid()
    }

    /// Returns whether it may be given jobs ahead of their turn: it writes down which it has begun.
    pub fn takes_ahead(&self) -> bool {
        self.page.is_some()
    }
}

/// Launches one worker called `name`; `kill_switch` can kill it at any time.
pub async fn launch(
    hub: &Hub,
    recipe: &Recipe,
    name: String,
    kill_switch: &KillSwitch,
) -> Result<ReadyWorker, StartError> {
    let spawned = Bound::new(hub, recipe, name).spawn(kill_switch).await?;
    spawned.connected().await?.ready().await
}

/// The socket is bound and the token expected.
struct Bound<'a> {
    recipe: &'a Recipe,
    name: String,
    ticket: Ticket,
    socket: &'a PathBuf,
}

impl<'a> Bound<'a> {
    fn new(hub: &'a Hub, recipe: &'a Recipe, name: String) -> Self {
        Self { recipe, name, ticket: hub.expect(), socket: hub.socket() }
    }

    async fn spawn(self, kill_switch: &KillSwitch) -> Result<Spawned<'a>, StartError> {
        let Self { recipe, name, ticket, socket } = self;
        let path = recipe.pinned.executable.as_path();
        let failed = |source| StartError::Spawn { path: path.to_owned(), source };
        let mut env = environment::of_worker(&recipe.inherit_env, &recipe.env);
        env.push((ENV_SOCKET.into(), socket.into()));
        env.push((ENV_COORDINATOR.into(), std::process::id().to_string().into()));
        env.extend(recipe.expects.get().map(|contract| (ENV_JOB.into(), contract.job.clone().into())));
        let request = SpawnRequest {
            program: recipe.pinned.program(),
            pinned: recipe.pinned.file.clone(),
            arg0: path.as_os_str().to_owned(),
            args: recipe.pinned.executable.args().to_vec(),
            env,
            current_dir: recipe.current_dir.clone(),
            limits: recipe.limits,
            stdin: ticket.token.line(),
        };
        let timeout = recipe.step_timeout;
        // A child that comes too late is killed by its own destructor.
        let Ok(spawned) = tokio::time::timeout(timeout, process::spawn(request)).await else {
            return Err(StartError::TimedOut { pool: recipe.name.clone(), step: "spawned", timeout });
        };
        let process::Spawned { process, stdout, stderr } = spawned.map_err(failed)?;
        let process = Arc::new(process);
        let output = Output::drain(&name, &ticket.token, stdout, stderr).map_err(failed)?;
        let alive = Alive::watch(process.clone()).map_err(failed)?;
        // Last, so that whatever failed before has left nobody else with the process, which dies with it.
        kill_switch.attach(process.clone());
        let body = Body { name, limits: recipe.limits, process, alive, output };
        Ok(Spawned { recipe, ticket, body })
    }
}

/// The process runs.
struct Spawned<'a> {
    recipe: &'a Recipe,
    ticket: Ticket,
    body: Body,
}

impl<'a> Spawned<'a> {
    async fn connected(mut self) -> Result<Connected<'a>, StartError> {
        let both = async {
            let (mut jobs, mut control) = (None, None);
            while jobs.is_none() || control.is_none() {
                let Some(arrival) = self.ticket.arrivals.recv().await else {
                    return Err("the listener is gone".to_owned());
                };
                let pid = self.body.process.pid();
                if arrival.peer.pid != pid || arrival.hello.pid != pid {
                    let detail = "the token belongs to another process";
                    hub::refuse(&arrival.socket, arrival.preamble, "peer", detail);
                    tracing::warn!(worker = self.body.name, peer = arrival.peer.pid, "{detail}");
                    return Err(format!("process {} used the token of process {pid}", arrival.peer.pid));
                }
                match arrival.hello.connection {
                    Connection::Jobs => jobs = Some(arrival),
                    Connection::Control => control = Some(arrival),
                }
            }
            jobs.zip(control).ok_or_else(|| "unreachable".to_owned())
        };
        match step(&self.body.alive, self.recipe.step_timeout, both).await {
            Step::Done(Ok((jobs, control))) => {
                Ok(Connected { recipe: self.recipe, body: self.body, jobs, control })
            }
            Step::Done(Err(violation)) => Err(self.recipe.violated(self.body, violation).await),
            Step::Died => Err(self.recipe.died(self.body).await),
            Step::TimedOut => Err(self.recipe.timed_out(self.body, "connected").await),
        }
    }
}

/// Both connections are up and proven.
struct Connected<'a> {
    recipe: &'a Recipe,
    body: Body,
    jobs: Arrival,
    control: Arrival,
}

impl Connected<'_> {
    async fn ready(self) -> Result<ReadyWorker, StartError> {
        let Self { recipe, body, mut jobs, mut control } = self;
        if let Err(refusal) = recipe.judge(&jobs.hello) {
            for arrival in [&jobs, &control] {
                hub::refuse(&arrival.socket, arrival.preamble, refusal.reason, &refusal.error.to_string());
            }
            // Left alone it would exit by itself, but not all workers are well-behaved.
            body.bury(death::LAST_WORDS).await;
            return Err(refusal.error);
        }
        for arrival in [&mut jobs, &mut control] {
            arrival.decoder.set_max_payload(recipe.max_payload);
        }
        let page = recipe.page_for(&body.name, &jobs.hello);
        let ready = async {
            recipe.welcome(&body.name, &jobs, page.as_ref()).await?;
            recipe.welcome(&body.name, &control, None).await?;
            loop {
                match jobs.decoder.poll_frame().map_err(|error| error.to_string())? {
                    Some(frame) => return Ok(frame),
                    None => hub::fill(&jobs.socket, &mut jobs.decoder).await?,
                }
            }
        };
        let frame = match step(&body.alive, recipe.step_timeout, ready).await {
            Step::Done(Ok(frame)) => frame,
            // A connection that breaks is most often the first sign of a death; that explains more.
            Step::Done(Err(violation)) => return Err(recipe.broke_off(body, violation).await),
            Step::Died => return Err(recipe.died(body).await),
            Step::TimedOut => return Err(recipe.timed_out(body, "ready").await),
        };
        match frame.kind {
            Kind::Ready => Ok(ReadyWorker {
                body,
                hello: jobs.hello,
                jobs: Arc::new(jobs.socket),
                control: Arc::new(control.socket),
                jobs_in: jobs.decoder,
                control_in: control.decoder,
                page: page.filter(Page::is_kept),
            }),
            Kind::StartFailed => {
                body.bury(death::LAST_WORDS).await;
                let failure = failure_of(&frame).unwrap_or_else(|error| Failure::new(error.to_string()));
                Err(StartError::Init { pool: recipe.name.clone(), failure })
            }
            other => Err(recipe.violated(body, format!("it said {other:?} instead of Ready")).await),
        }
    }
}

enum Step<T> {
    Done(T),
    Died,
    TimedOut,
}

/// One step of a launch, unless the worker dies or the time is up before.
async fn step<T>(alive: &Alive, timeout: Duration, work: impl Future<Output = T>) -> Step<T> {
    tokio::select! {
        biased;
        done = work => Step::Done(done),
        () = alive.died() => Step::Died,
        () = tokio::time::sleep(timeout) => Step::TimedOut,
    }
}
