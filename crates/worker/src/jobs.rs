//! The loop of a worker that runs jobs: one job in, one outcome out.

use crate::batch;
use crate::board::Start;
use crate::context::Context;
use crate::ending::{Ending, WorkerError};
use crate::handshake::unexpected;
use crate::panics::{PanicReport, caught};
use crate::regions;
use crate::session::Session;
use crate::usage::Meter;
use crate::workbench::Workbench;
use procpool_protocol::carriage;
use procpool_protocol::extras::{self, Extra, of_done, of_job};
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::message::{self, Done, Status};
use procpool_protocol::{Encoding, Failure, Job, Payload, PayloadError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::{Duration, Instant};

/// Runs jobs until there are no further ones, or one has panicked.
pub(crate) fn run<J: Job>(
    session: &mut Session,
    mut f: impl FnMut(J::Input, &Context<J>) -> Result<J::Output, Failure>,
) -> Result<Ending, WorkerError> {
    let mut next = session.reader.frame()?;
    while let Some(frame) = next {
        if frame.kind != Kind::Job {
            return Err(unexpected(&frame, "a job"));
        }
        let sequence = frame.sequence;
        let (frame, arena) = settle(&session.bench, frame)?;
        let verdict = run_one::<J>(&session.bench, frame, &mut f)?;
        let panicked = verdict.as_ref().is_some_and(|it| matches!(it.status, Status::Panicked { .. }));
        next = if panicked { None } else { session.reader.buffered()? };
        match verdict {
            Some(verdict) => answer(session, verdict.into_frame(sequence)?, arena, next.is_some())?,
            None => session.send(&Frame::new(Kind::Recalled, sequence, ""))?,
        }
        if panicked {
            return Ok(Ending::Panicked);
        }
        if next.is_none() {
            session.flush()?;
            next = session.reader.frame()?;
        }
    }
    Ok(Ending::Finished)
}

/// Sends a job's last frame, or delays it if the next job `follows`. The job's input lay in this arena.
fn answer(session: &Session, last: Frame, arena: Option<u64>, follows: bool) -> Result<(), WorkerError> {
    let arenas = &session.bench.arenas;
    let mut last = arenas.put(last);
    if let Some(arena) = arena.filter(|&it| arenas.is_held(it, &mut last)) {
        session.send(&Frame::new(Kind::Held, arena, ""))?;
    }
    if follows { session.answer(&last) } else { session.send(&last) }
}

/// Fetches the payload that the frame refers to. Also returns the number of the arena with the payload.
fn settle(bench: &Workbench, mut frame: Frame) -> Result<(Frame, Option<u64>), WorkerError> {
    if frame.taken {
        bench.arenas.has_taken();
    }
    if frame.place.is_none() {
        return Ok((frame, None));
    }
    match bench.arenas.fetch(&mut frame) {
        Some(arena) => Ok((frame, Some(arena))),
        // The arena may have been withdrawn together with the job.
        None if bench.board.is_recalled(frame.sequence) => Ok((frame, None)),
        None => Err(WorkerError::NoInput { sequence: frame.sequence }),
    }
}

/// Runs the job of one frame. Returns `None` if the coordinator withdrew the job.
pub(crate) fn run_one<J: Job>(
    bench: &Workbench,
    frame: Frame,
    f: &mut impl FnMut(J::Input, &Context<J>) -> Result<J::Output, Failure>,
) -> Result<Option<Verdict>, WorkerError> {
    let job = message::Job::checked(&frame)?;
    // The header shares the payload's buffer, and would hold it while the job runs.
    let Frame { sequence, header, payload, .. } = frame;
    drop(header);
    let mut context = Context::<J>::of_job(bench, sequence, &job);
    match bench.board.start(sequence, context.cancel_flag(), job.credit)? {
        Start::Run => {}
        Start::Cancelled => return Ok(Some(Status::Cancelled.into())),
        Start::PassedOver => return Ok(None),
    }
    bench.outlet.begin_job();
    let meter = Meter::start(&job);
    let (batch, max_payload) = (job.batch(), bench.startup.max_payload);
    let input = extras::with_rest(payload, job.extras, of_job::REST);
    let mut verdict = match batch {
        None => judge(input, &context, max_payload, f),
        Some(encoding) => batch::judge(input, encoding, &mut context, max_payload, f)?,
    };
    // For other kinds of output, the encoding alone describes the type.
    if verdict.output.encoding == Encoding::Bytes && batch.is_none() {
        verdict.extras.extend(context.take_content_type().as_ref().map(Extra::from));
    }
    verdict.extras.extend(Extra::rest(of_done::REST, &verdict.output));
    let dropped = context.dropped_chunks();
    verdict.extras.extend(dropped.map(|chunks| Extra::number(of_done::CHUNKS_DROPPED, chunks)));
    meter.stop(&mut verdict.extras);
    Ok(Some(verdict))
}

/// How a job ended, and its output.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) status: Status,
    pub(crate) output: Payload,
    /// Time that the function took.
    pub(crate) run: Duration,
    /// The rest of the report.
    pub(crate) extras: Vec<Extra>,
}

