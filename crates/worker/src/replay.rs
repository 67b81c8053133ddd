//! A saved job run again, in this process and for a person: no coordinator, no guard, no group of its own, no
//! death with the parent. A debugger sees one ordinary program, and a crash is a crash.
//!
//! Whose the file is does not matter here: it chooses the input, which is checked like a coordinator's, and no program,
//! arguments or environment. Those are `procpool replay`'s to mistrust.

use crate::context::Context;
use crate::ending::{BY_HAND, Ending, WorkerError, complain, conclude};
use crate::identity::Identity;
use crate::jobs;
use crate::outlet::Outlet;
use crate::panics::caught;
use crate::startup::Startup;
use crate::transcript::Transcript;
use crate::workbench::Workbench;
use procpool_protocol::frame::Frame;
use procpool_protocol::message::{self, Status};
use procpool_protocol::recording::{Recording, RecordingError, SavedJob};
use procpool_protocol::{Failure, Job};
use std::fs::File;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file cannot be run again by this worker.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("failed to read the saved job {}: {source}", path.display())]
    Read { path: PathBuf, source: RecordingError },
    #[error(
        "failed to run the saved job {} again: it is of job `{}`, contract version {}, and this worker of `{}`, \
         version {}; it was saved from {}",
        path.display(), saved.job, saved.contract, ours.job, ours.contract, saved.executable
    )]
    OtherJob { path: PathBuf, saved: Box<Recording>, ours: Box<Identity> },
    #[error(
        "failed to run the saved job {} again: it was given {count} shared regions, whose memory is not saved",
        path.display()
    )]
    Memory { path: PathBuf, count: u8 },
}

/// Reads a saved job, of whatever worker.
pub(crate) fn read(path: &Path) -> Result<SavedJob, ReplayError> {
    let saved = File::open(path).map_err(RecordingError::Io).and_then(SavedJob::read);
    saved.map_err(|source| ReplayError::Read { path: path.to_owned(), source })
}

/// Runs the job of a file on this process's own streams, and gives the exit code.
pub(crate) fn replay<J: Job, S>(
    path: &Path,
    saved: Result<SavedJob, ReplayError>,
    init: impl FnOnce(&Startup) -> Result<S, Failure>,
    f: impl FnMut(&mut S, J::Input, &mut Context<J>) -> Result<J::Output, Failure>,
) -> u8 {
    match saved.and_then(|saved| check(path, saved, Identity::of_job::<J>())) {
        Ok(saved) => conclude(again::<J, S>(saved, Transcript::standard(), init, f)),
        Err(error) => {
            complain(&error.to_string());
            BY_HAND
        }
    }
}

/// Its name and version have to be ours. Its schemas need not: whoever mends a worker may mend those.
pub(crate) fn check(path: &Path, saved: SavedJob, ours: Identity) -> Result<SavedJob, ReplayError> {
    let Recording { job, contract, .. } = &saved.recording;
    if (job, contract) == (&ours.job, &ours.contract) {
        return match saved.job.payload.attachments.count() + saved.worker_data.attachments.count() {
            0 => Ok(saved),
            count => Err(ReplayError::Memory { path: path.to_owned(), count }),
        };
    }
    let (saved, ours) = (Box::new(saved.recording), Box::new(ours));
    Err(ReplayError::OtherJob { path: path.to_owned(), saved, ours })
}

/// Makes the state, runs the job, tells what comes of it.
pub(crate) fn again<J: Job, S>(
    saved: SavedJob,
    mut transcript: Transcript,
    init: impl FnOnce(&Startup) -> Result<S, Failure>,
    mut f: impl FnMut(&mut S, J::Input, &mut Context<J>) -> Result<J::Output, Failure>,
) -> Result<Ending, WorkerError> {
    let SavedJob { recording, welcome, worker_data, job } = saved;
    announce(&mut transcript, &recording, J::BUILD);
    let startup = Startup { worker: welcome.worker, worker_data, max_payload: welcome.max_payload };
    let mut state = match caught(|| init(&startup)) {
        Ok(Ok(state)) => state,
        Ok(Err(failure)) => return Ok(not_begun(&mut transcript, &failure.to_string(), Ending::Failed)),
        Err(report) => return Ok(not_begun(&mut transcript, &report.to_string(), Ending::Panicked)),
    };
    let bench = Workbench::new(startup, Outlet::new(transcript), Arc::default());
    let sequence = job.sequence;
    let mut f = |input, context: &mut Context<J>| f(&mut state, input, context);
    // Nobody recalls it.
    let verdict = jobs::run_one::<J>(&bench, unhurried(job)?, &mut f)?.unwrap_or(Status::Cancelled.into());
    let ending = match verdict.status {
        Status::Ok => Ending::Finished,
        Status::Panicked { .. } => Ending::Panicked,
        _ => Ending::Failed,
    };
    if ending == Ending::Panicked {
        // As in a worker that serves: what a panic may have broken is not destroyed.
        mem::forget(state);
    }
    match bench.outlet.send(&verdict.into_frame(sequence)?) {
        Ok(()) => Ok(ending),
        Err(error) => {
            complain(&format!("failed to write the output to standard output: {error}"));
            Ok(Ending::Failed)
        }
    }
}

fn announce(transcript: &mut Transcript, recording: &Recording, build: Option<&str>) {
    let Recording { id, pool, attempt, outcome, summary, .. } = recording;
    transcript.note(&format!(
        "running job {id} of pool `{pool}` again; attempt {attempt} ended as {outcome}: {summary}"
    ));
    transcript.note("no deadline is enforced: a debugger takes its time");
    if let (Some(saved), Some(ours)) = (recording.build.as_deref(), build)
        && saved != ours
    {
        transcript.note(&format!("it was saved from build {saved}; this is build {ours}"));
    }
}

fn not_begun(transcript: &mut Transcript, why: &str, ending: Ending) -> Ending {
    transcript.note(&format!("failed to initialise: {why}"));
    ending
}

/// The same job without a deadline, and with a listener who reads every chunk.
fn unhurried(job: Frame) -> Result<Frame, WorkerError> {
    let header = message::Job::checked(&job)?;
    let header = message::Job { remaining_nanos: None, credit: Some(u32::MAX), ..header };
    Ok(header.to_frame(job.sequence)?.with_payload(job.payload))
}
