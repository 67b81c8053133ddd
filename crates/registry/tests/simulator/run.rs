//! One run: a registry in virtual time, with its clients and its pool. Each kind of step has a file
//! of its own, and `checks` follows each step.

use std::collections::BTreeSet;
use std::time::Duration;

use procpool_protocol::JobId;
use procpool_registry::{Effect, Gone, Time};

use crate::broken::Broken;
use crate::bugs::{Bug, Faulty};
use crate::coverage::Coverage;
use crate::model::Model;
use crate::plan::Plan;
use crate::random::Random;
use crate::walkers::Walker;
use crate::watchers::Watcher;

/// A step that was made, as far as the checks need to know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A job was offered. The number of bytes of its record, and whether it was refused for want of
    /// room for records.
    Offered { bytes: u64, is_full: bool },
    /// The pool refused a job.
    Refused(JobId),
    /// A job ended.
    Finished(JobId),
    /// Time was told.
    Ticked,
    /// Anything else.
    Other,
}

/// The effects of one step.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub(crate) changed: BTreeSet<JobId>,
    pub(crate) gone: Vec<(JobId, Gone)>,
    pub(crate) cancels: Vec<JobId>,
}

pub(crate) struct Run {
    pub(crate) plan: Plan,
    pub(crate) random: Random,
    pub(crate) now: Time,
    pub(crate) registry: Faulty,
    pub(crate) is_correct: bool,
    pub(crate) model: Model,
    pub(crate) walkers: Vec<Walker>,
    pub(crate) watchers: Vec<Watcher>,
    pub(crate) coverage: Coverage,
    /// Whether the journal is written. A failure is played again with it.
    pub(crate) has_journal: bool,
    pub(crate) ids: u128,
    registries: u64,
    journal: Vec<String>,
}

impl Run {
    pub(crate) fn new(seed: u64, bug: Option<Bug>) -> Self {
        let mut random = Random::new(seed);
        let plan = Plan::draw(&mut random);
        Self {
            registry: Faulty::new(plan.settings, bug),
            is_correct: bug.is_none(),
            plan,
            random,
            now: Time::ZERO,
            model: Model::default(),
            walkers: Vec::new(),
            watchers: Vec::new(),
            coverage: Coverage::default(),
            has_journal: false,
            ids: 0,
            registries: 1,
            journal: Vec::new(),
        }
    }

    pub(crate) fn play(&mut self) -> Result<(), Broken> {
        for _ in 0..self.plan.steps {
            self.pass();
            let step = self.step()?;
            self.check(step)?;
        }
        self.end()
    }

    fn pass(&mut self) {
        let pace = u64::try_from(self.plan.pace.as_millis()).unwrap_or(u64::MAX);
        let jump = if self.random.percent(3) { 100_000 } else { 0 };
        self.now = self.now + self.random.millis(0, pace + jump);
    }

    fn step(&mut self) -> Result<Step, Broken> {
        match self.random.between(0, 99) {
            0..24 => self.offer(),
            24..66 => self.report(),
            66..71 => self.cancel(),
            71..74 => self.cancel_matching(),
            74..85 => self.watch(),
            85..94 => self.walk(),
            94..99 => Ok(self.tick()),
            _ => Ok(self.restart()),
        }
    }

    fn tick(&mut self) -> Step {
        self.registry.tick(self.now);
        self.note(|| "tick".into());
        Step::Ticked
    }

    fn restart(&mut self) -> Step {
        self.note(|| "restart".into());
        self.coverage.met("restarted");
        self.registries += 1;
        self.registry.restart(self.registries);
        self.model.restart();
        Step::Other
    }

    /// Returns the number of the present registry.
    pub(crate) fn number(&self) -> u64 {
        self.registries
    }

    pub(crate) fn drain(&mut self) -> Effects {
        let mut effects = Effects::default();
        while let Some(effect) = self.registry.poll_effect() {
            match effect {
                Effect::Changed(job) => drop(effects.changed.insert(job)),
                Effect::Gone(job, why) => effects.gone.push((job, why)),
                Effect::Cancel(job) => effects.cancels.push(job),
                _ => {}
            }
        }
        effects
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if !self.has_journal {
            return;
        }
        let at = self.now.since(Time::ZERO).as_secs_f64();
        self.journal.push(format!("{at:>12.3} s  {}\n", line()));
    }

    /// Returns the last lines of the journal, at most this number.
    pub(crate) fn journal(&self, lines: usize) -> String {
        let from = self.journal.len().saturating_sub(lines);
        self.journal[from..].concat()
    }

    /// Lets time pass at once.
    pub(crate) fn skip(&mut self, time: Duration) {
        self.now = self.now + time;
    }
}
