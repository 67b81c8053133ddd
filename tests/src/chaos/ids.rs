//! The ids of accepted jobs, from both sides: those that clients were told and those that the server logged when
//! it accepted them.

use std::collections::HashMap;

/// Maximum number of ids that are kept, some 40 bytes each.
const MOST: usize = 4 << 20;

const ACCEPTED: u8 = 1;
const ANSWERED: u8 = 2;
const GIVEN_BACK: u8 = 4;

/// Every id so far, and who has named it.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    seen: HashMap<u128, u8>,
    /// Named a second time by the same side.
    pub(crate) repeated: u64,
    /// No longer kept: there were too many.
    pub(crate) dropped: u64,
}

/// How the two sides compare.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sides {
    pub(crate) both: u64,
    /// Accepted, and no client was told of it.
    pub(crate) only_accepted: u64,
    /// Told to a client, and never accepted.
    pub(crate) only_answered: u64,
}

impl Ids {
    /// The server accepted a job.
    pub(crate) fn accepted(&mut self, id: u128) {
        self.note(id, ACCEPTED);
    }

    /// The pool gave a job back, so that it counts as refused. No client is told of its id. The lines of two
    /// threads come in any order.
    pub(crate) fn given_back(&mut self, id: u128) {
        self.note(id, GIVEN_BACK);
    }

    /// Returns the number of jobs that were accepted and not given back.
    pub(crate) fn accepted_for_good(&self) -> u64 {
        let stay = |sides: &&u8| *sides & (ACCEPTED | GIVEN_BACK) == ACCEPTED;
        self.seen.values().filter(stay).count() as u64
    }

    /// A client was told of a job.
    pub(crate) fn answered(&mut self, id: u128) {
        self.note(id, ANSWERED);
    }

    fn note(&mut self, id: u128, side: u8) {
        if self.seen.len() >= MOST && !self.seen.contains_key(&id) {
            self.dropped += 1;
            return;
        }
        let sides = self.seen.entry(id).or_default();
        self.repeated += u64::from(*sides & side != 0);
        *sides |= side;
    }

    pub(crate) fn compare(&self) -> Sides {
        let mut compared = Sides::default();
        for sides in self.seen.values() {
            match *sides {
                ACCEPTED => compared.only_accepted += 1,
                sides if sides & ACCEPTED == 0 && sides & ANSWERED != 0 => compared.only_answered += 1,
                sides if sides & GIVEN_BACK != 0 => {}
                _ => compared.both += 1,
            }
        }
        compared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_matched_in_whichever_order_they_come() {
        let mut ids = Ids::default();
        ids.accepted(1);
        ids.answered(1);
        ids.answered(2);
        ids.accepted(2);
        ids.accepted(3);
        ids.answered(4);
        assert_eq!(ids.compare(), Sides { both: 2, only_accepted: 1, only_answered: 1 });
        assert_eq!(ids.repeated, 0);
        assert_eq!(ids.accepted_for_good(), 3);
        ids.given_back(3);
        ids.given_back(5);
        ids.accepted(5);
        assert_eq!(ids.compare(), Sides { both: 2, only_accepted: 0, only_answered: 1 });
        assert_eq!(ids.accepted_for_good(), 2);
    }

    #[test]
    fn an_id_that_is_used_twice_is_found_on_either_side() {
        let mut ids = Ids::default();
        ids.accepted(1);
        ids.accepted(1);
        ids.answered(1);
        ids.answered(1);
        assert_eq!(ids.repeated, 2);
    }
}
