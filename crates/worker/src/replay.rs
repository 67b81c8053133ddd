//! Runs a saved job again, in this process and for a person. There is no coordinator, no guard, no process
//! group, and no death with the parent. A debugger sees one ordinary program, and a crash is a crash.
//!
//! The file's owner does not matter here: the file chooses only the input, which is checked like a
//! coordinator's. It does not choose a program, arguments or environment. `procpool replay` reads those and
//! must therefore mistrust the file.

use crate::arguments::SavedJobs;
use crate::context::Context;
use crate::ending::{Ending, WorkerError, complain};
use crate::identity::Identity;
use crate::jobs;
use crate::outlet::Outlet;
use crate::panics::caught;
use crate::startup::Startup;
use crate::transcript::Transcript;
use crate::workbench::Workbench;
use procpool_protocol::frame::Frame;
use procpool_protocol::message::{self, Status};
use procpool_protocol::recording::{FORMAT_WITH_HISTORY, Recording, RecordingError, SavedJob};
use procpool_protocol::{Failure, Job, Payload};
use std::fs::File;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// This worker cannot replay a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("failed to read the saved job {}: {reason}", path.display())]
    Read { path: PathBuf, reason: RecordingError },
    #[error(
        "failed to run the saved job {} again: it is of job `{}`, contract version {}, and this worker of {ours}; it was \
         saved from {}",
        path.display(), saved.job, saved.contract, saved.executable
    )]
    OtherJob { path: PathBuf, saved: Box<Recording>, ours: String },
    #[error(
        "failed to run the saved job {} again: it was given {count} shared regions, whose memory is not saved",
        path.display()
    )]
    Memory { path: PathBuf, count: u8 },
}

/// Saved jobs that are run one after the other in one process.
#[derive(Debug)]
pub(crate) struct Sitting {
    /// At least one.
    jobs: Vec<(PathBuf, SavedJob)>,
    with_history: bool,
}

impl Sitting {
    pub(crate) fn new(jobs: Vec<(PathBuf, SavedJob)>, with_history: bool) -> Self {
        Self { jobs, with_history }
    }

    /// Returns the job of the first file.
    pub(crate) fn job(&self) -> &str {
        self.jobs.first().map_or("", |(_, saved)| &saved.recording.job)
    }

    /// Returns the error of a worker that has only these jobs.
    pub(crate) fn is_strange_to(&self, ours: &[&Identity]) -> ReplayError {
        match self.jobs.first() {
            Some((path, saved)) => other_job(path, &saved.recording, ours),
            None => unreachable!("an argument names one file at least"),
        }
    }
}

/// Reads saved jobs, of any worker.
pub(crate) fn read(saved: &SavedJobs) -> Result<Sitting, ReplayError> {
    let read = |path: &PathBuf| {
        let saved = File::open(path).map_err(RecordingError::Io).and_then(SavedJob::read);
        let saved = saved.map_err(|reason| ReplayError::Read { path: path.clone(), reason })?;
        Ok((path.clone(), saved))
    };
    let jobs = saved.files.iter().map(read).collect::<Result<_, _>>()?;
    Ok(Sitting::new(jobs, saved.with_history))
}

/// Checks that the saved jobs have this worker's name and version. Their schemas may differ, because a
/// repaired worker may have other schemas.
pub(crate) fn check(sitting: Sitting, ours: &Identity) -> Result<Sitting, ReplayError> {
    for (path, saved) in &sitting.jobs {
        let Recording { job, contract, .. } = &saved.recording;
        if (job, contract) != (&ours.job, &ours.contract) {
            return Err(other_job(path, &saved.recording, &[ours]));
        }
        let frames = saved.history.iter().filter(|_| sitting.with_history).chain([&saved.job]);
        let payloads = frames.map(|frame| &frame.payload).chain([&saved.worker_data]);
        let count = payloads.map(|payload| payload.attachments.count()).max().unwrap_or(0);
        if count > 0 {
            return Err(ReplayError::Memory { path: path.clone(), count });
        }
    }
    Ok(sitting)
}

fn other_job(path: &Path, saved: &Recording, ours: &[&Identity]) -> ReplayError {
    let ours: Vec<_> = ours.iter().map(|it| format!("`{}`, version {}", it.job, it.contract)).collect();
    ReplayError::OtherJob { path: path.into(), saved: Box::new(saved.clone()), ours: ours.join(", or of ") }
}

