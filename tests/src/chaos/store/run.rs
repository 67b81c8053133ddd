//! The state that all parts of a run share.

use super::super::clock::Clock;
use super::super::ledger::Oddities;
use super::super::options::Options;
use super::super::run::Shelf;
use super::book::Book;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::{Notify, watch};

/// A run on its way.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) options: Options,
    pub(super) clock: Clock,
    /// Where the server of the moment listens, while there is one.
    pub(super) server: watch::Sender<Option<SocketAddr>>,
    /// A client was told of a job, or of an outcome.
    pub(super) answered: Notify,
    /// Where jobs leave their side effects.
    pub(super) effects_file: String,
    pub(super) book: Shelf<Book>,
    pub(super) faults: Shelf<Faults>,
    /// The servers' complaints.
    pub(super) complaints: Shelf<Oddities>,
    /// Tells clients to end.
    pub(super) end: watch::Sender<bool>,
}

/// The faults that there were.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// SIGKILLs that reached a worker.
    pub(super) worker_kills: u64,
    /// SIGKILLs of a server that listened, and of one that was about to.
    pub(super) server_kills: u64,
    pub(super) early_kills: u64,
    pub(super) terminations: u64,
    pub(super) reloads: u64,
    /// Times from the start of a server until it listened.
    pub(super) starts: Vec<Duration>,
    /// Workers of a killed server that lived when the next one listened.
    pub(super) left: Oddities,
    /// Servers that did not end with 0 though they were told to.
    pub(super) bad_ends: Oddities,
}

impl Faults {
    /// Number of servers that were killed so far.
    pub(super) fn kills(&self) -> u64 {
        self.server_kills + self.early_kills
    }
}

impl Run {
    pub(super) fn new(options: Options, effects_file: String) -> Self {
        Self {
            options,
            clock: Clock::start(),
            server: watch::Sender::new(None),
            answered: Notify::new(),
            effects_file,
            book: Shelf::default(),
            faults: Shelf::default(),
            complaints: Shelf::default(),
            end: watch::Sender::new(false),
        }
    }
}
