//! Registries with a known bug: correct ones, between altered settings, an altered storage and
//! altered answers. Each bug breaks one promise, and shows that the simulator would notice it.

use procpool_protocol::outcome::Finished;
use procpool_protocol::{JobError, JobId, Stage};
use procpool_registry::{
    Cancelled, Cursor, Decision, Effect, Event, Filter, Fingerprint, ForeignCursor, Handled, Happened,
    Memory, Offer, Page, Refused, Registry, Resumed, Selection, Settings, State, Time, Trial,
};

use crate::store::Store;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    // In the storage.
    GivesUpKeys,
    GivesUpTheUnfinished,
    GivesUpTheNewest,
    GivesUpResultsOfKeysFirst,
    ForgetsKeys,
    ConfusesPrincipals,
    CountsARecordTooLittle,
    CountsNoRecordBytes,
    CountsNoResults,
    CountsNoInputs,
    CountsAKeyTooMuch,
    CountsAKeyTooLittle,
    SkipsARow,
    RepeatsARow,
    IgnoresPools,
    PagesTooLong,
    ListsTheOldestFirst,
    SwapsResults,
    LosesResults,
    StopsVersions,
    RevertsOutcomes,
    FindsNothingOverdue,
    SetsNoAlarm,
    // In the settings.
    DropsResultsEarly,
    FreesKeysEarly,
    FreesKeysLate,
    DropsRecordsEarly,
    BoundsNoEvents,
    // In the answers.
    LosesAnEvent,
    RepeatsEvents,
    EndsWithoutTheOutcome,
    ResetsWithoutReason,
    WakesNobody,
    HidesTheGone,
    LosesEarlyCancels,
    CancelsInADryRun,
    CancelsThePageAlone,
    IgnoresFingerprints,
    SpendsUnusedKeys,
    TakesForeignCursors,
    LosesRecordsAtARestart,
}

/// Each bug with the promise that it breaks.
pub(crate) const ALL: &[(Bug, &str)] = &[
    (Bug::GivesUpKeys, "keys_are_not_given_up"),
    (Bug::GivesUpTheUnfinished, "the_unfinished_stay"),
    (Bug::GivesUpTheNewest, "the_longest_finished_goes_first"),
    (Bug::GivesUpResultsOfKeysFirst, "results_of_keys_go_last"),
    (Bug::ForgetsKeys, "no_key_runs_twice"),
    (Bug::ConfusesPrincipals, "decisions_follow_the_table"),
    (Bug::CountsARecordTooLittle, "records_are_bounded"),
    (Bug::CountsNoRecordBytes, "records_are_bounded"),
    (Bug::CountsNoResults, "results_are_bounded"),
    (Bug::CountsNoInputs, "inputs_are_bounded"),
    (Bug::CountsAKeyTooMuch, "refusals_tell_the_truth"),
    (Bug::CountsAKeyTooLittle, "keys_are_bounded"),
    (Bug::SkipsARow, "lists_are_complete"),
    (Bug::RepeatsARow, "lists_are_in_order"),
    (Bug::IgnoresPools, "lists_keep_to_their_filter"),
    (Bug::PagesTooLong, "pages_are_bounded"),
    (Bug::ListsTheOldestFirst, "lists_are_in_order"),
    (Bug::SwapsResults, "results_are_their_own"),
    (Bug::LosesResults, "results_stay"),
    (Bug::StopsVersions, "versions_grow"),
    (Bug::RevertsOutcomes, "states_follow_the_table"),
    (Bug::FindsNothingOverdue, "the_old_expires"),
    (Bug::SetsNoAlarm, "the_alarm_is_set"),
    (Bug::DropsResultsEarly, "results_stay"),
    (Bug::FreesKeysEarly, "no_key_runs_twice"),
    (Bug::FreesKeysLate, "decisions_follow_the_table"),
    (Bug::DropsRecordsEarly, "records_stay"),
    (Bug::BoundsNoEvents, "events_are_bounded"),
    (Bug::LosesAnEvent, "events_have_no_gaps"),
    (Bug::RepeatsEvents, "events_have_no_gaps"),
    (Bug::EndsWithoutTheOutcome, "watchers_see_the_end"),
    (Bug::ResetsWithoutReason, "resets_have_a_reason"),
    (Bug::WakesNobody, "changes_wake"),
    (Bug::HidesTheGone, "watchers_hear_of_the_end"),
    (Bug::LosesEarlyCancels, "cancels_reach_the_engine"),
    (Bug::CancelsInADryRun, "nobody_is_cancelled_unasked"),
    (Bug::CancelsThePageAlone, "cancels_hit_all_that_match"),
    (Bug::IgnoresFingerprints, "decisions_follow_the_table"),
    (Bug::SpendsUnusedKeys, "states_follow_the_table"),
    (Bug::TakesForeignCursors, "foreign_cursors_are_refused"),
    (Bug::LosesRecordsAtARestart, "the_unfinished_stay"),
];

/// A registry, correct or with a bug.
#[derive(Debug)]
pub(crate) struct Faulty {
    registry: Option<Registry<Store>>,
    bug: Option<Bug>,
    settings: Settings,
    /// Jobs that were cancelled before their pool had them.
    early: Vec<JobId>,
}

