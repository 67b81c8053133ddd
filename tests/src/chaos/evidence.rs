//! All that a run has brought to light, once it is over: what the assertions are made about.

use super::books::Books;
use super::distribution::Spread;
use super::effects::Comparison;
use super::followed::Events;
use super::hostile::Visits;
use super::ledger::Oddities;
use super::options::Options;
use super::scrapes::Scrapes;
use super::status::Pool;
use super::streams::Streams;
use super::subject::Sample;
use super::viewers::Views;
use super::watch::Probes;
use std::process::ExitStatus;
use std::time::Duration;

/// The observations of a run.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) options: Options,
    /// How long the faults lasted.
    pub(crate) lasted: Duration,
    pub(crate) kills: u64,
    pub(crate) worker_stops: u64,
    pub(crate) template_kills: u64,
    pub(crate) template_stops: u64,
    pub(crate) newborn_kills: u64,
    /// Those of them of which nobody knew.
    pub(crate) unknown_kills: u64,
    pub(crate) reloads: u64,
    pub(crate) server_stops: u64,
    /// Longest time without a processor for somebody who wanted nothing else.
    pub(crate) longest_starvation: Duration,
    pub(crate) books: Books,
    /// The log of side effects against the books.
    pub(crate) effects: Comparison,
    /// Of jobs that emit chunks; an error if nothing was told of them.
    pub(crate) streams: Result<Streams, String>,
    /// Of jobs whose events were read.
    pub(crate) events: Events,
    /// Of clients that mean no good.
    pub(crate) visits: Visits,
    /// Of viewers of the server's stream, and of its metrics.
    pub(crate) views: Views,
    pub(crate) scrapes: Scrapes,
    /// The fate of one more request when the others took all of the bytes.
    pub(crate) whole_budget: Result<Duration, String>,
    /// Lines of the server's log that were not written, each of which may have had a job's id.
    pub(crate) lost_lines: u64,
    /// The server's complaints.
    pub(crate) complaints: Oddities,
    /// From a kill until the pool has as many ready workers again.
    pub(crate) made_good: Spread,
    pub(crate) probes: Probes,
    /// Resident memory through the time of the faults, in bytes.
    pub(crate) memory: Vec<u64>,
    /// Before the load.
    pub(crate) before: Sample,
    pub(crate) quiet: Quiet,
    /// `None` if the server did not end.
    pub(crate) exit: Option<ExitStatus>,
    /// After its end.
    pub(crate) after: Sample,
}

/// The server when nobody asks anything of it.
#[derive(Debug)]
pub(crate) struct Quiet {
    /// `None` if the server did not tell.
    pub(crate) pools: Vec<Pool>,
    pub(crate) sample: Sample,
    /// Pools that did not come to rest.
    pub(crate) restless: Vec<String>,
}
