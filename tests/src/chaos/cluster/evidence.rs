//! All that a run has brought to light: what the assertions are made about.

use super::super::effects::Comparison;
use super::super::ledger::Oddities;
use super::super::options::Options;
use super::super::store::book::Book;
use super::hosts::Told;
use super::nats::Stream;
use super::run::Faults;
use std::collections::BTreeMap;
use std::time::Duration;

/// The observations of a run.
#[derive(Debug)]
pub(super) struct Evidence {
    pub(super) options: Options,
    /// How long the faults lasted.
    pub(super) lasted: Duration,
    pub(super) book: Book,
    /// The jobs, by their places in the book, of which a front has said that they are cancelled.
    pub(super) cancelled: Vec<usize>,
    pub(super) faults: Faults,
    /// The side effects, compared with the book.
    pub(super) effects: Comparison,
    pub(super) streams: BTreeMap<String, Stream>,
    pub(super) nodes: Vec<Told>,
    /// Nodes that are not shown as they are, while the last ones run, and after their end.
    pub(super) misread: Vec<String>,
    pub(super) misread_at_end: Vec<String>,
    /// The processes of the quiet at the end.
    pub(super) sizes: Vec<Size>,
    /// Processes that live on after the end of all.
    pub(super) strays: Vec<u32>,
    pub(super) complaints: Oddities,
}

/// The size of a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) name: String,
    pub(super) descriptors: usize,
    /// Resident memory, in bytes.
    pub(super) memory: u64,
}
