//! The end of a serving worker. The jobs that it had finished count, its messages are passed on, and its
//! death is reported with the job that it was running. Does not: know how the process ended.

use super::last_words::{self, LastWords, Progress};
use super::obituary::Lost;
use crate::pool::stacks::{Crash, Look};
use crate::pool::state::State;
use crate::pool::state::context::{self, EventContext};
use crate::pool::state::effects::Effects;
use crate::pool::state::events::Events;
use procpool_process::Ending;
use procpool_protocol::frame::{Frame, Kind};
use procpool_protocol::status::SuspectPayload;
use procpool_protocol::{ExitReport, JobId, Payload, message};
use procpool_scheduler::{Cause, Death, Event, Fingerprint, JobId as Key, Time, WorkerId};
use procpool_stacks::Snapshot;
use std::sync::Arc;

const SIGKILL: i32 = 9;

/// The messages and jobs that a dead worker left behind.
pub(crate) struct Found {
    worker: WorkerId,
    words: LastWords,
    /// The events that the worker had sent for callers, with their receivers.
    said: Vec<Said>,
    /// How many of the jobs that it had not answered it had begun.
    begun: usize,
    /// The last of these: it was running when the worker died.
    pub(crate) running: Option<Key>,
    /// The payload of that one, where the death is held against it.
    pub(crate) suspect: Option<Payload>,
    report: ExitReport,
    death: Death,
    /// Whether this pool had asked for the death.
    is_expected: bool,
    /// The worker's record of its crash.
    pub(crate) crash: Option<Box<Snapshot>>,
}

impl Found {
    /// Takes stock, and writes nothing further to the worker: otherwise the worker would be handed its next
    /// job before the scheduler hears of the jobs that it finished. It has begun no job that it is given from
    /// now on.
    pub(crate) fn of(
        state: &mut State,
        worker: WorkerId,
        ending: Ending,
        death: Death,
        names_payload: bool,
    ) -> Option<Self> {
        let is_expected = state.scheduler.reason(worker).is_some();
        let slot = state.slots.get_mut(&worker)?;
        let mut words = last_words::hear(&mut slot.held, ending.last_frames);
        slot.jobs_done += words.answers.len() as u64;
        let is_handed_over = slot.lines.as_ref().is_some_and(|lines| {
            lines.control.close(None);
            lines.jobs.close(slot.held.front().map(|held| held.ticket))
        });
        // A worker that writes nothing down begins a job when it has read all of it, and that was the last thing it was sent:
        // one that died with input unread cannot have begun it.
        let progress = ending.begun.map_or(Progress::Got(is_handed_over && !ending.unread), Progress::Began);
        let begun = last_words::begun(&slot.held, progress);
        let running = begun.checked_sub(1).and_then(|at| slot.held.get(at)).map(|held| held.job);
        let mut report = ending.report;
        report.jobs_done = slot.jobs_done;
        let name = slot.name.clone();
        let said = words.said.drain(..).map(|(job, frame)| Said::of(state, &name, job, frame)).collect();
        let suspect = running.filter(|_| names_payload && !is_expected).and_then(|job| state.entry(job));
        let suspect = suspect.map(|entry| entry.job.input.clone());
        let crash = ending.crash;
        Some(Self { worker, words, said, begun, running, suspect, report, death, is_expected, crash })
    }

    /// Passes on the events that the worker had sent for its jobs' callers. Returns the scheduler's events
    /// that follow.
    pub(crate) fn pass_on(&mut self, pool: &str) -> Vec<Event> {
        self.said.drain(..).filter_map(|said| said.pass_on(pool)).collect()
    }
}

/// The report of a death.
pub(crate) struct Buried {
    pub(crate) report: ExitReport,
    /// The reason for which the pool had killed the worker, or asked it to exit, if it had.
    pub(crate) reason: Option<Cause>,
    /// The job that it was running.
    pub(crate) job: Option<JobId>,
    /// The payload of that job, if it is in quarantine.
    pub(crate) quarantined: Option<SuspectPayload>,
    /// Who is to blame, if the pool had not asked for the death.
    pub(crate) blame: Death,
    /// The job with which it died, even if that had its outcome before.
    pub(crate) lost: Option<Lost>,
    /// The look that has its stack, if it was killed after one.
    pub(crate) look: Option<Arc<Look>>,
    /// Its record of its crash, and the outcomes that wait for the stack.
    pub(crate) crash: Option<Crash>,
}

