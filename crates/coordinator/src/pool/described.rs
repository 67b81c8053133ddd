//! The schemas of a job, as the workers of its pool describe them.

use super::raw::RawPool;
use procpool_protocol::engine::PoolSchemas;
use std::sync::Arc;

impl RawPool {
    /// Returns the schemas of the job's input and output, as a worker of the newest generation reports them.
    /// Returns `None` until a worker has reported them, if there are none, and in a fork.
    pub fn schemas(&self) -> Option<Arc<PoolSchemas>> {
        self.core().is_here().then(|| self.core().with(|state, _| state.schemas.known())).flatten()
    }

    /// Returns whether a worker was asked for the schemas and has not answered yet.
    pub fn awaits_schemas(&self) -> bool {
        let core = self.core();
        core.is_here() && core.with(|state, _| state.schemas.are_awaited())
    }
}
