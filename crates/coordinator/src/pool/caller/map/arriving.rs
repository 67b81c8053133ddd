//! The end of a chunk, taken apart: an outcome for each input that has one, and what has to be sent again.

use super::chunk::Chunk;
use crate::pool::caller::handle::decoded;
use crate::pool::workers::frames;
use bytes::Bytes;
use procpool_protocol::batch;
use procpool_protocol::outcome::{Finished, Refused};
use procpool_protocol::{Job, JobError};

/// A chunk whose outcomes are returned one after the other.
#[derive(Debug)]
pub(super) struct Arriving {
    chunk: Chunk,
    /// Number of inputs that have their outcome.
    done: usize,
    told: Told,
}

#[derive(Debug)]
enum Told {
    /// An answer for each of the first inputs, and how the next one ended the chunk, if it did.
    Answers { answers: Bytes, end: Option<JobError> },
    /// The same for all inputs that are left.
    Same(JobError),
}

/// The fate of a chunk.
#[derive(Debug)]
pub(super) enum End {
    /// Its outcomes arrive.
    Arrives(Arriving),
    /// It is not known what became of the inputs, or they were not read, and each may be run alone.
    Apart {
        chunk: Chunk,
        /// Whether the chunk counts as an attempt of each input.
        may_have_run: bool,
    },
}

impl End {
    /// Sorts a chunk's end. `may_repeat` says whether a job may be run again when it is not known that it did
    /// not run.
    pub(super) fn of(finished: Result<Finished, Refused>, chunk: Chunk, may_repeat: bool) -> Self {
        let told = match finished {
            Err(refused) => Told::Same(refused.into()),
            Ok(Finished { result: Ok(output), .. }) if output.bytes.is_empty() => {
                Told::Same(lie("it answered no input of a batch"))
            }
            Ok(Finished { result: Ok(output), .. }) => Told::Answers { answers: output.bytes, end: None },
            Ok(Finished { result: Err(error), report, .. }) => match *error {
                // Of an input alone, its answer would say so: it was the batch that was not read.
                JobError::BadInput { .. } => return Self::Apart { chunk, may_have_run: false },
                end @ JobError::Panicked { .. } => {
                    let answers = report.and_then(|report| report.answers).unwrap_or_default();
                    Told::Answers { answers: answers.bytes, end: Some(end) }
                }
                // The chunk has killed before. It was not run this time, and not all of its inputs kill.
                error @ JobError::Poisoned { .. } if !error.may_have_run() => {
                    return Self::Apart { chunk, may_have_run: false };
                }
                JobError::Crashed(_)
                | JobError::Poisoned { .. }
                | JobError::TimedOut { .. }
                | JobError::Protocol { .. }
                    if may_repeat =>
                {
                    return Self::Apart { chunk, may_have_run: true };
                }
                error => Told::Same(error),
            },
        };
        Self::Arrives(Arriving { chunk, done: 0, told })
    }
}

impl Arriving {
    /// Returns the outcome of the next input, or `None` when no further one has any.
    pub(super) fn next<J: Job>(&mut self) -> Option<Result<J::Output, JobError>> {
        if self.done == self.chunk.count {
            return None;
        }
        let outcome = match &mut self.told {
            Told::Same(error) => Err(error.clone()),
            Told::Answers { answers, end } => match batch::next_answer(answers) {
                Some(Ok((status, output))) => decoded::<J>(frames::result(status, output)),
                Some(Err(invalid)) => {
                    let error = lie(&invalid.to_string());
                    self.told = Told::Same(error.clone());
                    Err(error)
                }
                None => Err(end.take()?),
            },
        };
        self.done += 1;
        Some(outcome)
    }

    /// Returns the inputs that have no outcome, since they were not run.
    pub(super) fn left(self) -> Option<Chunk> {
        self.chunk.behind(self.done)
    }
}

fn lie(violation: &str) -> JobError {
    JobError::protocol(violation)
}