/// One thing that a dead worker had said of a job, or of none.
struct Said {
    worker: String,
    frame: Frame,
    job: Option<Key>,
    id: Option<JobId>,
    events: Option<Arc<Events>>,
}

impl Said {
    fn of(state: &State, worker: &str, job: Option<Key>, frame: Frame) -> Self {
        let entry = job.and_then(|job| state.entry(job));
        let (id, events) = (entry.map(|entry| entry.id), entry.and_then(|entry| entry.job.events.clone()));
        Self { worker: worker.into(), frame, job, id, events }
    }

    /// Passes on this message. The worker is dead already: a breach of the protocol costs it
    /// nothing further.
    fn pass_on(self, pool: &str) -> Option<Event> {
        let Self { worker, frame, job, id, events } = self;
        if frame.kind == Kind::Log {
            let _ = procpool_process::log_record(&frame, pool, &worker, id, None);
            return None;
        }
        let (job, events) = job.zip(events)?;
        if frame.kind == Kind::Chunk {
            let is_first = events.chunk(frame.payload).is_ok_and(|taken| taken.is_first);
            return is_first.then_some(Event::Committed { job });
        }
        events.progress(message::Progress::from_frame(&frame).ok()?);
        None
    }
}

/// Applies all completions, then the death, in one critical section.
pub(crate) fn died(
    state: &mut State,
    now: Time,
    found: Found,
    fingerprint: Option<Fingerprint>,
    effects: &mut Effects,
) -> Option<Buried> {
    let Found { worker, words, begun, running, mut report, death, is_expected, crash, .. } = found;
    let mut slot = state.remove(worker)?;
    let look = slot.last_look.take();
    effects.left.extend(look.clone().or(slot.look.take()));
    let reason = state.scheduler.reason(worker);
    report.ordered = reason == Some(Cause::Ordered) && report.exit.signal() == Some(SIGKILL);
    state.schemas.died(worker);
    state.spent += report.cpu_time;
    let (mut events, mut context) = (Vec::new(), EventContext::default());
    for (job, told, health) in words.answers {
        context.results.push_back((job, told));
        events.push(Event::Done { worker, job, health });
    }
    events.extend(words.passed_over.into_iter().map(|job| Event::PassedOver { worker, job }));
    if !is_expected {
        state.last_death = report.to_string();
    }
    let entry = running.and_then(|job| state.entry(job));
    let (id, client) = entry.map(|entry| (entry.id, entry.job.client.clone())).unzip();
    let lost = entry.map(|entry| (entry.id, entry.job.input.bytes.len()));
    let decided = slot.decided.filter(|decided| running == Some(decided.job));
    let lost = lost.or_else(|| decided.map(|decided| (decided.id, decided.length)));
    let culprit = id.filter(|_| !is_expected && death != Death::Killed);
    if let Some(job) = culprit {
        state.died_of(now, job, client.flatten(), fingerprint);
    }
    // Where no job was running, it is the first one's that it did not begin.
    let job = running.or_else(|| slot.held.front().map(|held| held.job));
    let is_first = report.jobs_done == 0 && begun <= 1;
    let has_record = crash.is_some();
    context.death = Some(Box::new(context::Death { report: report.clone(), job, is_first, has_record }));
    events.push(Event::Died { worker, begun, death, fingerprint });
    state.handle_all(now, events, context, effects);
    state.tell_returned(worker, slot.held.iter().map(|held| held.job), effects);
    effects.buried.push(slot);
    let suspected = fingerprint.and_then(|payload| state.suspected(now, payload));
    let quarantined = culprit.and_then(|_| suspected.clone().filter(|payload| payload.quarantined));
    let lost = lost.map(|(id, length)| Lost { id, length, suspected });
    let crash = crash.map(|snapshot| Crash { snapshot, outcomes: std::mem::take(&mut effects.crashed) });
    Some(Buried { report, reason, job: id, quarantined, blame: death, lost, look, crash })
}
