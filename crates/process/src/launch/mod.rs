//! From a recipe to a worker that takes jobs: spawned → introduced → ready.
//!
//! Each step is a type, so that no step can be omitted or repeated. Each step has the same timeout. If one
//! fails, the process is dead and reaped when the error is returned.

mod begun;
mod error;
mod gifts;
mod hint;
mod opened;
mod recipe;

pub use error::StartError;
pub use opened::opened;
pub use recipe::{Origin, Recipe};

use self::begun::{Begun, Role};
use crate::clock;
use crate::death::{self, Body};
use crate::kill_switch::KillSwitch;
use crate::log::log_record;
use crate::opening::{First, Line};
use crate::os::alive::Alive;
use crate::os::page::Page;
use crate::os::socket::Socket;
use procpool_memory::arena::BornArenas;
use procpool_protocol::batch;
use procpool_protocol::decoder::Decoder;
use procpool_protocol::frame::Kind;
use procpool_protocol::handshake::{Hello, Mode};
use procpool_protocol::limits::MAX_CONTROL_PAYLOAD;
use procpool_protocol::message::failure_of;
use procpool_protocol::{Failure, Payload};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

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
    /// Whether its pool sends jobs ahead of their turn.
    pub(crate) sends_ahead: bool,
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
        self.page.is_some() && self.sends_ahead
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

/// Launches the process from which a recipe's workers are forked.
pub(crate) async fn launch_template(
    recipe: &Recipe,
    name: String,
    kill_switch: &KillSwitch,
) -> Result<ReadyWorker, StartError> {
    let Some(pinned) = recipe.origin.pinned() else {
        return Err(StartError::CannotFork { pool: recipe.name.clone() });
    };
    let data = recipe.next_data();
    let begun = Begun::spawn(recipe, pinned, Role::Template, name, kill_switch, data).await?;
    let introduced = begun.introduced().await?;
    if !introduced.hello.forks {
        introduced.body.bury(death::LAST_WORDS, None).await;
        return Err(StartError::CannotFork { pool: recipe.name.clone() });
    }
    introduced.ready().await
}

/// Starts a worker, sends it this data, and reads its hello.
async fn introduced<'a>(
    recipe: &'a Recipe,
    name: String,
    kill_switch: &KillSwitch,
    data: Payload,
) -> Result<Introduced<'a>, StartError> {
    let begun = match &recipe.origin {
        Origin::Spawned(pinned) => match &recipe.templates {
            None => Begun::spawn(recipe, pinned, Role::Worker, name, kill_switch, data).await?,
            Some(templates) => Begun::fork(recipe, templates, name, kill_switch, data).await?,
        },
        Origin::Attached(point) => Begun::attach(recipe, point, name, kill_switch, data).await?,
    };
    begun.introduced().await
}

impl<'a> Begun<'a> {
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
                log_record(&frame, &recipe.name, &body.name, None, None)?;
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
                sends_ahead: recipe.sends_ahead,
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
