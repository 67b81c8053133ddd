//! The server's status of its pools, as far as a run needs it.

use super::client::Client;
use super::ledger::Counts;
use super::outcome::Outcome;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io;

/// A pool at one moment.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Pool {
    pub(crate) name: String,
    pub(crate) queued: u64,
    pub(crate) running: u64,
    pub(crate) deaths: u64,
    /// The make of the executable that serves, and whether all workers are of it.
    pub(crate) generation: u64,
    pub(crate) reloading: bool,
    #[serde(default)]
    pub(crate) breaker_open: bool,
    /// Bytes of inputs that wait, and of outputs that nobody has taken.
    #[serde(default)]
    pub(crate) queued_bytes: u64,
    #[serde(default)]
    pub(crate) output_bytes: u64,
    jobs: BTreeMap<String, u64>,
    workers: BTreeMap<String, u64>,
}

#[derive(Deserialize)]
struct Pools {
    pools: Vec<Pool>,
}

/// Returns all pools, by name.
pub(crate) async fn pools(client: &mut Client) -> io::Result<Vec<Pool>> {
    let answer = client.get("/v1/pools").await?;
    let pools: Pools = serde_json::from_slice(&answer.body)?;
    Ok(pools.pools)
}

/// Returns one pool.
pub(crate) async fn pool(client: &mut Client, name: &str) -> io::Result<Pool> {
    let answer = client.get(&format!("/v1/pools/{name}")).await?;
    Ok(serde_json::from_slice(&answer.body)?)
}

impl Pool {
    /// Jobs by outcome, those that were refused among them.
    ///
    /// # Errors
    /// Names an outcome that is not known here.
    pub(crate) fn counts(&self) -> Result<Counts, String> {
        // Answers that came too late are no jobs of their own. An outcome that has not occurred is listed all the same.
        let jobs = self.jobs.iter().filter(|&(name, &count)| count > 0 && name != "late");
        jobs.map(|(name, &count)| match Outcome::named(name) {
            Some(outcome) => Ok((outcome, count)),
            None => Err(format!("the pool {} counts `{name}`, which is no outcome", self.name)),
        })
        .collect()
    }

    /// Jobs that have this outcome.
    pub(crate) fn count(&self, outcome: Outcome) -> u64 {
        self.jobs.get(outcome.name()).copied().unwrap_or(0)
    }

    /// Jobs that were accepted and have any.
    pub(crate) fn outcomes(&self) -> u64 {
        let accepted = |name: &str| !["refused", "late"].contains(&name);
        self.jobs.iter().filter(|(name, _)| accepted(name)).map(|(_, count)| count).sum()
    }

    /// Returns whether nothing waits or runs, and this number of workers are idle and none is anything else.
    pub(crate) fn is_at_rest(&self, workers: usize) -> bool {
        let (idle, all) = (self.idle(), self.all_workers());
        self.queued + self.running == 0 && idle == workers as u64 && all == idle
    }

    /// Workers that wait for a job.
    pub(crate) fn idle(&self) -> u64 {
        self.workers.get("idle").copied().unwrap_or(0)
    }

    /// Workers in whatever state.
    pub(crate) fn all_workers(&self) -> u64 {
        self.workers.values().sum()
    }

    /// Workers that are ready.
    pub(crate) fn ready(&self) -> u64 {
        ["idle", "busy"].iter().filter_map(|state| self.workers.get(*state)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(text: &str) -> Pool {
        serde_json::from_str(text).unwrap()
    }

    const BUSY: &str = r#"{"name":"p","queued":1,"running":1,"deaths":3,"generation":0,"reloading":false,
        "jobs":{"ok":5,"crashed":2,"refused":4,"late":1,"broke":0},"workers":{"idle":1,"busy":1,"starting":0}}"#;

    #[test]
    fn jobs_are_counted_by_outcome_and_what_came_late_is_none() {
        let counts = pool(BUSY).counts().unwrap();
        let expected = [(Outcome::Ok, 5), (Outcome::Crashed, 2), (Outcome::Refused, 4)];
        assert_eq!(counts, Counts::from(expected));
        assert_eq!(pool(BUSY).outcomes(), 7);
    }

    #[test]
    fn an_outcome_that_is_new_is_named() {
        let error = pool(&BUSY.replace("late", "shiny")).counts().unwrap_err();
        assert!(error.contains("`shiny`"), "{error}");
    }

    #[test]
    fn a_pool_rests_when_all_its_workers_do() {
        let resting = BUSY
            .replace("\"busy\":1", "\"busy\":0")
            .replace("\"queued\":1,\"running\":1", "\"queued\":0,\"running\":0");
        assert!(pool(&resting).is_at_rest(1));
        assert!(!pool(&resting).is_at_rest(2));
        assert!(!pool(BUSY).is_at_rest(1) && !pool(BUSY).is_at_rest(2));
        assert_eq!(pool(BUSY).ready(), 2);
    }
}
