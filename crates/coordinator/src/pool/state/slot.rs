//! One worker of a pool, as the pool keeps it between its start and its death.

use super::context::Told;
use crate::pool::stacks::Look;
use crate::recorder::{History, Sent};
use crate::sharing::{Arena, Sharing, Wanted};
use procpool_process::{KillSwitch, Outboxes, Ticket};
use procpool_protocol::JobId;
use procpool_protocol::arena::{Direction, Place};
use procpool_protocol::encodings::Encodings;
use procpool_protocol::engine::PayloadBytes;
use procpool_protocol::frame::Frame;
use procpool_scheduler::{Generation, Health, JobId as Key, Time};
use std::collections::VecDeque;
use std::sync::Arc;

/// A worker, starting or serving.
#[derive(Debug)]
pub(crate) struct WorkerSlot {
    /// Its name, never used twice: that of the pool, and its number.
    pub(crate) name: String,
    /// The number in its name.
    pub(crate) number: u64,
    /// Its place on a page that shows the workers.
    pub(crate) place: u32,
    pub(crate) kill_switch: Arc<KillSwitch>,
    /// The way to it, once it serves.
    pub(crate) lines: Option<Arc<Outboxes>>,
    /// The jobs that it was given and has not answered, in their order: it begins one when it has ended the one before.
    pub(crate) held: VecDeque<Held>,
    /// The last job that got its outcome while this worker ran it, and may not give it up.
    pub(crate) decided: Option<Decided>,
    /// Number of the last job frame that it was sent; dense, its own, private.
    pub(crate) last_sequence: u64,
    pub(crate) sharing: Sharing,
    pub(crate) jobs_done: u64,
    pub(crate) started: Time,
    pub(crate) generation: Generation,
    /// Contract version, once it said hello.
    pub(crate) version: Option<u32>,
    pub(crate) build: Option<String>,
    /// The encodings that it reads and writes, once it said hello.
    pub(crate) encodings: Encodings,
    /// Whether it takes batches, once it said hello.
    pub(crate) takes_batches: bool,
    /// The jobs that it was sent, where those are kept.
    pub(crate) history: Option<Arc<History>>,
    /// The look at the job that it runs, if that job's time is up.
    pub(crate) look: Option<Arc<Look>>,
    /// The look that has its stack, once it is killed.
    pub(crate) last_look: Option<Arc<Look>>,
}

/// A job in a worker's hands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    pub(crate) sequence: u64,
    pub(crate) job: Key,
    /// Its frame, to learn whether the kernel took all of it.
    pub(crate) ticket: Ticket,
}

/// A job that got its outcome while its worker ran it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided {
    pub(crate) job: Key,
    pub(crate) id: JobId,
    /// The length of its input, in bytes.
    pub(crate) length: usize,
}

/// A job's end, as its worker tells it.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) sequence: u64,
    pub(crate) told: Told,
    pub(crate) health: Health,
    /// The output lay in an arena.
    pub(crate) is_shared: bool,
    /// Of the output, in bytes.
    pub(crate) length: usize,
}

/// When to write the frames that were appended for a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flush {
    /// As soon as the lock is free.
    Now,
    /// When others have had the chance to add something.
    Soon,
    /// Somebody else sees to it.
    ByOthers,
}

impl WorkerSlot {
    /// Creates the slot of a worker that shares payloads of up to `shares` bytes.
    pub(crate) fn new(pool: &str, number: u64, started: Time, generation: Generation, shares: usize) -> Self {
        Self {
            name: format!("{pool}-{number}"),
            number,
            place: 0,
            kill_switch: Arc::default(),
            lines: None,
            held: VecDeque::new(),
            decided: None,
            last_sequence: 0,
            sharing: Sharing::new(shares),
            jobs_done: 0,
            started,
            generation,
            version: None,
            build: None,
            encodings: Encodings::ALL,
            takes_batches: false,
            history: None,
            look: None,
            last_look: None,
        }
    }

    /// Keeps this number of the worker's last jobs before each job.
    pub(crate) fn keeping(self, jobs: usize) -> Self {
        Self { history: (jobs > 0).then(|| Arc::new(History::new(jobs))), ..self }
    }

