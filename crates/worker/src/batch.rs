//! Runs a batch: the function on one input after the other, and one answer for all.

use crate::context::Context;
use crate::ending::WorkerError;
use crate::jobs::{self, Verdict};
use procpool_protocol::batch::{self, Answers};
use procpool_protocol::message::Status;
use procpool_protocol::{Encoding, Failure, Job, Payload};
use std::time::Duration;

/// Length of the answers at which a batch ends early, in bytes. The coordinator sends the rest again.
const ENOUGH: usize = 1 << 20;

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
    let limit = usize::try_from(max_payload).unwrap_or(usize::MAX);
    let enough = ENOUGH.min(limit / 2);
    let (mut answers, mut run) = (Answers::default(), Duration::ZERO);
    while let Some(Ok(input)) = batch::next_input(&mut rest) {
        if context.is_cancelled() {
            return Ok(Verdict { run, ..Status::Cancelled.into() });
        }
        context.next_input();
        let verdict = jobs::judge::<J>(Payload::new(encoding, input), context, max_payload, f);
        run += verdict.run;
        let (status, output) = match (verdict.status, verdict.output.joined()) {
            (status @ Status::Panicked { .. }, _) => {
                return Ok(Verdict { output: answers.into(), run, ..status.into() });
            }
            // Others before it have taken room.
            (Status::Ok, output) if answers.length_with(output.bytes.len()) > limit => {
                let (size, limit) = (output.bytes.len() as u64, u64::from(max_payload));
                (Status::TooLarge { size, limit }, Payload::none())
            }
            (status, output) => (status, output),
        };
        answers.push(status, &output).map_err(WorkerError::Send)?;
        if answers.length_with(0) > enough {
            break;
        }
    }
    Ok(Verdict { output: answers.into(), run, ..Status::Ok.into() })
}