impl Faulty {
    pub(crate) fn new(settings: Settings, bug: Option<Bug>) -> Self {
        let settings = altered(settings, bug);
        let registry = registry(Store::new(Memory::default(), bug), settings, 1);
        Self { registry: Some(registry), bug, settings, early: Vec::new() }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub(crate) fn inner(&self) -> &Registry<Store> {
        self.registry.as_ref().expect("a registry between two restarts")
    }

    fn inner_mut(&mut self) -> &mut Registry<Store> {
        self.registry.as_mut().expect("a registry between two restarts")
    }

    pub(crate) fn offer(&mut self, now: Time, mut offer: Offer) -> Result<Decision, Refused> {
        if let (true, Some((_, fingerprint))) = (self.has(Bug::IgnoresFingerprints), &mut offer.key) {
            *fingerprint = Fingerprint([0; 32]);
        }
        self.inner_mut().offer(now, offer)
    }

    pub(crate) fn handle(&mut self, now: Time, job: JobId, event: Event) -> Handled {
        let event = match event {
            Event::Finished(finished) if self.has(Bug::SpendsUnusedKeys) => spent(job, &finished),
            event => event,
        };
        self.inner_mut().handle(now, job, event)
    }

    pub(crate) fn tick(&mut self, now: Time) {
        self.inner_mut().tick(now);
    }

    pub(crate) fn cancel(&mut self, now: Time, job: JobId) -> Cancelled {
        if self.inner().job(job).is_some_and(|record| record.state == State::Accepted) {
            self.early.push(job);
        }
        self.inner_mut().cancel(now, job)
    }

    pub(crate) fn cancel_matching(
        &mut self,
        now: Time,
        filter: &Filter,
        from: Option<Cursor>,
        limit: usize,
        trial: Trial,
    ) -> Result<Selection, ForeignCursor> {
        let trial = if self.has(Bug::CancelsInADryRun) { Trial::Order } else { trial };
        let mut selection = self.inner_mut().cancel_matching(now, filter, from, limit, trial)?;
        if self.has(Bug::CancelsThePageAlone) {
            selection.next = None;
        }
        Ok(selection)
    }

    pub(crate) fn poll_effect(&mut self) -> Option<Effect> {
        loop {
            let effect = self.inner_mut().poll_effect()?;
            let is_lost = match &effect {
                Effect::Changed(_) => self.has(Bug::WakesNobody),
                Effect::Gone(..) => self.has(Bug::HidesTheGone),
                Effect::Cancel(job) => self.has(Bug::LosesEarlyCancels) && self.early.contains(job),
                _ => false,
            };
            if !is_lost {
                return Some(effect);
            }
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.inner().poll_timeout()
    }

    pub(crate) fn events(&self, job: JobId, seen: u64) -> Option<Resumed> {
        let back = u64::from(self.has(Bug::RepeatsEvents) && seen > 1);
        let resumed = self.inner().events(job, seen - back)?;
        Some(match resumed {
            Resumed::Next(mut events) if events.len() > 1 && self.has(Bug::LosesAnEvent) => {
                events.remove(events.len() - 2);
                Resumed::Next(events)
            }
            Resumed::Next(events) if self.has(Bug::EndsWithoutTheOutcome) => {
                let is_end = |event: &Happened| matches!(event, Happened::Outcome { .. });
                if events.iter().any(|entry| is_end(&entry.what)) {
                    Resumed::Ended
                } else {
                    Resumed::Next(events)
                }
            }
            Resumed::Next(events) if !events.is_empty() && self.has(Bug::ResetsWithoutReason) => {
                let last = events.last().map_or(0, |entry| entry.id);
                Resumed::Reset(self.inner().job(job)?, last)
            }
            resumed => resumed,
        })
    }

    pub(crate) fn list(
        &self,
        filter: &Filter,
        from: Option<Cursor>,
        limit: usize,
    ) -> Result<Page, ForeignCursor> {
        let list = self.inner().list(filter, from, limit);
        if self.has(Bug::TakesForeignCursors) {
            list.or_else(|_| self.inner().list(filter, None, limit))
        } else {
            list
        }
    }

    /// Ends the registry, and begins another over its storage.
    pub(crate) fn restart(&mut self, number: u64) {
        let store =
            self.registry.take().map(Registry::into_storage).expect("a registry between two restarts");
        let store = if self.has(Bug::LosesRecordsAtARestart) {
            Store::new(Memory::default(), self.bug)
        } else {
            store
        };
        self.registry = Some(registry(store, self.settings, number));
    }
}

fn registry(store: Store, settings: Settings, number: u64) -> Registry<Store> {
    Registry::with_storage(store, settings, number).expect("settings that fit")
}

fn altered(mut settings: Settings, bug: Option<Bug>) -> Settings {
    let retention = &mut settings.retention;
    match bug {
        Some(Bug::DropsResultsEarly) => retention.results /= 2,
        Some(Bug::FreesKeysEarly) => retention.keys /= 2,
        Some(Bug::FreesKeysLate) => retention.keys *= 2,
        Some(Bug::DropsRecordsEarly) => retention.records /= 2,
        Some(Bug::BoundsNoEvents) => {
            settings.max_event_bytes *= 4;
            settings.max_event_bytes_per_job *= 4;
            settings.max_events_per_job *= 4;
        }
        _ => {}
    }
    settings
}

/// Returns the same end, as if the job had run.
fn spent(job: JobId, finished: &Finished) -> Event {
    let result = match &finished.result {
        Ok(output) => Ok(output.clone()),
        Err(_) => Err(Box::new(JobError::cancelled(Stage::Running))),
    };
    Event::finished(Finished::new(job, finished.timing, result))
}
