//! The clients' ledger: what was sent to each pool and what came of it, in constant memory, to be compared with
//! what the server has counted.

use super::outcome::Outcome;
use super::scenario::PLANS;
use std::collections::BTreeMap;

/// Jobs by outcome.
pub(crate) type Counts = BTreeMap<Outcome, u64>;

/// The counts of one pool's clients.
#[derive(Clone, Debug, Default)]
pub(crate) struct Book {
    pub(crate) sent: u64,
    pub(crate) answered: Counts,
    /// The client closed its connection before an answer.
    pub(crate) hung_up: u64,
    /// No answer came though the client waited, or what came was none.
    pub(crate) unanswered: u64,
}

/// The surplus of one pool's counts over its clients': the jobs of those who hung up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Untold {
    pub(crate) accepted: u64,
    pub(crate) refused: u64,
}

impl Book {
    /// Answers so far, of whatever kind.
    pub(crate) fn answers(&self) -> u64 {
        self.answered.values().sum()
    }

    /// Compares with the server's own counts, outcome by outcome.
    ///
    /// # Errors
    /// The differences, as a sentence.
    pub(crate) fn reconcile(&self, server: &Counts) -> Result<Untold, String> {
        if self.sent != self.answers() + self.hung_up + self.unanswered {
            return Err(format!("the client lost count: {self:?}"));
        }
        let mut untold = Untold::default();
        for outcome in self.answered.keys().chain(server.keys()).collect::<std::collections::BTreeSet<_>>() {
            let told = self.answered.get(outcome).copied().unwrap_or(0);
            let counted = server.get(outcome).copied().unwrap_or(0);
            let more = counted.checked_sub(told).ok_or_else(|| {
                format!("{told} clients were told {}, {counted} jobs are counted so", outcome.name())
            })?;
            match outcome {
                Outcome::Refused => untold.refused += more,
                _ => untold.accepted += more,
            }
        }
        let silent = self.hung_up + self.unanswered;
        match untold.accepted + untold.refused {
            more if more > silent => {
                Err(format!("{more} jobs are counted beyond the answers, but {silent} clients got none"))
            }
            _ => Ok(untold),
        }
    }
}

/// Every pool's book, and what should not be at all.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// In the order of the plans.
    pub(crate) books: Vec<Book>,
    /// Right status, wrong output.
    pub(crate) wrong: Oddities,
    /// Outcomes that a job of that kind cannot have, and answers that are none.
    pub(crate) strange: Oddities,
}

impl Default for Ledger {
    fn default() -> Self {
        let books = PLANS.iter().map(|_| Book::default()).collect();
        Self { books, wrong: Oddities::default(), strange: Oddities::default() }
    }
}

impl Ledger {
    /// Sum over all pools.
    pub(crate) fn total(&self) -> Book {
        let mut total = Book::default();
        for book in &self.books {
            total.sent += book.sent;
            total.hung_up += book.hung_up;
            total.unanswered += book.unanswered;
            for (outcome, count) in &book.answered {
                *total.answered.entry(*outcome).or_default() += count;
            }
        }
        total
    }
}

/// Things that should not be: all are counted, the first ones are kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oddities {
    pub(crate) count: u64,
    pub(crate) first: Vec<String>,
}

impl Oddities {
    const KEPT: usize = 8;

    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        self.count += 1;
        if self.first.len() < Self::KEPT {
            self.first.push(what());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(of: &[(Outcome, u64)]) -> Counts {
        of.iter().copied().collect()
    }

    fn book(answered: &[(Outcome, u64)], hung_up: u64) -> Book {
        let answered = counts(answered);
        Book { sent: answered.values().sum::<u64>() + hung_up, answered, hung_up, unanswered: 0 }
    }

    #[test]
    fn equal_ledgers_leave_nothing_untold() {
        let both = [(Outcome::Ok, 5), (Outcome::Crashed, 2), (Outcome::Refused, 1)];
        assert_eq!(book(&both, 0).reconcile(&counts(&both)), Ok(Untold::default()));
    }

    #[test]
    fn who_hung_up_explains_what_is_counted_more() {
        let book = book(&[(Outcome::Ok, 5)], 4);
        let server = counts(&[(Outcome::Ok, 6), (Outcome::Cancelled, 1), (Outcome::Refused, 1)]);
        assert_eq!(book.reconcile(&server), Ok(Untold { accepted: 2, refused: 1 }));
    }

    #[test]
    fn a_job_that_nobody_sent_is_found() {
        let book = book(&[(Outcome::Ok, 5)], 1);
        assert!(book.reconcile(&counts(&[(Outcome::Ok, 6), (Outcome::Crashed, 1)])).is_err());
    }

    #[test]
    fn an_answer_that_is_not_counted_is_found() {
        let book = book(&[(Outcome::Ok, 5), (Outcome::Crashed, 1)], 9);
        let error = book.reconcile(&counts(&[(Outcome::Ok, 6)])).unwrap_err();
        assert_eq!(error, "1 clients were told crashed, 0 jobs are counted so");
    }

    #[test]
    fn a_client_that_lost_count_is_found() {
        let book = Book { sent: 7, ..book(&[(Outcome::Ok, 5)], 1) };
        assert!(book.reconcile(&counts(&[(Outcome::Ok, 5)])).unwrap_err().contains("lost count"));
    }

    #[test]
    fn oddities_are_all_counted_and_few_are_kept() {
        let mut oddities = Oddities::default();
        (0..100).for_each(|number| oddities.note(|| number.to_string()));
        assert_eq!((oddities.count, oddities.first.len()), (100, Oddities::KEPT));
    }
}
