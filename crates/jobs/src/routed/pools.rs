//! [`DurablePools`]: which pools are durable, as the configuration in effect says.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};

/// The names of the pools whose jobs are durable. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct DurablePools(Arc<RwLock<HashSet<Arc<str>>>>);

impl DurablePools {
    /// Returns these pools.
    pub fn new(names: impl IntoIterator<Item = impl Into<Arc<str>>>) -> Self {
        let pools = Self::default();
        pools.replace(names);
        pools
    }

    /// Replaces the pools. Jobs that exist stay where they are.
    pub fn replace(&self, names: impl IntoIterator<Item = impl Into<Arc<str>>>) {
        let names = names.into_iter().map(Into::into).collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = names;
    }

    /// Returns whether this pool is one of them.
    #[must_use]
    pub fn contains(&self, pool: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(pool)
    }
}
