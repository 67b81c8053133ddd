//! The promises that are checked after each step: which records there are, and what they say.

use procpool_protocol::JobId;
use procpool_registry::{Gone, Record, State, Storage, Time};

use crate::broken::{Broken, broken};
use crate::model::Job;
use crate::run::{Effects, Run, Step};

impl Run {
    pub(crate) fn check(&mut self, step: Step) -> Result<(), Broken> {
        let effects = self.drain();
        self.check_cancels(&effects)?;
        self.check_gone(step, &effects)?;
        self.check_records(&effects)?;
        self.check_results(step)?;
        self.check_bounds()?;
        self.check_alarm(step)?;
        self.squeeze();
        self.narrow_walks();
        Ok(())
    }

    pub(crate) fn is_over(&self, job: &Job) -> bool {
        job.is_over(&self.plan.settings.retention, self.now)
    }

    fn check_cancels(&mut self, effects: &Effects) -> Result<(), Broken> {
        for id in &effects.cancels {
            match self.model.jobs.get_mut(id).filter(|job| job.is_cancelled) {
                Some(job) => job.is_told = true,
                None => return Err(broken("nobody_is_cancelled_unasked", format!("{id:?}"))),
            }
        }
        let is_missed = |job: &&Job| {
            let is_known = matches!(job.state, State::Queued | State::Running);
            job.is_cancelled && is_known && !job.is_told
        };
        match self.model.jobs.values().find(is_missed) {
            Some(job) => Err(broken("cancels_reach_the_engine", format!("{job:?}"))),
            None => Ok(()),
        }
    }

    /// Checks that each record that is gone had to go, and that its watchers know.
    fn check_gone(&mut self, step: Step, effects: &Effects) -> Result<(), Broken> {
        let retention = self.plan.settings.retention;
        let is_gone = |job: &&Job| self.registry.inner().job(job.id).is_none();
        let gone: Vec<Job> = self.model.jobs.values().filter(is_gone).cloned().collect();
        let mut last_evicted = None;
        for job in &gone {
            let told = effects.gone.iter().find(|(id, _)| *id == job.id).map(|(_, why)| *why);
            let why = if step == Step::Refused(job.id) {
                Gone::Refused
            } else if !job.is_finished() {
                return Err(broken("the_unfinished_stay", format!("{job:?}")));
            } else if self.is_over(job) {
                Gone::Expired
            } else if job.is_protected(&retention, self.now) {
                return Err(broken("keys_are_not_given_up", format!("{job:?}")));
            } else if told == Some(Gone::Expired) || !self.is_tight(step) {
                return Err(broken("records_stay", format!("{job:?} is gone ({told:?}) after {step:?}")));
            } else {
                last_evicted = last_evicted.max(job.finished);
                Gone::Evicted
            };
            if told != Some(why) {
                return Err(broken("watchers_hear_of_the_end", format!("{told:?}, not {why:?}, of {job:?}")));
            }
            self.coverage.met(match why {
                Gone::Refused => "gone: refused",
                Gone::Expired => "gone: expired",
                _ => "gone: evicted",
            });
        }
        for job in &gone {
            let storage = self.registry.inner().storage();
            if self.is_correct && (storage.input(job.id).is_some() || storage.result(job.id).is_some()) {
                return Err(broken("nothing_is_left", format!("a body of {job:?}")));
            }
            if step == Step::Refused(job.id) {
                self.model.free(job.id, self.now);
            }
            self.model.jobs.remove(&job.id);
            self.model.gone.push(job.id);
        }
        let spares = || {
            self.model
                .jobs
                .values()
                .filter(|job| job.is_finished() && !job.is_protected(&retention, self.now))
        };
        if let Some(kept) = spares().find(|job| job.finished < last_evicted) {
            return Err(broken("the_longest_finished_goes_first", format!("{kept:?} stays")));
        }
        if let Step::Offered { bytes, is_full: true } = step {
            let settings = self.plan.settings;
            let (count, held) = self.held(|_| true);
            let is_full = count >= settings.max_records || held + bytes > settings.max_record_bytes;
            if !is_full || spares().next().is_some() {
                return Err(broken("refusals_tell_the_truth", format!("{count} records of {held} bytes")));
            }
        }
        Ok(())
    }

    /// Returns whether a step needed the room of another record.
    fn is_tight(&self, step: Step) -> bool {
        let Step::Offered { bytes, .. } = step else { return false };
        let (count, held) = self.held(|job| !self.is_over(job));
        // A job that was accepted is among them.
        let settings = self.plan.settings;
        count + 1 > settings.max_records || held + bytes > settings.max_record_bytes
    }

    /// Returns number and bytes of the records of some jobs.
    fn held(&self, which: impl Fn(&Job) -> bool) -> (usize, u64) {
        let jobs = self.model.jobs.values().filter(|job| which(job));
        jobs.fold((0, 0), |(count, sum), job| (count + 1, sum + job.record.bytes()))
    }

