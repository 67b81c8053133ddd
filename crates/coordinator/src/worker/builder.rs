//! [`WorkerBuilder`]: the settings of a worker, and its spawn.

use super::{Served, Worker, serve};
use crate::invalid::InvalidLimits;
use crate::mailbox::{Mail, Mailbox};
use crate::setters::worker_setters;
use crate::start_data::StartData;
use crate::worker_error::SpawnError;
use procpool_process::{
    EncodingAgreement, Executable, Home, KillSwitch, Needs, Origin, Recipe, Session, WorkerLimits, launch,
    opened, refuse_unnamed, refuse_unserved,
};
use procpool_protocol::Encoding;
use procpool_protocol::handshake::Mode;
use procpool_protocol::limits::DEFAULT_MAX_PAYLOAD;
use serde::Serialize;
use std::ffi::OsString;
use std::marker::PhantomData;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Describes a worker. [`spawn`](Self::spawn) starts it. The order of calls does not matter. If a method is
/// called several times, the last call counts; calls of `env` and `inherit_env` add up.
///
/// ```no_run
/// # use procpool_coordinator::{Executable, Worker};
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let worker = Worker::<String, String>::builder(Executable::find("procpool-ping")?)
///     .name("ping-1")
///     .memory_limit(256 << 20)
///     .env("LANG", "C")
///     .spawn()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `spawn` is called"]
pub struct WorkerBuilder<Out, In> {
    executable: Executable,
    name: Option<String>,
    worker_data: StartData,
    job: Option<String>,
    inherit_env: Vec<String>,
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
    pub(super) fn new(executable: Executable) -> Self {
        Self {
            executable,
            name: None,
            worker_data: StartData::default(),
            job: None,
            inherit_env: Vec::new(),
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

    worker_setters! { limits: limits, inherit_env: inherit_env, env: env, current_dir: current_dir }

    /// Sets the worker's name in logs and reports. Default: that of the executable's file.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Names the job that answers the messages, where the executable has several. Default: the only one.
    pub fn job(mut self, name: impl Into<String>) -> Self {
        self.job = Some(name.into());
        self
    }

    /// Sets the data that the worker receives at its start. It is encoded, as messages are, when the worker
    /// is spawned. Up to 1 MiB of bincode are also encoded as JSON, for a worker that reads no bincode.
    pub fn worker_data<T: Serialize + Send + 'static>(mut self, data: T) -> Self {
        self.worker_data = StartData::of(data);
        self
    }

    /// Sets the encoding of messages. Default: bincode, or JSON for a worker that reads no bincode.
    pub fn encoding(mut self, encoding: Encoding) -> Self {
        self.encoding = encoding;
        self
    }

    /// Sets the maximum length of an encoded message, in bytes. Default: 64 MiB.
    pub fn max_payload(mut self, bytes: u32) -> Self {
        self.max_payload = bytes;
        self
    }

    /// Sets the maximum size of all messages that wait to be received, in bytes. Beyond it the worker's next
    /// `post` blocks, as it does while 256 messages wait. One message of any size always passes. Default: 64
    /// MiB.
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
    /// When the executable cannot be used, or the worker does not get ready. In the last case the error has
    /// the report of its death.
    pub async fn spawn(self) -> Result<Worker<Out, In>, SpawnError> {
        let file = self.executable.as_path().file_name().unwrap_or_default();
        let name = self.name.unwrap_or_else(|| file.to_string_lossy().into_owned());
        refuse_unserved(&name)?;
        if self.job.is_none() {
            refuse_unnamed(&name, &self.executable, "`WorkerBuilder::job`")?;
        }
        self.limits.check().map_err(InvalidLimits::from)?;
        let limit = self.max_payload;
        let worker_data = self.worker_data.encode(self.encoding)?.unwrap_or_default();
        let worker_data =
            worker_data.within(limit as usize).map_err(|size| SpawnError::LargeWorkerData { size, limit })?;
        let encodings = Arc::new(EncodingAgreement::new(Some(Needs::of_values(self.encoding))));
        let executable = self.executable.clone();
        let open = move || executable.open();
        let pinned = opened(self.executable.as_path(), self.start_timeout, open).await??;
        let recipe = Recipe {
            name: name.clone(),
            origin: Origin::Spawned(pinned),
            templates: None,
            inherit_env: self.inherit_env,
            env: self.env,
            current_dir: self.current_dir,
            limits: self.limits,
            sends_ahead: false,
            crash_stacks: false,
            mode: Mode::Messages,
            job: self.job,
            expects: Arc::default(),
            takes_arenas: Arc::default(),
            worker_data,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn worker_data_is_encoded_as_it_is_said_at_the_end_and_measured_before_the_spawn() {
        let described = || Worker::<u8, u8>::builder(Executable::path("/bin/true").unwrap()).max_payload(10);
        // Five bytes of bincode, and seventeen of JSON.
        let data = vec![200_u8; 4];
        fn may_be_spawned<T: Send>(task: T) -> T {
            task
        }
        let error =
            may_be_spawned(described().worker_data(data).encoding(Encoding::Json).spawn()).await.unwrap_err();
        assert!(matches!(error, SpawnError::LargeWorkerData { size: 17, limit: 10 }), "{error}");
    }
}
