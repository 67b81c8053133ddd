//! One worker's life in a pool: launched, serving, dead.

use super::blame;
use super::core::Core;
use super::effects::Effects;
use super::known;
use super::serving::{self, Serving};
use super::state::State;
use procpool_process::{Ending, ReadyWorker, Recipe, Session, StartError, launch};
use procpool_protocol::ExitReport;
use procpool_protocol::frame::{Frame, Kind};
use procpool_scheduler::{Death, Event, Fingerprint, Time, WorkerId};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// Launches the worker of an id that the scheduler gave out, serves it until it is dead, and tells the
/// scheduler of its death exactly once, whatever happens.
pub(crate) async fn live(core: Arc<Core>, recipe: Arc<Recipe>, worker: WorkerId, first: Arc<FirstStart>) {
    let member = Member { core, worker, buried: false };
    let Some((name, kill_switch)) = member
        .core
        .with(|state, _| state.slots.get(&worker).map(|slot| (slot.name.clone(), slot.kill_switch.clone())))
    else {
        return;
    };
    match launch(&recipe, name.clone(), &kill_switch).await {
        Err(error) => {
            member.bury_unready(&error);
            // Whoever waits for the pool's start reports it.
            if matches!(error, StartError::Withdrawn { .. }) {
                tracing::debug!(pool = recipe.name, worker = name, "{error}");
            } else if let Err(error) = first.tell(Err(error)) {
                tracing::warn!(pool = recipe.name, worker = name, "{error}");
            }
        }
        Ok(link) => {
            tracing::info!(pool = member.core.name, worker = name, pid = link.pid(), "ready");
            let session = member.join(link);
            // That nobody waits any more is no news.
            let _ = first.tell(Ok(()));
            let mut serving = Serving::new(&member.core, worker, kill_switch);
            let mut ending = session.drive(&mut serving).await;
            serving.fetch_all(&mut ending.last_frames);
            serving.hear_out(&ending.last_frames);
            member.bury(ending);
        }
    }
}

/// Where the outcome of a pool's first start goes.
#[derive(Debug)]
pub(crate) struct FirstStart(Mutex<Option<oneshot::Sender<Result<(), StartError>>>>);

impl FirstStart {
    pub(crate) fn new() -> (Arc<Self>, oneshot::Receiver<Result<(), StartError>>) {
        let (sender, receiver) = oneshot::channel();
        (Arc::new(Self(Mutex::new(Some(sender)))), receiver)
    }

    /// Gives the outcome back if nobody waits for it.
    fn tell(&self, outcome: Result<(), StartError>) -> Result<(), StartError> {
        let listener = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        match listener {
            Some(listener) => listener.send(outcome).or_else(|outcome| outcome),
            None => outcome,
        }
    }
}

/// A worker that the scheduler believes to be alive.
struct Member {
    core: Arc<Core>,
    worker: WorkerId,
    buried: bool,
}

impl Member {
    /// The worker is ready: from now on it is given jobs.
    fn join(&self, link: ReadyWorker) -> Session {
        let takes_ahead = link.takes_ahead();
        let (takes_arenas, born) = (link.hello.arenas, link.arenas.clone());
        let (version, build, encodings) =
            (link.hello.contract, link.hello.build.clone(), link.hello.encodings);
        let (lines, session) = Session::new(link);
        self.core.act(|state, now, effects| {
            if let Some(slot) = state.slots.get_mut(&self.worker) {
                if state.schemas.ask(slot.generation, self.worker) {
                    lines.control.push(&Frame::new(Kind::Describe, 0, ""));
                    effects.flush_control.push(lines.clone());
                }
                slot.lines = Some(lines);
                slot.version = Some(version);
                slot.build = build;
                slot.sharing.settle(takes_arenas, born);
                slot.encodings = encodings;
            }
            // Before it gets its first job, so that the next may follow that one.
            let ahead = takes_ahead.then_some(Event::TakesAhead { worker: self.worker });
            let events = ahead.into_iter().chain([Event::Ready { worker: self.worker }]);
            state.handle_all(now, events, effects);
        });
        session
    }

    /// The process did not get ready. Whatever there was of it is dead and reaped.
    fn bury_unready(mut self, error: &StartError) {
        let death = match error {
            StartError::Died { report, .. } => blame::of(report, false),
            _ => Death::Own,
        };
        self.core.act(|state, now, effects| died_unready(state, now, self.worker, death, error, effects));
        self.buried = true;
    }

