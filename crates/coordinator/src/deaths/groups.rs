//! Counts deaths by their group, for longer than the deaths themselves are kept. Bounded: the group is forgotten whose
//! last death is the longest ago.

use procpool_protocol::deaths::{Death, DeathGroup};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

/// Maximum number of groups.
const GROUPS: usize = 512;

/// Maximum number of payloads that are told apart in a group.
const PAYLOADS: usize = 64;

/// See the file.
#[derive(Debug, Default)]
pub(super) struct Groups(HashMap<String, Tally>);

#[derive(Debug)]
struct Tally {
    group: DeathGroup,
    /// The fingerprints of their payloads.
    payloads: HashSet<String>,
}

impl Groups {
    pub(super) fn count(&mut self, death: &Death) {
        match self.0.get_mut(&death.group) {
            Some(tally) => tally.add(death),
            None => {
                if self.0.len() == GROUPS {
                    self.forget_one();
                }
                let mut tally = Tally { group: DeathGroup::new(death), payloads: HashSet::new() };
                tally.note_payload(death);
                self.0.insert(death.group.clone(), tally);
            }
        }
    }

    /// Returns the groups, the one with the newest death first.
    pub(super) fn all(&self) -> Vec<DeathGroup> {
        let mut all: Vec<_> = self.0.values().map(Tally::shown).collect();
        all.sort_unstable_by_key(|group| Reverse(group.newest));
        all
    }

    fn forget_one(&mut self) {
        let oldest = self.0.values().min_by_key(|tally| tally.group.newest);
        if let Some(id) = oldest.map(|tally| tally.group.id.clone()) {
            self.0.remove(&id);
        }
    }
}

impl Tally {
    fn add(&mut self, death: &Death) {
        let group = &mut self.group;
        group.count += 1;
        (group.last, group.newest) = (death.time, death.id);
        self.note_payload(death);
    }

    fn note_payload(&mut self, death: &Death) {
        let fingerprint = death.payload.as_ref().and_then(|payload| payload.fingerprint.as_ref());
        if let Some(fingerprint) = fingerprint.filter(|_| self.payloads.len() < PAYLOADS) {
            self.payloads.insert(fingerprint.clone());
        }
    }

    fn shown(&self) -> DeathGroup {
        let mut group = self.group.clone();
        group.payloads = self.payloads.len();
        group
    }
}
