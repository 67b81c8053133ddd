//! [`Templates`]: the process of a generation that has loaded its state, and from which each worker is forked.
//!
//! The first worker that is wanted starts the template. A template that dies is replaced when the next worker is
//! wanted, and the workers that it has forked go on: they are this process's children, as it is.

use crate::clock;
use crate::death::{self, Body};
use crate::kill_switch::KillSwitch;
use crate::launch::{ReadyWorker, Recipe, StartError, launch_template};
use crate::opening::Line;
use crate::os::kin;
use crate::os::process::Process;
use crate::os::socket::Socket;
use crate::os::spawn::{Ends, confine};
use crate::os::worker_process::WorkerProcess;
use crate::worker_limits::WorkerLimits;
use bytes::Bytes;
use procpool_protocol::attachments::Attachments;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::message::failure_of;
use procpool_protocol::{Failure, Payload};
use rustix::process::Pid;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// Number of templates that one worker's start may use up: the first may die just then.
const TRIES: usize = 2;

/// The template of one generation, if there is one. One worker is forked at a time.
#[derive(Debug, Default)]
pub struct Templates(Mutex<Option<Template>>);

/// Everything that a worker is born with.
#[derive(Debug)]
pub(crate) struct Order {
    /// Its descriptors from number 5 on.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// The first frame on its jobs connection.
    pub(crate) welcome: Bytes,
    pub(crate) attachments: Attachments,
}

/// A worker that was forked, with its connections.
#[derive(Debug)]
pub(crate) struct Forked {
    pub(crate) process: Process,
    pub(crate) stdout: OwnedFd,
    pub(crate) stderr: OwnedFd,
    pub(crate) jobs: Line,
    pub(crate) control: Line,
}

impl Templates {
    /// Forks a worker, and sends it its first frame. Starts the template if there is none.
    pub(crate) async fn fork(&self, recipe: &Recipe, order: &Order) -> Result<Forked, StartError> {
        let mut slot = self.0.lock().await;
        let mut tries = TRIES;
        loop {
            tries -= 1;
            let template = match slot.take().filter(|template| !template.is_dead()) {
                Some(template) => slot.insert(template),
                None => slot.insert(Template::start(recipe).await?),
            };
            match template.fork(recipe, order).await {
                Ok(forked) => return Ok(forked),
                Err(ForkError::Refused(failure)) => {
                    return Err(StartError::Fork { pool: recipe.name.clone(), failure });
                }
                Err(ForkError::Broken(reason)) => {
                    // Killed when it is dropped, and so is a worker that it may have forked.
                    *slot = None;
                    if tries == 0 {
                        let failure = Failure::new(reason).with_code("fork");
                        return Err(StartError::Fork { pool: recipe.name.clone(), failure });
                    }
                }
            }
        }
    }
}

/// Why a template has not forked a worker.
enum ForkError {
    /// It says so itself, and would do so again.
    Refused(Failure),
    /// It is of no further use.
    Broken(String),
}

/// A process that has loaded its state. Killed when this is dropped.
#[derive(Debug)]
struct Template {
    process: Arc<WorkerProcess>,
    control: Line,
    forks: u64,
    is_dead: Arc<AtomicBool>,
    /// Nobody wants it any longer, so that its death is no news.
    is_dropped: Arc<AtomicBool>,
}

impl Template {
    async fn start(recipe: &Recipe) -> Result<Self, StartError> {
        // Workers are withdrawn one by one, and the template is for all of them.
        let worker =
            launch_template(recipe, format!("{}-template", recipe.name), &KillSwitch::default()).await?;
        let ReadyWorker { body, jobs, control, control_in, .. } = worker;
        let process = body.process.clone();
        let (is_dead, is_dropped) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        tokio::spawn(attend(body, recipe.name.clone(), jobs, is_dead.clone(), is_dropped.clone()));
        tracing::debug!(pool = recipe.name, pid = process.pid(), "started the template");
        let control =
            Arc::try_unwrap(control).map_err(|_| StartError::Withdrawn { pool: recipe.name.clone() })?;
        let control = Line::with_decoder(control, control_in);
        Ok(Self { process, control, forks: 0, is_dead, is_dropped })
    }

    fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::Relaxed)
    }

    async fn fork(&mut self, recipe: &Recipe, order: &Order) -> Result<Forked, ForkError> {
        let broken = |error: io::Error| ForkError::Broken(error.to_string());
        let (Ends { stdout, stderr, jobs, control }, its) = Ends::create().map_err(broken)?;
        kin::name_senders(&jobs, true).map_err(broken)?;
        self.forks += 1;
        let frame = request(self.forks, its, &order.descriptors).map_err(broken)?;
        let attachments = frame.payload.attachments.clone();
        self.control.socket.send(&frame.to_bytes(), attachments.as_slice()).await.map_err(broken)?;
        // The worker's ends are open in the worker alone, so that its death ends its connections.
        drop((frame, attachments));
        let (jobs, control) = (Line::new(jobs).map_err(broken)?, Line::new(control).map_err(broken)?);
        // Nothing of the pool's runs in the worker before its first job: it need not wait until its limits are set.
        let welcome = jobs.socket.send(&order.welcome, order.attachments.as_slice());
        // Together, so that an error of one does not hide which process was forked.
        let (pid, sent) = tokio::join!(
            self.forked(&jobs.socket, recipe.step_timeout),
            clock::timeout(recipe.step_timeout, welcome)
        );
        let process = Process::adopted(pid?).map_err(broken)?;
        sent.unwrap_or(Err(io::ErrorKind::TimedOut.into())).map_err(broken)?;
        kin::name_senders(&jobs.socket, false).map_err(broken)?;
        // It has the nice level of its template, to which a second one would be added.
        let limits = WorkerLimits { nice: 0, ..recipe.limits };
        let process = process.confined(|pid| confine(pid, &limits)).map_err(broken)?;
        Ok(Forked { process, stdout, stderr, jobs, control })
    }
}

impl Template {
    /// Waits for the process that sends the first byte. A template that dies may have forked it before.
    async fn forked(&mut self, jobs: &Socket, timeout: Duration) -> Result<Pid, ForkError> {
        let broken = |reason: &str| ForkError::Broken(reason.to_owned());
        let Self { process, control, .. } = self;
        let pid = tokio::select! {
            biased;
            // First: the template says that it does not fork before it closes the worker's connections.
            failure = refused(process, control) => return Err(ForkError::Refused(failure)),
            pid = sender(jobs) => pid,
            () = clock::sleep(timeout) => {
                process.kill();
                // A worker that has left the template's group just now is not killed with it.
                if let Ok(Ok(Some(pid))) = clock::timeout(death::AFTER_EOF, sender(jobs)).await {
                    drop(Process::adopted(pid));
                }
                return Err(ForkError::Broken(format!("it forked no worker within {timeout:?}")));
            }
        };
        match pid {
            Ok(Some(pid)) => Ok(pid),
            Ok(None) => Err(broken("it died, or the forked worker did at once")),
            Err(error) => Err(broken(&error.to_string())),
        }
    }
}

impl Drop for Template {
    fn drop(&mut self) {
        self.is_dropped.store(true, Ordering::Relaxed);
        self.process.kill();
    }
}

/// Returns the frame that asks for a worker.
fn request(number: u64, its: [OwnedFd; 4], descriptors: &[OwnedFd]) -> io::Result<Frame> {
    let more = descriptors.iter().map(OwnedFd::try_clone).collect::<io::Result<Vec<_>>>()?;
    let given: Vec<_> = its.into_iter().chain(more).map(Into::into).collect();
    let attachments =
        Attachments::try_from(given).map_err(|_| io::Error::other("too many descriptors for a worker"))?;
    let mut payload = Payload::none();
    payload.attachments = attachments;
    Ok(Frame::new(Kind::Fork, number, "").with_payload(payload))
}

/// Waits for the worker's first byte.
async fn sender(jobs: &Socket) -> io::Result<Option<Pid>> {
    loop {
        jobs.readable().await?;
        match jobs.try_first_sender() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            sender => return sender,
        }
    }
}

/// Returns why the template does not fork. Kills a template that says anything else, and does not return if it has
/// nothing to say: the worker may be there.
async fn refused(template: &WorkerProcess, control: &mut Line) -> Failure {
    if let Ok(frame) = control.frame().await
        && frame.kind == Kind::ForkFailed
        && let Ok(failure) = failure_of(&frame)
    {
        return failure;
    }
    template.kill();
    std::future::pending().await
}

/// Reaps the template when it is dead. Holds its jobs connection until then.
async fn attend(
    body: Body,
    pool: String,
    jobs: Arc<Socket>,
    is_dead: Arc<AtomicBool>,
    is_dropped: Arc<AtomicBool>,
) {
    body.alive.died().await;
    is_dead.store(true, Ordering::Relaxed);
    bury_unborn(&body.process).await;
    let report = body.bury(death::LAST_WORDS, None).await;
    drop(jobs);
    if !is_dropped.load(Ordering::Relaxed) {
        tracing::warn!(
            pool,
            "the template died: {report}; the next worker gets a new one, and the others go on"
        );
    }
}

/// Kills and reaps the workers that a dead template has forked, and that have not told their process ids yet.
async fn bury_unborn(template: &WorkerProcess) {
    // A worker leads its own group only after it has told its process id.
    template.kill();
    let Some(template) = template.pid().try_into().ok().and_then(Pid::from_raw) else { return };
    // It reads many files where there are many processes.
    let unborn = tokio::task::spawn_blocking(move || kin::children_in_group_of(template));
    for pid in unborn.await.unwrap_or_default() {
        // Dropping it kills and reaps it.
        drop(Process::adopted(pid));
    }
}
