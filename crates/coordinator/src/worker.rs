//! [`Worker`]: one process, free messages both ways. Node's `worker_threads`, with a process for a thread.

mod builder;

pub use builder::WorkerBuilder;

use crate::mailbox::{Mail, Mailbox};
use crate::regions;
use crate::worker_error::{SpawnError, WorkerError};
use procpool_process::{Executable, FrameSink, Home, KillSwitch, Outboxes, Session, clock};
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::Connection;
use procpool_protocol::{Encoding, Exit, ExitReport, Failure};
use serde::{Serialize, de::DeserializeOwned};
use std::marker::PhantomData;
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

/// A message of a worker.
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

async fn serve(session: Session, mut served: Served) {
    let mailbox = served.mailbox.clone();
    let mut sink = &*mailbox;
    let ending = session.drive(&mut sink).await;
    for frame in ending.last_frames {
        // A dead worker's wrong messages matter to nobody.
        let _ = sink.frame(Connection::Jobs, frame);
    }
    served.exit = Some(Box::new(ending.report));
}

/// A worker that is served. However that ends, even with the runtime, its owner hears of the exit.
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
    /// Describes a worker that `executable` starts.
    pub fn builder(executable: Executable) -> WorkerBuilder<Out, In> {
        WorkerBuilder::new(executable)
    }

    /// Spawns a worker and waits until it takes messages.
    ///
    /// # Errors
    /// As [`WorkerBuilder::spawn`].
    pub async fn spawn(executable: Executable) -> Result<Self, SpawnError> {
        Self::builder(executable).spawn().await
    }

    /// Returns its process id, which is free for others once the worker has exited.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Returns its name in logs and reports.
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

    /// Asks the worker to handle the messages that it was sent and exit, kills it after `grace`, and waits
    /// until it is gone. Messages that were not received are lost.
    ///
    /// ```no_run
    /// # use procpool_coordinator::Worker;
    /// # use std::time::Duration;
    /// # async fn example(mut worker: Worker<String, String>) {
    /// let report = worker.finish(Duration::from_secs(2)).await;
    /// println!("{report}"); // worker procpool-ping (pid 4711) ended with exit code 0 after …
    /// # }
    /// ```
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
    /// post thousands of messages, call [`recv`](Self::recv) in between. Waits only while more than 64 KiB
    /// are still on their way. If the future is dropped, all of the message is sent, or nothing.
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

    /// Returns the next message. Safe to drop and call again.
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

    /// Returns the next event, or `None` after [`WorkerEvent::Exit`]. Safe to drop and call again.
    ///
    /// ```no_run
    /// # use procpool_coordinator::{Worker, WorkerError, WorkerEvent};
    /// # async fn example(mut worker: Worker<String, String>) -> Result<(), WorkerError> {
    /// while let Some(event) = worker.next_event().await? {
    ///     match event {
    ///         WorkerEvent::Online => worker.post("ping").await?,
    ///         WorkerEvent::Message(answer) => println!("From worker: {answer}"),
    ///         WorkerEvent::Error(failure) => eprintln!("{failure}"),
    ///         WorkerEvent::Exit(report) => println!("{report}"),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When a message does not decode. The next call returns the next event.
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
