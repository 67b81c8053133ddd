//! The job of a pool, as its workers describe it: name, contract and schemas.

use super::raw::RawPool;
use procpool_process::Contract;
use procpool_protocol::engine::PoolSchemas;
use std::sync::Arc;

impl RawPool {
    /// Returns the name of the job that the workers serve, once the first has said hello or a caller has typed
    /// the pool.
    pub fn job(&self) -> Option<&str> {
        self.known_contract().map(|contract| contract.job.as_str())
    }

    /// Returns the contract that every worker has, once the first has said hello or a caller has typed the pool.
    pub fn known_contract(&self) -> Option<&Contract> {
        self.contract().get()
    }

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
