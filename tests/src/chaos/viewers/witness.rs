//! Compares the deaths that the server's log tells of with those that a viewer was shown. Pure, and bounded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Maximum number of deaths that were shown before the log told of them.
const MOST: usize = 4096;

/// One viewer's.
#[derive(Clone, Debug, Default)]
pub(super) struct Witness {
    /// Deaths that were not shown yet, with the times of the log.
    open: BTreeMap<String, Duration>,
    /// Workers whose deaths were shown, and of which the log has not told yet.
    early: BTreeSet<String>,
    order: VecDeque<String>,
    /// Of earlier deaths, a snapshot has told: the viewer was not there, or too slow.
    since: Duration,
    /// Number of deaths that were shown without their workers, together.
    together: usize,
    /// Deaths that were shown and logged.
    pub(super) matched: u64,
}

impl Witness {
    /// The log tells of the death of a worker.
    pub(super) fn died(&mut self, worker: &str, at: Duration) {
        if self.early.remove(worker) {
            self.matched += 1;
        } else if at >= self.since {
            self.open.insert(worker.to_owned(), at);
        }
    }

    /// The viewer was shown the death of a worker.
    pub(super) fn saw(&mut self, worker: &str) {
        if self.open.remove(worker).is_some() {
            self.matched += 1;
            return;
        }
        self.early.insert(worker.to_owned());
        self.order.push_back(worker.to_owned());
        while self.order.len() > MOST {
            self.order.pop_front().map(|oldest| self.early.remove(&oldest));
        }
    }

    /// The viewer was shown this number of deaths together.
    pub(super) fn saw_together(&mut self, number: u64) {
        self.together = self.together.saturating_add(usize::try_from(number).unwrap_or(usize::MAX));
    }

    /// A snapshot has told the viewer what is true at this time.
    pub(super) fn begins_anew(&mut self, at: Duration) {
        self.open.clear();
        self.since = at;
    }

    /// Returns the workers whose deaths were not shown. Each that was shown together with others accounts for one.
    pub(super) fn unseen(&self) -> impl Iterator<Item = &str> {
        self.open.keys().skip(self.together).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unseen(witness: &Witness) -> Vec<&str> {
        witness.unseen().collect()
    }

    #[test]
    fn a_death_is_seen_in_either_order_and_otherwise_it_is_found() {
        let mut witness = Witness::default();
        witness.died("p-1", Duration::ZERO);
        witness.saw("p-2");
        witness.died("p-2", Duration::ZERO);
        assert_eq!(unseen(&witness), ["p-1"]);
        witness.saw("p-1");
        assert_eq!((unseen(&witness).len(), witness.matched), (0, 2));
        witness.died("p-1", Duration::ZERO);
        assert_eq!(unseen(&witness), ["p-1"], "a name is used once");
    }

    #[test]
    fn a_snapshot_tells_of_everything_before_it() {
        let mut witness = Witness::default();
        let at = Duration::from_secs;
        witness.died("p-1", at(1));
        witness.begins_anew(at(2));
        witness.died("p-2", at(1));
        assert_eq!(unseen(&witness), [] as [&str; 0]);
        witness.died("p-3", at(3));
        assert_eq!(unseen(&witness), ["p-3"]);
    }

    #[test]
    fn deaths_that_are_shown_together_account_for_as_many_and_no_more() {
        let mut witness = Witness::default();
        ["p-1", "p-2", "p-3"].into_iter().for_each(|worker| witness.died(worker, Duration::ZERO));
        witness.saw_together(2);
        assert_eq!(unseen(&witness).len(), 1);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut witness = Witness::default();
        (0..3 * MOST).for_each(|number| witness.saw(&format!("p-{number}")));
        assert_eq!((witness.early.len(), witness.order.len()), (MOST, MOST));
    }
}
