//! A scheduler with a known bug: the correct one, with one event or action altered. Each bug breaks
//! one promise, and shows that the simulator would notice it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use procpool_scheduler::{
    Action, Backoff, Breaker, ClientDeaths, Config, Death, Event, Fingerprint, JobId, Poison, Priority,
    Recycling, Refusal, ReloadEnd, Scheduler, Stage, Terms, Time, Verdict, WorkerId, WorkerState,
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
    RefusesThoughThereIsRoom,
    BoundsNoBytes,
    SparesClients,
    RefusesThoughBytesHaveRoom,
    KillsWhoHasGivenUpItsJob,
    BlamesPayloadsForKillsFromOutside,
    OpensNoBreaker,
    KeepsIdleWorkers,
    UsesProcessesAgain,
    RecyclesNobody,
    LeavesStoppedWorkers,
    GoesOnAfterAHangUp,
    RepeatsWhatWasSeen,
    TriesMemoryAgain,
    OrdersTheDead,
    TakesOnePayloadForAnother,
    AsksForNoPayload,
    RecallsNobody,
    LosesWhatIsAhead,
    TriesSuspectsInUsedWorkers,
    RefusesOthersForSuspects,
    KnowsNoPriorities,
    KnowsNoTenants,
    HoldsBackTheLow,
    IgnoresPauses,
    IgnoresClosings,
    RetiresNobodyByOrder,
    KillsTheBusyToShrink,
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
    (Bug::RefusesThoughThereIsRoom, "refusals_tell_the_truth"),
    (Bug::BoundsNoBytes, "the_queue_is_bounded"),
    (Bug::SparesClients, "clients_that_kill_are_refused"),
    (Bug::RefusesThoughBytesHaveRoom, "refusals_tell_the_truth"),
    (Bug::KillsWhoHasGivenUpItsJob, "kills_have_a_reason"),
    (Bug::BlamesPayloadsForKillsFromOutside, "verdicts_tell_the_truth"),
    (Bug::OpensNoBreaker, "the_breaker_opens"),
    (Bug::KeepsIdleWorkers, "idle_workers_go"),
    (Bug::UsesProcessesAgain, "one_job_per_process"),
    (Bug::RecyclesNobody, "the_worn_are_replaced"),
    (Bug::LeavesStoppedWorkers, "stopped_workers_go"),
    (Bug::GoesOnAfterAHangUp, "one_job_per_worker"),
    (Bug::RepeatsWhatWasSeen, "no_attempt_too_many"),
    (Bug::TriesMemoryAgain, "no_attempt_too_many"),
    (Bug::OrdersTheDead, "no_order_to_the_dead"),
    (Bug::TakesOnePayloadForAnother, "poison_is_not_run"),
    (Bug::AsksForNoPayload, "no_job_waits_beside_an_idle_worker"),
    (Bug::RecallsNobody, "nobody_waits_behind_a_long_job"),
    (Bug::LosesWhatIsAhead, "nothing_is_lost"),
    (Bug::TriesSuspectsInUsedWorkers, "suspects_run_first"),
    (Bug::RefusesOthersForSuspects, "refusals_tell_the_truth"),
    (Bug::KnowsNoPriorities, "higher_priorities_go_first"),
    (Bug::KnowsNoTenants, "tenants_take_turns"),
    (Bug::HoldsBackTheLow, "nobody_starves"),
    (Bug::IgnoresPauses, "nothing_begins_in_a_pause"),
    (Bug::IgnoresClosings, "a_closed_pool_takes_no_job"),
    (Bug::RetiresNobodyByOrder, "the_dismissed_get_no_job"),
    (Bug::KillsTheBusyToShrink, "kills_have_a_reason"),
];

/// A scheduler, correct or with a bug.
#[derive(Debug)]
pub(crate) struct Faulty {
    pub(crate) scheduler: Scheduler,
    bug: Option<Bug>,
    /// An event that is held until after the next one.
    held: Option<Event>,
    /// Jobs of low priority that are held while others wait.
    low: VecDeque<Event>,
    extra: VecDeque<Action>,
    busy: Option<WorkerId>,
    timeout_of_last_retry: Option<Duration>,
    was_open: bool,
    is_draining: bool,
    /// When the grace ends of workers that were asked to give up a job, even if they have done so.
    graces: Vec<(Time, WorkerId)>,
    grace: Duration,
    queue: usize,
    now: Time,
    /// Workers that have answered, and jobs that have killed, with their payloads.
    used: BTreeSet<WorkerId>,
    struck: BTreeMap<JobId, Fingerprint>,
}

