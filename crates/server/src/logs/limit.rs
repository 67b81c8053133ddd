//! The layer that keeps a source of log lines within its budget, before a line is formatted. The rules are those of `budgets`.

use super::budgets::{Budgets, LeftOut, Pass, Source};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The budgets of all sources, between the threads that log and the one that writes.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits(Arc<Mutex<Budgets>>);

impl Limits {
    /// Returns the time until the next notice about lines that were left out, or `None` if no line was.
    pub(super) fn due_in(&self) -> Option<Duration> {
        self.budgets().due_in(Instant::now())
    }

    /// Returns the notices that are due by now.
    pub(super) fn due(&self) -> Vec<LeftOut> {
        self.budgets().due(Instant::now())
    }

    /// Returns all notices that were not written yet.
    pub(super) fn rest(&self) -> Vec<LeftOut> {
        self.budgets().rest()
    }

    fn budgets(&self) -> MutexGuard<'_, Budgets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// See the module.
pub(super) struct Limit<F> {
    pub(super) limits: Limits,
    /// Called when a source first has something left out, so that somebody tells of it in time.
    pub(super) begins: F,
}

impl<S: Subscriber, F: Fn() + 'static> Layer<S> for Limit<F> {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        let source = Source { target: metadata.target(), level: *metadata.level() };
        let pass = self.limits.budgets().take(source, Instant::now());
        if pass == Pass::FirstLeftOut {
            (self.begins)();
        }
        pass == Pass::Written
    }
}
