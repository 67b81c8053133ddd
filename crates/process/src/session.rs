//! One serving worker: reads its two connections, writes the bytes that did not fit at once, and notices its
//! death.
//!
//! The session decodes frames without knowing their meaning; a [`FrameSink`] does. Reading never waits for
//! writing.

mod input;

use self::input::Input;
use crate::clock;
use crate::death::{self, Body};
use crate::launch::ReadyWorker;
use crate::os::page::Page;
use crate::os::socket::Socket;
use crate::outbox::Outbox;
use crate::output::Jobs;
use crate::tail::Author;
use procpool_protocol::ExitReport;
use procpool_protocol::arena::TakesArenas;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::Connection;
use procpool_stacks::Snapshot;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SIGKILL: i32 = 9;

/// Receives a worker's frames.
pub trait FrameSink {
    /// Receives one frame. The error says how the worker broke the protocol.
    fn frame(&mut self, connection: Connection, frame: Frame) -> Result<(), String>;

    /// Signals that all frames read so far have been delivered. The error says how the worker broke the
    /// protocol.
    fn delivered(&mut self) -> Result<(), String> {
        Ok(())
    }

    /// Completes when all data that the delivered frames refer to is available. The error says how the worker
    /// broke the protocol. Nothing is read meanwhile.
    fn fetched(&mut self) -> impl Future<Output = Result<(), String>> + Send {
        std::future::ready(Ok(()))
    }

    /// Completes when the sink can accept another frame of the jobs connection.
    fn room(&self) -> impl Future<Output = ()> + Send;

    /// Signals that the worker broke the protocol. The owner kills it, and its later frames do not count.
    fn violated(&mut self, violation: String);

    /// Signals that the worker closed a connection. Nothing further may be sent to it.
    fn hung_up(&mut self);
}

/// How a session ended. The process is dead and reaped.
#[derive(Debug)]
pub struct Ending {
    /// How the process ended.
    pub report: ExitReport,
    /// Whole frames that the worker had written before it died and that were not delivered.
    pub last_frames: Vec<Frame>,
    /// The worker died before it had read all that was sent on the jobs connection.
    pub unread: bool,
    /// The number of the job that the worker began last, if it records that.
    pub begun: Option<u64>,
    /// This process killed the worker: a caller requested it, or the worker had hung up and did not exit.
    pub was_killed: bool,
    /// The state of the thread whose crash ended the worker, if the worker recorded it.
    pub crash: Option<Box<Snapshot>>,
}

/// The output side of a serving worker, shared by all senders.
#[derive(Debug)]
pub struct Outboxes {
    /// Jobs and messages.
    pub jobs: Outbox,
    /// Cancels, credit, the shutdown.
    pub control: Outbox,
    /// Their sockets. `None` in a simulation.
    ends: Option<Ends>,
}

/// The worker's incoming connections.
#[derive(Debug)]
struct Ends {
    jobs: Arc<Socket>,
    control: Arc<Socket>,
    page: Option<Arc<Page>>,
}

impl Outboxes {
    /// Returns outboxes without a connection, for a simulation that writes the appended frames to pipes of
    /// its own.
    pub fn loose(receives: bool) -> Self {
        Self { jobs: Outbox::new(receives), control: Outbox::new(receives), ends: None }
    }

    /// Writes as many bytes as the jobs connection accepts. Never waits.
    pub fn flush_jobs(&self) {
        if let Some(ends) = &self.ends {
            self.jobs.flush(&*ends.jobs);
        }
    }

    /// Writes as many bytes as the control connection accepts. Never waits.
    pub fn flush_control(&self) {
        if let Some(ends) = &self.ends {
            self.control.flush(&*ends.control);
        }
    }

    /// Withdraws the jobs up to number `last` that the worker has not begun. Requires that it has begun
    /// `first`, the first job that it has not answered. Returns the number of the last job that it has begun;
    /// it begins none after that.
    ///
    /// Returns `None` if the worker has not begun `first` or does not record it. Then nothing was withdrawn.
    pub fn recall(&self, first: u64, last: u64) -> Option<u64> {
        self.page()?.recall(first, last)
    }

    /// Returns the number of the job that the worker began last, or 0 if it began none. Returns `None` if it
    /// does not record that.
    pub fn begun(&self) -> Option<u64> {
        Some(self.page()?.begun())
    }

    fn page(&self) -> Option<&Page> {
        self.ends.as_ref()?.page.as_deref()
    }
}

/// The input side of a serving worker, owned by its session.
#[derive(Debug)]
pub struct Session {
    body: Body,
    lines: Arc<Outboxes>,
    jobs: Input,
    control: Input,
    page: Option<Arc<Page>>,
    /// It closed a connection, and this process had not killed it before.
    hung_up: bool,
}

