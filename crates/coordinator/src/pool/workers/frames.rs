//! Handles the frames of a serving worker for its pool.

use super::fetching::Fetching;
use crate::pool::core::Core;
use crate::pool::state::context::{EventContext, Told};
use crate::pool::state::effects::Effects;
use crate::pool::state::events::Events;
use crate::pool::state::slot::Answer;
use procpool_process::{FrameSink, KillSwitch, Outboxes};
use procpool_protocol::extras::{self, JobReport, of_done};
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::handshake::Connection;
use procpool_protocol::message::{Done, Progress, Status, json_of};
use procpool_protocol::outcome::Outcome;
use procpool_protocol::{Encoding, JobError, Payload, Stage};
use procpool_scheduler::{Event, Health, JobId, WorkerId};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The handler of a serving worker's frames.
pub(crate) struct FrameHandler<'a> {
    pub(crate) core: &'a Core,
    pub(crate) worker: WorkerId,
    kill_switch: Arc<KillSwitch>,
    /// When it was last looked at how much memory it has.
    weighed: Option<Instant>,
    /// Answers that came together and have not been told.
    answers: Vec<Answer>,
    /// The worker is looked at after each job, so that no two are told together.
    looks_at_each: bool,
    /// An answer whose output is being read on another thread.
    fetching: Option<Fetching>,
    /// The bytes that came behind that answer on the jobs connection.
    behind: VecDeque<Frame>,
    /// Workers that were given jobs because of answers that came together.
    unflushed: Vec<Arc<Outboxes>>,
}

/// How much of what a worker may use it has used before its next job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spent {
    Little,
    /// It is replaced when its replacement is ready.
    Much,
    /// Another job would not have all of its time: the worker gets none.
    All,
}

/// Between two looks at a worker's memory, each of which opens a file.
const WEIGHING: Duration = Duration::from_millis(100);

impl<'a> FrameHandler<'a> {
    pub(crate) fn new(core: &'a Core, worker: WorkerId, kill_switch: Arc<KillSwitch>) -> Self {
        let limits = &core.limits;
        let has_bound = limits.worker.cpu_limit.is_some() || limits.supervision.recycle_memory.is_some();
        let looks_at_each = has_bound || kill_switch.is_watched();
        Self {
            core,
            worker,
            kill_switch,
            weighed: None,
            answers: Vec::new(),
            looks_at_each,
            fetching: None,
            behind: VecDeque::new(),
            unflushed: Vec::new(),
        }
    }
}

impl FrameSink for FrameHandler<'_> {
    fn frame(&mut self, connection: Connection, frame: Frame) -> Result<(), String> {
        if connection == Connection::Jobs && self.fetching.is_some() {
            self.behind.push_back(frame);
            return Ok(());
        }
        if (connection, frame.kind) == (Connection::Jobs, Kind::Done) {
            self.done(frame)?;
            return if self.looks_at_each { self.settle() } else { Ok(()) };
        }
        // All its other messages concern the time after those answers.
        self.settle()?;
        self.check_length(&frame)?;
        match (connection, frame.kind) {
            (Connection::Jobs, Kind::Progress) => self.progress(&frame),
            (Connection::Jobs, Kind::Chunk) => self.chunk(frame),
            (Connection::Jobs, Kind::Log) => self.log(&frame),
            (Connection::Jobs, Kind::Held) => {
                self.held(frame.sequence);
                Ok(())
            }
            (Connection::Control, Kind::Shared) => self.shared(&frame),
            (Connection::Control, Kind::Description) => self.description(&frame),
            (Connection::Control, Kind::Pong) => {
                self.kill_switch.heard();
                Ok(())
            }
            (Connection::Jobs, Kind::Recalled) => {
                self.passed_over(frame.sequence);
                Ok(())
            }
            (connection, kind) => Err(format!("it sent {kind:?} on the {connection:?} connection")),
        }
    }

    async fn fetched(&mut self) -> Result<(), String> {
        while let Some(fetching) = self.fetching.take() {
            let frame = fetching.end().await?;
            self.answered(frame, true)?;
            let result = self.hear_behind();
            // Frames before a breach of the protocol count.
            let delivered = self.delivered();
            result.and(delivered)?;
        }
        Ok(())
    }

    async fn room(&self) {}

    fn delivered(&mut self) -> Result<(), String> {
        let told = self.settle();
        for lines in self.unflushed.drain(..) {
            lines.flush_jobs();
        }
        told
    }

    fn hung_up(&mut self) {
        self.core.feed(Event::HungUp { worker: self.worker });
    }

    fn violated(&mut self, violation: String) {
        tracing::warn!(
            pool = self.core.name,
            worker = self.worker.0,
            violation,
            "killing a worker that broke the protocol"
        );
        let event = Event::Violated { worker: self.worker };
        self.core.act(|state, now, effects| {
            let context = EventContext { violation: Some(violation), ..EventContext::default() };
            state.handle_all(now, [event], context, effects);
        });
    }
}

