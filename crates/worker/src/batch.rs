//! Runs a batch: calls the function for each input in turn, and sends one answer for all.

use crate::context::Context;
use crate::ending::WorkerError;
use crate::jobs::{self, Verdict};
use procpool_protocol::batch::{self, Answers};
use procpool_protocol::message::Status;
use procpool_protocol::{Encoding, Failure, Job, Payload};
use std::time::Duration;

/// Decodes, runs and encodes each input. Stops early at a panic, or when the answers are long. The remaining
/// inputs were not run and have no answer.
pub(crate) fn judge<J: Job>(
    inputs: Payload,
    encoding: Encoding,
    context: &mut Context<J>,
    max_payload: u32,
    f: &mut impl FnMut(J::Input, &Context<J>) -> Result<J::Output, Failure>,
) -> Result<Verdict, WorkerError> {
    let mut rest = inputs.bytes;
    if let Err(error) = batch::check(&rest) {
        return Ok(Status::BadInput { message: error.to_string() }.into());
    }
    let enough = batch::enough(max_payload) as usize;
    let (mut answers, mut run) = (Answers::default(), Duration::ZERO);
    while let Some(Ok(input)) = batch::next_input(&mut rest) {
        if context.is_cancelled() {
            return Ok(Verdict { run, ..Status::Cancelled.into() });
        }
        context.next_input();
        let limit = max_payload.min(batch::MAX_OUTPUT);
        let verdict = jobs::judge::<J>(Payload::new(encoding, input), context, limit, f);
        run += verdict.run;
        if let status @ Status::Panicked { .. } = verdict.status {
            return Ok(Verdict { output: answers.into(), run, ..status.into() });
        }
        // Every output fits: see `batch::max_answers`.
        answers.push(verdict.status, &verdict.output.joined()).map_err(WorkerError::Send)?;
        if answers.length() > enough {
            break;
        }
    }
    Ok(Verdict { output: answers.into(), run, ..Status::Ok.into() })
}