impl Faulty {
    pub(crate) fn new(config: Config, seed: u64, bug: Option<Bug>) -> Self {
        Self {
            scheduler: Scheduler::new(altered(config, bug), seed).expect("a valid configuration"),
            bug,
            held: None,
            low: VecDeque::new(),
            extra: VecDeque::new(),
            busy: None,
            timeout_of_last_retry: None,
            was_open: false,
            is_draining: false,
            graces: Vec::new(),
            grace: config.grace,
            queue: config.queue,
            now: Time::ZERO,
            used: BTreeSet::new(),
            struck: BTreeMap::new(),
        }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub(crate) fn handle(&mut self, now: Time, event: Event) {
        self.was_open |= self.scheduler.is_open();
        self.now = self.now.max(now);
        if self.has(Bug::TriesSuspectsInUsedWorkers) {
            self.watch(event);
        }
        match event {
            Event::Identified { job, .. } if self.has(Bug::TakesOnePayloadForAnother) => {
                let fingerprint = Fingerprint(1_000 + job.0);
                self.scheduler.handle(now, Event::Identified { job, fingerprint });
            }
            Event::Recalled { worker, .. } if self.has(Bug::LosesWhatIsAhead) => {
                self.scheduler.handle(now, Event::Recalled { worker, keeps: usize::MAX });
            }
            Event::Stalled { .. } if self.has(Bug::LeavesStoppedWorkers) => {}
            Event::HungUp { .. } if self.has(Bug::GoesOnAfterAHangUp) => {}
            Event::Committed { .. } if self.has(Bug::RepeatsWhatWasSeen) => {}
            Event::Died { worker, begun, fingerprint, .. }
                if self.has(Bug::BlamesPayloadsForKillsFromOutside) =>
            {
                let event = Event::Died { worker, begun, death: Death::Own, fingerprint };
                self.scheduler.handle(now, event);
            }
            Event::Died { worker, .. } if self.has(Bug::OrdersTheDead) => {
                self.scheduler.handle(now, event);
                self.extra.push_back(Action::Kill { worker, job: None });
            }
            Event::Submit { job, .. } if self.has(Bug::KeepsTheBreakerOpen) && self.was_open => {
                let reason = Refusal::BreakerOpen { retry: Duration::from_secs(1) };
                self.extra.push_back(Action::Refuse { job, reason });
            }
            Event::Submit { job, .. } if self.has(Bug::RefusesOthersForSuspects) && self.is_full_of_all() => {
                self.extra.push_back(Action::Refuse { job, reason: Refusal::QueueFull });
            }
            Event::Submit { .. } if self.has(Bug::ServesTheLastFirst) && self.held.is_none() => {
                self.held = Some(event);
            }
            Event::Died { worker, death, fingerprint, .. } if self.has(Bug::TakesEveryJobForUnread) => {
                let event = Event::Died { worker, begun: 0, death, fingerprint };
                self.scheduler.handle(now, event);
            }
            Event::Submit { job, terms } if self.has(Bug::KnowsNoPriorities) => {
                let terms = Terms { priority: Priority::Normal, ..terms };
                self.scheduler.handle(now, Event::Submit { job, terms });
            }
            Event::Submit { job, terms } if self.has(Bug::KnowsNoTenants) => {
                self.scheduler.handle(now, Event::Submit { job, terms: Terms { tenant: None, ..terms } });
            }
            Event::Submit { terms, .. }
                if self.has(Bug::HoldsBackTheLow) && terms.priority == Priority::Low =>
            {
                self.low.push_back(event);
            }
            Event::Tick if self.has(Bug::IgnoresTime) => {}
            Event::Pause if self.has(Bug::IgnoresPauses) => {}
            Event::Close if self.has(Bug::IgnoresClosings) => {}
            Event::Retire { .. } if self.has(Bug::RetiresNobodyByOrder) => {}
            Event::Resize { max, .. } if self.has(Bug::KillsTheBusyToShrink) => {
                self.scheduler.handle(now, event);
                self.kill_surplus(max);
            }
            Event::Drain { .. } | Event::Stop if self.has(Bug::GoesOnAfterADrain) && !self.is_draining => {
                self.is_draining = true;
            }
            event => {
                self.scheduler.handle(now, event);
                if let Some(held) = self.held.take() {
                    self.scheduler.handle(now, held);
                }
            }
        }
        if self.scheduler.queued() == 0 {
            while let Some(low) = self.low.pop_front() {
                self.scheduler.handle(now, low);
            }
        }
        if self.has(Bug::KillsWhoHasGivenUpItsJob) {
            self.end_graces();
        }
    }

    fn watch(&mut self, event: Event) {
        match event {
            Event::Done { worker, .. } => drop(self.used.insert(worker)),
            Event::Died { worker, fingerprint: Some(payload), .. } => {
                let job = self.scheduler.workers().find(|&(id, ..)| id == worker).and_then(|(.., job)| job);
                self.struck.extend(job.map(|job| (job, payload)));
            }
            _ => {}
        }
    }

    /// Returns an idle worker that has run a job. Returns `None` unless a job whose payload has
    /// killed goes to a worker that has run none.
    fn used_one(&self, worker: WorkerId, job: JobId) -> Option<WorkerId> {
        let payload = *self.struck.get(&job)?;
        let has_killed = self.scheduler.suspects(self.now).any(|suspect| suspect.payload == payload);
        let mut idle = self.scheduler.workers().filter(|&(_, state, _)| state == WorkerState::Idle);
        let used = idle.find(|(id, ..)| self.used.contains(id)).map(|(id, ..)| id);
        used.filter(|_| has_killed && !self.used.contains(&worker))
    }

    /// Returns whether the queue would be full if it included the jobs aside.
    fn is_full_of_all(&self) -> bool {
        let idle = self.scheduler.workers().filter(|&(_, state, _)| state == WorkerState::Idle).count();
        self.scheduler.set_apart() > 0 && self.scheduler.queued() >= self.queue.saturating_add(idle)
    }

    /// Kills busy workers beyond the maximum, as a pool that does not wait for them to become idle.
    fn kill_surplus(&mut self, max: usize) {
        let surplus = self.scheduler.workers().count().saturating_sub(max);
        let busy = self.scheduler.workers().filter(|&(_, state, _)| state == WorkerState::Busy);
        self.extra.extend(busy.take(surplus).map(|(worker, _, job)| Action::Kill { worker, job }));
    }

    /// Kills workers at the end of their grace, even if they have obeyed since.
    fn end_graces(&mut self) {
        let is_due = |&(end, _): &(Time, WorkerId)| end <= self.now;
        let (due, rest) = std::mem::take(&mut self.graces).into_iter().partition::<Vec<_>, _>(is_due);
        self.graces = rest;
        for (_, worker) in due {
            let held = self.scheduler.workers().find(|&(id, state, _)| {
                id == worker && matches!(state, WorkerState::Idle | WorkerState::Busy)
            });
            self.extra.extend(held.map(|(worker, _, job)| Action::Kill { worker, job }));
        }
    }

    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        if let Some(extra) = self.extra.pop_front() {
            return Some(extra);
        }
        let action = self.scheduler.poll_action()?;
        self.altered(action)
    }

