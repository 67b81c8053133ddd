//! The clients' book: each job that was accepted, and what its client was told of it.

use super::super::effects::Effects;
use super::super::ledger::Oddities;
use super::super::outcome::Outcome;
use super::plan::Order;
use std::collections::BTreeMap;

/// All that clients write down.
#[derive(Debug, Default)]
pub(in crate::chaos) struct Book {
    pub(in crate::chaos) effects: Effects,
    pub(in crate::chaos) jobs: Vec<Entry>,
    /// Refusals, by reason.
    pub(in crate::chaos) refused: BTreeMap<String, u64>,
    /// Requests of which nobody knows whether they were accepted: the server was gone before its answer. The
    /// jobs, and how many servers were killed before they were sent.
    pub(in crate::chaos) unsure: Vec<(Order, u64)>,
    /// Requests that were sent again under their key.
    pub(in crate::chaos) repeated: u64,
    /// Keys that had a second job.
    pub(in crate::chaos) doubled: Oddities,
    /// Outcomes that were another one later.
    pub(in crate::chaos) changed: Oddities,
    /// Outcomes that a job of that kind cannot have, and answers that are none.
    pub(in crate::chaos) strange: Oddities,
    /// Right outcome, wrong output.
    pub(in crate::chaos) wrong: Oddities,
    /// Accepted jobs that the server does not know.
    pub(in crate::chaos) lost: Oddities,
    /// Accepted jobs that do not end.
    pub(in crate::chaos) unfinished: Oddities,
    /// Jobs that began before their time.
    pub(in crate::chaos) early: Oddities,
    /// Number of jobs whose time was compared.
    pub(in crate::chaos) delayed: u64,
}

/// An accepted job.
#[derive(Debug)]
pub(in crate::chaos) struct Entry {
    pub(in crate::chaos) order: Order,
    pub(in crate::chaos) id: String,
    pub(in crate::chaos) told: Option<Told>,
    /// Number of servers that were killed before it was sent.
    pub(in crate::chaos) kills: u64,
}

/// How it ended, as its client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::chaos) struct Told {
    pub(in crate::chaos) outcome: Outcome,
    pub(in crate::chaos) may_have_run: bool,
}

impl Book {
    /// Takes in a job that was accepted, and returns its place.
    pub(in crate::chaos) fn accepted(&mut self, order: Order, id: String, kills: u64) -> usize {
        self.jobs.push(Entry { order, id, told: None, kills });
        self.jobs.len() - 1
    }

    /// Takes in a refusal: the job certainly did not run.
    pub(in crate::chaos) fn refused(&mut self, order: &Order, reason: String) {
        *self.refused.entry(reason).or_default() += 1;
        if let Some(tag) = order.tag {
            self.effects.told(tag, Outcome::Refused, false);
        }
    }

    /// Takes in what the client of a job was told, for the first time or again, after this number of kills of servers.
    pub(in crate::chaos) fn told(&mut self, place: usize, told: Told, body: &[u8], kills: u64) {
        let Entry { order, id, told: before, kills: since } = &mut self.jobs[place];
        if before.is_none() {
            uncounted(&mut self.effects, order, kills - *since);
        }
        if let Some(before) = before
            && *before != told
        {
            self.changed.note(|| format!("job {id} was {before:?}, and is {told:?}"));
        }
        *before = Some(told);
        if let Some(tag) = order.tag {
            self.effects.told(tag, told.outcome, told.may_have_run);
        }
        if !order.may_be(told.outcome) {
            self.strange.note(|| format!("{:?} ended {}, job {id}", order.kind, told.outcome.name()));
        }
        let is_wrong = order.output.as_ref().is_some_and(|output| output.as_bytes() != body);
        if told.outcome == Outcome::Ok && is_wrong {
            self.wrong.note(|| format!("{:?} was answered {} bytes, job {id}", order.kind, body.len()));
        }
    }

    /// Takes in that nothing more will be told of the requests without an answer.
    pub(in crate::chaos) fn close(&mut self, kills: u64) {
        for (order, since) in &self.unsure {
            uncounted(&mut self.effects, order, kills - since);
        }
    }

    /// Takes in the job that a key has led to, when its request was sent again.
    pub(in crate::chaos) fn repeated(&mut self, place: usize, id: &str) {
        self.repeated += 1;
        let entry = &self.jobs[place];
        if entry.id != id {
            self.doubled.note(|| {
                format!("a key of pool {} is of the jobs {} and {id}", entry.order.pool.name, entry.id)
            });
        }
    }

    /// Number of jobs by outcome.
    pub(in crate::chaos) fn outcomes(&self) -> BTreeMap<Outcome, u64> {
        let mut outcomes = BTreeMap::new();
        for told in self.jobs.iter().filter_map(|entry| entry.told) {
            *outcomes.entry(told.outcome).or_default() += 1;
        }
        outcomes
    }
}

/// The start of a job that may be repeated is durable some time after it. Each kill of a server may cost one that was
/// not counted.
fn uncounted(effects: &mut Effects, order: &Order, kills: u64) {
    if let Some(tag) = order.tag
        && order.pool.attempts > 1
    {
        effects.uncounted(tag, kills);
    }
}