impl FrameHandler<'_> {
    /// Takes an answer, to be told with others that came at the same time.
    fn done(&mut self, mut frame: Frame) -> Result<(), String> {
        let is_shared = frame.place.is_some();
        match self.output(&mut frame)? {
            Some(output) if output.is_long() => {
                self.fetching = Some(Fetching::begin(frame, output, self.core.runtime()));
                return Ok(());
            }
            Some(output) => frame.payload.bytes = output.read()?,
            None => {}
        }
        self.answered(frame, is_shared)
    }

    /// Hears what came behind an answer, up to the next one whose output takes long to read.
    fn hear_behind(&mut self) -> Result<(), String> {
        if self.looks_at_each {
            self.settle()?;
        }
        while self.fetching.is_none()
            && let Some(frame) = self.behind.pop_front()
        {
            self.frame(Connection::Jobs, frame)?;
        }
        Ok(())
    }

    /// Takes an answer whose output is there.
    fn answered(&mut self, mut frame: Frame, is_shared: bool) -> Result<(), String> {
        self.check_length(&frame)?;
        let length = frame.payload.bytes.len();
        let (told, health) = outcome(&mut frame)?;
        self.answers.push(Answer { sequence: frame.sequence, told, health, is_shared, length });
        Ok(())
    }

    /// Refuses a payload that exceeds `max_payload`, which the decoder lets through for the answers of batches.
    fn check_length(&self, frame: &Frame) -> Result<(), String> {
        let (length, limit) = (frame.payload.bytes.len(), self.core.limits.max_payload);
        let is_batch = || {
            let (worker, sequence) = (self.worker, frame.sequence);
            frame.kind == Kind::Done && self.core.with(|state, _| state.may_be_batch(worker, sequence))
        };
        match length <= limit as usize || is_batch() {
            true => Ok(()),
            false => Err(format!("its payload of {length} bytes exceeds max_payload, which is {limit}")),
        }
    }

    /// Tells the pool of the answers that came, in one critical section.
    fn settle(&mut self) -> Result<(), String> {
        if self.answers.is_empty() {
            return Ok(());
        }
        let worker = self.worker;
        let spent = self.spent();
        let answers = &mut self.answers;
        let mut effects = Effects::default();
        let told = self.core.with(|state, now| {
            state.answered(now, worker, answers.drain(..), spent == Spent::All, &mut effects)
        });
        self.unflushed.extend(effects.flush_jobs.drain(..));
        self.unflushed.extend(effects.flush_soon.drain(..));
        self.core.perform(&mut effects);
        if spent == Spent::Much {
            self.core.feed(Event::Outgrown { worker });
        }
        if let Some(bound) = self.core.limits.supervision.recycle_memory {
            self.weigh(bound);
        }
        told
    }

    /// Takes in that the worker passes over a job that it was about to begin when it was asked back.
    fn passed_over(&self, sequence: u64) {
        let worker = self.worker;
        self.core.act(|state, now, effects| {
            // Most of them are another worker's by now.
            let job = state.slots.get_mut(&worker).and_then(|slot| slot.passes_over(sequence));
            if let Some(job) = job {
                state.handle(now, Event::PassedOver { worker, job }, effects);
                state.tell_returned(worker, [job], effects);
            }
        });
    }

    /// Returns how much of its processor time and memory the worker has used. Checked after every job, and before
    /// the next one, where there is a limit: the job that exceeds it must be the one that used it.
    fn spent(&self) -> Spent {
        let limits = &self.core.limits;
        if limits.supervision.process_per_job {
            return Spent::Little;
        }
        if self.looks_at_each && self.kill_switch.is_above_limit() {
            return Spent::All;
        }
        let limit = limits.worker.cpu_limit;
        match limit.and_then(|limit| Some((limit, self.kill_switch.cpu_time()?))) {
            Some((limit, used)) if used >= limit => Spent::All,
            Some((limit, used)) if used >= limit / 2 => Spent::Much,
            _ => Spent::Little,
        }
    }

    /// Looks, between two jobs, whether the worker has grown beyond its bound.
    fn weigh(&mut self, bound: u64) {
        if self.weighed.is_none_or(|at| at.elapsed() >= WEIGHING) {
            self.weighed = Some(Instant::now());
            let shared =
                self.core.with(|state, _| state.slots.get(&self.worker).map(|it| it.sharing.length()));
            // Payloads in arenas are ours, and gone with the arenas.
            let shared = shared.unwrap_or_default() as u64;
            if self.kill_switch.resident_memory().is_some_and(|memory| memory.saturating_sub(shared) > bound)
            {
                self.core.feed(Event::Outgrown { worker: self.worker });
            }
        }
    }

    fn progress(&self, frame: &Frame) -> Result<(), String> {
        let progress = Progress::from_frame(frame).map_err(|error| error.to_string())?;
        if let Some((_, events)) = self.events(frame.sequence)? {
            events.progress(progress);
        }
        Ok(())
    }

    /// Takes in the worker's description of its job's types.
    fn description(&self, frame: &Frame) -> Result<(), String> {
        let description = json_of(frame).map_err(|error| error.to_string())?;
        self.core.with(|state, _| state.schemas.hear(self.worker, description))
    }

    /// Writes a worker's line of log, about the worker's job if the line names that one.
    fn log(&self, frame: &Frame) -> Result<(), String> {
        let (name, job) = self.core.with(|state, _| {
            let slot = state.slots.get(&self.worker).ok_or("it is not expected any more")?;
            let job = slot.job_of(frame.sequence).ok().and_then(|job| state.entry(job));
            Ok::<_, String>((slot.name.clone(), job.map(|entry| (entry.id, entry.job.trace.clone()))))
        })?;
        let (job, trace) = job.unzip();
        procpool_process::log_record(frame, &self.core.name, &name, job, trace.flatten().as_deref())
    }

    fn chunk(&self, frame: Frame) -> Result<(), String> {
        if let Some((job, events)) = self.events(frame.sequence)? {
            let taken = events.chunk(frame.payload)?;
            if taken.is_first {
                // Its caller was told something that a second attempt could not take back.
                self.core.feed(Event::Committed { job });
            }
            if !self.core.grant(job, taken.grant) {
                return Err("it sends chunks and does not read its credit".into());
            }
        }
        Ok(())
    }

    /// Returns the running job, and the receiver of its events, or `None` if its outcome is decided or nobody
    /// listens.
    fn events(&self, sequence: u64) -> Result<Option<(JobId, Arc<Events>)>, String> {
        self.core.with(|state, _| {
            let slot = state.slots.get(&self.worker).ok_or("it is not expected any more")?;
            let job = slot.job_of(sequence)?;
            Ok(state.entry(job).and_then(|entry| entry.job.events.clone()).map(|events| (job, events)))
        })
    }
}

