//! [`Contract`]: a caller's expectations of a worker, compared with the worker's hello.
//!
//! bincode does not describe itself, and workers are replaced independently. Without this comparison, a
//! mismatch would decode to garbage instead of failing the start.

use procpool_protocol::Job;
use procpool_protocol::handshake::Hello;

/// A job's name, version and schema hash.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contract {
    /// [`Job::NAME`].
    pub job: String,
    /// [`Job::VERSION`].
    pub version: u32,
    /// Hash of [`Job::schema`], if any; compared only if both sides have one.
    pub schema_hash: Option<String>,
}

/// The worker does not match the caller's expectations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected {}, found {}; build both sides from the same contract",
    describe(expected),
    describe(found)
)]
#[non_exhaustive]
pub struct ContractMismatch {
    /// The contract that the caller was built with.
    pub expected: Contract,
    /// The worker's contract.
    pub found: Contract,
}

impl Contract {
    /// Returns a contract without a schema.
    pub fn new(job: impl Into<String>, version: u32) -> Self {
        Self { job: job.into(), version, schema_hash: None }
    }

    /// Returns the contract of `J`.
    pub fn of<J: Job>() -> Self {
        Self {
            job: J::NAME.into(),
            version: J::VERSION,
            schema_hash: J::schema().map(|schema| schema.hash()),
        }
    }

    /// Returns the contract of a worker's hello.
    pub fn said_by(hello: &Hello) -> Self {
        Self { job: hello.job.clone(), version: hello.contract, schema_hash: hello.schema_hash.clone() }
    }

    /// Compares with a worker's contract.
    ///
    /// # Errors
    /// When name or version differ, or both have a schema hash and these differ.
    pub fn check(&self, found: &Self) -> Result<(), ContractMismatch> {
        let schemas_differ = matches!((&self.schema_hash, &found.schema_hash), (Some(a), Some(b)) if a != b);
        if self.job != found.job || self.version != found.version || schemas_differ {
            return Err(ContractMismatch { expected: self.clone(), found: found.clone() });
        }
        Ok(())
    }
}

fn describe(contract: &Contract) -> String {
    let schema = contract.schema_hash.as_deref().map(|hash| format!(" (schema {hash})")).unwrap_or_default();
    format!("job `{}` version {}{schema}", contract.job, contract.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(job: &str, version: u32, hash: Option<&str>) -> Contract {
        Contract { job: job.into(), version, schema_hash: hash.map(Into::into) }
    }

    #[test]
    fn name_version_and_known_schemas_must_agree() {
        let ours = contract("fib", 1, Some("aa"));
        assert!(ours.check(&contract("fib", 1, Some("aa"))).is_ok());
        assert!(ours.check(&contract("fib", 1, None)).is_ok());
        assert!(ours.check(&contract("fib", 2, Some("aa"))).is_err());
        assert!(ours.check(&contract("fib", 1, Some("bb"))).is_err());
        let error = ours.check(&contract("ping", 1, None)).unwrap_err().to_string();
        assert!(
            error.starts_with("expected job `fib` version 1 (schema aa), found job `ping` version 1;"),
            "{error}"
        );
    }
}
