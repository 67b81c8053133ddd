//! The steps of a run: clients, the dispatcher, pools and time.

use procpool_protocol::engine::{Priority, Submission};
use procpool_protocol::outcome::{Finished, Timing};
use procpool_protocol::{Encoding, JobError, JobId, Payload, Stage};
use procpool_registry::{Decision, Durable, Event, Fingerprint, KeyText, Offer, State, Storage};
use std::sync::Arc;

use super::bugs::Bug;
use super::model::{Known, Model};
use super::run::{Run, Told};
use crate::broken::{Broken, broken};

impl Run {
    pub(super) fn step(&mut self) -> Result<(), Broken> {
        match self.random.between(0, 99) {
            0..30 => return self.offer(),
            30..55 => self.hand_out(),
            55..80 => self.report(),
            80..85 => {
                if let Some(id) = self.any(|_| true) {
                    self.registry.cancel(self.now, id);
                }
            }
            _ => drop(self.registry.promote(self.now, 2)),
        }
        Ok(())
    }

    fn any(&mut self, which: impl Fn(&Known) -> bool) -> Option<JobId> {
        let ids = self.model.ids(which);
        self.random.pick(&ids)
    }

    fn offer(&mut self) -> Result<(), Broken> {
        self.ids += 1;
        let pool = if self.random.percent(50) { "again" } else { "once" };
        let mut offer = Offer::new(JobId::from_bits(self.ids), pool);
        offer.priority = self.random.pick(&Priority::ALL).unwrap_or_default();
        offer.input = Some(Arc::new(Submission::new(pool, Payload::json("7"), Encoding::Json)));
        offer.not_before = self.random.percent(20).then(|| self.now + self.random.millis(0, 60_000));
        offer.deadline = self.random.percent(20).then(|| self.now + self.random.millis(0, 300_000));
        let key = self.random.percent(40).then(|| {
            let nth = self.random.between(1, 4);
            KeyText::parse(format!("{pool}-{nth}").as_bytes()).expect("a key")
        });
        offer.key = key.clone().map(|key| (key, Fingerprint([1; 32])));
        let lives =
            key.as_ref().is_some_and(|key| self.model.lives(key, self.settings.retention.keys, self.now));
        let decision = self.registry.offer(self.now, offer);
        match decision {
            Ok(Decision::Run(record)) => {
                // A job of this group may have ended unrun, which nobody has been told.
                let holder = key.as_ref().and_then(|key| self.model.keys.get(key));
                let is_decided = holder.is_some_and(|holder| {
                    self.registry.job(*holder).is_none_or(|it| it.state.is_finished() && !it.may_have_run)
                });
                if lives && !is_decided {
                    return Err(broken("no_key_runs_twice", format!("{key:?} runs {record:?}")));
                }
                self.group.push(Told::Accepted(record));
            }
            Ok(_) => {}
            Err(refused) => return Err(broken("there_is_room", refused.to_string())),
        }
        Ok(())
    }

    /// Gives pools jobs that wait, as the storage lists them.
    fn hand_out(&mut self) {
        let pool = if self.random.percent(50) { "again" } else { "once" };
        let waiting = self.store.waiting(pool, None, self.random.count(1, 3));
        for record in waiting {
            let is_known = self.model.jobs.get(&record.id).is_some_and(|job| !job.is_handed);
            let is_chosen =
                |told: &Told| matches!(told, Told::Handed(id) | Told::Lent(id) if *id == record.id);
            if !is_known || self.group.iter().any(is_chosen) {
                continue;
            }
            if pool == "again" && self.random.percent(50) {
                self.lend(record.id);
            } else {
                self.begin(record.id);
            }
        }
    }

    /// Hands a job out without a claim.
    fn lend(&mut self, id: JobId) {
        if !self.has(Bug::ForgetsTheLent) {
            self.registry.lend(id);
        }
        self.group.push(Told::Lent(id));
    }

