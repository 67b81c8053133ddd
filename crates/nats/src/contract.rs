//! [`Contract`]: what the workers of a pool take and return, and what a node does where that of the pool is another. Pure.
//!
//! bincode does not describe itself, and hosts are upgraded one by one. So a pool of a cluster has one contract at a time:
//! that of its first node. A node with another one stays apart until no live node has the old one.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The job that workers serve: its name, its version, and the hash of its schemas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Contract {
    /// The name of the job.
    pub job: String,
    /// Its version.
    pub version: u32,
    /// The hash of its schemas, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_hash: Option<String>,
}

impl Contract {
    /// Returns a contract.
    pub fn new(job: impl Into<String>, version: u32, schema_hash: Option<String>) -> Self {
        Self { job: job.into(), version, schema_hash }
    }

    /// Returns whether workers of both may run the same jobs: name and version are equal, and so are the hashes where both
    /// have one.
    #[must_use]
    pub fn fits(&self, other: &Self) -> bool {
        let hashes = (&self.schema_hash, &other.schema_hash);
        let same_schemas = !matches!(hashes, (Some(one), Some(two)) if one != two);
        self.job == other.job && self.version == other.version && same_schemas
    }
}

impl fmt::Display for Contract {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "job `{}` version {}", self.job, self.version)?;
        match &self.schema_hash {
            Some(hash) => write!(out, " (schema {hash})"),
            None => Ok(()),
        }
    }
}

/// The contract of a pool, as the cluster holds it. Each version is written by compare-and-set on the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PoolContract {
    pub(crate) contract: Contract,
    /// Grows with each version, so that an old copy is not taken for a new one.
    pub(crate) turn: u64,
}

/// The next step of a node after a look at the contract of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It has joined, and stays.
    Stay,
    /// It writes this over what it has found. If that succeeds, it has joined.
    ///
    /// Also where the contract is the same: who is about to replace it looks for live nodes first, and fails if one has
    /// joined since.
    Write(PoolContract),
    /// The pool has this contract. The node stays apart while a live node has it, and writes the other part else.
    Contest(Contract, PoolContract),
}

/// Decides about a pool of which a node has workers of the contract `mine`.
pub(crate) fn decide(found: Option<&PoolContract>, mine: &Contract, is_member: bool) -> Step {
    let Some(PoolContract { contract, turn }) = found else {
        return Step::Write(PoolContract { contract: mine.clone(), turn: 1 });
    };
    let mut next = PoolContract { contract: mine.clone(), turn: turn + 1 };
    match contract.fits(mine) {
        true if is_member => Step::Stay,
        true => {
            next.contract.schema_hash = next.contract.schema_hash.or_else(|| contract.schema_hash.clone());
            Step::Write(next)
        }
        false => Step::Contest(contract.clone(), next),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(version: u32, hash: Option<&str>) -> Contract {
        Contract::new("fib", version, hash.map(Into::into))
    }

    #[test]
    fn name_version_and_known_schemas_have_to_be_equal() {
        let ours = contract(1, Some("aa"));
        assert!(ours.fits(&contract(1, Some("aa"))) && ours.fits(&contract(1, None)));
        for other in [contract(2, Some("aa")), contract(1, Some("bb")), Contract::new("ping", 1, None)] {
            assert!(!ours.fits(&other) && !other.fits(&ours), "{other}");
        }
        assert_eq!(ours.to_string(), "job `fib` version 1 (schema aa)");
    }

    #[test]
    fn the_first_node_sets_the_contract_and_every_further_one_joins_by_a_new_version() {
        let mine = contract(1, None);
        let first = PoolContract { contract: mine.clone(), turn: 1 };
        assert_eq!(decide(None, &mine, false), Step::Write(first.clone()));
        let Step::Write(second) = decide(Some(&first), &contract(1, Some("aa")), false) else { panic!() };
        assert_eq!(second, PoolContract { contract: contract(1, Some("aa")), turn: 2 });
        // A node that does not know the hash leaves it.
        let third = PoolContract { turn: 3, ..second.clone() };
        assert_eq!(decide(Some(&second), &mine, false), Step::Write(third));
        assert_eq!(decide(Some(&second), &mine, true), Step::Stay);
    }

    #[test]
    fn another_contract_is_contested_also_by_a_node_that_had_joined() {
        let (found, mine) = (PoolContract { contract: contract(1, None), turn: 4 }, contract(2, None));
        let next = PoolContract { contract: mine.clone(), turn: 5 };
        for is_member in [false, true] {
            let contest = Step::Contest(contract(1, None), next.clone());
            assert_eq!(decide(Some(&found), &mine, is_member), contest);
        }
    }
}
