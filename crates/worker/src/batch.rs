//! Runs a batch: the function on one input after the other, and one answer for all.

use crate::context::Context;
use crate::ending::WorkerError;
use crate::jobs::{self, Verdict};
use procpool_protocol::batch::{self, Answers};
use procpool_protocol::message::Status;
use procpool_protocol::{Encoding, Failure, Job, Payload};
use std::time::Duration;

/// Decodes, runs and encodes each input. Ends before the last one at a panic, and when the answers
/// are long. The inputs without an answer were not run then.
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
        // It fits, whatever it is: see `batch::max_answers`.
        answers.push(verdict.status, &verdict.output.joined()).map_err(WorkerError::Send)?;
        if answers.length() > enough {
            break;
        }
    }
    Ok(Verdict { output: answers.into(), run, ..Status::Ok.into() })
}
