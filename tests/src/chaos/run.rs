//! The state that all parts of a run share.

use super::books::Books;
use super::clock::Clock;
use super::followed::Events;
use super::hostile::Visits;
use super::ledger::Oddities;
use super::options::Options;
use super::pauses::Pauses;
use super::recovery::Recovery;
use super::scrapes::Scrapes;
use super::viewers::Views;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// A run on its way.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) options: Options,
    pub(crate) clock: Clock,
    /// Where the server listens.
    pub(crate) server: SocketAddr,
    /// Where jobs leave their side effects.
    pub(crate) effects_file: String,
    /// Whether workers are being killed.
    pub(crate) is_stormy: AtomicBool,
    /// SIGKILLs that reached a process.
    pub(crate) kills: AtomicU64,
    /// SIGSTOPs that reached a worker.
    pub(crate) worker_stops: AtomicU64,
    /// SIGKILLs that reached a template, other than those that hit any process.
    pub(crate) template_kills: AtomicU64,
    /// SIGSTOPs that reached a template.
    pub(crate) template_stops: AtomicU64,
    /// SIGKILLs that reached a worker at its birth, and those of them that came before its coordinator knew it.
    pub(crate) newborn_kills: AtomicU64,
    pub(crate) unknown_kills: AtomicU64,
    /// Reloads of all pools that were asked for.
    pub(crate) reloads: AtomicU64,
    pub(crate) books: Shelf<Books>,
    pub(crate) recovery: Shelf<Recovery>,
    /// Of jobs whose events were read.
    pub(crate) events: Shelf<Events>,
    /// Of clients that mean no good.
    pub(crate) visits: Shelf<Visits>,
    /// Of viewers of the server's stream, and of its metrics.
    pub(crate) views: Shelf<Views>,
    pub(crate) scrapes: Shelf<Scrapes>,
    /// When the server was stopped.
    pub(crate) stops: Shelf<Pauses>,
    /// When nobody was given a processor.
    pub(crate) starvation: Shelf<Pauses>,
    /// The server's complaints.
    pub(crate) complaints: Shelf<Oddities>,
    /// Lines of log that were not written.
    pub(crate) lost_lines: AtomicU64,
    /// Tells clients to end.
    pub(crate) end: watch::Sender<bool>,
    /// Tells viewers to leave.
    pub(crate) leave: watch::Sender<bool>,
}

impl Run {
    pub(crate) fn new(options: Options, server: SocketAddr, effects_file: String) -> Self {
        Self {
            options,
            clock: Clock::start(),
            server,
            effects_file,
            is_stormy: AtomicBool::default(),
            kills: AtomicU64::default(),
            worker_stops: AtomicU64::default(),
            template_kills: AtomicU64::default(),
            template_stops: AtomicU64::default(),
            newborn_kills: AtomicU64::default(),
            unknown_kills: AtomicU64::default(),
            reloads: AtomicU64::default(),
            books: Shelf::default(),
            recovery: Shelf::default(),
            events: Shelf::default(),
            visits: Shelf::default(),
            views: Shelf::default(),
            scrapes: Shelf::default(),
            stops: Shelf::default(),
            starvation: Shelf::default(),
            complaints: Shelf::default(),
            lost_lines: AtomicU64::default(),
            end: watch::Sender::new(false),
            leave: watch::Sender::new(false),
        }
    }
}

/// A mutex of which nobody minds that somebody else panicked: what failed is told anyway.
#[derive(Debug, Default)]
pub(crate) struct Shelf<T>(Mutex<T>);

impl<T> Shelf<T> {
    pub(crate) fn open(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
