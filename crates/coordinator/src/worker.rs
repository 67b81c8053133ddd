//! [`Worker`]: one process, free messages both ways. Node's `worker_threads`, with a process for a thread.

use crate::invalid::InvalidLimits;
use crate::mailbox::{Mail, Mailbox};
use crate::regions;
use crate::worker_error::{SpawnError, WorkerError};
use procpool_process::{
    EncodingAgreement, Executable, FrameSink, Home, KillSwitch, Needs, Origin, Outboxes, Recipe, Session,
    WorkerData, WorkerLimits, clock, launch, opened, refuse_unserved,
};
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::{Connection, Mode};
use procpool_protocol::limits::DEFAULT_MAX_PAYLOAD;
use procpool_protocol::{Encoding, Exit, ExitReport, Failure, PayloadError};
use serde::{Serialize, de::DeserializeOwned};
use std::ffi::OsString;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A worker process that takes messages of type `Out` and sends messages of type `In`.
///
/// Dropping it kills the process and all that it has started in its process group.
///
/// ```no_run
/// # use procpool_coordinator::{Executable, Worker};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let mut worker = Worker::<String, String>::spawn(Executable::find("procpool-ping")?).await?;
/// worker.post("ping").await?;
/// println!("From worker: {}", worker.recv().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Worker<Out, In> {
    name: String,
    pid: u32,
    encoding: Encoding,
    max_payload: u32,
    lines: Arc<Outboxes>,
    kill_switch: Arc<KillSwitch>,
    mailbox: Arc<Mailbox>,
    exit: Option<Box<ExitReport>>,
    /// The process whose child it is.
    home: Home,
    types: PhantomData<fn(Out) -> In>,
}

/// What a worker has to say.
#[derive(Debug)]
#[non_exhaustive]
pub enum WorkerEvent<In> {
    /// It runs and takes messages. Always the first.
    Online,
    /// It posted a message.
    Message(In),
    /// Its handler failed, or it broke the protocol.
    Error(Failure),
    /// Its process is gone. Always the last.
    Exit(ExitReport),
}

/// Describes a worker; [`spawn`](Self::spawn) makes it.
#[derive(Debug)]
#[must_use = "a builder does nothing until `spawn` is called"]
pub struct WorkerBuilder<Out, In> {
    executable: Executable,
    worker_data: Result<WorkerData, PayloadError>,
    job: Option<String>,
    env: Vec<(OsString, OsString)>,
    current_dir: Option<PathBuf>,
    limits: WorkerLimits,
    encoding: Encoding,
    max_payload: u32,
    mailbox_bytes: usize,
    start_timeout: Duration,
    types: PhantomData<fn(Out) -> In>,
}

