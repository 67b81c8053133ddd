//! One run: groups of steps, each of which is committed, undone for want of space, or lost with its process.

use procpool_protocol::JobId;
use procpool_registry::{
    Attempts, CommitError, Durable, Effect, Event, Record, Registry, Settings, State, Storage, Time,
};
use std::sync::Arc;
use std::time::Duration;

use super::bugs::Bug;
use super::model::Model;
use crate::broken::{Broken, broken};
use crate::random::Random;
use procpool_registry::MemoryStore;

/// Something that is told or done once its group is durable.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Accepted(Arc<Record>),
    /// A pool gets the job.
    Handed(JobId),
    /// A pool gets the job without a claim.
    Lent(JobId),
    /// The pool no longer has the job.
    Left(JobId),
    /// The pool has refused the job, and nobody has run it.
    Refused(JobId),
}

pub(super) struct Run {
    pub(super) random: Random,
    pub(super) now: Time,
    pub(super) settings: Settings,
    pub(super) store: MemoryStore,
    pub(super) registry: Registry<MemoryStore>,
    pub(super) bug: Option<Bug>,
    pub(super) model: Model,
    /// The consequences of the present group.
    pub(super) group: Vec<Told>,
    pub(super) ids: u128,
    processes: u64,
}

impl Run {
    pub(super) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut random = Random::new(seed);
        let mut settings = Settings::default();
        settings.retention.records = random.millis(1_000, 500_000);
        settings.retention.results = random.millis(1_000, 500_000);
        settings.retention.keys = random.millis(1_000, 500_000);
        settings.retention.dead = random.percent(50).then(|| random.millis(1_000, 900_000));
        let store = MemoryStore::default();
        let registry = registry(&store, settings, bug, 1);
        let (now, model, group) = (Time::ZERO, Model::default(), Vec::new());
        Self { random, now, settings, store, registry, bug, model, group, ids: 0, processes: 1 }
    }

    pub(super) fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    pub(super) fn play(&mut self) -> Result<(), Broken> {
        for _ in 0..self.random.between(10, 40) {
            // Long times pass between groups: what has ended is told before it expires.
            let jump = if self.random.percent(10) { 200_000 } else { 15_000 };
            self.now = self.now + self.random.millis(0, jump);
            if self.random.percent(25) {
                self.registry.tick(self.now);
                self.commit()?;
            }
            for _ in 0..self.random.between(1, 6) {
                self.now = self.now + self.random.millis(0, 100);
                self.step()?;
                if self.has(Bug::TellsTooEarly) {
                    self.tell(false);
                }
            }
            match self.random.between(0, 9) {
                0 => self.run_out_of_space()?,
                1 => self.crash()?,
                _ => self.commit()?,
            }
            self.check()?;
        }
        self.end()
    }

    pub(super) fn commit(&mut self) -> Result<(), Broken> {
        let stale = if self.has(Bug::TakesStaleVersions) { self.a_stale_one() } else { None };
        if let Some(stale) = stale {
            self.store.put(stale);
        }
        match self.registry.commit() {
            Ok(()) => self.tell(true),
            Err(error) => return Err(broken("commits_succeed", error.to_string())),
        }
        Ok(())
    }

    /// Returns an older version of a record.
    fn a_stale_one(&self) -> Option<Arc<Record>> {
        let unfinished = self.model.jobs.values().filter(|job| job.outcome.is_none());
        unfinished.filter_map(|job| job.older.clone()).next()
    }

    fn run_out_of_space(&mut self) -> Result<(), Broken> {
        self.store.set_full(true);
        let has_new = self.group.iter().any(|told| matches!(told, Told::Accepted(_)));
        if self.has(Bug::UndoesNothing) {
            // Nothing is told, and everything stays for the next group.
            self.store.set_full(false);
            self.group.clear();
            return Ok(());
        }
        let committed = self.registry.commit();
        self.store.set_full(false);
        match committed {
            Ok(()) if !has_new => self.tell(true),
            Err(CommitError::Full) if has_new => self.group.clear(),
            other => return Err(broken("only_new_jobs_need_space", format!("{other:?}"))),
        }
        if self.random.percent(50) {
            self.registry.undo();
        }
        Ok(())
    }

    /// Kills the process, and lets the next one decide.
    pub(super) fn crash(&mut self) -> Result<(), Broken> {
        self.group.clear();
        self.store = self.store.crash();
        self.processes += 1;
        self.registry = registry(&self.store, self.settings, self.bug, self.processes);
        let mut after = 0;
        loop {
            let page = self.store.running(after, 3);
            let Some(last) = page.last() else { break };
            after = last.seq;
            for record in page {
                self.registry.lost(self.now, record.id, self.attempts(&record.pool));
            }
        }
        if self.has(Bug::LosesTheFinished) {
            self.lose_the_finished();
        }
        for job in self.model.jobs.values_mut() {
            (job.is_handed, job.is_lent) = (false, false);
        }
        self.commit()
    }

    fn lose_the_finished(&mut self) {
        for id in self.model.ids(|job| job.outcome.is_some()) {
            if let Some(record) = self.registry.job(id) {
                let mut again = (*record).clone();
                again.state = State::Running;
                self.store.put(Arc::new(again));
                self.registry.lost(self.now, id, Attempts::ONE);
            }
        }
    }

    pub(super) fn attempts(&self, pool: &str) -> Attempts {
        let idempotent = pool == "again" || self.has(Bug::RepeatsEverything);
        Attempts { idempotent, max: if idempotent { 3 } else { 1 } }
    }

    /// Tells what the group has brought. `is_durable` says that the group was committed.
    pub(super) fn tell(&mut self, is_durable: bool) {
        for told in std::mem::take(&mut self.group) {
            if let Told::Left(id) | Told::Refused(id) = told {
                self.registry.take_back(id);
            }
            self.model.take(told);
        }
        let mut changed = Vec::new();
        if is_durable {
            while let Some(effect) = self.registry.poll_effect() {
                if let Effect::Changed(job) = effect {
                    changed.push(job);
                }
            }
        } else {
            changed = self.model.jobs.keys().copied().collect();
        }
        for id in changed {
            let Some(record) = self.registry.job(id) else { continue };
            if let Some(job) = self.model.jobs.get_mut(&id)
                && let (State::Finished(outcome), None) = (record.state, job.outcome)
            {
                job.outcome = Some((outcome, record.finished.unwrap_or_default(), record.may_have_run));
            }
        }
    }

    /// Lets every job come to its end.
    fn end(&mut self) -> Result<(), Broken> {
        self.now = self.now + Duration::from_secs(3600);
        for _ in 0..2 {
            self.registry.promote(self.now, 1_000);
            for id in self.model.ids(|job| job.outcome.is_none()) {
                self.begin(id);
                self.commit()?;
                self.finish(id);
                self.commit()?;
            }
            self.check()?;
        }
        match self.model.ids(|job| job.outcome.is_none()).first() {
            Some(left) => Err(broken("every_job_ends", format!("{:?}", self.model.jobs[left]))),
            None => Ok(()),
        }
    }

    pub(super) fn handle(&mut self, job: JobId, event: Event) -> bool {
        self.registry.handle(self.now, job, event) == procpool_registry::Handled::Done
    }
}

fn registry(
    store: &MemoryStore,
    mut settings: Settings,
    bug: Option<Bug>,
    number: u64,
) -> Registry<MemoryStore> {
    if bug == Some(Bug::FreesKeysEarly) {
        settings.retention.keys /= 2;
    }
    let mut registry = Registry::durable(store.clone(), settings, number).expect("settings that fit");
    if bug != Some(Bug::TrustsTheWaiting) {
        registry.set_repeatable(["again"]);
    }
    registry
}