    /// Lets the worker of a job that was lent begin it, and lets its pool report that later, or refuse the job.
    fn report_lent(&mut self, id: JobId) {
        let Some(record) = self.registry.job(id).filter(|record| !record.state.is_finished()) else { return };
        let Some(job) = self.model.jobs.get_mut(&id) else { return };
        let has_left = |told: &Told| matches!(told, Told::Left(left) | Told::Handed(left) if *left == id);
        match (job.has_begun, self.random.percent(50)) {
            _ if self.group.iter().any(has_left) => {}
            (false, true) => job.has_begun = true,
            (true, true) => {
                if self.handle(id, Event::started(record.attempt + 1, "worker")) {
                    self.group.push(Told::Handed(id));
                }
            }
            (false, false) => self.group.push(Told::Left(id)),
            (true, false) => {}
        }
    }

    pub(super) fn begin(&mut self, id: JobId) {
        let Some(record) = self.registry.job(id) else { return };
        if !self.handle(id, Event::claimed(record.attempt + 1)) {
            return;
        }
        if self.has(Bug::HandsOutTooEarly) {
            self.model.take(Told::Handed(id));
        } else {
            self.group.push(Told::Handed(id));
        }
    }

    fn report(&mut self) {
        let Some(id) = self.any(|job| job.is_handed && job.outcome.is_none()) else { return };
        if self.model.jobs[&id].is_lent {
            return self.report_lent(id);
        }
        let Some(record) = self.registry.job(id).filter(|record| record.state == State::Running) else {
            return;
        };
        let is_begun = record.worker.is_some();
        match self.random.between(0, 9) {
            0..3 => drop(self.handle(id, Event::started(record.attempt, "worker"))),
            3 if !is_begun && self.has(Bug::CountsDeliveries) => {
                self.handle(id, Event::again(None));
                self.group.push(Told::Refused(id));
            }
            3 if !is_begun => {
                self.handle(id, Event::Unclaimed);
                self.group.push(Told::Refused(id));
            }
            4..6 if self.attempts(&record.pool).are_left(&record, self.now) => {
                let due = self.random.percent(50).then(|| self.now + self.random.millis(0, 20_000));
                self.handle(id, Event::again(due));
                self.group.push(Told::Left(id));
            }
            _ => self.finish(id),
        }
    }

    pub(super) fn finish(&mut self, id: JobId) {
        let result = match self.random.between(0, 3) {
            0 => Err(Box::new(JobError::panicked("no", None))),
            1 => Err(Box::new(JobError::timed_out(Stage::Running, self.settings.retention.keys))),
            _ => Ok(Payload::json("13")),
        };
        if self.handle(id, Event::finished(Finished::new(id, Timing::default(), result))) {
            self.group.push(Told::Left(id));
        }
    }

    /// Returns every record of the storage, the newest first.
    pub(super) fn records(&self) -> Vec<Arc<procpool_registry::Record>> {
        let since = procpool_registry::Time::ZERO;
        let query =
            procpool_registry::Query { pools: None, classes: None, below: u64::MAX, since, limit: 10_000 };
        self.store.page(&query)
    }
}

impl Model {
    /// Learns what was told.
    pub(super) fn take(&mut self, told: Told) {
        match told {
            Told::Accepted(record) => {
                let key = record.claim.as_ref().map(|claim| claim.key.text.clone());
                if let Some(key) = key {
                    self.keys.insert(key, record.id);
                }
                let may_repeat = &*record.pool == "again";
                let (id, no) = (record.id, false);
                let (is_handed, is_lent, has_begun, outcome, older) = (no, no, no, None, None);
                let job =
                    Known { may_repeat, starts: 0, is_handed, is_lent, has_begun, outcome, record, older };
                self.jobs.insert(id, job);
            }
            Told::Handed(id) => self.change(id, |job| {
                (job.starts, job.is_handed, job.is_lent) = (job.starts + 1, true, false);
            }),
            Told::Lent(id) => self.change(id, |job| (job.is_handed, job.is_lent) = (true, true)),
            Told::Left(id) => self.change(id, |job| (job.is_handed, job.is_lent) = (false, false)),
            Told::Refused(id) => self.change(id, |job| (job.starts, job.is_handed) = (job.starts - 1, false)),
        }
    }

    fn change(&mut self, id: JobId, change: impl FnOnce(&mut Known)) {
        if let Some(job) = self.jobs.get_mut(&id) {
            change(job);
        }
    }
}
