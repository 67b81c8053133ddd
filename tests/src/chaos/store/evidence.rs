//! All that a run has brought to light: what the assertions are made about.

use super::super::effects::Comparison;
use super::super::ledger::Oddities;
use super::super::options::Options;
use super::book::Book;
use super::run::Faults;
use super::settle::Listed;
use crate::program::Ended;
use std::time::Duration;

/// The observations of a run.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) options: Options,
    /// How long the faults lasted.
    pub(super) lasted: Duration,
    pub(super) book: Book,
    pub(super) faults: Faults,
    /// The side effects, compared with the book.
    pub(super) effects: Comparison,
    /// The list of the last server.
    pub(super) listed: Listed,
    pub(super) complaints: Oddities,
    /// The output of `procpool store check` and `procpool store stats` at the end.
    pub(super) checked: Ended,
    pub(super) stats: Ended,
}