/// Creates the state, runs the jobs and prints each outcome. The ending is that of the last job.
pub(crate) fn again<J: Job, S>(
    sitting: Sitting,
    mut transcript: Transcript,
    init: impl FnOnce(&Startup) -> Result<S, Failure>,
    mut f: impl FnMut(&mut S, J::Input, &Context<J>) -> Result<J::Output, Failure>,
) -> Result<Ending, WorkerError> {
    let Sitting { jobs, with_history } = sitting;
    let Some((_, first)) = jobs.first() else { return Ok(Ending::Finished) };
    let startup = Startup {
        worker: first.welcome.worker.clone(),
        worker_data: first.worker_data.clone(),
        max_payload: first.welcome.max_payload,
    };
    announce(&mut transcript, &first.recording, J::BUILD);
    let mut state = match caught(|| init(&startup)) {
        Ok(Ok(state)) => state,
        Ok(Err(failure)) => return Ok(not_begun(&mut transcript, &failure.to_string(), Ending::Failed)),
        Err(report) => return Ok(not_begun(&mut transcript, &report.to_string(), Ending::Panicked)),
    };
    let bench = Workbench::new(startup, Outlet::new(transcript), Arc::default());
    let mut f = |input, context: &Context<J>| f(&mut state, input, context);
    let mut ending = Ending::Finished;
    for (others, Turn { heading, job, wrong }) in turns(jobs, with_history).into_iter().enumerate() {
        if let Some(heading) = heading {
            bench.outlet.note(&heading);
        }
        // The files may come from several workers, each with sequence numbers of its own.
        let sequence = others as u64 + 1;
        ending = run::<J>(&bench, job, sequence, wrong.is_some(), &mut f)?;
        if ending == Ending::Panicked {
            // As in a worker that serves: a panic may have broken the state, so its destructor must not run.
            mem::forget(state);
            return Ok(ending);
        }
        if let Some(hint) = wrong.and_then(|recording| company(&recording, others, with_history)) {
            bench.outlet.note(&hint);
        }
    }
    Ok(ending)
}

/// One of the jobs that are run.
struct Turn {
    /// The line that is printed before it.
    heading: Option<String>,
    job: Frame,
    /// The recording of the failure. `None` for an earlier job of its worker, whose output is not needed.
    wrong: Option<Recording>,
}

fn turns(jobs: Vec<(PathBuf, SavedJob)>, with_history: bool) -> Vec<Turn> {
    let mut turns = Vec::new();
    for (at, (_, saved)) in jobs.into_iter().enumerate() {
        let history = if with_history { saved.history } else { Vec::new() };
        let count = history.len();
        turns.extend(history.into_iter().zip(1..).map(|(job, nth)| {
            let heading = format!("running job {nth} of {count} that its worker was given before");
            Turn { heading: Some(heading), job, wrong: None }
        }));
        let heading = match (at, count) {
            // The heading was printed before the state was created.
            (0, 0) => None,
            (0, _) => Some("running the job that went wrong".into()),
            _ => Some(heading(&saved.recording)),
        };
        turns.push(Turn { heading, job: saved.job, wrong: Some(saved.recording) });
    }
    turns
}

/// Runs one job.
fn run<J: Job>(
    bench: &Workbench,
    job: Frame,
    sequence: u64,
    is_wanted: bool,
    f: &mut impl FnMut(J::Input, &Context<J>) -> Result<J::Output, Failure>,
) -> Result<Ending, WorkerError> {
    // No coordinator can withdraw it.
    let verdict =
        jobs::run_one::<J>(bench, unhurried(job, sequence)?, f)?.unwrap_or(Status::Cancelled.into());
    let ending = match verdict.status {
        Status::Ok => Ending::Finished,
        Status::Panicked { .. } => Ending::Panicked,
        _ => Ending::Failed,
    };
    let told = verdict.into_frame(sequence)?;
    match bench.outlet.send(&if is_wanted { told } else { told.with_payload(Payload::none()) }) {
        Ok(()) => Ok(ending),
        Err(error) => {
            complain(&format!("failed to write the output to standard output: {error}"));
            Ok(Ending::Failed)
        }
    }
}

/// Returns the note for a person if a job does not fail again, and its worker had run other jobs before it.
fn company(recording: &Recording, others: usize, with_history: bool) -> Option<String> {
    let before = recording.jobs_before.filter(|&before| before > others as u64)?;
    let way_out = match (recording.format, with_history) {
        (FORMAT_WITH_HISTORY.., false) => "`--history` runs the last of them first",
        (FORMAT_WITH_HISTORY.., true) => "a larger `save_history` keeps more of them",
        _ => {
            "where the pool has `save_history`, the next file holds the last of them, and `--history` runs them first"
        }
    };
    let jobs = if before == 1 { "job" } else { "jobs" };
    let now = if others == 0 { "is alone".into() } else { format!("had {others}") };
    Some(format!(
        "the worker had been given {before} other {jobs} before this one, and this replay {now}; a job may go wrong only \
         after others: {way_out}"
    ))
}

fn announce(transcript: &mut Transcript, recording: &Recording, build: Option<&str>) {
    transcript.note(&heading(recording));
    transcript.note("no deadline is enforced: a debugger takes its time");
    if let (Some(saved), Some(ours)) = (recording.build.as_deref(), build)
        && saved != ours
    {
        transcript.note(&format!("it was saved from build {saved}; this is build {ours}"));
    }
}

fn heading(recording: &Recording) -> String {
    let Recording { id, pool, attempt, outcome, summary, .. } = recording;
    format!("running job {id} of pool `{pool}` again; attempt {attempt} ended as {outcome}: {summary}")
}

fn not_begun(transcript: &mut Transcript, why: &str, ending: Ending) -> Ending {
    transcript.note(&format!("failed to initialise: {why}"));
    ending
}

/// Returns the same job without a deadline, with credit for every chunk, and with a number of this process.
fn unhurried(job: Frame, sequence: u64) -> Result<Frame, WorkerError> {
    let header = message::Job::checked(&job)?;
    let header = message::Job { remaining_nanos: None, credit: Some(u32::MAX), ..header };
    Ok(header.to_frame(sequence)?.with_payload(job.payload))
}
