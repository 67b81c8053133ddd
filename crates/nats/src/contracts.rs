//! [`PoolContracts`]: the contracts of all pools, as a front writes them into the jobs that it accepts.

use crate::cluster::{Cluster, ClusterError};
use crate::contract::{Contract, PoolContract};
use crate::link::LinkError;
use crate::subjects::PoolNames;
use futures_util::StreamExt;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// The contracts of the pools. A change is known once its message has come, or with the next look.
#[derive(Debug)]
pub(crate) struct PoolContracts {
    known: Arc<Known>,
    following: JoinHandle<()>,
}

/// The newest contract of each subject.
#[derive(Debug, Default)]
struct Known(Mutex<HashMap<String, PoolContract>>);

impl Known {
    fn hear(&self, subject: String, said: PoolContract) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_newer = known.get(&subject).is_none_or(|old| old.turn < said.turn);
        if is_newer {
            known.insert(subject, said);
        }
    }
}

impl PoolContracts {
    /// Reads the contracts, and follows their changes.
    ///
    /// # Errors
    /// When the server does not answer.
    pub(crate) async fn follow(cluster: &Cluster) -> Result<Self, ClusterError> {
        let (subject, patience) = (cluster.0.namespace.all_contracts(), cluster.0.settings.patience);
        let subscribed = timeout(patience, cluster.0.link.client.subscribe(subject)).await;
        let Ok(Ok(mut changes)) = subscribed else { return Err(LinkError::NoAnswer(patience).into()) };
        let known = Arc::<Known>::default();
        look(cluster, &known).await?;
        let (hears, cluster) = (known.clone(), cluster.clone());
        let following = tokio::spawn(async move {
            loop {
                tokio::select! {
                    Some(change) = changes.next() => {
                        if let Ok(said) = serde_json::from_slice(&change.payload) {
                            hears.hear(change.subject.to_string(), said);
                        }
                    }
                    // The server sends no message twice, and none to a client that is away.
                    () = sleep(cluster.0.settings.timings.renew) => {
                        if let Err(error) = look(&cluster, &hears).await {
                            tracing::debug!(%error, "cannot read the contracts of the pools");
                        }
                    }
                }
            }
        });
        Ok(Self { known, following })
    }

    /// Returns the contract of a pool, if a node has set one.
    pub(crate) fn of(&self, names: &PoolNames) -> Option<Contract> {
        let known = self.known.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&names.contract()).map(|it| it.contract.clone())
    }
}

impl Drop for PoolContracts {
    fn drop(&mut self) {
        self.following.abort();
    }
}

async fn look(cluster: &Cluster, known: &Known) -> Result<(), LinkError> {
    for (pool, (_, names)) in &cluster.0.pools {
        if let Some((_, found)) = cluster.pool_contract(pool).await? {
            known.hear(names.contract(), found);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_copy_does_not_replace_what_came_later() {
        let known = Known::default();
        let said = |turn| PoolContract { contract: Contract::new("fib", 1, None), turn };
        for turn in [2, 3, 1] {
            known.hear("a".into(), said(turn));
        }
        assert_eq!(known.0.into_inner().unwrap()["a"].turn, 3);
    }
}