/// Returns the outcome that a worker reports, as the pool passes it on, and whether the worker can go on.
/// Takes the frame's payload. The error says how the worker broke the protocol.
pub(crate) fn outcome(frame: &mut Frame) -> Result<(Told, Health), String> {
    let done = Done::checked(frame).map_err(|error| error.to_string())?;
    let mut report = JobReport::of(&done.extras).map_err(|error| error.to_string())?;
    let output = std::mem::take(&mut frame.payload);
    let health = match done.status {
        Status::Panicked { .. } => Health::Suspect,
        _ => Health::Sound,
    };
    let output = extras::with_rest(output, done.extras, of_done::REST);
    if health == Health::Suspect && output.encoding == Encoding::Bytes {
        report.get_or_insert_default().answers = Some(output.clone());
    }
    Ok((Told { result: result(done.status, output), report }, health))
}

/// Returns a job's end as its caller sees it.
pub(crate) fn result(status: Status, output: Payload) -> Outcome {
    Err(Box::new(match status {
        Status::Ok => return Ok(output),
        Status::BadInput { message } => JobError::bad_input(message),
        Status::Failed(failure) => JobError::Failed(failure),
        // The mark does not travel; a caller that passes the failure on passes it on as this.
        Status::Broke(failure) => JobError::Broke(failure.as_broken()),
        Status::Panicked { message, location } => JobError::panicked(message, location),
        // It was not asked to stop, or its outcome would be decided already: its function ended itself.
        Status::Cancelled => JobError::cancelled(Stage::Running),
        Status::TooLarge { size, limit } => JobError::output_too_large(size, limit),
    }))
}
