//! The state that all parts of a run share.

use super::super::clock::Clock;
use super::super::ledger::Oddities;
use super::super::options::Options;
use super::super::run::Shelf;
use super::super::store::book::Book;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::watch;

/// A run on its way.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) options: Options,
    pub(super) clock: Clock,
    /// Where each front listens, while it runs.
    pub(super) fronts: watch::Sender<Vec<Option<SocketAddr>>>,
    /// Where jobs leave their side effects.
    pub(super) effects_file: String,
    pub(super) book: Shelf<Book>,
    /// The jobs, by their places in the book, of which a front has said that they are cancelled.
    pub(super) cancelled: Shelf<Vec<usize>>,
    pub(super) faults: Shelf<Faults>,
    /// The complaints of all processes.
    pub(super) complaints: Shelf<Oddities>,
    /// Tells clients to end.
    pub(super) end: watch::Sender<bool>,
}

/// The faults that there were.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    /// SIGKILLs that reached a worker.
    pub(super) worker_kills: u64,
    pub(super) node_kills: u64,
    /// SIGSTOPs of nodes, each for longer than a lease.
    pub(super) node_stops: u64,
    /// SIGTERMs of nodes.
    pub(super) drains: u64,
    pub(super) front_kills: u64,
    pub(super) nats_kills: u64,
    pub(super) nats_stops: u64,
    /// Number of times that a nats-server came back.
    pub(super) returns: u64,
    /// Times from the start of a process until it said that it runs.
    pub(super) starts: Vec<Duration>,
    /// Workers that lived on after their node was killed.
    pub(super) left: Oddities,
    /// Processes that did not end with 0 though they were told to.
    pub(super) bad_ends: Oddities,
    /// The nodes that are no longer.
    pub(super) ends: Vec<End>,
}

/// The end of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) name: String,
    /// SIGTERM, otherwise SIGKILL.
    pub(super) is_in_order: bool,
    /// Whether it may have ended before it could tell of itself.
    pub(super) is_unknown: bool,
    /// Whether a nats-server was away while it ended, so that its last word may be lost.
    pub(super) is_unheard: bool,
}

impl Faults {
    /// Number of times that a nats-server was away.
    pub(super) fn outages(&self) -> u64 {
        self.nats_kills + self.nats_stops
    }

    pub(super) fn is_nats_away(&self) -> bool {
        self.outages() > self.returns
    }
}

impl Run {
    pub(super) fn new(options: Options, effects_file: String, fronts: usize) -> Self {
        Self {
            options,
            clock: Clock::start(),
            fronts: watch::Sender::new(vec![None; fronts]),
            effects_file,
            book: Shelf::default(),
            cancelled: Shelf::default(),
            faults: Shelf::default(),
            complaints: Shelf::default(),
            end: watch::Sender::new(false),
        }
    }

    /// Tells clients where a front listens, or that it is gone.
    pub(super) fn tell(&self, front: usize, address: Option<SocketAddr>) {
        self.fronts.send_modify(|fronts| fronts[front] = address);
    }
}
