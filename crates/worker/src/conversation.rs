//! The loop of a job's worker for free messages: it answers each with the function's output. Thus one
//! executable serves both a `Worker` and a pool.

use crate::context::Context;
use crate::ending::{Ending, WorkerError};
use crate::handshake::unexpected;
use crate::jobs;
use crate::panics::caught;
use crate::regions;
use crate::session::{Session, panicked};
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::{Failure, Job, Payload};

/// Answers messages until the conversation ends, or the function has panicked.
pub(crate) fn run<J: Job>(
    session: &mut Session,
    mut f: impl FnMut(J::Input, &Context<J>) -> Result<J::Output, Failure>,
) -> Result<Ending, WorkerError> {
    while let Some(frame) = session.reader.frame()? {
        if frame.kind != Kind::Message {
            return Err(unexpected(&frame, "a message"));
        }
        let Frame { sequence, payload, .. } = frame;
        match caught(|| answer::<J>(session, payload, &mut f)) {
            Ok(Ok(output)) => session.send(&Frame::new(Kind::Message, sequence, "").with_payload(output))?,
            Ok(Err(failure)) => session.message_failed(sequence, &failure)?,
            Err(report) => {
                session.message_failed(sequence, &panicked(&report))?;
                return Ok(Ending::Panicked);
            }
        }
    }
    Ok(Ending::Finished)
}

fn answer<J: Job>(
    session: &Session,
    input: Payload,
    f: &mut impl FnMut(J::Input, &Context<J>) -> Result<J::Output, Failure>,
) -> Result<Payload, Failure> {
    let context = Context::<J>::of_message(&session.bench, input.encoding);
    let value = regions::decode(&input).map_err(|error| Failure::from(error).with_code("bad_input"))?;
    drop(input);
    let output = f(value, &context)?;
    let output = jobs::encode(&output, context.reply())
        .map_err(|error| Failure::from(error).with_code("bad_output"))?;
    let (size, limit) = (output.bytes.len() as u64, u64::from(session.bench.startup.max_payload));
    match size <= limit {
        true => Ok(output),
        false => Err(Failure::new(format!("the output has {size} bytes; the limit is {limit}"))
            .with_code("output_too_large")),
    }
}
