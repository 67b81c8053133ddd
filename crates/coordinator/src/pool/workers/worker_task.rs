//! One worker's life in a pool: launched, serving, dead.

use super::blame;
use super::burial::{self, Buried, Found};
use super::frames::FrameHandler;
use super::obituary;
use crate::pool::PoolEvent;
use crate::pool::core::Core;
use crate::pool::stacks;
use crate::pool::state::State;
use crate::pool::state::context::EventContext;
use crate::pool::state::effects::Effects;
use procpool_process::{Ending, JobOf, ReadyWorker, Recipe, Session, StartError, launch};
use procpool_protocol::ExitReport;
use procpool_protocol::frame::{Frame, Kind};
use procpool_scheduler::{Cause, Death, Event, Time, WorkerId};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;

/// Launches the worker of an id that the scheduler gave out, serves it until it is dead, and tells the
/// scheduler of its death exactly once, whatever happens.
pub(crate) async fn live(core: Arc<Core>, recipe: Arc<Recipe>, worker: WorkerId, mut start: Start) {
    let member = Member { core, worker, buried: false };
    let Some((name, kill_switch)) = member
        .core
        .with(|state, _| state.slots.get(&worker).map(|slot| (slot.name.clone(), slot.kill_switch.clone())))
    else {
        return;
    };
    member.core.news.tell(|| PoolEvent::Starting { worker: name.clone() });
    kill_switch.lines().names_jobs(job_of(&member.core, worker));
    match launch(&recipe, name.clone(), &kill_switch).await {
        Err(error) => {
            // A start that the pool itself has ended is no failure, such as that of the replacement which is still
            // starting when the pool shuts down.
            let is_withdrawn = matches!(error, StartError::Withdrawn { .. });
            let is_unwanted = is_withdrawn || kill_switch.was_used();
            if !is_unwanted {
                let news = || PoolEvent::StartFailed { worker: name.clone(), error: error.to_string() };
                member.core.news.tell(news);
            }
            let killed_for = member.bury_unready(&name, &error).map(Cause::name);
            // The task that waits for the pool's start reports it.
            let unheard = if is_withdrawn { Err(error) } else { start.tell(Err(error)) };
            match unheard {
                Ok(()) => {}
                Err(error) if is_unwanted => {
                    tracing::debug!(pool = recipe.name, worker = name, cause = killed_for, "{error}");
                }
                Err(error) => tracing::warn!(pool = recipe.name, worker = name, "{error}"),
            }
        }
        Ok(link) => {
            let pid = link.pid();
            let session = member.join(link);
            // Not before the worker is in: what logs are written to is not ours, and may fail in ways of its own.
            tracing::info!(pool = member.core.name, worker = name, pid, "ready");
            member.core.news.tell(|| PoolEvent::Started { worker: name.clone(), pid });
            // It does not matter if nobody waits any longer.
            let _ = start.tell(Ok(()));
            let mut serving = FrameHandler::new(&member.core, worker, kill_switch);
            let mut ending = session.drive(&mut serving).await;
            ending.last_frames = serving.fetch_all(ending.last_frames).await;
            member.bury(ending).await;
        }
    }
}

/// Returns who knows the jobs of a worker by their numbers. It keeps no pool alive.
fn job_of(core: &Core, worker: WorkerId) -> JobOf {
    let core = core.this.clone();
    Box::new(move |number| core.upgrade()?.with(|state, _| state.job_of(worker, number)))
}

/// Where the outcome of a pool's first start goes: that of the first worker that gets ready, or of the last of those that were
/// begun together if none does.
#[derive(Debug)]
pub(crate) struct FirstStart(Mutex<Starting>);

#[derive(Debug)]
struct Starting {
    listener: Option<oneshot::Sender<Result<(), StartError>>>,
    /// Workers that are coming up; those that are begun after the first failure are not waited for.
    under_way: usize,
    has_failed: bool,
}

impl FirstStart {
    pub(crate) fn new() -> (Arc<Self>, oneshot::Receiver<Result<(), StartError>>) {
        let (sender, receiver) = oneshot::channel();
        let starting = Starting { listener: Some(sender), under_way: 0, has_failed: false };
        (Arc::new(Self(Mutex::new(starting))), receiver)
    }

