//! A scheduler with a known bug: the sound one, with one thing altered on its way in or out. Each breaks one promise, and
//! shows that the simulator would notice.

use std::collections::VecDeque;
use std::time::Duration;

use procpool_scheduler::{
    Action, Backoff, Config, Event, JobId, Poison, Refusal, ReloadEnd, Scheduler, Stage, Time, Verdict,
    WorkerId,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    TellsACrashTwice,
    ForgetsWhoIsCancelledInTheQueue,
    GivesASecondJobToABusyWorker,
    TakesEveryJobForUnread,
    GivesRetriesAFreshDeadline,
    IgnoresTime,
    NeverKills,
    KillsForTheWrongJob,
    KnowsNoBackoff,
    KeepsTheBreakerOpen,
    RetiresBeforeTheReplacementIsReady,
    GoesOnAfterADrain,
    ForgetsPoison,
    ServesTheLastFirst,
    BoundsNoQueue,
    TellsEveryReloadDone,
}

/// Each bug with the promise that it breaks.
pub(crate) const ALL: &[(Bug, &str)] = &[
    (Bug::TellsACrashTwice, "one_outcome"),
    (Bug::ForgetsWhoIsCancelledInTheQueue, "nothing_is_lost"),
    (Bug::GivesASecondJobToABusyWorker, "one_job_per_worker"),
    (Bug::TakesEveryJobForUnread, "no_attempt_too_many"),
    (Bug::GivesRetriesAFreshDeadline, "retries_keep_the_deadline"),
    (Bug::IgnoresTime, "deadlines_are_kept"),
    (Bug::NeverKills, "deadlines_end_in_a_kill"),
    (Bug::KillsForTheWrongJob, "kills_hit_one_job"),
    (Bug::KnowsNoBackoff, "restarts_are_bounded"),
    (Bug::KeepsTheBreakerOpen, "the_breaker_closes"),
    (Bug::RetiresBeforeTheReplacementIsReady, "no_worker_is_missed"),
    (Bug::GoesOnAfterADrain, "nothing_after_shutdown"),
    (Bug::ForgetsPoison, "poison_is_not_run"),
    (Bug::ServesTheLastFirst, "first_come_first_served"),
    (Bug::BoundsNoQueue, "the_queue_is_bounded"),
    (Bug::TellsEveryReloadDone, "reloads_tell_the_truth"),
];

/// A scheduler, sound or not.
#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) scheduler: Scheduler,
    bug: Option<Bug>,
    /// An event that is passed on after the next one.
    held: Option<Event>,
    extra: VecDeque<Action>,
    busy: Option<WorkerId>,
    timeout_of_last_retry: Option<Duration>,
    was_open: bool,
    is_draining: bool,
}

impl Faulty {
    pub(crate) fn new(config: Config, seed: u64, bug: Option<Bug>) -> Self {
        let altered = match bug {
            Some(Bug::KnowsNoBackoff) => {
                let backoff = Backoff { initial: Duration::ZERO, max: Duration::ZERO };
                Config { backoff, ..config }
            }
            Some(Bug::ForgetsPoison) => Config { poison: Poison { deaths: 0, ..config.poison }, ..config },
            Some(Bug::BoundsNoQueue) => Config { queue: 1_000_000, ..config },
            _ => config,
        };
        Self {
            scheduler: Scheduler::new(altered, seed).expect("a valid configuration"),
            bug,
            held: None,
            extra: VecDeque::new(),
            busy: None,
            timeout_of_last_retry: None,
            was_open: false,
            is_draining: false,
        }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub(crate) fn handle(&mut self, now: Time, event: Event) {
        self.was_open |= self.scheduler.is_open();
        match event {
            Event::Submit { job, .. } if self.has(Bug::KeepsTheBreakerOpen) && self.was_open => {
                let reason = Refusal::BreakerOpen { retry: Duration::from_secs(1) };
                self.extra.push_back(Action::Refuse { job, reason });
            }
            Event::Submit { .. } if self.has(Bug::ServesTheLastFirst) && self.held.is_none() => {
                self.held = Some(event);
            }
            Event::Died { worker, death, fingerprint, .. } if self.has(Bug::TakesEveryJobForUnread) => {
                let event = Event::Died { worker, handed_over: false, death, fingerprint };
                self.scheduler.handle(now, event);
            }
            Event::Tick if self.has(Bug::IgnoresTime) => {}
            Event::Drain { .. } | Event::Stop if self.has(Bug::GoesOnAfterADrain) && !self.is_draining => {
                self.is_draining = true;
            }
            Event::Reload { .. } if self.has(Bug::RetiresBeforeTheReplacementIsReady) => {
                self.scheduler.handle(now, event);
                let idle = self.scheduler.workers().find(|it| it.1 == procpool_scheduler::WorkerState::Idle);
                self.extra.extend(idle.map(|(worker, ..)| Action::Retire { worker }));
            }
            event => {
                self.scheduler.handle(now, event);
                if let Some(held) = self.held.take() {
                    self.scheduler.handle(now, held);
                }
            }
        }
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        if let Some(extra) = self.extra.pop_front() {
            return Some(extra);
        }
        let action = self.scheduler.poll_action()?;
        self.altered(action)
    }

    /// The action as the bug has it; the next one where it swallows this one.
    fn altered(&mut self, action: Action) -> Option<Action> {
        let Some(bug) = self.bug else { return Some(action) };
        match (bug, action) {
            (Bug::TellsACrashTwice, Action::Resolve { verdict: Verdict::Crashed { .. }, .. }) => {
                self.extra.push_back(action);
            }
            (
                Bug::ForgetsWhoIsCancelledInTheQueue,
                Action::Resolve { verdict: Verdict::Cancelled { stage: Stage::Queued }, .. },
            ) => return self.poll_action(),
            (Bug::GivesASecondJobToABusyWorker, Action::Assign { worker, job, attempt, remaining }) => {
                let worker = self.busy.replace(worker).unwrap_or(worker);
                return Some(Action::Assign { worker, job, attempt, remaining });
            }
            (Bug::GivesRetriesAFreshDeadline, Action::Assign { worker, job, attempt, remaining }) => {
                let fresh = self.timeout_of_last_retry.max(remaining);
                if attempt == 1 {
                    self.timeout_of_last_retry = fresh;
                } else {
                    return Some(Action::Assign { worker, job, attempt, remaining: fresh });
                }
            }
            (Bug::NeverKills, Action::Kill { .. }) => return self.poll_action(),
            (Bug::KillsForTheWrongJob, Action::Kill { worker, job: Some(JobId(job)) }) => {
                return Some(Action::Kill { worker, job: Some(JobId(job + 1)) });
            }
            (Bug::TellsEveryReloadDone, Action::Reloaded { generation, .. }) => {
                return Some(Action::Reloaded { generation, end: ReloadEnd::Done });
            }
            _ => {}
        }
        Some(action)
    }
}