impl<Out, In> WorkerBuilder<Out, In> {
    /// What the worker is given at its start, in the encoding that is set by now. Up to 1 MiB of bincode are also encoded as
    /// JSON, for a worker that reads no bincode.
    pub fn worker_data<T: Serialize + 'static>(mut self, data: &T) -> Self {
        self.worker_data = WorkerData::encode(self.encoding, |encoding| regions::encode(data, encoding));
        self
    }

    /// Names the job that answers the messages, where the executable has several. Default: the only one.
    pub fn job(mut self, name: impl Into<String>) -> Self {
        self.job = Some(name.into());
        self
    }

    /// Sets an environment variable of the worker, which inherits only a few.
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((key.into(), value.into()));
        self
    }

    /// The directory that the worker starts in. Default: the coordinator's.
    pub fn current_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.current_dir = Some(dir.into());
        self
    }

    /// What the worker may use. Default: as much as it likes. Checked when it is spawned.
    pub fn limits(mut self, limits: WorkerLimits) -> Self {
        self.limits = limits;
        self
    }

    /// How messages are encoded. Default: bincode, or JSON for a worker that reads no bincode.
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Largest encoded message, in bytes. Default: 64 MiB.
    pub fn max_payload(mut self, bytes: u32) -> Self {
        self.max_payload = bytes;
        self
    }

    /// Maximum size of the messages together, in bytes, that wait to be received. Beyond it the worker's next `post` blocks,
    /// as it does while 256 messages wait. One message of any size always passes. Default: 64 MiB.
    pub fn mailbox_bytes(mut self, bytes: usize) -> Self {
        self.mailbox_bytes = bytes.max(1);
        self
    }

    /// Bounds each step of the start. Default: 30 s.
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// Spawns the worker and waits until it takes messages. Needs a tokio runtime with time and I/O.
    ///
    /// # Errors
    /// When the executable cannot be used, or the worker does not come up: then with the report of its
    /// death.
    pub async fn spawn(self) -> Result<Worker<Out, In>, SpawnError> {
        let file = self.executable.as_path().file_name().unwrap_or_default();
        let name = file.to_string_lossy().into_owned();
        refuse_unserved(&name)?;
        self.limits.check().map_err(InvalidLimits::from)?;
        let encodings = Arc::new(EncodingAgreement::new(Some(Needs::of_values(self.encoding))));
        let executable = self.executable.clone();
        let open = move || executable.open();
        let pinned = opened(self.executable.as_path(), self.start_timeout, open).await??;
        let recipe = Recipe {
            name: name.clone(),
            origin: Origin::Spawned(pinned),
            inherit_env: Vec::new(),
            env: self.env,
            current_dir: self.current_dir,
            limits: self.limits,
            sends_ahead: false,
            mode: Mode::Messages,
            job: self.job,
            expects: Arc::default(),
            takes_arenas: Arc::default(),
            worker_data: self.worker_data?,
            encodings: encodings.clone(),
            max_payload: self.max_payload,
            step_timeout: self.start_timeout,
        };
        let kill_switch = Arc::<KillSwitch>::default();
        let link = launch(&recipe, name.clone(), &kill_switch).await?;
        let pid = link.pid();
        let (lines, session) = Session::new(link);
        let mailbox = Arc::new(Mailbox::of(&name, self.mailbox_bytes));
        mailbox.put(Mail::Online);
        let served = Served {
            name: name.clone(),
            pid,
            lines: lines.clone(),
            kill_switch: kill_switch.clone(),
            mailbox: mailbox.clone(),
            exit: None,
        };
        tokio::spawn(serve(session, served));
        Ok(Worker {
            name,
            pid,
            encoding: encodings.encoding(self.encoding),
            max_payload: self.max_payload,
            lines,
            kill_switch,
            mailbox,
            exit: None,
            home: Home::here(),
            types: PhantomData,
        })
    }
}

async fn serve(session: Session, mut served: Served) {
    let mailbox = served.mailbox.clone();
    let mut sink = &*mailbox;
    let ending = session.drive(&mut sink).await;
    for frame in ending.last_frames {
        // What a dead worker said wrongly matters to nobody any more.
        let _ = sink.frame(Connection::Jobs, frame);
    }
    served.exit = Some(Box::new(ending.report));
}

/// A worker that is served. However that ends, and be it with the runtime, its owner hears of the exit.
struct Served {
    name: String,
    pid: u32,
    lines: Arc<Outboxes>,
    kill_switch: Arc<KillSwitch>,
    mailbox: Arc<Mailbox>,
    exit: Option<Box<ExitReport>>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.lines.jobs.close(None);
        self.lines.control.close(None);
        let unknown = || {
            self.kill_switch.kill();
            Box::new(ExitReport::new(self.name.clone(), self.pid, Exit::Unknown))
        };
        let exit = self.exit.take().unwrap_or_else(unknown);
        self.mailbox.put(Mail::Exit(exit));
    }
}

impl<Out, In> Worker<Out, In> {
    /// Describes a worker that `executable` makes.
    pub fn builder(executable: Executable) -> WorkerBuilder<Out, In> {
        WorkerBuilder {
            executable,
            worker_data: Ok(WorkerData::default()),
            job: None,
            env: Vec::new(),
            current_dir: None,
            limits: WorkerLimits::default(),
            encoding: Encoding::Bincode,
            max_payload: DEFAULT_MAX_PAYLOAD,
            mailbox_bytes: 64 << 20,
            start_timeout: Duration::from_secs(30),
            types: PhantomData,
        }
    }

    /// Spawns a worker and waits until it takes messages.
    ///
    /// # Errors
    /// As [`WorkerBuilder::spawn`].
    pub async fn spawn(executable: Executable) -> Result<Self, SpawnError> {
        Self::builder(executable).spawn().await
    }