    /// Notes that a worker is starting.
    pub(crate) fn begin(self: &Arc<Self>) -> Start {
        let mut starting = self.lock();
        let is_counted = !starting.has_failed;
        starting.under_way += usize::from(is_counted);
        Start { first: self.clone(), is_counted }
    }

    fn lock(&self) -> MutexGuard<'_, Starting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One worker's start.
#[derive(Debug)]
pub(crate) struct Start {
    first: Arc<FirstStart>,
    /// Whether it is one of those that were begun together, and has not come to its end.
    is_counted: bool,
}

impl Start {
    /// Tells the outcome, or returns it if nobody waits for it.
    fn tell(&mut self, outcome: Result<(), StartError>) -> Result<(), StartError> {
        let mut starting = self.first.lock();
        starting.has_failed |= outcome.is_err();
        starting.under_way -= usize::from(std::mem::take(&mut self.is_counted));
        if outcome.is_err() && starting.under_way > 0 {
            return outcome;
        }
        match starting.listener.take() {
            Some(listener) => listener.send(outcome).or_else(|outcome| outcome),
            None => outcome,
        }
    }
}

impl Drop for Start {
    fn drop(&mut self) {
        self.first.lock().under_way -= usize::from(self.is_counted);
    }
}

/// A worker that the scheduler believes to be alive.
struct Member {
    core: Arc<Core>,
    worker: WorkerId,
    buried: bool,
}

impl Member {
    /// Puts a worker that is ready into service: from now on it is given jobs.
    fn join(&self, link: ReadyWorker) -> Session {
        let takes_ahead = link.takes_ahead();
        let (takes_arenas, born) = (link.hello.arenas, link.arenas.clone());
        let takes_batches = link.hello.batches;
        let (version, build, encodings) =
            (link.hello.contract, link.hello.build.clone(), link.hello.encodings);
        let (lines, session) = Session::new(link);
        self.core.act(|state, now, effects| {
            if let Some(slot) = state.slots.get_mut(&self.worker) {
                state.stats.start.record(now.since(slot.started));
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
            state.hear_batches(self.worker, takes_batches);
            state.handle(now, Event::Ready { worker: self.worker, takes_ahead }, effects);
        });
        session
    }

    fn tell_death(&self, death: Buried) {
        let Buried { report, reason, job, quarantined, .. } = death;
        let (news, report) = (&self.core.news, Arc::new(report));
        news.tell(|| PoolEvent::Died { job, reason: reason.map(Cause::name), report: report.clone() });
        if let Some(limit) = report.limit {
            news.tell(|| PoolEvent::LimitHit { worker: report.worker.clone(), limit });
        }
        if let Some(payload) = quarantined {
            news.tell(|| PoolEvent::Quarantined(payload));
        }
    }

    /// Adds the stack to the report of a death, remembers the death, and then delivers the outcomes that waited for
    /// the stack.
    async fn understand(&self, death: &mut Buried) {
        if let Some(look) = death.look.take() {
            death.report.stack = stacks::of(look).await;
        }
        let mut outcomes = None;
        if let Some(crash) = death.crash.take() {
            let (stack, waiting) = crash.understand(&self.core).await;
            (death.report.stack, outcomes) = (Some(stack), Some(waiting));
        }
        obituary::remember(&self.core, death);
        if let Some(outcomes) = outcomes {
            outcomes.deliver(death.report.stack.as_ref());
        }
    }

    /// Buries a process that did not get ready. It is dead and reaped. Returns the reason for which the pool killed it, if
    /// it did.
    fn bury_unready(mut self, name: &str, error: &StartError) -> Option<Cause> {
        let death = match error {
            StartError::Died { report, .. } => blame::of(report, false),
            _ => Death::Own,
        };
        let act = |state: &mut State, now, effects: &mut Effects| {
            died_unready(state, now, self.worker, death, error, effects)
        };
        let killed_for = self.core.act(act);
        self.buried = true;
        obituary::remember_unready(&self.core, killed_for, name, error);
        killed_for
    }

    /// Buries a process that is dead and reaped. The jobs that it had finished count first, then its death.
    async fn bury(mut self, ending: Ending) {
        let death = blame::of(&ending.report, ending.was_killed);
        let names_payload = death != Death::Killed && self.core.limits.supervision.poison_deaths != Some(0);
        let found = self.core.with(|state, _| Found::of(state, self.worker, ending, death, names_payload));
        if let Some(mut found) = found {
            let committed = found.pass_on(&self.core.name);
            // Hashed out of the lock: a payload may be large.
            let fingerprint = match found.suspect.take() {
                Some(input) => Some(self.core.fingerprints.of_any(input).await),
                None => None,
            };
            if let Some(input) = found.ended_with.take() {
                found.fingerprint = Some(self.core.fingerprints.of(&input));
            }
            let mut effects = Effects::default();
            let report = self.core.with(|state, now| {
                state.handle_all(now, committed, EventContext::default(), &mut effects);
                burial::died(state, now, found, fingerprint, &mut effects)
            });
            let has_stack =
                report.as_ref().is_some_and(|death| death.look.is_some() || death.crash.is_some());
            // Before the job's caller hears of it, and before the job is saved: who looks then finds the death.
            if let Some(death) = report.as_ref().filter(|_| !has_stack) {
                obituary::remember(&self.core, death);
            }
            self.core.perform(&mut effects);
            self.buried = true;
            if let Some(mut death) = report {
                if has_stack {
                    self.understand(&mut death).await;
                }
                // Last: what logs are written to is not ours, and may fail in ways of its own.
                log_death(&self.core.name, &death.report, death.reason);
                self.tell_death(death);
            }
        }
        self.buried = true;
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

/// Logs a death. An operator must know of a worker that a client has cost the pool, but not of workers that
/// come and go.
fn log_death(pool: &str, report: &ExitReport, reason: Option<Cause>) {
    let cause = reason.map(Cause::name);
    match reason {
        None => tracing::warn!(pool, "{report}"),
        Some(Cause::Cancelled | Cause::TimedOut) => {
            tracing::info!(pool, cause, "killed a worker that did not give up its job in time: {report}");
        }
        Some(Cause::Ordered) => tracing::info!(pool, cause, "ended a worker by order: {report}"),
        Some(_) => tracing::debug!(pool, cause, "{report}"),
    }
}

/// Buries a worker that could not have finished any job. Returns the reason for which the pool killed it, if it did.
fn died_unready(
    state: &mut State,
    now: Time,
    worker: WorkerId,
    death: Death,
    error: &StartError,
    effects: &mut Effects,
) -> Option<Cause> {
    let slot = state.remove(worker)?;
    let reason = error.to_string();
    let killed_for = state.scheduler.reason(worker);
    state.spent += error.report().map_or(Duration::ZERO, |report| report.cpu_time);
    if killed_for.is_none() {
        state.last_death.clone_from(&reason);
    }
    let died = Event::Died { worker, begun: 0, death, fingerprint: None };
    let context = EventContext { failed_start: Some(reason), ..EventContext::default() };
    state.handle_all(now, [died], context, effects);
    effects.buried.push(slot);
    killed_for
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> StartError {
        StartError::prepare("p", std::io::ErrorKind::OutOfMemory.into())
    }

    fn of_two() -> (Arc<FirstStart>, [Start; 2], oneshot::Receiver<Result<(), StartError>>) {
        let (first, outcome) = FirstStart::new();
        let starts = [first.begin(), first.begin()];
        (first, starts, outcome)
    }

    #[test]
    fn a_pool_has_started_when_one_of_its_workers_is_ready_though_another_failed() {
        let (first, [mut one, mut other], mut outcome) = of_two();
        assert!(one.tell(Err(failure())).is_err(), "its failure is logged, and the pool waits for the other");
        // The one that takes its place is no better.
        assert!(first.begin().tell(Err(failure())).is_err());
        assert!(outcome.try_recv().is_err());
        other.tell(Ok(())).unwrap();
        assert!(outcome.try_recv().unwrap().is_ok());
    }

    #[test]
    fn a_pool_none_of_whose_first_workers_gets_ready_has_not_started() {
        let (first, [mut one, mut other], mut outcome) = of_two();
        assert!(one.tell(Err(failure())).is_err());
        let _later = first.begin();
        other.tell(Err(failure())).unwrap();
        assert!(outcome.try_recv().unwrap().is_err(), "nobody waits for the one that was begun again");
    }
}
