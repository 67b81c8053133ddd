//! The last deaths in a ring that is bounded in number and in bytes. Does not: read a clock, or lock.

use super::DeathLimits;
use super::groups::Groups;
use super::saved::SavedFiles;
use super::signature::Signature;
use super::weight;
use procpool_protocol::JobId;
use procpool_protocol::deaths::{Death, DeathGroup, DeathPage, DeathQuery};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;

/// Upper limit of the number of deaths: a page looks at each of them.
const MOST: usize = 100_000;

/// See the file.
#[derive(Debug, Default)]
pub(super) struct Ring {
    limits: DeathLimits,
    /// Oldest first, with the size of each.
    kept: VecDeque<(Arc<Death>, usize)>,
    /// The size of all of them.
    bytes: usize,
    /// The number of the last one.
    last: u64,
    groups: Groups,
    files: SavedFiles,
}

impl Ring {
    pub(super) fn new(mut limits: DeathLimits) -> Self {
        limits.records = limits.records.min(MOST);
        Self { limits, ..Self::default() }
    }

    /// Adds a death. Returns those that it displaces.
    pub(super) fn push(&mut self, mut death: Death) -> Vec<Arc<Death>> {
        if self.limits.records == 0 {
            return Vec::new();
        }
        self.last += 1;
        death.id = self.last;
        let Signature { id, end, text } = Signature::of(&death);
        (death.group, death.end, death.signature) = (id, end, text);
        weight::bound(&mut death);
        if let Some(job) = death.job {
            death.replay = death.replay.or_else(|| self.files.take(job));
        }
        self.groups.count(&death);
        let size = weight::of(&death);
        self.bytes += size;
        self.kept.push_back((Arc::new(death), size));
        self.displaced()
    }

    fn displaced(&mut self) -> Vec<Arc<Death>> {
        let mut gone = Vec::new();
        while self.kept.len() > self.limits.records || self.bytes > self.limits.bytes {
            let Some((oldest, size)) = self.kept.pop_front() else { break };
            self.bytes -= size;
            gone.push(oldest);
        }
        gone
    }

    /// Notes the file of a job: of its last death, or of the next one.
    pub(super) fn saved(&mut self, job: JobId, file: &Path) {
        match self.kept.iter_mut().rev().find(|(death, _)| death.job == Some(job)) {
            Some((death, size)) => {
                Arc::make_mut(death).replay = Some(file.to_owned());
                self.bytes -= *size;
                *size = weight::of(death);
                self.bytes += *size;
                self.displaced();
            }
            None => self.files.keep(job, file),
        }
    }

    pub(super) fn page(&self, query: &DeathQuery) -> DeathPage {
        let mut found = self.kept.iter().rev().map(|(death, _)| death).filter(|death| query.matches(death));
        let limit = query.limit.unwrap_or(usize::MAX);
        let deaths: Vec<_> = found.by_ref().take(limit).cloned().collect();
        let next = deaths.last().map(|last| last.id).filter(|_| found.next().is_some());
        DeathPage::new(deaths, next)
    }

    pub(super) fn get(&self, id: u64) -> Option<Arc<Death>> {
        let at = self.kept.binary_search_by_key(&id, |(death, _)| death.id).ok()?;
        Some(self.kept[at].0.clone())
    }

    pub(super) fn groups(&self) -> Vec<DeathGroup> {
        self.groups.all()
    }

    /// Returns the number of deaths and bytes that are held.
    #[cfg(test)]
    pub(super) fn held(&self) -> (usize, usize) {
        (self.kept.len(), self.kept.iter().map(|(death, _)| weight::of(death)).sum())
    }
}