    /// Its process id. Free for others once the worker has exited.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its name in logs and reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Kills the worker and all of its process group, and waits until it is gone. Messages that were
    /// not received are lost.
    pub async fn terminate(&mut self) -> ExitReport {
        // In a fork it is the parent's.
        if self.home.is_here() {
            self.kill_switch.kill();
        }
        self.exited().await
    }

    /// Asks the worker to finish what it was sent and exit, kills it after `grace`, and waits until it
    /// is gone. Messages that were not received are lost.
    pub async fn finish(&mut self, grace: Duration) -> ExitReport {
        if !self.home.is_here() {
            return self.exited().await;
        }
        let lines = self.lines.clone();
        let finished = async {
            // Control overtakes what is still on its way.
            lines.jobs.is_empty().await;
            lines.control.push(&Frame::new(Kind::Shutdown, 0, ""));
            lines.flush_control();
            self.exited().await
        };
        match clock::timeout(grace, finished).await {
            Ok(report) => report,
            Err(_) => self.terminate().await,
        }
    }

    async fn exited(&mut self) -> ExitReport {
        if !self.home.is_here() {
            // It lives or dies with the process that this one was forked from.
            return ExitReport::new(self.name.clone(), self.pid, Exit::Unknown);
        }
        loop {
            if let Some(exit) = &self.exit {
                return ExitReport::clone(exit);
            }
            if let Mail::Exit(report) = self.mailbox.next().await {
                self.exit = Some(report);
            }
        }
    }
}

impl<Out: Serialize + 'static, In: DeserializeOwned + 'static> Worker<Out, In> {
    /// Sends a message. A worker answers as it reads, and stops reading when nobody takes its answers: to
    /// post thousands of messages, [`recv`](Self::recv) in between. Waits only while more than 64 KiB are still on their way; dropping the future
    /// sends all of the message or nothing.
    ///
    /// # Errors
    /// When the message does not encode, is too large, or the worker is gone. `Ok` means that it is on
    /// its way, not that the worker has read it.
    pub async fn post(&self, message: impl Into<Out>) -> Result<(), WorkerError> {
        let payload = regions::encode(&message.into(), self.encoding)?;
        let size = payload.bytes.len();
        if size > self.max_payload as usize {
            return Err(WorkerError::TooLarge { size, limit: self.max_payload });
        }
        if !self.home.is_here() {
            return Err(WorkerError::Forked);
        }
        self.lines.jobs.has_room().await;
        if self.lines.jobs.is_closed() {
            return Err(WorkerError::Gone);
        }
        self.lines.jobs.push(&Frame::new(Kind::Message, 0, "").with_payload(payload));
        self.lines.flush_jobs();
        Ok(())
    }

    /// The next message. Safe to drop and call again.
    ///
    /// # Errors
    /// When the worker's handler failed, the message does not decode, or the worker is gone.
    pub async fn recv(&mut self) -> Result<In, WorkerError> {
        loop {
            match self.next_event().await? {
                Some(WorkerEvent::Message(message)) => return Ok(message),
                Some(WorkerEvent::Error(failure)) => return Err(WorkerError::Failed(failure)),
                Some(WorkerEvent::Online | WorkerEvent::Exit(_)) => {}
                None => {
                    return Err(self.exit.clone().map_or(WorkerError::Gone, WorkerError::Exited));
                }
            }
        }
    }

    /// The next event, or none after [`WorkerEvent::Exit`]. Safe to drop and call again.
    ///
    /// # Errors
    /// When a message does not decode; the next call gives the next event.
    pub async fn next_event(&mut self) -> Result<Option<WorkerEvent<In>>, WorkerError> {
        if !self.home.is_here() {
            return Err(WorkerError::Forked);
        }
        if self.exit.is_some() {
            return Ok(None);
        }
        Ok(Some(match self.mailbox.next().await {
            Mail::Online => WorkerEvent::Online,
            Mail::Message(payload) => WorkerEvent::Message(payload.decode()?),
            Mail::Error(failure) => WorkerEvent::Error(failure),
            Mail::Exit(report) => {
                self.exit = Some(report.clone());
                WorkerEvent::Exit(*report)
            }
        }))
    }
}

impl<Out, In> Drop for Worker<Out, In> {
    fn drop(&mut self) {
        if self.home.is_here() {
            self.mailbox.abandon();
            self.kill_switch.kill();
        }
    }
}