    /// Returns the altered action. Returns the next action if the bug drops this one.
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
            (Bug::TriesSuspectsInUsedWorkers, Action::Assign { worker, job, attempt, remaining }) => {
                let worker = self.used_one(worker, job).unwrap_or(worker);
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
            (Bug::RetiresBeforeTheReplacementIsReady, Action::Start { worker, generation })
                if generation > self.scheduler.generation() =>
            {
                self.scheduler.handle(Time::ZERO, Event::Ready { worker, takes_ahead: false });
            }
            (Bug::KillsWhoHasGivenUpItsJob, Action::Cancel { worker, .. }) => {
                self.graces.push((self.now + self.grace, worker));
            }
            (Bug::AsksForNoPayload, Action::Identify { .. }) => return self.poll_action(),
            (Bug::RecallsNobody, Action::Recall { .. }) => return self.poll_action(),
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

/// Returns the settings as the bug changes them.
fn altered(config: Config, bug: Option<Bug>) -> Config {
    match bug {
        Some(Bug::KnowsNoBackoff) => {
            Config { backoff: Backoff { initial: Duration::ZERO, max: Duration::ZERO }, ..config }
        }
        Some(Bug::ForgetsPoison) => Config { poison: Poison { deaths: 0, ..config.poison }, ..config },
        Some(Bug::BoundsNoQueue) => Config { queue: 1_000_000, ..config },
        Some(Bug::RefusesThoughThereIsRoom) => Config { queue: config.queue / 2, ..config },
        Some(Bug::SparesClients) => Config { client_deaths: ClientDeaths::default(), ..config },
        Some(Bug::BoundsNoBytes) => Config { queue_bytes: usize::MAX, ..config },
        Some(Bug::RefusesThoughBytesHaveRoom) => Config { queue_bytes: config.queue_bytes / 2, ..config },
        Some(Bug::OpensNoBreaker) => {
            Config { breaker: Breaker { failures: 1_000_000, ..config.breaker }, ..config }
        }
        Some(Bug::KeepsIdleWorkers) => Config { idle_timeout: None, ..config },
        Some(Bug::UsesProcessesAgain) => Config { process_per_job: false, ..config },
        Some(Bug::RecyclesNobody) => Config { recycling: Recycling::default(), ..config },
        Some(Bug::TriesMemoryAgain) => Config { retry_out_of_memory: true, ..config },
        _ => config,
    }
}