impl From<Status> for Verdict {
    fn from(status: Status) -> Self {
        Self { status, output: Payload::none(), run: Duration::ZERO, extras: Vec::new() }
    }
}

impl From<PanicReport> for Verdict {
    fn from(PanicReport { message, location }: PanicReport) -> Self {
        Status::Panicked { message, location }.into()
    }
}

impl Verdict {
    /// Returns the last frame of the job.
    pub(crate) fn into_frame(self, sequence: u64) -> Result<Frame, WorkerError> {
        let run_nanos = u64::try_from(self.run.as_nanos()).unwrap_or(u64::MAX);
        let done = Done { status: self.status, run_nanos, extras: self.extras };
        done.into_frame(sequence, self.output).map_err(WorkerError::Send)
    }
}

/// Decodes, runs, encodes. All three call the user's code, and each may panic.
pub(crate) fn judge<J: Job>(
    input: Payload,
    context: &Context<J>,
    max_payload: u32,
    f: &mut impl FnMut(J::Input, &Context<J>) -> Result<J::Output, Failure>,
) -> Verdict {
    // By value, so that the encoded input is freed while the function runs.
    let input = match caught(move || regions::decode::<J::Input>(&input)) {
        Ok(Ok(input)) => input,
        Ok(Err(error)) => return unread(error).into(),
        Err(report) => return report.into(),
    };
    let started = Instant::now();
    let result = caught(|| f(input, context));
    let run = started.elapsed();
    let verdict = match (result, context.doom()) {
        (Err(report), _) => report.into(),
        (Ok(_), Some(doom)) => refusal(doom).into(),
        (Ok(Err(failure)), None) => refusal(failure).into(),
        (Ok(Ok(output)), None) => success::<J>(output, context, max_payload),
    };
    Verdict { run, ..verdict }
}

/// Returns why the input was not read. The input is the cause, unless no input could ever be read.
fn unread(error: PayloadError) -> Status {
    match error {
        PayloadError::Uncarried(_) => Status::Broke(Failure::from(error).with_code("bad_input").as_broken()),
        other => Status::BadInput { message: other.to_string() },
    }
}

fn refusal(failure: Failure) -> Status {
    match failure.code() {
        Failure::CANCELLED => Status::Cancelled,
        _ if failure.is_broken() => Status::Broke(failure),
        _ => Status::Failed(failure),
    }
}

fn success<J: Job>(output: J::Output, context: &Context<J>, max_payload: u32) -> Verdict {
    let output = match caught(move || encode_output(&output, context.reply())) {
        Ok(Ok(output)) => output,
        // An output that cannot be sent is the job's own fault, and not its input's.
        Ok(Err(error)) => {
            return Status::Broke(Failure::from(error).with_code("bad_output").as_broken()).into();
        }
        Err(report) => return report.into(),
    };
    let (size, limit) = (output.bytes.len() as u64, u64::from(max_payload));
    match size <= limit {
        true => Verdict { output, ..Status::Ok.into() },
        false => Status::TooLarge { size, limit }.into(),
    }
}

/// Encodes a value after checking its type, unless it was checked before.
pub(crate) fn encode<T: Serialize + DeserializeOwned + 'static>(
    value: &T,
    encoding: Encoding,
) -> Result<Payload, PayloadError> {
    check::<T>(encoding)?;
    Payload::encode(value, encoding)
}

/// Encodes a job's output in the same way. A large byte string in it may stay separate from the rest.
fn encode_output<T: Serialize + DeserializeOwned + 'static>(
    value: &T,
    encoding: Encoding,
) -> Result<Payload, PayloadError> {
    check::<T>(encoding)?;
    Payload::encode_apart(value, encoding)
}

fn check<T: DeserializeOwned + 'static>(encoding: Encoding) -> Result<(), PayloadError> {
    match encoding {
        Encoding::Bincode => {
            carriage::check::<T>().map_err(|refused| PayloadError::Uncarried(refused.clone()))
        }
        _ => Ok(()),
    }
}