    /// Returns the copy to keep of a job that this worker is about to be sent.
    pub(crate) fn sent(&self, attempt: u32, frame: Frame) -> Sent {
        if let Some(history) = &self.history {
            history.give(&frame, self.held.len());
        }
        Sent {
            worker: self.name.clone(),
            contract: self.version.unwrap_or_default(),
            build: self.build.clone(),
            encodings: self.encodings,
            attempt,
            jobs_before: self.jobs_done + self.held.len() as u64,
            history: self.history.clone(),
            frame,
        }
    }

    /// Returns the memory that a payload of this length asks for.
    pub(crate) fn wants(&self, direction: Direction, payload: usize) -> Option<Wanted> {
        self.sharing.wants(direction, payload)
    }

    /// Hands it a job: appends the frame to its output. The payload goes through shared memory if it is large
    /// enough. A busy worker's frames may wait for others, so that they are written together.
    #[must_use]
    pub(crate) fn give(&mut self, job: Key, frame: &mut Frame, now: Time, bytes: &mut PayloadBytes) -> Flush {
        let Some(lines) = &self.lines else { return Flush::ByOthers };
        frame.taken = std::mem::take(&mut self.sharing.has_taken);
        let (length, sequence) = (frame.payload.bytes.len(), frame.sequence);
        let appended = match self.sharing.inputs.lend(length, sequence, now) {
            Some(Arena { number, memory, .. }) => {
                bytes.input_by_memory += length as u64;
                let place = Place { arena: number, offset: 0, length: length as u64 };
                lines.jobs.push_shared(frame, memory, place)
            }
            None => {
                bytes.input_by_socket += length as u64;
                lines.jobs.push(frame)
            }
        };
        let flush = match (self.held.is_empty(), appended.is_first) {
            (true, _) => Flush::Now,
            (false, true) => Flush::Soon,
            (false, false) => Flush::ByOthers,
        };
        self.held.push_back(Held { sequence, job, ticket: appended.ticket });
        flush
    }

    /// Returns the job that a frame of this worker belongs to. The error says that it has no such job.
    pub(crate) fn job_of(&self, sequence: u64) -> Result<Key, String> {
        match self.held.front() {
            Some(held) if held.sequence == sequence => Ok(held.job),
            Some(held) => Err(format!("it spoke of job number {sequence} while it has {}", held.sequence)),
            None => Err(format!("it spoke of job number {sequence} while it has none")),
        }
    }

    /// Takes the job that was answered out of its hands. The error says that it has no such job.
    pub(crate) fn answered(&mut self, answer: &Answer) -> Result<Key, String> {
        let job = self.job_of(answer.sequence)?;
        self.held.pop_front();
        self.jobs_done += 1;
        self.sharing.has_taken |= answer.is_shared;
        Ok(job)
    }

    /// Takes in that it has begun no job beyond `newest` of those up to `asked_back`. Returns the number of
    /// jobs that it keeps.
    pub(crate) fn gives_back(&mut self, newest: u64, asked_back: u64) -> usize {
        // One that came later it was given because it had ended all of those.
        let keeps = |sequence| sequence <= newest || sequence > asked_back;
        self.held.retain(|held| keeps(held.sequence));
        if let Some(history) = &self.history {
            history.gives_back(|sequence| !keeps(sequence));
        }
        self.held.len()
    }

    /// Removes a job that the worker has said it will not begin. Returns `None` if it has no such job.
    pub(crate) fn passes_over(&mut self, sequence: u64) -> Option<Key> {
        let at = self.held.iter().position(|held| held.sequence == sequence)?;
        if let Some(history) = &self.history {
            history.gives_back(|it| it == sequence);
        }
        self.held.remove(at).map(|held| held.job)
    }

    /// Returns the number by which the worker knows a job.
    pub(crate) fn sequence_of(&self, job: Key) -> Option<u64> {
        self.held.iter().find(|held| held.job == job).map(|held| held.sequence)
    }
}
