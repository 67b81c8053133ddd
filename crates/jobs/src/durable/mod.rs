//! [`DurableJobs`]: jobs that survive this process, around the engine that runs them and over any
//! [`Durable`] storage.
//!
//! One thread owns the registry and its storage. It applies all operations that wait, commits them once, and only then
//! tells anybody or hands a job to a pool. A large group becomes durable while the next one is prepared, and a task tells it.

mod core;
mod group;
mod health;
mod ids;
mod interface;
mod lanes;
mod op;
mod options;
mod outcome;
mod performer;
mod queue;
mod runner;
mod shared;
mod thread;
mod view;

use self::core::Core;
pub use self::health::Health;
pub use self::ids::ordered;
use self::op::{Op, Tell};
pub use self::options::{DurableOptions, PoolOptions, Retry};
pub use self::outcome::is_retried;
use self::performer::Acts;
use self::queue::{NotTaken, OpQueue};
use self::shared::Shared;
use self::view::{Read, View};
use crate::clock::Clock;
use procpool_protocol::JobError;
use procpool_protocol::engine::Engine;
use procpool_protocol::outcome::{Refusal, Refused};
use procpool_registry::{CommitError, Durable, Query, Registry, Settings, SettingsError, Time};
use std::fmt;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Jobs that survive this process, of the pools that are durable. Clones share them.
#[derive(Clone)]
pub struct DurableJobs(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    queue: Arc<OpQueue>,
}

/// The store cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The settings do not fit together.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The decisions about jobs of an earlier process could not be written.
    #[error(transparent)]
    Recovery(#[from] CommitError),
    /// The caller is on no tokio runtime.
    #[error("the store of jobs needs a tokio runtime; open it inside one")]
    NoRuntime,
    /// The thread cannot be started.
    #[error("failed to start the thread of the store of jobs: {reason}")]
    #[non_exhaustive]
    Thread {
        /// The error of the system.
        reason: String,
    },
}

impl DurableJobs {
    /// Returns the jobs of this storage, and begins to hand out those that wait. `settings` bound the records on disk:
    /// [`Settings::on_disk`] are the usual ones.
    ///
    /// Before it returns, every job that a worker of an earlier process had is decided: it waits again if it may be
    /// repeated, or has crashed. Blocks for that.
    ///
    /// # Errors
    /// When the settings do not fit together, a decision cannot be written, or the caller is on no tokio runtime.
    pub fn open(
        engine: Arc<dyn Engine>,
        settings: Settings,
        storage: impl Durable + Send + 'static,
        options: DurableOptions,
    ) -> Result<Self, OpenError> {
        let runtime = Handle::try_current().map_err(|_| OpenError::NoRuntime)?;
        let clock = Clock::not_before(newest(&storage));
        let shared = Arc::new(Shared::new(engine, runtime, clock, options));
        let queue = Arc::<OpQueue>::default();
        let registry = Registry::durable(storage, settings, rand::random())?;
        let acts = Acts::start(shared.clone(), queue.clone());
        let mut core = Core::new(registry, shared.clone(), queue.clone(), acts);
        core.recover()?;
        let thread = std::thread::Builder::new().name("procpool-store".into());
        thread.spawn(move || core.run()).map_err(|error| OpenError::Thread { reason: error.to_string() })?;
        Ok(Self(Arc::new(Inner { shared, queue })))
    }

    /// Takes other pools, after a reload of the configuration. Waiting jobs of a pool that is gone wait until it is back.
    pub fn set_pools(&self, options: DurableOptions) {
        let options = Arc::new(options);
        self.0.shared.set_options(options.clone());
        self.0.queue.push(Op::Pools(options));
    }

    /// Hands out no further job, and waits until pools have none. Waiting jobs stay in the storage. Ends early once the
    /// store is broken or closed.
    pub async fn drain(&self) {
        self.ask(Op::Drain).await;
    }

    /// Ends the store's thread, and closes the storage. Runs that have not ended are cancelled, and decided at the next
    /// start. The store refuses everything from now on.
    pub async fn close(&self) {
        self.ask(Op::Close).await;
    }

    /// Returns whether the store takes jobs.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.shared.monitor.health()
    }

    /// Is ready once a write has failed. The process has to end: only the next one can read what has become durable.
    pub async fn broken(&self) -> CommitError {
        self.0.shared.monitor.broken().await
    }

    /// Returns a note that somebody keeps beside the jobs.
    pub async fn note(&self, name: impl Into<String>) -> Option<Vec<u8>> {
        let name = name.into();
        self.read(move |view, _| view.note(&name)).await.flatten()
    }

    /// Keeps a note beside the jobs, or removes it. Is ready once that is durable. To write one together with a job, use
    /// [`Order::note`](crate::Order::note).
    ///
    /// # Errors
    /// When there is no space, or the store is busy or broken.
    pub async fn put_note(&self, name: impl Into<String>, note: Option<Vec<u8>>) -> Result<(), JobError> {
        let (tell, told) = oneshot::channel();
        let name = name.into();
        self.offer("", Op::Note(name, note, tell))?;
        told.await.unwrap_or_else(|_| Err(self.closed("")))
    }

    /// Offers an operation of a client of this pool.
    fn offer(&self, pool: &str, op: Op) -> Result<(), JobError> {
        self.0.queue.offer(op).map_err(|not_taken| match not_taken {
            NotTaken::Busy(waiting) => Refused::new(pool, Refusal::store_busy(waiting)).into(),
            NotTaken::Closed => self.closed(pool),
        })
    }

    /// Returns why nothing is answered any longer.
    fn closed(&self, pool: &str) -> JobError {
        let reason = match self.health() {
            Health::Broken(cause) => Refusal::store_broken(cause),
            _ => Refusal::ShuttingDown,
        };
        Refused::new(pool, reason).into()
    }

    /// Asks the store's thread. Returns `None` if it has ended, or is broken.
    async fn ask<T>(&self, op: impl FnOnce(Tell<T>) -> Op) -> Option<T> {
        let (tell, told) = oneshot::channel();
        if !self.0.queue.push_when_room(op(tell)).await {
            return None;
        }
        told.await.ok()
    }

    /// Reads from the registry, and returns what was read once it is durable.
    async fn read<T: Send + 'static>(
        &self,
        look: impl FnOnce(&dyn View, Time) -> T + Send + 'static,
    ) -> Option<T> {
        let read = |tell: Tell<T>| -> Read {
            Box::new(move |view, now| {
                let seen = look(view, now);
                Box::new(move || drop(tell.send(seen)))
            })
        };
        self.ask(|tell| Op::Read(read(tell))).await
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl fmt::Debug for DurableJobs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("DurableJobs").field("health", &self.health()).finish_non_exhaustive()
    }
}

/// Returns when the newest job was accepted: time goes on from there, even if the clock was set back.
fn newest(storage: &impl Durable) -> Time {
    let query = Query { pools: None, classes: None, below: u64::MAX, since: Time::ZERO, limit: 1 };
    storage.page(&query).first().map_or(Time::ZERO, |record| record.accepted)
}
