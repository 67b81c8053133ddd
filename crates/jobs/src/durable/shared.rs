//! [`Shared`]: what the store's thread and its callers share.

use super::health::Monitor;
use super::options::DurableOptions;
use crate::bells::Bells;
use crate::clock::Clock;
use procpool_protocol::engine::Engine;
use procpool_registry::Usage;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::runtime::Handle;

/// The state that the store's thread and its callers share.
pub(super) struct Shared {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) runtime: Handle,
    pub(super) bells: Arc<Bells>,
    pub(super) clock: Clock,
    pub(super) monitor: Monitor,
    options: RwLock<Arc<DurableOptions>>,
    usage: Mutex<(Usage, u64)>,
}

impl Shared {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        runtime: Handle,
        clock: Clock,
        options: DurableOptions,
    ) -> Self {
        Self {
            engine,
            runtime,
            bells: Arc::default(),
            clock,
            monitor: Monitor::new(),
            options: RwLock::new(Arc::new(options)),
            usage: Mutex::default(),
        }
    }

    pub(super) fn options(&self) -> Arc<DurableOptions> {
        self.options.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_options(&self, options: Arc<DurableOptions>) {
        *self.options.write().unwrap_or_else(PoisonError::into_inner) = options;
    }

    /// Returns what the registry held after the last commit, with the bytes of all events.
    pub(super) fn usage(&self) -> MutexGuard<'_, (Usage, u64)> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