    /// The payload that may have killed the worker, where that counts for anything.
    fn suspect(&self, ending: &Ending) -> Option<Fingerprint> {
        let counts = blame::of(&ending.report, ending.was_killed) != Death::Killed;
        if !counts || self.core.limits.supervision.poison_deaths == Some(0) {
            return None;
        }
        let input = self.core.with(|state, _| state.held_input(self.worker))?;
        // Hashed out of the lock: a payload may be large.
        Some(self.core.fingerprints.of(&input))
    }

    /// The process is dead and reaped. What it had finished counts; then its death does.
    fn bury(mut self, ending: Ending) {
        let fingerprint = self.suspect(&ending);
        let report =
            self.core.act(|state, now, effects| died(state, now, self.worker, ending, fingerprint, effects));
        self.buried = true;
        // Last: what logs are written to is not ours, and may fail in ways of its own.
        match report {
            Some((report, true)) => tracing::debug!(pool = self.core.name, "{report}"),
            Some((report, false)) => tracing::warn!(pool = self.core.name, "{report}"),
            None => {}
        }
    }
}

/// A runtime that shuts down drops its tasks wherever they are, and in any order.
impl Drop for Member {
    fn drop(&mut self) {
        if !self.buried {
            self.core.abandon();
        }
    }
}

/// There was nothing that it could have finished.
fn died_unready(
    state: &mut State,
    now: Time,
    worker: WorkerId,
    death: Death,
    error: &StartError,
    effects: &mut Effects,
) {
    let Some(slot) = state.slots.remove(&worker) else { return };
    state.stats.died(slot.dismissed);
    let reason = error.to_string();
    if !slot.dismissed {
        state.last_death.clone_from(&reason);
    }
    effects.known.failed_start = Some(reason);
    state.handle(now, Event::Died { worker, handed_over: false, death, fingerprint: None }, effects);
    effects.buried.push(slot);
}

/// All completions, then the death, in one critical section. Nothing is sent to the worker any more
/// before the scheduler hears of the completions, or it would be handed its next job.
fn died(
    state: &mut State,
    now: Time,
    worker: WorkerId,
    ending: Ending,
    fingerprint: Option<Fingerprint>,
    effects: &mut Effects,
) -> Option<(ExitReport, bool)> {
    let mut slot = state.slots.remove(&worker)?;
    state.schemas.died(worker);
    let handed_over = slot.lines.as_ref().is_some_and(|lines| {
        lines.control.close(None);
        lines.jobs.close(slot.held.front().map(|held| held.ticket))
    });
    let (known, mut events) = (&mut effects.known, Vec::new());
    let expected = slot.dismissed;
    state.stats.died(expected);
    for mut frame in ending.last_frames.into_iter().filter(|frame| frame.kind == Kind::Done) {
        if let (Ok(job), Ok((told, health))) = (slot.job_of(frame.sequence), serving::outcome(&mut frame)) {
            slot.held.pop_front();
            slot.jobs_done += 1;
            known.results.push_back((job, told));
            events.push(Event::Done { worker, job, health });
        }
    }
    let mut report = ending.report;
    report.jobs_done = slot.jobs_done;
    if !expected {
        state.last_death = report.to_string();
    }
    let held = slot.held.front().copied();
    known.death = Some(Box::new(known::Death { report: report.clone(), job: held.map(|held| held.job) }));
    // A worker begins a job when it has read all of it, and the job it held was the last thing it was
    // sent: one that died with input unread cannot have begun it.
    // One that writes down which it has begun is believed.
    let handed_over = match ending.begun {
        Some(begun) => held.is_some_and(|held| held.sequence <= begun),
        None => handed_over && held.is_some() && !ending.unread,
    };
    let more =
        slot.held.iter().skip(1).filter(|held| ending.begun.is_some_and(|begun| held.sequence <= begun));
    let jobs = more.count();
    if jobs > 0 {
        events.push(Event::BegunMore { worker, jobs });
    }
    let death = blame::of(&report, ending.was_killed);
    events.push(Event::Died { worker, handed_over, death, fingerprint });
    state.handle_all(now, events, effects);
    effects.buried.push(slot);
    Some((report, expected))
}