    /// Checks that each record says what happened, by a version of its own, and that everyone is
    /// woken.
    fn check_records(&mut self, effects: &Effects) -> Result<(), Broken> {
        for job in self.model.jobs.values_mut() {
            let Some(record) = self.registry.inner().job(job.id) else { continue };
            let says =
                (record.state, record.attempt, record.progress, record.is_cancelled, record.may_have_run);
            let is = (job.state, job.attempt, job.progress, job.is_cancelled, job.may_have_run);
            if says != is || record.finished != job.finished || record.accepted != job.accepted {
                return Err(broken("states_follow_the_table", format!("{record:?} for {job:?}")));
            }
            let (old, new) = (job.record.version, record.version);
            if new < old || new == old && visible(&record) != visible(&job.record) {
                return Err(broken("versions_grow", format!("{record:?} after {:?}", job.record)));
            }
            let has_changed = new != old || job.woken != job.events.len();
            if has_changed && !effects.changed.contains(&job.id) {
                return Err(broken("changes_wake", format!("{job:?}")));
            }
            job.woken = job.events.len();
        }
        Ok(())
    }

    /// Checks that all is within its bounds. Afterwards the records are the last known ones.
    fn check_bounds(&mut self) -> Result<(), Broken> {
        let settings = self.plan.settings;
        let records = self.registry.inner().storage().all();
        let sum = |of: fn(&Record) -> u64| records.iter().map(|record| of(record)).sum::<u64>();
        let keyed = |record: &Record| u64::from(record.is_protected());
        let bounds = [
            ("records_are_bounded", records.len() as u64, settings.max_records as u64),
            ("records_are_bounded", sum(Record::bytes), settings.max_record_bytes),
            ("keys_are_bounded", sum(keyed), settings.max_keys as u64),
            (
                "keys_are_bounded",
                sum(|record| if record.is_protected() { record.bytes() } else { 0 }),
                settings.max_keyed_bytes(),
            ),
            ("results_are_bounded", sum(|record| record.result.bytes()), settings.max_result_bytes),
            ("inputs_are_bounded", sum(|record| record.input.bytes()), settings.max_input_bytes),
            ("events_are_bounded", self.registry.inner().event_bytes(), settings.max_event_bytes),
        ];
        if let Some((promise, is, max)) = bounds.into_iter().find(|(_, is, max)| is > max) {
            return Err(broken(promise, format!("{is} of {max}")));
        }
        let usage = self.registry.inner().usage();
        if self.is_correct && (usage.records, usage.record_bytes) != (records.len(), sum(Record::bytes)) {
            return Err(broken("sums_are_right", format!("{usage:?}")));
        }
        for record in records {
            self.model.jobs.entry(record.id).and_modify(|job| job.record = record);
        }
        Ok(())
    }

    /// Checks that the alarm is set for what expires next, and that a tick leaves nothing overdue.
    fn check_alarm(&mut self, step: Step) -> Result<(), Broken> {
        let next = self.model.jobs.values().filter_map(|job| next_expiry(job, self)).min();
        if step == Step::Ticked && next.is_some_and(|next| next <= self.now) {
            return Err(broken("the_old_expires", format!("{next:?} has passed")));
        }
        let alarm = self.registry.poll_timeout();
        if alarm != next {
            return Err(broken("the_alarm_is_set", format!("for {alarm:?}, not for {next:?}")));
        }
        Ok(())
    }

    /// Notes the jobs whose events may not all fit.
    fn squeeze(&mut self) {
        let settings = self.plan.settings;
        let all: u64 = self.model.jobs.values().map(|job| job.history().1).sum();
        for job in self.model.jobs.values_mut() {
            let (count, bytes) = job.history();
            job.is_squeezed |= all > settings.max_event_bytes
                || count > settings.max_events_per_job
                || bytes > settings.max_event_bytes_per_job;
        }
    }
}

/// Returns what clients see of a record besides its version.
fn visible(record: &Record) -> impl PartialEq + use<> {
    let times = (record.accepted, record.started, record.finished, record.expires);
    let bodies = (record.result, record.input, record.is_protected());
    (record.state, record.attempt, record.progress, record.is_cancelled, times, bodies)
}

fn next_expiry(job: &Job, run: &Run) -> Option<Time> {
    let retention = run.plan.settings.retention;
    let finished = job.finished?;
    let has_body = job.record.result.is_held() || job.record.input.is_held();
    let has_key = job.key.is_some() && job.may_have_run;
    let records = if has_key { retention.records.max(retention.keys) } else { retention.records };
    let bodies = has_body.then_some(finished + retention.results);
    let key = job.record.is_protected().then_some(finished + retention.keys);
    [bodies, key, Some(finished + records)].into_iter().flatten().min()
}

/// Returns the ids in a text, for a report.
pub(crate) fn names(ids: impl IntoIterator<Item = JobId>) -> String {
    ids.into_iter().map(|id| format!("{id:?} ")).collect()
}