impl Session {
    /// Splits a worker into the shared half and the half that is driven.
    pub fn new(link: ReadyWorker) -> (Arc<Outboxes>, Self) {
        let ReadyWorker { body, hello, jobs, control, jobs_in, control_in, page, .. } = link;
        let receives = hello.arenas == Some(TakesArenas::Received);
        let page = page.map(Arc::new);
        let ends = Ends { jobs: jobs.clone(), control: control.clone(), page: page.clone() };
        let lines = Arc::new(Outboxes { ends: Some(ends), ..Outboxes::loose(receives) });
        let jobs = Input::new(jobs, jobs_in);
        if let Some(output) = &body.output {
            output.serves(Arc::new(Course { unread_from: jobs.unread_from.clone(), page: page.clone() }));
        }
        let session = Self {
            body,
            lines: lines.clone(),
            jobs,
            control: Input::new(control, control_in),
            page,
            hung_up: false,
        };
        (lines, session)
    }

    /// Serves until the worker is dead.
    pub async fn drive(mut self, sink: &mut impl FrameSink) -> Ending {
        let lines = self.lines.clone();
        let (jobs, control) = (self.jobs.socket.clone(), self.control.socket.clone());
        let write_jobs = lines.jobs.write(&jobs);
        let write_control = lines.control.write(&control);
        tokio::pin!(write_jobs, write_control);
        // Frames may have arrived together with the handshake.
        let mut turn = self.jobs.deliver(Connection::Jobs, sink, || self.body.catch_up());
        loop {
            // Frames before a breach of the protocol count.
            let fetched = sink.fetched().await;
            turn = turn.and(fetched);
            match turn {
                Ok(()) if self.jobs.open && self.control.open => {}
                // A worker that hangs up is about to die, or was asked to exit.
                Ok(()) => {
                    // A kill of ours closes its connections as well.
                    self.hung_up = !self.body.process.was_killed();
                    sink.hung_up();
                    break self.await_death(death::AFTER_EOF).await;
                }
                Err(violation) => {
                    sink.violated(violation);
                    self.await_death(Duration::ZERO).await;
                    return Ending { last_frames: Vec::new(), ..self.end().await };
                }
            }
            turn = tokio::select! {
                biased;
                () = self.body.alive.died() => break,
                () = &mut write_jobs => self.jobs.close(),
                () = &mut write_control => self.control.close(),
                _ = self.control.socket.readable() => self.control.turn(Connection::Control, sink, || {}),
                () = readable(&self.jobs, sink) => self.jobs.turn(Connection::Jobs, sink, || self.body.catch_up()),
            };
            // A worker that never stops sending must not occupy this thread. A socket that stays readable
            // does not use tokio's cooperative budget.
            if self.jobs.is_flooding || self.control.is_flooding {
                tokio::task::yield_now().await;
            }
        }
        self.end().await
    }

    /// Waits for an expected death, and kills the worker if it does not come.
    async fn await_death(&self, patience: Duration) {
        if clock::timeout(patience, self.body.alive.died()).await.is_err() {
            self.body.process.kill();
        }
    }

    /// Ends the session. The group is killed before the last read, so that no process writes after it. The
    /// leader is reaped last, so that its pid stays valid until then.
    async fn end(mut self) -> Ending {
        self.body.process.kill();
        // A process that was just killed may still be writing. Only a dead process has certainly left its
        // input unread.
        self.body.alive.died().await;
        let was_killed = self.body.process.was_killed();
        let mut last_frames = self.jobs.rest();
        let begun = self.page.as_ref().map(|page| page.begun());
        if let Some(page) = &self.page {
            last_frames.extend(self.jobs.unsent(page));
        }
        let answers = last_frames.iter().filter(|frame| frame.kind == Kind::Done).count() as u64;
        let job = begun.unwrap_or(self.jobs.answered + answers + 1);
        let hung_up = self.hung_up && was_killed;
        let mut report = self.body.bury(death::LAST_WORDS, Some(job)).await;
        report.fault = self.page.as_ref().and_then(|page| page.fault(report.exit));
        report.hung_up = hung_up && report.exit.signal() == Some(SIGKILL);
        let crash = self.page.as_ref().and_then(|page| page.crash(report.exit)).map(Box::new);
        Ending { report, last_frames, unread: self.jobs.reset, begun, was_killed, crash }
    }
}

/// The progress of a worker, by its frames.
#[derive(Debug)]
struct Course {
    /// See [`Input::unread_from`].
    unread_from: Arc<AtomicU64>,
    page: Option<Arc<Page>>,
}

impl Jobs for Course {
    fn author(&self) -> Author {
        let earliest = self.unread_from.load(Ordering::Relaxed);
        // A worker without a page has one job at a time.
        let latest = self.page.as_ref().map_or(earliest, |page| page.begun());
        Author { earliest, latest }
    }
}

async fn readable(input: &Input, sink: &impl FrameSink) {
    sink.room().await;
    // An error appears at the read.
    let _ = input.socket.readable().await;
}
