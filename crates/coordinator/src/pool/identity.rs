//! The identity of a pool's workers, as others may compare it.

use super::RawPool;
use procpool_process::Contract;

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
}
