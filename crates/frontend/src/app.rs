//! The state that the routes share: the engine behind its two traits, the limits, the health.

use crate::access::{Sessions, Tokens};
use crate::board::Board;
use crate::budget::Budget;
use crate::config::HttpConfig;
use crate::event_streams::EventStreams;
use crate::health::Health;
use crate::live::Live;
use crate::metrics::{Traffic, Usages};
use crate::openapi::Documents;
use crate::origin::OriginRule;
use crate::owner::Owners;
use crate::tls::Tls;
use procpool_jobs::{Jobs, LocalJobs, Schedules};
use procpool_memory::buffers::Buffers;
use procpool_protocol::engine::{Admin, Engine};
use std::fmt;
use std::sync::Arc;

/// A frontend that is not listening yet: an engine with limits and a health handle.
#[derive(Clone)]
pub struct App {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) admin: Arc<dyn Admin>,
    pub(crate) config: Arc<HttpConfig>,
    pub(crate) health: Health,
    pub(crate) jobs: Arc<dyn Jobs>,
    pub(crate) schedules: Option<Schedules>,
    pub(crate) tokens: Option<Tokens>,
    pub(crate) tls: Option<Tls>,
    bounds: Bounds,
}

/// The bounds that all listeners have together.
#[derive(Clone)]
struct Bounds {
    /// Bytes of request bodies, held until their jobs release them.
    bodies: Arc<Budget>,
    /// Bytes of answers, held until clients take them.
    answers: Arc<Budget>,
    /// Streams of jobs' events.
    event_streams: EventStreams,
    /// Answers that are sent while jobs run.
    live: Arc<Live>,
    /// Counters of requests.
    traffic: Arc<Traffic>,
    /// The memory and processor time of workers at the last scrape.
    usages: Arc<Usages>,
    /// The view of all pools for those who watch.
    board: Board,
    /// Those of people who use the page.
    sessions: Arc<Sessions>,
}

impl App {
    /// Creates a frontend of `engine`. The owner of a clone of `health` tells `/readyz` when to say yes.
    ///
    /// # Panics
    /// When [`HttpConfig::jobs`] contradicts itself.
    pub fn new<E: Engine + Admin>(engine: Arc<E>, config: HttpConfig, health: Health) -> Self {
        let jobs = LocalJobs::new(engine.clone(), config.jobs);
        let jobs = jobs.unwrap_or_else(|error| panic!("HttpConfig::jobs: {error}"));
        let bounds = Bounds {
            bodies: Budget::new(config.max_bodies.max(config.max_body as u64)),
            answers: Budget::new(config.max_answers),
            event_streams: EventStreams::new(config.max_event_streams),
            live: Live::new(config.max_live_answers),
            traffic: Traffic::new(config.access_log),
            usages: Arc::default(),
            board: Board::new(engine.clone(), health.clone()),
            sessions: Arc::default(),
        };
        let (jobs, config) = (Arc::new(jobs), Arc::new(config));
        let (schedules, tokens, tls) = (None, None, None);
        Self { engine: engine.clone(), admin: engine, config, health, jobs, schedules, tokens, tls, bounds }
    }

    /// Remembers jobs elsewhere than in memory.
    #[must_use]
    pub fn with_jobs(self, jobs: Arc<dyn Jobs>) -> Self {
        Self { jobs, ..self }
    }

    /// Shows these schedules, and lets operators run them.
    #[must_use]
    pub fn with_schedules(self, schedules: Schedules) -> Self {
        Self { schedules: Some(schedules), ..self }
    }

    /// Asks every client for one of these tokens, but for probes. The processes of
    /// [`HttpConfig::orders_of`] need none.
    #[must_use]
    pub fn with_tokens(self, tokens: Tokens) -> Self {
        Self { tokens: Some(tokens), ..self }
    }

    /// Speaks TLS on TCP connections. [`run_unix`](crate::run_unix) and [`run_orders`](crate::run_orders) do not.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// Returns the state for the handlers, once it is known where they are reached.
    pub(crate) fn shared(&self, origin: OriginRule) -> Arc<Shared> {
        let Bounds { bodies, answers, event_streams, live, traffic, usages, board, sessions } =
            self.bounds.clone();
        Arc::new(Shared {
            app: self.clone(),
            origin,
            bodies,
            answers,
            event_streams,
            live,
            traffic,
            usages,
            board,
            sessions,
            owners: Owners::default(),
            buffers: Buffers::default(),
            documents: Documents::default(),
        })
    }
}

impl fmt::Debug for App {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("App")
            .field("config", &self.config)
            .field("health", &self.health)
            .finish_non_exhaustive()
    }
}

/// The state of every handler.
pub(crate) struct Shared {
    pub(crate) app: App,
    pub(crate) origin: OriginRule,
    /// Bytes of request bodies, held until their jobs release them.
    pub(crate) bodies: Arc<Budget>,
    /// Bytes of answers, held until clients take them.
    pub(crate) answers: Arc<Budget>,
    /// Streams of jobs' events.
    pub(crate) event_streams: EventStreams,
    /// Answers that are sent while jobs run.
    pub(crate) live: Arc<Live>,
    /// Counters of requests.
    pub(crate) traffic: Arc<Traffic>,
    /// The memory and processor time of workers at the last scrape.
    pub(crate) usages: Arc<Usages>,
    /// The view of all pools for those who watch.
    pub(crate) board: Board,
    /// Those of people who use the page.
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) owners: Owners,
    /// Memory of large inputs, which is used again.
    pub(crate) buffers: Buffers,
    /// The descriptions of routes and pools.
    pub(crate) documents: Documents,
}
